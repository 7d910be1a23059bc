//! From a host name to an active connection: the connection sequence with its socket.

use std::time::Duration;

use guac_tls::{CertificatePolicy, TlsError};
use ironrdp_core::encode_vec;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::pcb::{PcbVersion, PreconnectionBlob};
use ironrdp_pdu::rdp::server_redirection::ServerRedirectionPdu;
use ironrdp_svc::StaticChannelSet;

use crate::RdpError;
use crate::argv::Login;
use crate::channels::Channel;
use crate::connector::{Active, ConnectEvent, Connector, Credssp, CredsspStep, Settings};
use crate::graphics::Graphics;
use crate::params::{RdpParams, SecurityMode};
use crate::resize::Resizing;
use crate::timezone::timezone_info;
use crate::transport::{Inbox, Transport, write_all};

const DPI_AT_100_PERCENT: u32 = 96;

/// Where to connect, which a redirection may change.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The routing token of a broker.
    pub(crate) load_balance_info: Option<String>,
    /// The session on the target.
    pub(crate) session_id: Option<u32>,
    /// What a broker gives instead of a password.
    pub(crate) password_cookie: Option<Vec<u8>>,
}

/// What one connection is made of.
pub(crate) struct Attempt<'a> {
    pub(crate) params: &'a RdpParams,
    pub(crate) target: &'a Target,
    pub(crate) login: &'a Login,
    pub(crate) policy: &'a CertificatePolicy,
    pub(crate) size: (u16, u16),
    pub(crate) dpi: u32,
}

/// How an attempt ended.
pub(crate) enum Outcome {
    Open(Box<Opened>),
    /// The server wants to know who comes before it goes on.
    CredentialsNeeded,
    Redirected(Box<ServerRedirectionPdu>),
}

/// An active connection with its socket.
pub(crate) struct Opened {
    pub(crate) transport: Transport,
    /// What the server sent after the last message of the sequence.
    pub(crate) inbox: Inbox,
    pub(crate) active: Active,
}

impl Attempt<'_> {
    /// Connects, secures, authenticates and activates.
    pub(crate) async fn connect(
        self,
        graphics: &Graphics,
        channels: &mut [Box<dyn Channel>],
    ) -> Result<Outcome, RdpError> {
        let limit = Duration::from_secs(self.params.timeout_s);
        let mut transport =
            Transport::connect(&self.params.targets, &self.target.host, self.target.port, limit).await?;
        if let Some((id, blob)) = &self.params.preconnection {
            let version = if blob.is_some() { PcbVersion::V2 } else { PcbVersion::V1 };
            let pdu = PreconnectionBlob { version, id: *id, v2_payload: blob.clone() };
            write_all(&mut transport, &encode_vec(&pdu).map_err(RdpError::encode)?).await?;
        }
        let settings = self.settings(&transport, graphics);
        let channels = self.attach(graphics, channels);
        let mut connector = Connector::new(settings, channels).map_err(RdpError::from_connect)?;
        let mut inbox = Inbox::default();
        loop {
            let bytes = connector.poll_transmit();
            if !bytes.is_empty() {
                write_all(&mut transport, &bytes).await?;
            }
            let Some(hint) = connector.hint() else { return Err(RdpError::NotRdp) };
            let pdu = inbox.read_by_hint(&mut transport, hint).await?;
            match connector.handle_pdu(&pdu).map_err(RdpError::from_connect)? {
                None => {}
                Some(ConnectEvent::Secure(protocol)) => {
                    if !protocol.is_standard_rdp_security() {
                        let (secured, public_key) =
                            transport.start_tls(&self.target.host, self.target.port, self.policy).await?;
                        transport = secured;
                        if protocol.intersects(SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX) {
                            if !self.login.is_complete() {
                                return Ok(Outcome::CredentialsNeeded);
                            }
                            self.authenticate(protocol, public_key, &mut transport, &mut inbox).await?;
                        }
                    }
                    connector.secured().map_err(RdpError::from_connect)?;
                }
                Some(ConnectEvent::Active(active)) => {
                    return Ok(Outcome::Open(Box::new(Opened { transport, inbox, active: *active })));
                }
                Some(ConnectEvent::Redirected(redirection)) => return Ok(Outcome::Redirected(redirection)),
            }
        }
    }

    async fn authenticate(
        &self,
        protocol: SecurityProtocol,
        public_key: Option<Vec<u8>>,
        transport: &mut Transport,
        inbox: &mut Inbox,
    ) -> Result<(), RdpError> {
        let public_key = public_key.ok_or(RdpError::Tls { source: TlsError::BadHost })?;
        let (username, domain, password) = self.login.parts();
        let extended = protocol.contains(SecurityProtocol::HYBRID_EX);
        let host = &self.target.host;
        let mut credssp = Credssp::new(&username, domain.as_deref(), &password, host, public_key, extended)
            .map_err(RdpError::from_connect)?;
        let mut step = credssp.begin();
        loop {
            match step.map_err(RdpError::from_connect)? {
                CredsspStep::Send(bytes) => write_all(transport, &bytes).await?,
                CredsspStep::SendLast(bytes) => return write_all(transport, &bytes).await,
                CredsspStep::Done => return Ok(()),
            }
            let message = inbox.read_by_hint(transport, credssp.hint()).await.map_err(|error| match error {
                // Servers that say nothing hang up on credentials that they do not like.
                RdpError::Lost { .. } => RdpError::AuthenticationFailed,
                error => error,
            })?;
            step = credssp.handle_message(&message);
        }
    }

    /// All channels, the dynamic ones last.
    fn attach(&self, graphics: &Graphics, channels: &mut [Box<dyn Channel>]) -> StaticChannelSet {
        let mut fixed = StaticChannelSet::new();
        let mut dynamic = DrdynvcClient::new();
        for channel in channels {
            channel.attach(&mut fixed, &mut dynamic);
        }
        Resizing::attach(self.params.resize, &mut dynamic);
        if let Some(pipeline) = graphics.pipeline() {
            dynamic.attach_dynamic_channel(pipeline);
        }
        fixed.insert(dynamic);
        fixed
    }

    fn settings(&self, transport: &Transport, graphics: &Graphics) -> Settings {
        let params = self.params;
        let (username, domain, _) = self.login.parts();
        let mut protocols = match params.security {
            SecurityMode::Any => SecurityProtocol::SSL | SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX,
            SecurityMode::Nla => SecurityProtocol::HYBRID,
            SecurityMode::NlaExtended => SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX,
            SecurityMode::Tls => SecurityProtocol::SSL,
            SecurityMode::Rdp => SecurityProtocol::empty(),
        };
        if !params.authenticate && !protocols.is_empty() {
            protocols = SecurityProtocol::SSL;
        }
        Settings {
            protocols,
            load_balance_info: self.target.load_balance_info.clone(),
            // Session 0 is the console's.
            session_id: self.target.session_id.or(params.console.then_some(0)),
            username,
            domain,
            password: self.login.password.clone(),
            password_cookie: self.target.password_cookie.clone(),
            client_name: params.client_name.clone(),
            client_address: transport.local_address(),
            desktop_size: self.size,
            scale_percent: self.dpi.saturating_mul(100) / DPI_AT_100_PERCENT,
            keyboard_type: params.layout.keyboard_type(),
            keyboard_subtype: params.layout.keyboard_subtype(),
            keyboard_layout: params.layout.input_locale(),
            picture: graphics.settings(),
            initial_program: params.initial_program.clone().unwrap_or_default(),
            performance: params.performance,
            timezone: timezone_info(params.timezone.as_deref()),
            audio: params.audio,
            audio_input: params.audio_input,
            console_audio: params.console_audio,
        }
    }
}
