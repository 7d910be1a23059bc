//! Instructions over any `AsyncRead` and `AsyncWrite` (feature `codec`).

use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder as CodecDecoder, Encoder};

use crate::{DecodeError, Decoder, Encode, OwnedInstruction, Status};

/// Why a framed connection cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// *Peer.* The bytes are no instructions.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// *Peer.* The connection ended within an instruction.
    #[error("the connection ended within an instruction ({len} bytes of it came)")]
    Truncated {
        /// Bytes of the incomplete instruction.
        len: usize,
    },
    /// *Environment.* Reading or writing failed.
    #[error("reading or writing failed")]
    Io(#[from] std::io::Error),
}

impl CodecError {
    /// The status to report.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Decode(error) => error.status(),
            Self::Truncated { .. } => Status::ClientBadRequest,
            Self::Io(_) => Status::ServerError,
        }
    }
}

/// Frames a byte stream into instructions: [`OwnedInstruction`]s out, anything that can be written in.
///
/// It copies each instruction, which a queue of them needs anyway; where speed counts use [`Decoder`] itself. Bytes
/// behind the last instruction taken are held here, so do not take the connection out of a `Framed` in the middle.
///
/// ```
/// use futures_util::{SinkExt as _, StreamExt as _};
/// use guac_protocol::{ClientInstruction, InstructionCodec, OwnedInstruction};
/// use tokio_util::codec::Framed;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let (ours, theirs) = tokio::io::duplex(64);
/// let mut ours = Framed::new(ours, InstructionCodec::new());
/// let mut theirs = Framed::new(theirs, InstructionCodec::new());
/// ours.send(ClientInstruction::Select { name: "ssh" }).await?;
/// assert_eq!(theirs.next().await.transpose()?, Some(OwnedInstruction::new("select", ["ssh"])));
/// # Ok::<(), guac_protocol::CodecError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct InstructionCodec {
    decoder: Decoder,
    scratch: Vec<u8>,
}

impl InstructionCodec {
    /// A codec at the start of a connection. It allocates when first used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn buffered(&mut self) -> Result<Option<OwnedInstruction>, CodecError> {
        Ok(self.decoder.next_instruction()?.map(|instruction| OwnedInstruction::from(&instruction)))
    }
}

impl CodecDecoder for InstructionCodec {
    type Item = OwnedInstruction;
    type Error = CodecError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<OwnedInstruction>, CodecError> {
        if let Some(instruction) = self.buffered()? {
            return Ok(Some(instruction));
        }
        if source.is_empty() {
            return Ok(None);
        }
        self.decoder.feed(source)?;
        source.clear();
        self.buffered()
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<OwnedInstruction>, CodecError> {
        match self.decode(source)? {
            None if self.decoder.buffered_len() > 0 => Err(CodecError::Truncated { len: self.decoder.buffered_len() }),
            found => Ok(found),
        }
    }
}

impl<T: Encode> Encoder<T> for InstructionCodec {
    type Error = CodecError;

    fn encode(&mut self, instruction: T, target: &mut BytesMut) -> Result<(), CodecError> {
        self.scratch.clear();
        instruction.encode(&mut self.scratch);
        target.extend_from_slice(&self.scratch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerInstruction;

    #[test]
    fn any_split_gives_the_same_instructions() {
        let text = "4.name,6.Zoë 😀!;3.nop;0.,4.ping,1.7;".as_bytes();
        for size in 1..=text.len() {
            let (mut codec, mut buffer, mut found) = (InstructionCodec::new(), BytesMut::new(), Vec::new());
            for part in text.chunks(size) {
                buffer.extend_from_slice(part);
                while let Some(instruction) = codec.decode(&mut buffer).unwrap() {
                    found.push(instruction);
                }
            }
            assert_eq!(codec.decode_eof(&mut buffer).unwrap(), None);
            let expected = [("name", vec!["Zoë 😀!"]), ("nop", vec![]), ("", vec!["ping", "7"])]
                .map(|(o, a)| OwnedInstruction::new(o, a));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (mut codec, mut buffer) = (InstructionCodec::new(), BytesMut::new());
        codec.encode(ServerInstruction::Sync { timestamp_ms: 5, frames: None }, &mut buffer).unwrap();
        codec.encode(OwnedInstruction::new("future", ["😀"]), &mut buffer).unwrap();
        assert_eq!(codec.decode(&mut buffer).unwrap(), Some(OwnedInstruction::new("sync", ["5"])));
        assert_eq!(codec.decode_eof(&mut buffer).unwrap(), Some(OwnedInstruction::new("future", ["😀"])));
        assert_eq!(codec.decode_eof(&mut buffer).unwrap(), None);
    }

    #[test]
    fn an_end_within_an_instruction_is_an_error() {
        let (mut codec, mut buffer) = (InstructionCodec::new(), BytesMut::from("3.nop;4.sy"));
        assert_eq!(codec.decode_eof(&mut buffer).unwrap(), Some(OwnedInstruction::new("nop", [""; 0])));
        assert!(matches!(codec.decode_eof(&mut buffer), Err(CodecError::Truncated { len: 4 })));
        let mut garbage = BytesMut::from("x");
        let error = InstructionCodec::new().decode(&mut garbage).unwrap_err();
        assert_eq!(error.status(), Status::ClientBadRequest);
    }
}
