//! What a client says.

use super::{Elements, Hidden, arguments, instructions, is_secret, take};
use crate::{
    ArgumentError, Encode, Instruction, InstructionWriter, ObjectIndex, OwnedInstruction, Rest, Status, StreamIndex,
};

instructions! {
/// What a client says in and after the handshake (P-025 to P-038, P-092 to P-108).
///
/// # Specification
/// Guacamole manual, "Protocol reference".
ClientInstruction {
    /// Chooses a protocol, or a session to join.
    Select = "select" {
        /// Protocol name, or the `$` id of a session.
        name: &'a str,
    }
    /// Wanted size of the display.
    Size = "size" {
        /// Device pixels.
        width: u32,
        /// Device pixels.
        height: u32,
        /// Dots per inch; only in the handshake, where leaving it out means 96.
        dpi: Option<u32>,
    }
    /// Starts a microphone's stream. Two arguments of which the first is a number tell it from the list of types that
    /// goes by the same opcode in the handshake.
    Audio = "audio" if opens_a_stream {
        /// New stream.
        stream: StreamIndex,
        /// Format of the samples, as [`AudioFormat`](crate::AudioFormat) reads it.
        mimetype: &'a str,
    }
    /// In the handshake: audio types the client plays.
    AudioTypes = "audio" {
        /// Mimetypes.
        mimetypes: Rest<'a>,
    }
    /// In the handshake: video types the client plays. Usually none.
    VideoTypes = "video" {
        /// Mimetypes.
        mimetypes: Rest<'a>,
    }
    /// In the handshake: image types the client shows, beside `image/png` and `image/jpeg` which all show.
    ImageTypes = "image" {
        /// Mimetypes.
        mimetypes: Rest<'a>,
    }
    /// In the handshake, from 1.1.0 on: the client's time zone.
    Timezone = "timezone" {
        /// IANA name.
        name: &'a str,
    }
    /// In the handshake, from 1.5.0 on: who the client is, for others to read.
    Name = "name" {
        /// A person's name.
        name: &'a str,
    }
    /// Ends the handshake with one value per parameter of `args`.
    Connect = "connect" {
        /// Version, then values in the order of `args`; empty is unset.
        values [secret]: Rest<'a>,
    }
    /// A key went down or up.
    Key = "key" {
        /// X11 keysym.
        keysym [secret]: u32,
        /// Down?
        pressed [secret]: bool,
    }
    /// The pointer moved, or its buttons changed.
    Mouse = "mouse" {
        /// Pixels from the left of the display.
        x: i32,
        /// Pixels from the top of the display.
        y: i32,
        /// Bits of the buttons held: 1 left, 2 middle, 4 right, 8 wheel up, 16 wheel down.
        buttons: u8,
    }
    /// A finger touched, moved or lifted.
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
    }
    /// The frame with this timestamp is on the screen.
    Sync = "sync" {
        /// Milliseconds, as the server sent it.
        timestamp_ms: i64,
    }
    /// Starts clipboard data.
    Clipboard = "clipboard" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the data, such as `text/plain`.
        mimetype [secret]: &'a str,
    }
    /// Starts a file upload.
    File = "file" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the data.
        mimetype: &'a str,
        /// Name without a path.
        filename: &'a str,
    }
    /// Starts a named pipe.
    Pipe = "pipe" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the data.
        mimetype: &'a str,
        /// Which pipe, such as `STDIN`.
        name: &'a str,
    }
    /// Starts a new value for a connection parameter.
    Argv = "argv" {
        /// New stream.
        stream: StreamIndex,
        /// Type of the value, `text/plain`.
        mimetype [secret]: &'a str,
        /// Parameter name.
        name [secret]: &'a str,
    }
    /// Asks for a stream of an object; the answer is `body`.
    Get = "get" {
        /// Object.
        object: ObjectIndex,
        /// Stream name, `/` for the root.
        name: &'a str,
    }
    /// Starts an upload into an object.
    Put = "put" {
        /// Object.
        object: ObjectIndex,
        /// New stream.
        stream: StreamIndex,
        /// Type of the data.
        mimetype: &'a str,
        /// Stream name within the object.
        name: &'a str,
    }
    /// Data of a stream.
    Blob = "blob" {
        /// Stream.
        stream: StreamIndex,
        /// Base64 of at most [`MAX_BLOB_BYTES`](crate::MAX_BLOB_BYTES) bytes.
        data [secret]: &'a str,
    }
    /// End of a stream.
    End = "end" {
        /// Stream.
        stream: StreamIndex,
    }
    /// Answer about a stream of the server's.
    Ack = "ack" {
        /// Stream.
        stream: StreamIndex,
        /// For people.
        message: &'a str,
        /// Anything but success ends the stream.
        status: Status,
    }
    /// A USB device is offered (after Guacamole 1.6.1). The `usb` instructions are known by their exact number of
    /// arguments only; with any other they are ignored.
    UsbConnect = "usbconnect" if has_9_args {
        /// The client's id of the device.
        device: &'a str,
        /// USB vendor id.
        vendor_id: u32,
        /// USB product id.
        product_id: u32,
        /// Name of the product.
        name: &'a str,
        /// Serial number.
        serial: &'a str,
        /// USB device class.
        class: u32,
        /// USB device subclass.
        subclass: u32,
        /// USB device protocol.
        protocol: u32,
        /// Its interfaces, encoded by the client.
        interfaces: &'a str,
    }
    /// Data from a USB device (after Guacamole 1.6.1).
    UsbData = "usbdata" if has_4_args {
        /// The client's id of the device.
        device: &'a str,
        /// Number of the endpoint.
        endpoint: u32,
        /// Base64.
        data [secret]: &'a str,
        /// Kind of transfer.
        transfer_type: &'a str,
    }
    /// A USB device is gone (after Guacamole 1.6.1).
    UsbDisconnect = "usbdisconnect" if has_1_arg {
        /// The client's id of the device.
        device: &'a str,
    }
    /// Nothing; keeps the connection alive.
    Nop = "nop" {}
    /// The user leaves.
    Disconnect = "disconnect" {}
}}

fn opens_a_stream<'a>(source: &impl Elements<'a>) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    source.arg_at(0).is_some_and(is_number) && source.arg_at(1).is_some() && source.arg_at(2).is_none()
}

fn has_9_args<'a>(source: &impl Elements<'a>) -> bool {
    arguments(source).count() == 9
}

fn has_4_args<'a>(source: &impl Elements<'a>) -> bool {
    arguments(source).count() == 4
}

fn has_1_arg<'a>(source: &impl Elements<'a>) -> bool {
    arguments(source).count() == 1
}
