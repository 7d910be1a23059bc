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
    AwaitConnect { names: Vec<String> },
    AwaitReady,
    Done,
}

/// The client's half of a handshake.
#[derive(Debug)]
pub struct ClientHandshake {
    state: State,
    /// What the server told, if it told any.
    told: Option<ProtocolVersion>,
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
        Self { state: State::AwaitArgs, told: None }
    }

    /// The version both sides speak, known from [`ClientStep::Args`] on: the lower of ours and the server's, 1.0.0 for
    /// a server that tells none.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.told.unwrap_or(ProtocolVersion::V1_0_0).min(ProtocolVersion::LATEST)
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
        let State::AwaitConnect { names } = &self.state else {
            return Err(HandshakeError::OutOfOrder);
        };
        let version = self.version();
        ClientInstruction::Size { width: info.width_px, height: info.height_px, dpi: Some(info.dpi) }.encode(out);
        ClientInstruction::AudioTypes { mimetypes: borrowed(&info.audio_mimetypes) }.encode(out);
        ClientInstruction::VideoTypes { mimetypes: borrowed(&info.video_mimetypes) }.encode(out);
        ClientInstruction::ImageTypes { mimetypes: borrowed(&info.image_mimetypes) }.encode(out);
        if let (true, Some(name)) = (version.has_timezone(), &info.timezone) {
            ClientInstruction::Timezone { name }.encode(out);
        }
        if let (true, Some(name)) = (version.has_name(), &info.name) {
            ClientInstruction::Name { name }.encode(out);
        }
        let mut values: Vec<&str> = Vec::with_capacity(names.len() + 1);
        // A server that tells its version wants that place answered, whichever it is.
        if self.told.is_some() {
            values.push(version.token());
        }
        values.extend(names.iter().map(|name| value_of(name)));
        ClientInstruction::Connect { values: Rest(values) }.encode(out);
        self.state = State::AwaitReady;
        Ok(())
    }

    /// A first name that has a version's form is the version; any other is an ordinary parameter of a 1.0.0 server.
    fn take_args(&mut self, names: Rest<'_>) -> ClientStep {
        self.told = names.0.first().and_then(|first| ProtocolVersion::from_token(first));
        let names: Vec<String> =
            names.0.iter().skip(usize::from(self.told.is_some())).map(|&name| name.to_owned()).collect();
        self.state = State::AwaitConnect { names: names.clone() };
        ClientStep::Args(names)
    }
}

fn borrowed(texts: &[String]) -> Rest<'_> {
    Rest(texts.iter().map(String::as_str).collect())
}
