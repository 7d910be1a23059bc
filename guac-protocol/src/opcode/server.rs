//! What a server says.

use super::{Elements, Hidden, arguments, instructions, is_secret, take};
use crate::{
    ArgumentError, Encode, Instruction, InstructionWriter, LayerIndex, LineCap, LineJoin, Mask, ObjectIndex,
    OwnedInstruction, Rest, Status, StreamIndex, TransferFunction,
};

instructions! {
/// What a server says (P-028, P-031, P-043 to P-091), and what recordings hold beside that (P-151 to P-153).
///
/// `layer` is where drawn things go: the default layer 0, a visible layer above it or an off-screen buffer below 0.
/// Path instructions add to the layer's current path until one fills, strokes or clips with it. Coordinates are pixels
/// from the upper left corner of the layer.
///
/// # Specification
/// Guacamole manual, "Protocol reference".
ServerInstruction {
    /// Version and parameter names of the selected protocol.
    Args = "args" {
        /// Version, then names.
        names: Rest<'a>,
    }
    /// The handshake is done.
    Ready = "ready" {
        /// `$` id of the session, for others to join.
        connection_id: &'a str,
    }
    /// Answer about a stream of the client's.
    Ack = "ack" {
        /// Stream.
        stream: StreamIndex,
        /// For people.
        message: &'a str,
        /// Anything but success ends the stream.
        status: Status,
    }
    /// Adds an arc to the path.
    Arc = "arc" {
        /// Layer.
        layer: LayerIndex,
        /// Pixels; the circle's centre.
        x: i32,
        /// Pixels; the circle's centre.
        y: i32,
        /// Pixels.
        radius: i32,
        /// Radians clockwise from the right.
        start: f64,
        /// Radians clockwise from the right.
        end: f64,
        /// Counter-clockwise?
        negative: bool,
    }
    /// Starts the current value of a parameter.
    Argv = "argv" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the value, `text/plain`.
        mimetype [secret]: &'a str,
        /// Parameter name.
        name [secret]: &'a str,
    }
    /// Starts audio.
    Audio = "audio" {
        /// New stream.
        stream: StreamIndex,
        /// Format of the samples, as [`AudioFormat`](crate::AudioFormat) reads it.
        mimetype: &'a str,
    }
    /// Data of a stream.
    Blob = "blob" {
        /// Stream.
        stream: StreamIndex,
        /// Base64 of at most [`MAX_BLOB_BYTES`](crate::MAX_BLOB_BYTES) bytes.
        data [secret]: &'a str,
    }
    /// Answer to `get`.
    Body = "body" {
        /// Object.
        object: ObjectIndex,
        /// New stream.
        stream: StreamIndex,
        /// Type of the data.
        mimetype: &'a str,
        /// Stream name within the object.
        name: &'a str,
    }
    /// Fills the path with a colour and ends it.
    Cfill = "cfill" {
        /// How to combine.
        mask: Mask,
        /// Layer.
        layer: LayerIndex,
        /// Red, 0 to 255.
        r: u8,
        /// Green, 0 to 255.
        g: u8,
        /// Blue, 0 to 255.
        b: u8,
        /// Alpha, 0 to 255.
        a: u8,
    }
    /// Narrows the clip to the path and ends it.
    Clip = "clip" {
        /// Layer.
        layer: LayerIndex,
    }
    /// Starts clipboard data.
    Clipboard = "clipboard" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the data, such as `text/plain`.
        mimetype [secret]: &'a str,
    }
    /// Closes the current subpath with a line to its start.
    Close = "close" {
        /// Layer.
        layer: LayerIndex,
    }
    /// Copies a rectangle, within a layer (overlap allowed) or between two.
    Copy = "copy" {
        /// From.
        src_layer: LayerIndex,
        /// Pixels.
        src_x: i32,
        /// Pixels.
        src_y: i32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// How to combine.
        mask: Mask,
        /// To.
        dst_layer: LayerIndex,
        /// Pixels.
        dst_x: i32,
        /// Pixels.
        dst_y: i32,
    }
    /// Strokes the path with a colour and ends it.
    Cstroke = "cstroke" {
        /// How to combine.
        mask: Mask,
        /// Layer.
        layer: LayerIndex,
        /// How lines end.
        cap: LineCap,
        /// How lines meet.
        join: LineJoin,
        /// Pixels.
        thickness: i32,
        /// Red, 0 to 255.
        r: u8,
        /// Green, 0 to 255.
        g: u8,
        /// Blue, 0 to 255.
        b: u8,
        /// Alpha, 0 to 255.
        a: u8,
    }
    /// Sets the pointer's picture to a rectangle of a layer; a size of 0 hides it.
    Cursor = "cursor" {
        /// Pixels from the left of the picture to the point that clicks.
        hotspot_x: i32,
        /// Pixels from the top of the picture to the point that clicks.
        hotspot_y: i32,
        /// From.
        src_layer: LayerIndex,
        /// Pixels.
        src_x: i32,
        /// Pixels.
        src_y: i32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    }
    /// Adds a cubic Bézier curve to the path.
    Curve = "curve" {
        /// Layer.
        layer: LayerIndex,
        /// Pixels; first control point.
        cp1_x: i32,
        /// Pixels; first control point.
        cp1_y: i32,
        /// Pixels; second control point.
        cp2_x: i32,
        /// Pixels; second control point.
        cp2_y: i32,
        /// Pixels; end.
        x: i32,
        /// Pixels; end.
        y: i32,
    }
    /// The session is over for this user.
    Disconnect = "disconnect" {}
    /// Frees a buffer or removes a layer; nothing for layer 0.
    Dispose = "dispose" {
        /// Layer.
        layer: LayerIndex,
    }
    /// Transforms a visible layer as a whole: x' = a·x + c·y + e, y' = b·x + d·y + f.
    Distort = "distort" {
        /// Layer, not a buffer.
        layer: LayerIndex,
        /// Factor.
        a: f64,
        /// Factor.
        b: f64,
        /// Factor.
        c: f64,
        /// Factor.
        d: f64,
        /// Pixels.
        e: f64,
        /// Pixels.
        f: f64,
    }
    /// End of a stream.
    End = "end" {
        /// Stream.
        stream: StreamIndex,
    }
    /// Something fatal happened.
    Error = "error" {
        /// For people.
        message: &'a str,
        /// What happened.
        status: Status,
    }
    /// Starts a file for download.
    File = "file" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the data.
        mimetype: &'a str,
        /// Suggested name.
        filename: &'a str,
    }
    /// Declares a file system.
    Filesystem = "filesystem" {
        /// New object.
        object: ObjectIndex,
        /// Name for people.
        name: &'a str,
    }
    /// Resets the drawing transform.
    Identity = "identity" {
        /// Layer.
        layer: LayerIndex,
    }
    /// Starts an image, which is drawn when its stream ends.
    Img = "img" {
        /// New stream.
        stream: StreamIndex,
        /// How to combine.
        mask: Mask,
        /// Layer.
        layer: LayerIndex,
        /// Type of the image.
        mimetype: &'a str,
        /// Pixels.
        x: i32,
        /// Pixels.
        y: i32,
    }
    /// A whole JPEG in one instruction, as servers before 1.0 sent it.
    Jpeg = "jpeg" {
        /// How to combine.
        mask: Mask,
        /// Layer.
        layer: LayerIndex,
        /// Pixels.
        x: i32,
        /// Pixels.
        y: i32,
        /// Base64.
        data [secret]: &'a str,
    }
    /// In recordings: a key of a user's went down or up.
    Key = "key" {
        /// X11 keysym.
        keysym [secret]: u32,
        /// Down?
        pressed [secret]: bool,
        /// Milliseconds, on the clock of the recording's `sync`s.
        timestamp_ms: Option<i64>,
    }
    /// Fills the path with a layer's repeated picture and ends it.
    Lfill = "lfill" {
        /// How to combine.
        mask: Mask,
        /// Layer.
        layer: LayerIndex,
        /// Layer with the picture.
        src_layer: LayerIndex,
    }
    /// Adds a line to the path.
    Line = "line" {
        /// Layer.
        layer: LayerIndex,
        /// Pixels; end.
        x: i32,
        /// Pixels; end.
        y: i32,
    }
    /// Text for a log.
    Log = "log" {
        /// Text.
        message: &'a str,
    }
    /// Strokes the path with a layer's repeated picture and ends it.
    Lstroke = "lstroke" {
        /// How to combine.
        mask: Mask,
        /// Layer.
        layer: LayerIndex,
        /// How lines end.
        cap: LineCap,
        /// How lines meet.
        join: LineJoin,
        /// Pixels.
        thickness: i32,
        /// Layer with the picture.
        src_layer: LayerIndex,
    }
    /// Another user's pointer moved; in recordings anybody's.
    Mouse = "mouse" {
        /// Pixels from the left of the display.
        x: i32,
        /// Pixels from the top of the display.
        y: i32,
        /// Bits of the buttons held: 1 left, 2 middle, 4 right, 8 wheel up, 16 wheel down.
        buttons: u8,
        /// Milliseconds, on the clock of `sync`.
        timestamp_ms: i64,
    }
    /// Moves or re-parents a visible layer.
    Move = "move" {
        /// Which.
        layer: LayerIndex,
        /// Into.
        parent: LayerIndex,
        /// Pixels within the parent.
        x: i32,
        /// Pixels within the parent.
        y: i32,
        /// Order among its siblings; higher lies above.
        z: i32,
    }
    /// A notice, from 1.5.0 on: 1 a user joined, 2 a user left.
    Msg = "msg" {
        /// Kind.
        code: u32,
        /// For 1 and 2: the user's `@` id and name.
        args: Rest<'a>,
    }
    /// Title of the session.
    Name = "name" {
        /// Title.
        name: &'a str,
    }
    /// Data for one of several nested instruction streams. Legacy; nothing sends it.
    Nest = "nest" {
        /// Which stream.
        index: u32,
        /// A piece of instructions.
        data [secret]: &'a str,
    }
    /// Nothing; keeps the connection alive.
    Nop = "nop" {}
    /// Starts a named pipe.
    Pipe = "pipe" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the data.
        mimetype: &'a str,
        /// Which pipe.
        name: &'a str,
    }
    /// A whole PNG in one instruction, as servers before 1.0 sent it.
    Png = "png" {
        /// How to combine.
        mask: Mask,
        /// Layer.
        layer: LayerIndex,
        /// Pixels.
        x: i32,
        /// Pixels.
        y: i32,
        /// Base64.
        data [secret]: &'a str,
    }
    /// Restores the drawing state saved last.
    Pop = "pop" {
        /// Layer.
        layer: LayerIndex,
    }
    /// Saves the drawing state: clip and transform.
    Push = "push" {
        /// Layer.
        layer: LayerIndex,
    }
    /// Adds a closed rectangle to the path.
    Rect = "rect" {
        /// Layer.
        layer: LayerIndex,
        /// Pixels.
        x: i32,
        /// Pixels.
        y: i32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    }
    /// Asks the owner for parameters, from 1.3.0 on; the answers are `argv` streams.
    Required = "required" {
        /// Parameter names.
        names: Rest<'a>,
    }
    /// Forgets saved drawing states, clip and transform.
    Reset = "reset" {
        /// Layer.
        layer: LayerIndex,
    }
    /// Sets a property of a layer: `miter-limit`, `multi-touch`.
    Set = "set" {
        /// Layer.
        layer: LayerIndex,
        /// Property; unknown ones are ignored.
        name: &'a str,
        /// Value.
        value: &'a str,
    }
    /// Sets the opacity of a visible layer.
    Shade = "shade" {
        /// Layer, not a buffer.
        layer: LayerIndex,
        /// 0 (invisible) to 255.
        opacity: u8,
    }
    /// Resizes a layer, keeping its contents.
    Size = "size" {
        /// Layer.
        layer: LayerIndex,
        /// Pixels, at most [`MAX_LAYER_SIDE_PX`](crate::MAX_LAYER_SIDE_PX).
        width: u32,
        /// Pixels, at most [`MAX_LAYER_SIDE_PX`](crate::MAX_LAYER_SIDE_PX).
        height: u32,
    }
    /// Starts a subpath.
    Start = "start" {
        /// Layer.
        layer: LayerIndex,
        /// Pixels.
        x: i32,
        /// Pixels.
        y: i32,
    }
    /// Ends a frame.
    Sync = "sync" {
        /// Milliseconds on a clock that never goes back; the client echoes it.
        timestamp_ms: i64,
        /// Logical frames merged into this one, 0 if unknown. Older servers leave it out.
        frames: Option<u32>,
    }
    /// In recordings: a finger of a user's touched, moved or lifted.
    Touch = "touch" {
        /// Which finger.
        id: i32,
        /// Pixels from the left of the display.
        x: i32,
        /// Pixels from the top of the display.
        y: i32,
        /// Half the width of the touched ellipse, in pixels.
        radius_x: i32,
        /// Half the height of the touched ellipse, in pixels.
        radius_y: i32,
        /// Rotation of the ellipse, in degrees clockwise.
        angle: f64,
        /// 0 (lifted) to 1.
        force: f64,
        /// Milliseconds, on the clock of the recording's `sync`s.
        timestamp_ms: Option<i64>,
    }
    /// Combines a rectangle with another, pixel by pixel.
    Transfer = "transfer" {
        /// From.
        src_layer: LayerIndex,
        /// Pixels.
        src_x: i32,
        /// Pixels.
        src_y: i32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// How to combine.
        function: TransferFunction,
        /// To.
        dst_layer: LayerIndex,
        /// Pixels.
        dst_x: i32,
        /// Pixels.
        dst_y: i32,
    }
    /// Multiplies the drawing transform: x' = a·x + c·y + e, y' = b·x + d·y + f.
    Transform = "transform" {
        /// Layer.
        layer: LayerIndex,
        /// Factor.
        a: f64,
        /// Factor.
        b: f64,
        /// Factor.
        c: f64,
        /// Factor.
        d: f64,
        /// Pixels.
        e: f64,
        /// Pixels.
        f: f64,
    }
    /// An object is gone.
    Undefine = "undefine" {
        /// Which.
        object: ObjectIndex,
    }
    /// Data for a USB device (after Guacamole 1.6.1).
    UsbData = "usbdata" {
        /// The client's id of the device.
        device: &'a str,
        /// Number of the endpoint.
        endpoint: u32,
        /// Base64.
        data [secret]: &'a str,
    }
    /// A USB device is not wanted any more (after Guacamole 1.6.1).
    UsbDisconnect = "usbdisconnect" {
        /// The client's id of the device.
        device: &'a str,
    }
    /// Starts video for a layer. No server sends it.
    Video = "video" {
        /// New stream.
        stream: StreamIndex,
        /// Layer.
        layer: LayerIndex,
        /// Type of the data.
        mimetype: &'a str,
    }
}}
