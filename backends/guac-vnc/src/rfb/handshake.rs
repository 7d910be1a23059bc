//! From the server's greeting to its desktop (RFC 6143 §7.1 to §7.3, VeNCrypt).

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::{
    Event,
    auth::{ArdChallenge, MsLogonChallenge, vnc_response},
    error::{RfbError, ServerReason, Stop, check_limit},
    limits::Limits,
    reader::Reader,
};

/// What we are willing and able to do to get in.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// A user name is at hand, so types that take one come first.
    pub has_username: bool,
    /// A password is at hand, so types that take one come before those without authentication.
    pub has_password: bool,
    /// VeNCrypt may be chosen, and with it TLS with an X.509 certificate.
    pub vencrypt: bool,
    /// User name and password may cross the network in the clear, where the server offers nothing better.
    pub plain_without_tls: bool,
    /// UltraVNC repeater: where it shall connect us, `host:port` or `ID:number`.
    pub repeater_target: Option<String>,
}

/// User name and password, given when asked for by [`Event::CredentialsNeeded`].
#[derive(Clone)]
pub struct Credentials {
    /// Empty where only a password is needed.
    pub username: String,
    /// Empty where there is none.
    pub password: SecretString,
    /// Random bytes that nobody else knows, fresh for each connection: keys are made of them.
    pub seed: [u8; 32],
}

/// The user name only.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Length of a repeater's greeting answer, padded with zero bytes.
const REPEATER_TARGET_BYTES: usize = 250;

const TYPE_NONE: u32 = 1;
const TYPE_VNC: u32 = 2;
const TYPE_VENCRYPT: u32 = 19;
const TYPE_ARD: u32 = 30;
const TYPE_MS_LOGON: u32 = 113;
const VENCRYPT_PLAIN: u32 = 256;
const VENCRYPT_X509_NONE: u32 = 260;
const VENCRYPT_X509_VNC: u32 = 261;
const VENCRYPT_X509_PLAIN: u32 = 262;

/// Protocol versions that differ to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V3,
    V7,
    V8,
}

/// How the server learns who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    None,
    Vnc,
    Plain,
}

/// How user name and password are sent.
#[derive(Debug)]
enum Login {
    Plain,
    Ard(Box<ArdChallenge>),
    MsLogon(MsLogonChallenge),
}

#[derive(Debug)]
enum State {
    Greeting,
    Types,
    VencryptVersion,
    VencryptAck,
    VencryptTypes,
    TlsAck(Method),
    WaitForTls(Method),
    VncChallenge,
    ArdChallenge,
    MsLogonChallenge,
    WaitForPassword([u8; 16]),
    WaitForLogin(Login),
    Result,
    Refusal { authentication: bool },
    Init,
}

/// The desktop, as the server introduces it.
#[derive(Debug)]
pub(crate) struct ServerInit {
    pub(crate) width_px: u16,
    pub(crate) height_px: u16,
    pub(crate) name: String,
}

/// The machine for this part of a connection.
#[derive(Debug)]
pub(crate) struct Handshake {
    security: Security,
    version: Version,
    state: State,
}

impl Handshake {
    pub(crate) fn new(security: Security) -> Self {
        Self { security, version: Version::V3, state: State::Greeting }
    }

    /// Whether it waits for the embedder; no byte of the server may come meanwhile.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::WaitForTls(_) | State::WaitForPassword(_) | State::WaitForLogin(_))
    }

    /// What the end of the stream means now.
    pub(crate) fn end(&self) -> RfbError {
        match self.state {
            State::Greeting => RfbError::Closed { during: "greeting" },
            // Before version 3.8 a rejected password has no reason, and some servers close at once.
            State::Result | State::Refusal { authentication: true } => {
                RfbError::AuthenticationFailed { reason: ServerReason::default() }
            }
            State::Refusal { authentication: false } => RfbError::Refused { reason: ServerReason::default() },
            State::Init => RfbError::Closed { during: "introduction" },
            _ => RfbError::Closed { during: "authentication" },
        }
    }

    pub(crate) fn step(
        &mut self,
        reader: &mut Reader<'_>,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, Stop> {
        match self.state {
            State::Greeting => self.greeting(reader, out)?,
            State::Types if self.version == Version::V3 => self.dictated_type(reader, out)?,
            State::Types => self.offered_types(reader, out)?,
            State::VencryptVersion => {
                let offered: [u8; 2] = reader.array()?;
                if offered < [0, 2] {
                    return Err(Stop::malformed("VeNCrypt version"));
                }
                out.extend_from_slice(&[0, 2]);
                self.state = State::VencryptAck;
            }
            State::VencryptAck => {
                if reader.u8()? != 0 {
                    return Err(Stop::malformed("VeNCrypt acknowledgement"));
                }
                self.state = State::VencryptTypes;
            }
            State::VencryptTypes => self.vencrypt_types(reader, out)?,
            State::TlsAck(method) => {
                if reader.u8()? == 0 {
                    return Err(RfbError::Refused { reason: ServerReason::new(b"TLS is not available") }.into());
                }
                self.state = State::WaitForTls(method);
                return Ok(Outcome::Tell(Event::StartTls));
            }
            State::VncChallenge => {
                self.state = State::WaitForPassword(reader.array()?);
                return Ok(Outcome::Tell(Event::CredentialsNeeded { username: false }));
            }
            State::ArdChallenge => {
                self.state = State::WaitForLogin(Login::Ard(Box::new(ArdChallenge::read(reader)?)));
            }
            State::MsLogonChallenge => {
                self.state = State::WaitForLogin(Login::MsLogon(MsLogonChallenge::read(reader)?));
            }
            State::Result => self.result(reader, out)?,
            State::Refusal { authentication } => return Err(refusal(reader, authentication, limits)?.into()),
            State::Init => return init(reader, limits).map(Outcome::Done),
            State::WaitForTls(_) | State::WaitForPassword(_) | State::WaitForLogin(_) => return Err(Stop::Need),
        }
        if matches!(self.state, State::WaitForLogin(_)) {
            return Ok(Outcome::Tell(Event::CredentialsNeeded { username: true }));
        }
        Ok(Outcome::Continue)
    }

    /// TLS is up: goes on inside it. Whether a login is needed now.
    pub(crate) fn tls_established(&mut self) -> Option<Event> {
        if let State::WaitForTls(method) = self.state {
            self.authenticate(method);
        }
        matches!(self.state, State::WaitForLogin(_)).then_some(Event::CredentialsNeeded { username: true })
    }

    pub(crate) fn provide(&mut self, credentials: &Credentials, out: &mut Vec<u8>) {
        let (username, password) = (&credentials.username, credentials.password.expose_secret());
        match &self.state {
            State::WaitForPassword(challenge) => out.extend_from_slice(&vnc_response(*challenge, password)),
            State::WaitForLogin(Login::Plain) => {
                // Four-byte lengths of both, then both. Parameters are far below 4 GiB.
                for text in [username, password] {
                    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
                }
                out.extend_from_slice(username.as_bytes());
                out.extend_from_slice(password.as_bytes());
            }
            State::WaitForLogin(Login::Ard(challenge)) => {
                out.extend(challenge.response(username, password, &credentials.seed));
            }
            State::WaitForLogin(Login::MsLogon(challenge)) => {
                out.extend(challenge.response(username, password, &credentials.seed));
            }
            _ => return,
        }
        self.state = State::Result;
    }

    fn greeting(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        let greeting: [u8; 12] = reader.array()?;
        let (major, minor) = parse_greeting(greeting).ok_or(RfbError::NotRfb)?;
        if (major, minor) == (0, 0) {
            // An UltraVNC repeater; the server's own greeting follows once it has connected us.
            let target = self.security.repeater_target.take().ok_or(RfbError::NotRfb)?;
            let mut padded = target.into_bytes();
            padded.resize(REPEATER_TARGET_BYTES, 0);
            out.extend_from_slice(&padded);
            return Ok(());
        }
        // Numbers between or beyond the published ones (3.5, 3.889, 4.1, 5.0) are those of servers that know 3.3 or
        // 3.8 respectively.
        self.version = match (major, minor) {
            (3, ..=6) => Version::V3,
            (3, 7) => Version::V7,
            (3.., _) => Version::V8,
            _ => return Err(RfbError::NotRfb.into()),
        };
        out.extend_from_slice(match self.version {
            Version::V3 => b"RFB 003.003\n",
            Version::V7 => b"RFB 003.007\n",
            Version::V8 => b"RFB 003.008\n",
        });
        self.state = State::Types;
        Ok(())
    }

    /// Version 3.3: the server decides.
    fn dictated_type(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        match reader.u32()? {
            0 => self.state = State::Refusal { authentication: false },
            TYPE_NONE => self.introduce(out),
            TYPE_VNC => self.state = State::VncChallenge,
            other => return Err(RfbError::NoUsableSecurity { offered: vec![other], vencrypt: false }.into()),
        }
        Ok(())
    }

    fn offered_types(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        let count = reader.u8()?;
        let offered: Vec<u32> = reader.take(usize::from(count))?.iter().map(|kind| u32::from(*kind)).collect();
        if offered.is_empty() {
            self.state = State::Refusal { authentication: false };
            return Ok(());
        }
        let Some((kind, state)) = self.choose(&offered) else {
            return Err(RfbError::NoUsableSecurity { offered, vencrypt: false }.into());
        };
        out.push(kind);
        self.state = state;
        if kind == 1 && self.version < Version::V8 {
            self.introduce(out);
        }
        Ok(())
    }

    /// What keeps most from a listener first, as far as it fits the credentials at hand.
    fn choose(&self, offered: &[u32]) -> Option<(u8, State)> {
        let Security { has_username, has_password, vencrypt, .. } = self.security;
        let preference = [
            (TYPE_VENCRYPT, vencrypt),
            (TYPE_ARD, has_username),
            (TYPE_MS_LOGON, has_username),
            (TYPE_VNC, has_password),
            (TYPE_NONE, true),
            (TYPE_VNC, true),
            (TYPE_ARD, true),
            (TYPE_MS_LOGON, true),
        ];
        let (kind, _) = preference.into_iter().find(|(kind, wanted)| *wanted && offered.contains(kind))?;
        let state = match kind {
            TYPE_VENCRYPT => State::VencryptVersion,
            TYPE_ARD => State::ArdChallenge,
            TYPE_MS_LOGON => State::MsLogonChallenge,
            TYPE_VNC => State::VncChallenge,
            _ => State::Result,
        };
        Some((u8::try_from(kind).ok()?, state))
    }

    fn vencrypt_types(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        let count = reader.u8()?;
        let mut offered = Vec::new();
        for _ in 0..count {
            offered.push(reader.u32()?);
        }
        let Some((kind, method)) = self.choose_vencrypt(&offered) else {
            return Err(RfbError::NoUsableSecurity { offered, vencrypt: true }.into());
        };
        out.extend_from_slice(&kind.to_be_bytes());
        if kind >= VENCRYPT_X509_NONE {
            self.state = State::TlsAck(method);
        } else {
            self.authenticate(method);
        }
        Ok(())
    }

    /// Certificates before none, then what fits the credentials at hand. The sub-types with anonymous key exchange
    /// (257 to 259) cannot be had: the TLS library has no such cipher suites, and they stop no active attacker.
    fn choose_vencrypt(&self, offered: &[u32]) -> Option<(u32, Method)> {
        let x509 = [
            (VENCRYPT_X509_PLAIN, Method::Plain, self.security.has_username),
            (VENCRYPT_X509_VNC, Method::Vnc, self.security.has_password),
            (VENCRYPT_X509_NONE, Method::None, true),
            (VENCRYPT_X509_VNC, Method::Vnc, true),
            (VENCRYPT_X509_PLAIN, Method::Plain, true),
        ];
        let bare = [
            (TYPE_VNC, Method::Vnc, self.security.has_password),
            (TYPE_NONE, Method::None, true),
            (TYPE_VNC, Method::Vnc, true),
            (VENCRYPT_PLAIN, Method::Plain, self.security.plain_without_tls),
        ];
        x509.into_iter()
            .chain(bare)
            .find(|(kind, _, wanted)| *wanted && offered.contains(kind))
            .map(|(kind, method, _)| (kind, method))
    }

    fn authenticate(&mut self, method: Method) {
        self.state = match method {
            Method::None => State::Result,
            Method::Vnc => State::VncChallenge,
            Method::Plain => State::WaitForLogin(Login::Plain),
        };
    }

    fn result(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        if reader.u32()? == 0 {
            self.introduce(out);
        } else if self.version == Version::V8 {
            self.state = State::Refusal { authentication: true };
        } else {
            return Err(RfbError::AuthenticationFailed { reason: ServerReason::default() }.into());
        }
        Ok(())
    }

    /// ClientInit: others may stay connected, as in guacd.
    fn introduce(&mut self, out: &mut Vec<u8>) {
        out.push(1);
        self.state = State::Init;
    }
}

/// What a step led to.
pub(crate) enum Outcome {
    Continue,
    Tell(Event),
    Done(ServerInit),
}

/// `RFB xxx.yyy\n`, in numbers.
fn parse_greeting(greeting: [u8; 12]) -> Option<(u16, u16)> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    let rest = greeting.strip_prefix(b"RFB ")?.strip_suffix(b"\n")?;
    let (major, minor) = rest.split_at_checked(3)?;
    Some((number(major)?, number(minor.strip_prefix(b".")?)?))
}

fn refusal(reader: &mut Reader<'_>, authentication: bool, limits: &Limits) -> Result<RfbError, Stop> {
    let len = reader.len32()?;
    let reason = match check_limit("reason", len as u64, limits.reason_bytes) {
        Ok(()) => ServerReason::new(reader.take(len)?),
        Err(_) => ServerReason::default(),
    };
    Ok(if authentication { RfbError::AuthenticationFailed { reason } } else { RfbError::Refused { reason } })
}

fn init(reader: &mut Reader<'_>, limits: &Limits) -> Result<ServerInit, Stop> {
    let (width_px, height_px) = (reader.u16()?, reader.u16()?);
    reader.skip(16)?; // Its pixel format: we ask for ours.
    let name = reader.u32()?;
    check_limit("desktop name", name, limits.name_bytes)?;
    let name = reader.take(usize::try_from(name).map_err(|_| Stop::malformed("desktop name"))?)?;
    Ok(ServerInit { width_px, height_px, name: String::from_utf8_lossy(name).into_owned() })
}
