//! The connection sequence of [MS-RDPBCGR] 1.3.1.1, without a socket: PDUs in, bytes and events out.
//!
//! ```text
//! X.224 negotiation ─► (TLS, CredSSP: the caller) ─► MCS and GCC settings ─► channels ─► client info ─► licence
//!   ─► capabilities ─► finalisation ─► active
//! ```
//! IronRDP's `ironrdp-connector` does the same and more; it is not used since it brings smart cards, and with them the C
//! zlib into every user of flate2, which would then inflate what VNC servers send.

mod activation;
mod capabilities;
mod credssp;
mod error;
mod licence;
mod settings;

use std::borrow::Cow;

use ironrdp_core::{Encode, WriteBuf, decode, encode_vec};
use ironrdp_pdu::mcs::{self, SendDataRequest};
use ironrdp_pdu::nego::{
    ConnectionConfirm, ConnectionRequest, ConnectionRequestWithOpaqueRoutingToken, NegoRequestData, OpaqueRoutingToken,
    RequestFlags, SecurityProtocol,
};
use ironrdp_pdu::rdp::server_redirection::ServerRedirectionPdu;
use ironrdp_pdu::x224::{X224, X224Data};
use ironrdp_pdu::{PduHint, X224_HINT, gcc};
use ironrdp_svc::StaticChannelSet;

pub(crate) use self::activation::{Activated, Activation, ActivationStep, Share};
pub(crate) use self::credssp::{Credssp, CredsspStep};
pub use self::error::ConnectError;
use self::licence::{Licence, LicenceStep};
pub(crate) use self::settings::{PictureSettings, Settings};
use crate::resize::area_px;

/// What the connection sequence wants from its caller.
pub(crate) enum ConnectEvent {
    /// TLS, and CredSSP where this says HYBRID; then [`Connector::secured`]. No TLS where it is empty.
    Secure(SecurityProtocol),
    /// Done.
    Active(Box<Active>),
    /// Connect elsewhere.
    Redirected(Box<ServerRedirectionPdu>),
}

/// An active connection.
pub(crate) struct Active {
    pub(crate) channels: StaticChannelSet,
    pub(crate) share: Share,
    pub(crate) activated: Activated,
    /// How to activate again.
    pub(crate) settings: Settings,
}

/// The connection sequence.
pub(crate) struct Connector {
    settings: Settings,
    channels: StaticChannelSet,
    out: WriteBuf,
    state: State,
    /// Of MCS; 0 until they are known.
    share: Share,
}

enum State {
    Negotiating,
    /// The caller is at it.
    Securing(SecurityProtocol),
    Settings,
    AttachingUser {
        joins: Option<Vec<u16>>,
    },
    Joining {
        waiting_for: Vec<u16>,
    },
    Licensing(Box<Licence>),
    Activating(Box<Activation>),
    Done,
}

impl Connector {
    /// A sequence that begins with the client's request. `channels` are offered to the server in their order.
    pub(crate) fn new(settings: Settings, channels: StaticChannelSet) -> Result<Self, ConnectError> {
        let mut connector = Self {
            settings,
            channels,
            out: WriteBuf::new(),
            state: State::Negotiating,
            share: Share { user_channel: 0, io_channel: 0 },
        };
        connector.request()?;
        Ok(connector)
    }

    /// What delimits the next PDU of the server's; none while the caller is at work or it is over.
    pub(crate) fn hint(&self) -> Option<&'static dyn PduHint> {
        match self.state {
            State::Securing(_) | State::Done => None,
            _ => Some(&X224_HINT),
        }
    }

    /// Takes a PDU of the server's.
    pub(crate) fn handle_pdu(&mut self, pdu: &[u8]) -> Result<Option<ConnectEvent>, ConnectError> {
        let (state, event) = match std::mem::replace(&mut self.state, State::Done) {
            State::Negotiating => {
                let protocol = self.chosen(pdu)?;
                (State::Securing(protocol), Some(ConnectEvent::Secure(protocol)))
            }
            State::Settings => (self.server_settings(pdu)?, None),
            State::AttachingUser { joins } => (self.user_attached(pdu, joins)?, None),
            State::Joining { waiting_for } => (self.joined(pdu, waiting_for)?, None),
            State::Licensing(mut licence) => match licence.handle_pdu(pdu, self.share, &mut self.out)? {
                LicenceStep::Again => (State::Licensing(licence), None),
                LicenceStep::Done => {
                    let activation = Activation::new(self.share, area_px(self.settings.desktop_size));
                    (State::Activating(Box::new(activation)), None)
                }
            },
            State::Activating(mut activation) => match activation.handle_pdu(pdu, &self.settings, &mut self.out)? {
                ActivationStep::Again => (State::Activating(activation), None),
                ActivationStep::Done(activated) => {
                    let active = Active {
                        channels: std::mem::take(&mut self.channels),
                        share: self.share,
                        activated,
                        settings: self.settings.clone(),
                    };
                    (State::Done, Some(ConnectEvent::Active(Box::new(active))))
                }
                ActivationStep::Redirected(redirection) => (State::Done, Some(ConnectEvent::Redirected(redirection))),
            },
            State::Securing(_) | State::Done => return Err(ConnectError::Unexpected { expected: "nothing" }),
        };
        self.state = state;
        Ok(event)
    }

    /// TLS and CredSSP are done, as far as the chosen protocol has them.
    pub(crate) fn secured(&mut self) -> Result<(), ConnectError> {
        let State::Securing(protocol) = self.state else {
            return Err(ConnectError::Unexpected { expected: "no security now" });
        };
        let blocks = self.settings.gcc_blocks(protocol, self.channels.values());
        let initial = mcs::ConnectInitial::with_gcc_blocks(blocks).map_err(ConnectError::decode)?;
        let data = Cow::Owned(encode_vec(&initial).map_err(ConnectError::encode)?);
        self.write(&X224(X224Data { data }))?;
        self.state = State::Settings;
        Ok(())
    }

    /// Bytes for the server; empty if there are none.
    pub(crate) fn poll_transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into_inner()
    }

    fn request(&mut self) -> Result<(), ConnectError> {
        let request = ConnectionRequest {
            // Load balancers read the name; it ends at 9 characters on most ([MS-RDPBCGR] 2.2.1.1).
            nego_data: Some(NegoRequestData::cookie(self.settings.username.clone()))
                .filter(|_| !self.settings.username.is_empty() && self.settings.load_balance_info.is_none()),
            flags: RequestFlags::empty(),
            protocol: self.settings.protocols,
            correlation_info: None,
        };
        match self.settings.load_balance_info.clone() {
            Some(info) => {
                let routing_token = OpaqueRoutingToken(info);
                self.write(&X224(ConnectionRequestWithOpaqueRoutingToken { request, routing_token }))
            }
            None => self.write(&X224(request)),
        }
    }

    fn chosen(&self, pdu: &[u8]) -> Result<SecurityProtocol, ConnectError> {
        let X224(confirm) = decode::<X224<ConnectionConfirm>>(pdu).map_err(|_| ConnectError::NotRdp)?;
        match confirm {
            ConnectionConfirm::Response { protocol, .. } => {
                let standard = protocol.is_standard_rdp_security() && self.settings.protocols.is_empty();
                if standard || protocol.intersects(self.settings.protocols) {
                    Ok(protocol)
                } else {
                    Err(ConnectError::SecurityMismatch)
                }
            }
            ConnectionConfirm::Failure { code } => Err(ConnectError::Refused { code }),
        }
    }

    fn server_settings(&mut self, pdu: &[u8]) -> Result<State, ConnectError> {
        let X224(data) = decode::<X224<X224Data<'_>>>(pdu).map_err(ConnectError::decode)?;
        let response = decode::<mcs::ConnectResponse>(&data.data).map_err(ConnectError::decode)?;
        let blocks = response.conference_create_response.into_gcc_blocks();
        if blocks.security != gcc::ServerSecurityData::no_security() {
            return Err(ConnectError::StandardEncryption);
        }
        let keys: Vec<_> = self.channels.keys().collect();
        for (key, &id) in keys.into_iter().zip(&blocks.network.channel_ids) {
            self.channels.attach_channel_id_by_key(key, id);
        }
        self.share.io_channel = blocks.network.io_channel;
        let flags = blocks.core.optional_data.early_capability_flags;
        let may_skip =
            flags.is_some_and(|flags| flags.contains(gcc::ServerEarlyCapabilityFlags::SKIP_CHANNELJOIN_SUPPORTED));
        self.write(&X224(mcs::ErectDomainPdu { sub_height: 0, sub_interval: 0 }))?;
        self.write(&X224(mcs::AttachUserRequest))?;
        Ok(State::AttachingUser { joins: (!may_skip).then_some(blocks.network.channel_ids) })
    }

    fn user_attached(&mut self, pdu: &[u8], joins: Option<Vec<u16>>) -> Result<State, ConnectError> {
        let X224(confirm) = decode::<X224<mcs::AttachUserConfirm>>(pdu).map_err(ConnectError::decode)?;
        self.share.user_channel = confirm.initiator_id;
        let Some(mut waiting_for) = joins else { return self.introduce() };
        waiting_for.extend([self.share.io_channel, self.share.user_channel]);
        waiting_for.sort_unstable();
        waiting_for.dedup();
        for &channel_id in &waiting_for {
            self.write(&X224(mcs::ChannelJoinRequest { initiator_id: confirm.initiator_id, channel_id }))?;
        }
        Ok(State::Joining { waiting_for })
    }

    fn joined(&mut self, pdu: &[u8], mut waiting_for: Vec<u16>) -> Result<State, ConnectError> {
        let X224(confirm) = decode::<X224<mcs::ChannelJoinConfirm>>(pdu).map_err(ConnectError::decode)?;
        let Some(at) = waiting_for.iter().position(|id| *id == confirm.requested_channel_id) else {
            return Err(ConnectError::Unexpected { expected: "the confirmation of another channel" });
        };
        waiting_for.swap_remove(at);
        if waiting_for.is_empty() { self.introduce() } else { Ok(State::Joining { waiting_for }) }
    }

    /// Tells the server who comes. The licence is its affair then.
    fn introduce(&mut self) -> Result<State, ConnectError> {
        let info = self.settings.client_info();
        let user_data = Cow::Owned(encode_vec(&info).map_err(ConnectError::encode)?);
        let Share { user_channel, io_channel } = self.share;
        self.write(&X224(SendDataRequest { initiator_id: user_channel, channel_id: io_channel, user_data }))?;
        Ok(State::Licensing(Box::new(Licence::new(&self.settings))))
    }

    fn write(&mut self, message: &impl Encode) -> Result<(), ConnectError> {
        ironrdp_core::encode_buf(message, &mut self.out).map(|_| ()).map_err(ConnectError::encode)
    }
}
