//! The client's side: what a gateway does towards guacd.

use super::{ClientInfo, HandshakeError, ProtocolVersion, Selection, excerpt};
use crate::{ClientInstruction, ConnectionId, Encode, Instruction, Rest, ServerInstruction};

/// What an instruction of the server led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientStep {
    /// Nothing to do; go on.
    Continue,
    /// The server told its parameters, in order. Answer with [`ClientHandshake::connect`].
    Args(Vec<String>),
    /// The session runs; this id joins it.
    Ready(ConnectionId),
}

#[derive(Debug)]
enum State {
    AwaitArgs,
    AwaitConnect { version: ProtocolVersion, names: Vec<String> },
    AwaitReady,
    Done,
}

/// The client's half of a handshake.
#[derive(Debug)]
pub struct ClientHandshake {
    state: State,
}

impl ClientHandshake {
    /// Appends `select` and waits for `args`.
    #[must_use]
    pub fn start(selection: &Selection, out: &mut Vec<u8>) -> Self {
        let name = match selection {
            Selection::Protocol(name) => name.as_str(),
            Selection::Join(id) => id.as_str(),
        };
        ClientInstruction::Select { name }.encode(out);
        Self { state: State::AwaitArgs }
    }

    /// Takes the server's next instruction.
    ///
    /// # Errors
    /// [`HandshakeError::Refused`] for the server's `error`, [`HandshakeError::Disconnected`] for `disconnect`,
    /// [`HandshakeError::Unexpected`] for anything else out of order.
    pub fn handle_instruction(&mut self, instruction: &Instruction<'_>) -> Result<ClientStep, HandshakeError> {
        let expected = match &self.state {
            State::AwaitArgs => "args",
            State::AwaitReady => "ready",
            State::AwaitConnect { .. } | State::Done => return Err(HandshakeError::OutOfOrder),
        };
        match ServerInstruction::try_from(instruction) {
            Ok(ServerInstruction::Args { names }) if expected == "args" => Ok(self.take_args(names)),
            Ok(ServerInstruction::Ready { connection_id }) if expected == "ready" => {
                self.state = State::Done;
                connection_id.parse().map(ClientStep::Ready).map_err(|_| HandshakeError::BadConnectionId)
            }
            Ok(ServerInstruction::Error { message, status }) => {
                Err(HandshakeError::Refused { message: message.chars().take(256).collect(), status })
            }
            Ok(ServerInstruction::Disconnect {}) => Err(HandshakeError::Disconnected),
            Ok(ServerInstruction::Nop {}) => Ok(ClientStep::Continue),
            _ => Err(HandshakeError::Unexpected { expected, opcode: excerpt(instruction.opcode()) }),
        }
    }

    /// Appends everything from `size` to `connect`. `value_of` gives a parameter's value, empty for unset.
    ///
    /// # Errors
    /// [`HandshakeError::OutOfOrder`] before [`ClientStep::Args`].
    pub fn connect<'v>(
        &mut self,
        info: &ClientInfo,
        mut value_of: impl FnMut(&str) -> &'v str,
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeError> {
        let State::AwaitConnect { version, names } = &self.state else {
            return Err(HandshakeError::OutOfOrder);
        };
        let version = *version;
        ClientInstruction::Size { width: info.width_px, height: info.height_px, dpi: Some(info.dpi) }.encode(out);
        ClientInstruction::AudioTypes { mimetypes: borrowed(&info.audio_mimetypes) }.encode(out);
        ClientInstruction::VideoTypes { mimetypes: borrowed(&info.video_mimetypes) }.encode(out);
        ClientInstruction::ImageTypes { mimetypes: borrowed(&info.image_mimetypes) }.encode(out);
        if let (true, Some(name)) = (version >= ProtocolVersion::V1_1_0, &info.timezone) {
            ClientInstruction::Timezone { name }.encode(out);
        }
        if let (true, Some(name)) = (version >= ProtocolVersion::V1_5_0, &info.name) {
            ClientInstruction::Name { name }.encode(out);
        }
        let mut values: Vec<&str> = Vec::with_capacity(names.len() + 1);
        if version > ProtocolVersion::V1_0_0 {
            values.push(version.token());
        }
        values.extend(names.iter().map(|name| value_of(name)));
        ClientInstruction::Connect { values: Rest(values) }.encode(out);
        self.state = State::AwaitReady;
        Ok(())
    }

    /// A first name that has a version's form is the version; any other is an ordinary parameter of a 1.0.0 server.
    fn take_args(&mut self, names: Rest<'_>) -> ClientStep {
        let told = names.0.first().and_then(|first| ProtocolVersion::from_token(first));
        let skip = usize::from(told.is_some());
        let version = told.unwrap_or(ProtocolVersion::V1_0_0).max(ProtocolVersion::V1_0_0);
        let names: Vec<String> = names.0.into_iter().skip(skip).map(str::to_owned).collect();
        // A server that tells VERSION_1_0_0 as its first name wants that place answered, too.
        let version = if skip == 1 { version.max(ProtocolVersion::V1_1_0) } else { version };
        self.state = State::AwaitConnect { version, names: names.clone() };
        ClientStep::Args(names)
    }
}

fn borrowed(texts: &[String]) -> Rest<'_> {
    Rest(texts.iter().map(String::as_str).collect())
}
