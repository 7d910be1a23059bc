//! The server's side: what guacd does.

use super::{ClientInfo, HandshakeError, ProtocolVersion, Selection, excerpt};
use crate::{ArgumentError, ClientInstruction, ConnectionId, Encode, Instruction, Rest, ServerInstruction};

/// What an instruction of the client led to.
#[derive(Clone, PartialEq)]
pub enum ServerStep {
    /// Nothing to do; go on.
    Continue,
    /// The client chose. Answer with [`ServerHandshake::offer`], or end the connection.
    Selected(Selection),
    /// The client is ready: open or join the session, then send [`ServerHandshake::ready`].
    Connect {
        /// What the client said about itself.
        info: Box<ClientInfo>,
        /// One value per offered parameter, in the same order; empty is unset.
        values: Vec<String>,
    },
}

/// Values are counted, never shown: passwords are among them.
impl std::fmt::Debug for ServerStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Selected(selection) => f.debug_tuple("Selected").field(selection).finish(),
            Self::Connect { info, values } => {
                f.debug_struct("Connect").field("info", info).field("values", &values.len()).finish()
            }
        }
    }
}

#[derive(Debug)]
enum State {
    AwaitSelect,
    AwaitOffer,
    AwaitConnect { names: usize, info: Box<ClientInfo> },
    Done,
}

/// The server's half of a handshake.
#[derive(Debug)]
pub struct ServerHandshake {
    state: State,
}

impl Default for ServerHandshake {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerHandshake {
    /// Waits for `select`.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::AwaitSelect }
    }

    /// Takes the client's next instruction.
    ///
    /// # Errors
    /// Any [`HandshakeError`] of the peer's; the connection should end then.
    pub fn handle_instruction(&mut self, instruction: &Instruction<'_>) -> Result<ServerStep, HandshakeError> {
        match &mut self.state {
            State::AwaitSelect => {
                let step = select(instruction)?;
                self.state = State::AwaitOffer;
                Ok(step)
            }
            State::AwaitOffer | State::Done => Err(HandshakeError::OutOfOrder),
            State::AwaitConnect { names, info } => {
                let Some(values) = describe(info, instruction)? else {
                    return Ok(ServerStep::Continue);
                };
                let step = connect(*names, info, &values)?;
                self.state = State::Done;
                Ok(step)
            }
        }
    }

    /// Answers `select`: appends `args` with our version and these parameter names.
    ///
    /// # Errors
    /// [`HandshakeError::OutOfOrder`] unless the client has just selected.
    pub fn offer(&mut self, names: &[&str], out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        if !matches!(self.state, State::AwaitOffer) {
            return Err(HandshakeError::OutOfOrder);
        }
        let mut all = Vec::with_capacity(names.len() + 1);
        all.push(ProtocolVersion::LATEST.token());
        all.extend_from_slice(names);
        ServerInstruction::Args { names: Rest(all) }.encode(out);
        self.state = State::AwaitConnect { names: names.len(), info: Box::default() };
        Ok(())
    }

    /// Ends the handshake: appends `ready` with the session's id.
    ///
    /// # Errors
    /// [`HandshakeError::OutOfOrder`] before [`ServerStep::Connect`].
    pub fn ready(&self, connection_id: &ConnectionId, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        if !matches!(self.state, State::Done) {
            return Err(HandshakeError::OutOfOrder);
        }
        ServerInstruction::Ready { connection_id: connection_id.as_str() }.encode(out);
        Ok(())
    }
}

fn select(instruction: &Instruction<'_>) -> Result<ServerStep, HandshakeError> {
    if instruction.opcode() != "select" || instruction.args_len() != 1 {
        return Err(HandshakeError::NotSelect { opcode: excerpt(instruction.opcode()) });
    }
    let name = instruction.arg(0).unwrap_or_default();
    let selection = if name.starts_with('$') {
        Selection::Join(name.parse().map_err(|_| HandshakeError::BadConnectionId)?)
    } else {
        Selection::Protocol(name.to_owned())
    };
    Ok(ServerStep::Selected(selection))
}

/// Folds one instruction into `info`; gives the values once `connect` comes.
fn describe<'a>(info: &mut ClientInfo, instruction: &Instruction<'a>) -> Result<Option<Vec<&'a str>>, HandshakeError> {
    let typed = match ClientInstruction::try_from(instruction) {
        // Before the session there is no microphone: whatever `audio` lists, and be it numbers, are types.
        _ if instruction.opcode() == "audio" => {
            ClientInstruction::AudioTypes { mimetypes: Rest(instruction.args().collect()) }
        }
        Ok(typed) => typed,
        // As empty: guacamole-lite sends the opcode alone where it knows no zone.
        Err(ArgumentError::Missing { opcode: "timezone", .. }) => ClientInstruction::Timezone { name: "" },
        Err(ArgumentError::Missing { opcode: "name", .. }) => ClientInstruction::Name { name: "" },
        Err(error) => return Err(error.into()),
    };
    let owned = |types: Rest<'_>| types.0.into_iter().map(str::to_owned).collect();
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    match typed {
        ClientInstruction::Size { width, height, dpi } => {
            info.width_px = width;
            info.height_px = height;
            info.dpi = dpi.filter(|&dpi| dpi > 0).unwrap_or(96);
        }
        ClientInstruction::AudioTypes { mimetypes } => info.audio_mimetypes = owned(mimetypes),
        ClientInstruction::VideoTypes { mimetypes } => info.video_mimetypes = owned(mimetypes),
        ClientInstruction::ImageTypes { mimetypes } => info.image_mimetypes = owned(mimetypes),
        ClientInstruction::Timezone { name } => info.timezone = some(name),
        ClientInstruction::Name { name } => info.name = some(name),
        ClientInstruction::Connect { values } => return Ok(Some(values.0)),
        // Anything else has no meaning yet and is ignored, as guacd does.
        _ => {}
    }
    Ok(None)
}

/// `values` is the version and one value per name.
fn connect(names: usize, info: &mut ClientInfo, values: &[&str]) -> Result<ServerStep, HandshakeError> {
    let expected = names + 1;
    let wrong = HandshakeError::WrongArgumentCount { expected, got: values.len() };
    let Some((version, values)) = values.split_first().filter(|(_, rest)| rest.len() == names) else {
        return Err(wrong);
    };
    info.version = if version.is_empty() {
        ProtocolVersion::V1_0_0
    } else {
        ProtocolVersion::from_token(version).unwrap_or(ProtocolVersion::Unknown)
    };
    Ok(ServerStep::Connect {
        info: Box::new(std::mem::take(info)),
        values: values.iter().map(|&value| value.to_owned()).collect(),
    })
}
