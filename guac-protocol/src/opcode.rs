//! The typed instructions of both directions. To add one, add its line here: parsing and writing follow.

use crate::{
    Arg, ArgumentError, Encode, Instruction, InstructionWriter, LayerIndex, ObjectIndex, Rest, Status, StreamIndex,
};

/// How drawn pixels combine with those there (`guac_composite_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mask(pub u8);

impl Mask {
    /// Replace, alpha included.
    pub const SRC: Self = Self(0xC);
    /// Draw over, by alpha.
    pub const OVER: Self = Self(0xE);
}

impl<'a> Arg<'a> for Mask {
    const EXPECTED: &'static str = "a composite mode from 0 to 15";

    fn parse(text: &'a str) -> Option<Self> {
        Arg::parse(text).filter(|&mode: &u8| mode < 16).map(Mask)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

macro_rules! instructions {
    ($(#[$doc:meta])* $enum:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $opcode:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $enum<'a> {
            $($(#[$variant_doc])* $variant { $($(#[$field_doc])* $field: $type),* },)*
            #[doc(hidden)]
            _Borrows(std::convert::Infallible, std::marker::PhantomData<&'a ()>),
        }

        impl<'a> TryFrom<&Instruction<'a>> for $enum<'a> {
            type Error = ArgumentError;

            fn try_from(instruction: &Instruction<'a>) -> Result<Self, ArgumentError> {
                let arguments: &mut dyn Iterator<Item = &'a str> = &mut instruction.args();
                match instruction.opcode() {
                    $($opcode => Ok(Self::$variant { $($field: take(arguments, $opcode, stringify!($field))?),* }),)*
                    _ => Err(ArgumentError::UnknownOpcode),
                }
            }
        }

        impl Encode for $enum<'_> {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        let writer = InstructionWriter::new(out, $opcode);
                        $(let writer = writer.arg($field);)*
                        writer.end();
                    })*
                    Self::_Borrows(never, _) => match *never {},
                }
            }
        }

        impl $enum<'_> {
            /// The word on the wire.
            #[must_use]
            pub fn opcode(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $opcode,)*
                    Self::_Borrows(never, _) => match *never {},
                }
            }
        }
    };
}

fn take<'a, A: Arg<'a>>(
    arguments: &mut dyn Iterator<Item = &'a str>,
    opcode: &'static str,
    name: &'static str,
) -> Result<A, ArgumentError> {
    A::take(arguments).map_err(|present| {
        if present {
            ArgumentError::Invalid { opcode, name, expected: A::EXPECTED }
        } else {
            ArgumentError::Missing { opcode, name }
        }
    })
}

instructions! {
/// What a client says after and during the handshake (P-025 to P-038, P-092 to P-108).
ClientInstruction {
    /// Chooses a protocol, or a session to join.
    Select = "select" { #[doc = "Protocol name or `$` id."] name: &'a str }
    /// Wanted display size in device pixels; the resolution only in the handshake.
    Size = "size" {
        #[doc = "Pixels."] width: u32, #[doc = "Pixels."] height: u32,
        #[doc = "Dots per inch, 96 when left out."] dpi: Option<u32>,
    }
    /// In the handshake: audio types the client plays.
    AudioTypes = "audio" { #[doc = "Mimetypes."] mimetypes: Rest<'a> }
    /// In the handshake: video types the client plays.
    VideoTypes = "video" { #[doc = "Mimetypes."] mimetypes: Rest<'a> }
    /// In the handshake: image types the client shows.
    ImageTypes = "image" { #[doc = "Mimetypes."] mimetypes: Rest<'a> }
    /// In the handshake: the client's time zone.
    Timezone = "timezone" { #[doc = "IANA name."] name: &'a str }
    /// In the handshake: who the client is, for others to read.
    Name = "name" { #[doc = "A person's name."] name: &'a str }
    /// Ends the handshake with one value per parameter of `args`.
    Connect = "connect" { #[doc = "Version, then values."] values: Rest<'a> }
    /// A key went down or up.
    Key = "key" { #[doc = "X11 keysym."] keysym: u32, #[doc = "Down?"] pressed: bool }
    /// The pointer moved, or its buttons changed.
    Mouse = "mouse" {
        #[doc = "Pixels."] x: i32, #[doc = "Pixels."] y: i32,
        #[doc = "1 left, 2 middle, 4 right, 8 wheel up, 16 wheel down."] buttons: u8,
    }
    /// A finger moved, touched or lifted (force 0).
    Touch = "touch" {
        #[doc = "Which finger."] id: i32, #[doc = "Pixels."] x: i32, #[doc = "Pixels."] y: i32,
        #[doc = "Pixels."] radius_x: i32, #[doc = "Pixels."] radius_y: i32,
        #[doc = "Degrees."] angle: f64, #[doc = "0 to 1."] force: f64,
    }
    /// The frame with this timestamp is on the screen.
    Sync = "sync" { #[doc = "Milliseconds, as the server sent it."] timestamp_ms: i64 }
    /// Starts clipboard data.
    Clipboard = "clipboard" { #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str }
    /// Starts a file upload.
    File = "file" {
        #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str,
        #[doc = "File name."] filename: &'a str,
    }
    /// Starts a named pipe.
    Pipe = "pipe" {
        #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str, #[doc = "Name."] name: &'a str,
    }
    /// Starts a new value for a connection parameter.
    Argv = "argv" {
        #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str, #[doc = "Parameter."] name: &'a str,
    }
    /// Asks for a stream of an object.
    Get = "get" { #[doc = "Object."] object: ObjectIndex, #[doc = "Stream name."] name: &'a str }
    /// Starts an upload into an object.
    Put = "put" {
        #[doc = "Object."] object: ObjectIndex, #[doc = "New stream."] stream: StreamIndex,
        #[doc = "Type."] mimetype: &'a str, #[doc = "Stream name."] name: &'a str,
    }
    /// Data of a stream.
    Blob = "blob" { #[doc = "Stream."] stream: StreamIndex, #[doc = "Base64."] data: &'a str }
    /// End of a stream.
    End = "end" { #[doc = "Stream."] stream: StreamIndex }
    /// Answer about a stream of the server's.
    Ack = "ack" { #[doc = "Stream."] stream: StreamIndex, #[doc = "For people."] message: &'a str, #[doc = "Outcome."] status: Status }
    /// Nothing; keeps the connection alive.
    Nop = "nop" {}
    /// The user leaves.
    Disconnect = "disconnect" {}
}}

instructions! {
/// What a server says (P-028, P-031, P-043 to P-091).
ServerInstruction {
    /// Version and parameter names of the selected protocol.
    Args = "args" { #[doc = "Version, then names."] names: Rest<'a> }
    /// The handshake is done; the id joins this session.
    Ready = "ready" { #[doc = "`$` id."] connection_id: &'a str }
    /// Answer about a stream of the client's.
    Ack = "ack" { #[doc = "Stream."] stream: StreamIndex, #[doc = "For people."] message: &'a str, #[doc = "Outcome."] status: Status }
    /// Starts the current value of a parameter.
    Argv = "argv" {
        #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str, #[doc = "Parameter."] name: &'a str,
    }
    /// Starts audio.
    Audio = "audio" { #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str }
    /// Data of a stream.
    Blob = "blob" { #[doc = "Stream."] stream: StreamIndex, #[doc = "Base64."] data: &'a str }
    /// Answer to `get`.
    Body = "body" {
        #[doc = "Object."] object: ObjectIndex, #[doc = "New stream."] stream: StreamIndex,
        #[doc = "Type."] mimetype: &'a str, #[doc = "Stream name."] name: &'a str,
    }
    /// Fills the current path with a colour.
    Cfill = "cfill" {
        #[doc = "How."] mask: Mask, #[doc = "Where."] layer: LayerIndex,
        #[doc = "Red."] r: u8, #[doc = "Green."] g: u8, #[doc = "Blue."] b: u8, #[doc = "Alpha."] a: u8,
    }
    /// Starts clipboard data.
    Clipboard = "clipboard" { #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str }
    /// Copies a rectangle, within a layer or between two.
    Copy = "copy" {
        #[doc = "From."] src_layer: LayerIndex, #[doc = "Pixels."] src_x: i32, #[doc = "Pixels."] src_y: i32,
        #[doc = "Pixels."] width: u32, #[doc = "Pixels."] height: u32, #[doc = "How."] mask: Mask,
        #[doc = "To."] dst_layer: LayerIndex, #[doc = "Pixels."] dst_x: i32, #[doc = "Pixels."] dst_y: i32,
    }
    /// Sets the pointer's picture.
    Cursor = "cursor" {
        #[doc = "Pixels."] hotspot_x: i32, #[doc = "Pixels."] hotspot_y: i32,
        #[doc = "From."] src_layer: LayerIndex, #[doc = "Pixels."] src_x: i32, #[doc = "Pixels."] src_y: i32,
        #[doc = "Pixels; 0 hides."] width: u32, #[doc = "Pixels; 0 hides."] height: u32,
    }
    /// The session is over for this user.
    Disconnect = "disconnect" {}
    /// Frees a buffer or removes a layer.
    Dispose = "dispose" { #[doc = "Which."] layer: LayerIndex }
    /// End of a stream.
    End = "end" { #[doc = "Stream."] stream: StreamIndex }
    /// Something fatal happened.
    Error = "error" { #[doc = "For people."] message: &'a str, #[doc = "What."] status: Status }
    /// Pushes a file.
    File = "file" {
        #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str, #[doc = "Name."] filename: &'a str,
    }
    /// Declares a file system.
    Filesystem = "filesystem" { #[doc = "New object."] object: ObjectIndex, #[doc = "Name."] name: &'a str }
    /// Starts an image.
    Img = "img" {
        #[doc = "New stream."] stream: StreamIndex, #[doc = "How."] mask: Mask, #[doc = "Where."] layer: LayerIndex,
        #[doc = "Type."] mimetype: &'a str, #[doc = "Pixels."] x: i32, #[doc = "Pixels."] y: i32,
    }
    /// Text for a log.
    Log = "log" { #[doc = "Text."] message: &'a str }
    /// Another user moved the pointer.
    Mouse = "mouse" {
        #[doc = "Pixels."] x: i32, #[doc = "Pixels."] y: i32, #[doc = "Buttons."] buttons: u8, #[doc = "Milliseconds."] timestamp_ms: i64,
    }
    /// Moves or re-parents a layer.
    Move = "move" {
        #[doc = "Which."] layer: LayerIndex, #[doc = "Into."] parent: LayerIndex,
        #[doc = "Pixels."] x: i32, #[doc = "Pixels."] y: i32, #[doc = "Order."] z: i32,
    }
    /// A notice: 1 a user joined, 2 a user left.
    Msg = "msg" { #[doc = "Kind."] code: u32, #[doc = "Depends."] args: Rest<'a> }
    /// Title of the session.
    Name = "name" { #[doc = "Title."] name: &'a str }
    /// Nothing; keeps the connection alive.
    Nop = "nop" {}
    /// Starts a named pipe.
    Pipe = "pipe" {
        #[doc = "New stream."] stream: StreamIndex, #[doc = "Type."] mimetype: &'a str, #[doc = "Name."] name: &'a str,
    }
    /// Adds a rectangle to the current path.
    Rect = "rect" {
        #[doc = "Where."] layer: LayerIndex, #[doc = "Pixels."] x: i32, #[doc = "Pixels."] y: i32,
        #[doc = "Pixels."] width: u32, #[doc = "Pixels."] height: u32,
    }
    /// Asks the owner for parameters.
    Required = "required" { #[doc = "Parameter names."] names: Rest<'a> }
    /// Sets a layer property.
    Set = "set" { #[doc = "Which."] layer: LayerIndex, #[doc = "Property."] name: &'a str, #[doc = "Value."] value: &'a str }
    /// Opacity of a layer.
    Shade = "shade" { #[doc = "Which."] layer: LayerIndex, #[doc = "0 to 255."] opacity: u8 }
    /// Resizes a layer, keeping its contents.
    Size = "size" { #[doc = "Which."] layer: LayerIndex, #[doc = "Pixels."] width: u32, #[doc = "Pixels."] height: u32 }
    /// Ends a frame.
    Sync = "sync" { #[doc = "Milliseconds."] timestamp_ms: i64, #[doc = "Logical frames merged, 0 if unknown."] frames: Option<u32> }
    /// An object is gone.
    Undefine = "undefine" { #[doc = "Which."] object: ObjectIndex }
}}
