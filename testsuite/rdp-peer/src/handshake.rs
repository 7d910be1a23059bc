//! The connection sequence (MS-RDPBCGR 1.3.1.1) up to the licence, from the server.

use std::io;
use std::sync::Arc;

use ironrdp_core::{Encode, decode, encode_vec};
use ironrdp_pdu::X224_HINT;
use ironrdp_pdu::gcc::{
    ClientCoreData, ConferenceCreateResponse, RdpVersion, ServerCoreData, ServerCoreOptionalData, ServerGccBlocks,
    ServerNetworkData, ServerSecurityData,
};
use ironrdp_pdu::mcs::{
    AttachUserConfirm, ChannelJoinConfirm, ConnectInitial, ConnectResponse, DomainParameters, McsMessage,
    SendDataIndication, SendDataRequest,
};
use ironrdp_pdu::nego::{ConnectionConfirm, ResponseFlags, SecurityProtocol};
use ironrdp_pdu::rdp::ClientInfoPdu;
use ironrdp_pdu::rdp::server_license::{LicensePdu, LicensingErrorMessage};
use ironrdp_pdu::x224::{X224, X224Data};
use rustls::ServerConfig;

use crate::wire::Wire;

/// The server's own number among users, as Windows has it.
pub(crate) const SERVER_USER: u16 = 1002;

/// The main channel.
pub(crate) const MAIN_CHANNEL: u16 = 1003;

/// The client's number among users; those from 1004 on are its channels'.
const CLIENT_USER: u16 = 1100;

/// What the server is about to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// X.224 Connection Confirm.
    Confirm,
    /// Nothing yet: TLS begins. Bytes given here go out instead, unencrypted.
    Tls,
    /// Nothing yet: CredSSP begins. Bytes given here answer the client's first token; none end the connection.
    Credssp,
    /// MCS Connect Response.
    ConnectResponse,
    /// MCS Attach User Confirm.
    AttachUser,
    /// MCS Channel Join Confirm, one for each channel.
    ChannelJoin,
    /// Server License Error, valid client.
    License,
    /// Demand Active.
    DemandActive,
    /// Synchronize, Control twice and Font Map, one after the other.
    Finalization,
}

/// Gets each PDU before it is sent and gives what is sent instead; if that is something else, the connection ends with it.
pub type Script = Box<dyn FnMut(Step, Vec<u8>) -> Vec<u8> + Send>;

/// What a client says before it sees a desktop.
pub(crate) struct Client {
    pub(crate) request: Vec<u8>,
    pub(crate) core: ClientCoreData,
    pub(crate) channels: Vec<String>,
    pub(crate) info: ClientInfoPdu,
}

pub(crate) struct Handshake<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) script: &'a mut Script,
}

impl Handshake<'_> {
    pub(crate) fn run(&mut self, security: SecurityProtocol, tls: &Arc<ServerConfig>) -> io::Result<Client> {
        let request = self.wire.frame(&X224_HINT)?;
        let confirm = ConnectionConfirm::Response { flags: ResponseFlags::empty(), protocol: security };
        self.send(Step::Confirm, &X224(confirm))?;
        self.secure(security, tls)?;

        let frame = self.wire.frame(&X224_HINT)?;
        let data = decode::<X224<X224Data<'_>>>(&frame).map_err(io::Error::other)?;
        let initial = decode::<ConnectInitial>(data.0.data.as_ref()).map_err(io::Error::other)?;
        let blocks = initial.conference_create_request.into_gcc_blocks();
        let channels = blocks.network.map(|network| network.channels).unwrap_or_default();
        let channels: Vec<_> =
            channels.iter().map(|channel| channel.name.as_str().unwrap_or_default().to_owned()).collect();
        self.connect_response(security, channels.len())?;
        self.join(channels.len())?;

        let frame = self.wire.frame(&X224_HINT)?;
        let data = decode::<X224<SendDataRequest<'_>>>(&frame).map_err(io::Error::other)?;
        let info: ClientInfoPdu = decode(&data.0.user_data).map_err(io::Error::other)?;
        let licence: LicensePdu = LicensingErrorMessage::new_valid_client().unwrap().into();
        let user_data = encode_vec(&licence).unwrap().into();
        let licence = SendDataIndication { initiator_id: SERVER_USER, channel_id: MAIN_CHANNEL, user_data };
        self.send(Step::License, &X224(licence))?;
        Ok(Client { request, core: blocks.core, channels, info })
    }

    fn secure(&mut self, security: SecurityProtocol, tls: &Arc<ServerConfig>) -> io::Result<()> {
        if security.is_empty() {
            return Ok(());
        }
        let instead = (self.script)(Step::Tls, Vec::new());
        if !instead.is_empty() {
            self.wire.send(&instead)?;
            self.wire.finish();
            return Err(io::Error::other("the script sent something else than TLS"));
        }
        self.wire.encrypt(tls)?;
        if security.intersects(SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX) {
            self.wire.some()?;
            let answer = (self.script)(Step::Credssp, Vec::new());
            self.wire.send(&answer)?;
            self.wire.finish();
            return Err(io::Error::other("this server knows no CredSSP"));
        }
        Ok(())
    }

    fn connect_response(&mut self, security: SecurityProtocol, channels: usize) -> io::Result<()> {
        let channel_ids = (1..).map(|at| MAIN_CHANNEL + at).take(channels).collect();
        let blocks = ServerGccBlocks {
            core: ServerCoreData {
                version: RdpVersion::V5_PLUS,
                optional_data: ServerCoreOptionalData {
                    client_requested_protocols: Some(security),
                    early_capability_flags: None,
                },
            },
            network: ServerNetworkData { channel_ids, io_channel: MAIN_CHANNEL },
            security: ServerSecurityData::no_security(),
            message_channel: None,
            multi_transport_channel: None,
        };
        let response = ConnectResponse {
            conference_create_response: ConferenceCreateResponse::new(SERVER_USER, blocks).unwrap(),
            called_connect_id: 1,
            domain_parameters: DomainParameters::target(),
        };
        self.send(Step::ConnectResponse, &X224(X224Data { data: encode_vec(&response).unwrap().into() }))
    }

    fn join(&mut self, channels: usize) -> io::Result<()> {
        let mut joined = 0;
        // The user's own channel and the main channel come first.
        while joined < channels + 2 {
            let frame = self.wire.frame(&X224_HINT)?;
            match decode::<X224<McsMessage<'_>>>(&frame).map_err(io::Error::other)?.0 {
                McsMessage::ErectDomainRequest(_) => {}
                McsMessage::AttachUserRequest(_) => {
                    self.send(Step::AttachUser, &X224(AttachUserConfirm { result: 0, initiator_id: CLIENT_USER }))?;
                }
                McsMessage::ChannelJoinRequest(request) => {
                    joined += 1;
                    let confirm = ChannelJoinConfirm {
                        result: 0,
                        initiator_id: request.initiator_id,
                        requested_channel_id: request.channel_id,
                        channel_id: request.channel_id,
                    };
                    self.send(Step::ChannelJoin, &X224(confirm))?;
                }
                other => return Err(io::Error::other(format!("{other:?} instead of a channel to join"))),
            }
        }
        Ok(())
    }

    fn send(&mut self, step: Step, pdu: &impl Encode) -> io::Result<()> {
        send_scripted(self.wire, self.script, step, encode_vec(pdu).unwrap())
    }
}

/// Sends what the script makes of a PDU. Where that is something else, it is the last.
pub(crate) fn send_scripted(wire: &mut Wire, script: &mut Script, step: Step, pdu: Vec<u8>) -> io::Result<()> {
    let bytes = script(step, pdu.clone());
    wire.send(&bytes)?;
    if bytes == pdu {
        return Ok(());
    }
    wire.finish();
    Err(io::Error::other("the script sent something else"))
}
