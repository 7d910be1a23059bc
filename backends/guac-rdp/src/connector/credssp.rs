//! Credentials before anything else: CredSSP with NTLM ([MS-CSSP]), without a socket.

use ironrdp_core::{DecodeResult, other_err};
use ironrdp_pdu::PduHint;
use secrecy::{ExposeSecret as _, SecretString};
use sspi::credssp::{
    ClientMode, ClientState, CredSspClient, CredSspMode, EARLY_USER_AUTH_RESULT_PDU_SIZE, EarlyUserAuthResult,
    TsRequest,
};
use sspi::generator::GeneratorState;
use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, Username};

use super::ConnectError;

/// The exchange.
pub(crate) struct Credssp {
    client: CredSspClient,
    state: State,
    /// The server says at the end whether the user may come in.
    extended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Exchanging,
    AwaitingResult,
}

/// Where the exchange is.
pub(crate) enum CredsspStep {
    /// Send this, and wait for an answer.
    Send(Vec<u8>),
    /// Send this, and it is done.
    SendLast(Vec<u8>),
    /// Done.
    Done,
}

impl Credssp {
    /// An exchange bound to the server's `public_key`, the content of its certificate's `subjectPublicKey`.
    pub(crate) fn new(
        username: &str,
        domain: Option<&str>,
        password: &SecretString,
        host: &str,
        public_key: Vec<u8>,
        extended: bool,
    ) -> Result<Self, ConnectError> {
        let username = Username::new(username, domain).map_err(|_| ConnectError::Credssp { status: None })?;
        let identity = AuthIdentity { username, password: password.expose_secret().to_owned().into() };
        let client = CredSspClient::new(
            public_key,
            identity.into(),
            CredSspMode::WithCredentials,
            ClientMode::Ntlm(NtlmConfig::default()),
            format!("TERMSRV/{host}"),
        )
        .map_err(failed)?;
        Ok(Self { client, state: State::Exchanging, extended })
    }

    /// The first message.
    pub(crate) fn begin(&mut self) -> Result<CredsspStep, ConnectError> {
        self.process(TsRequest::default())
    }

    /// What delimits the next message of the server's.
    pub(crate) fn hint(&self) -> &'static dyn PduHint {
        match self.state {
            State::Exchanging => &TsRequestHint,
            State::AwaitingResult => &ResultHint,
        }
    }

    /// Takes a message of the server's.
    pub(crate) fn handle_message(&mut self, message: &[u8]) -> Result<CredsspStep, ConnectError> {
        match self.state {
            State::Exchanging => {
                let request = TsRequest::from_buffer(message)
                    .map_err(|_| ConnectError::Unexpected { expected: "a TSRequest" })?;
                self.process(request)
            }
            State::AwaitingResult => match EarlyUserAuthResult::from_buffer(message) {
                Ok(EarlyUserAuthResult::Success) => Ok(CredsspStep::Done),
                Ok(EarlyUserAuthResult::AccessDenied) => Err(ConnectError::AccessDenied),
                Err(_) => Err(ConnectError::Unexpected { expected: "whether the user may come in" }),
            },
        }
    }

    fn process(&mut self, request: TsRequest) -> Result<CredsspStep, ConnectError> {
        let state = match self.client.process(request).start() {
            GeneratorState::Completed(state) => state.map_err(failed)?,
            // Only Kerberos asks for a network.
            GeneratorState::Suspended(_) => return Err(ConnectError::Credssp { status: None }),
        };
        match state {
            ClientState::ReplyNeeded(request) => Ok(CredsspStep::Send(encode(&request)?)),
            ClientState::FinalMessage(request) if self.extended => {
                self.state = State::AwaitingResult;
                Ok(CredsspStep::Send(encode(&request)?))
            }
            ClientState::FinalMessage(request) => Ok(CredsspStep::SendLast(encode(&request)?)),
        }
    }
}

fn encode(request: &TsRequest) -> Result<Vec<u8>, ConnectError> {
    let mut bytes = vec![0; usize::from(request.buffer_len().map_err(|_| ConnectError::Credssp { status: None })?)];
    request.encode_ts_request(bytes.as_mut_slice()).map_err(|_| ConnectError::Credssp { status: None })?;
    Ok(bytes)
}

fn failed(error: sspi::Error) -> ConnectError {
    tracing::debug!(kind = ?error.error_type, status = ?error.nstatus, "CredSSP failed");
    ConnectError::Credssp { status: error.nstatus.map(|status| status.0) }
}

#[derive(Debug)]
struct TsRequestHint;

impl PduHint for TsRequestHint {
    fn find_size(&self, bytes: &[u8]) -> DecodeResult<Option<(bool, usize)>> {
        der_size(bytes).map_or_else(|()| Err(other_err!("TSRequest", "not a DER sequence")), Ok)
    }
}

/// Length of a DER sequence with its header; none where the header is not there as a whole.
fn der_size(bytes: &[u8]) -> Result<Option<(bool, usize)>, ()> {
    const SEQUENCE: u8 = 0x30;
    match *bytes {
        [] | [SEQUENCE] => Ok(None),
        [SEQUENCE, len @ ..=0x7F, ..] => Ok(Some((true, usize::from(len) + 2))),
        // The longest that makes sense is far below what three bytes say.
        [SEQUENCE, size @ 0x81..=0x83, ref rest @ ..] => {
            let size = usize::from(size & 0x7F);
            Ok(rest.get(..size).map(|digits| {
                let len = digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit));
                (true, len + 2 + size)
            }))
        }
        _ => Err(()),
    }
}

#[derive(Debug)]
struct ResultHint;

impl PduHint for ResultHint {
    fn find_size(&self, _: &[u8]) -> DecodeResult<Option<(bool, usize)>> {
        Ok(Some((true, EARLY_USER_AUTH_RESULT_PDU_SIZE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_server_are_as_long_as_they_say() {
        assert_eq!(der_size(&[]), Ok(None));
        assert_eq!(der_size(&[0x30]), Ok(None));
        assert_eq!(der_size(&[0x30, 5]), Ok(Some((true, 7))));
        assert_eq!(der_size(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(der_size(&[0x30, 0x82, 1, 2]), Ok(Some((true, 0x102 + 4))));
        assert_eq!(der_size(&[0x30, 0x84, 1, 2, 3, 4]), Err(()));
        assert_eq!(der_size(b"HTTP"), Err(()));
    }
}
