//! An open desktop, seen from the server.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use ironrdp_core::{decode, encode_vec};
use ironrdp_dvc::pdu::{
    CapabilitiesRequestPdu, CapsVersion, CreateRequestPdu, DataFirstPdu, DataPdu, DrdynvcClientPdu, DrdynvcDataPdu,
    DrdynvcServerPdu,
};
use ironrdp_pdu::gcc::ClientCoreData;
use ironrdp_pdu::input::fast_path::{FastPathInput, FastPathInputEvent};
use ironrdp_pdu::mcs::{McsMessage, SendDataIndication};
use ironrdp_pdu::rdp::ClientInfoPdu;
use ironrdp_pdu::rdp::capability_sets::{CapabilitySet, DemandActive, ServerDemandActive};
use ironrdp_pdu::rdp::client_info::CompressionType;
use ironrdp_pdu::rdp::finalization_messages::{ControlAction, ControlPdu, FontPdu, SequenceFlags, SynchronizePdu};
use ironrdp_pdu::rdp::headers::{
    CompressionFlags, ServerDeactivateAll, ShareControlHeader, ShareControlPdu, ShareDataHeader, ShareDataPdu,
    StreamPriority,
};
use ironrdp_pdu::rdp::vc::{ChannelControlFlags, ChannelPduHeader};
use ironrdp_pdu::x224::X224;

use crate::capabilities;
use crate::handshake::{Client, MAIN_CHANNEL, SERVER_USER, Script, Step, send_scripted};
use crate::wire::Wire;

/// Data of a static channel in one PDU.
const CHUNK_BYTES: usize = 1600;

/// Data of a dynamic channel in one message of the static channel that carries it.
const DYNAMIC_BYTES: usize = 1590;

/// Data of one fast-path fragment; the length of the PDU has 15 bits.
const FRAGMENT_BYTES: usize = 16_000;

/// What the client sent.
#[derive(Debug)]
pub enum Message {
    /// Input.
    Input(Vec<FastPathInputEvent>),
    /// Its answer to Demand Active.
    Confirmed(Vec<CapabilitySet>),
    /// A data PDU of the main channel.
    Share(ShareDataPdu),
    /// A whole message of a static channel, by the channel's name.
    Channel(String, Vec<u8>),
    /// The client can do dynamic channels.
    DynamicReady,
    /// It answered the creation of a dynamic channel, with a status that is 0 where it took it.
    DynamicCreated(u32, u32),
    /// It closed a dynamic channel.
    DynamicClosed(u32),
    /// A whole message of a dynamic channel, by the channel's number.
    Dynamic(u32, Vec<u8>),
    /// It went away.
    Closed,
}

/// One client.
pub struct Peer {
    wire: Wire,
    script: Script,
    /// What the client can do, of its last Confirm Active.
    pub capabilities: Vec<CapabilitySet>,
    /// Its X.224 Connection Request, as it came.
    pub request: Vec<u8>,
    /// What the client said of itself first.
    pub core: ClientCoreData,
    /// Names of the static channels it asked for, in order.
    pub channels: Vec<String>,
    /// Who it is, and what it wants to see.
    pub info: ClientInfoPdu,
    partial: BTreeMap<u16, Vec<u8>>,
    dynamic_partial: BTreeMap<u32, (usize, Vec<u8>)>,
    next_dynamic: u32,
    dynamic_ready: bool,
    unseen: VecDeque<Message>,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Peer {
    pub(crate) fn new(wire: Wire, script: Script, client: Client) -> Self {
        Self {
            wire,
            script,
            capabilities: Vec::new(),
            request: client.request,
            core: client.core,
            channels: client.channels,
            info: client.info,
            partial: BTreeMap::new(),
            dynamic_partial: BTreeMap::new(),
            next_dynamic: 1,
            dynamic_ready: false,
            unseen: VecDeque::new(),
        }
    }

    /// Exchanges capabilities and finishes the connection sequence.
    pub(crate) fn activate(&mut self, width: u16, height: u16) -> io::Result<()> {
        let capability_sets = capabilities::of_desktop(width, height);
        let pdu = DemandActive { source_descriptor: "RDP".to_owned(), capability_sets };
        self.send_scripted(Step::DemandActive, ShareControlPdu::ServerDemandActive(ServerDemandActive { pdu }))?;
        self.capabilities = self.expect("Confirm Active", |message| match message {
            Message::Confirmed(capabilities) => Some(capabilities.clone()),
            _ => None,
        })?;
        let is_last = |message: &Message| matches!(message, Message::Share(ShareDataPdu::FontList(_))).then_some(());
        self.expect("Font List", is_last)?;
        self.unseen.retain(|message| {
            !matches!(message, Message::Share(ShareDataPdu::Synchronize(_) | ShareDataPdu::Control(_)))
        });
        let cooperate = ControlPdu { action: ControlAction::Cooperate, grant_id: 0, control_id: 0 };
        let granted = ControlPdu {
            action: ControlAction::GrantedControl,
            grant_id: SERVER_USER,
            control_id: u32::from(SERVER_USER),
        };
        let fonts =
            FontPdu { number: 0, total_number: 0, flags: SequenceFlags::FIRST | SequenceFlags::LAST, entry_size: 4 };
        for pdu in [
            ShareDataPdu::Synchronize(SynchronizePdu { target_user_id: SERVER_USER }),
            ShareDataPdu::Control(cooperate),
            ShareDataPdu::Control(granted),
            ShareDataPdu::FontMap(fonts),
        ] {
            self.send_scripted(Step::Finalization, share_data(pdu))?;
        }
        Ok(())
    }

    fn send_scripted(&mut self, step: Step, pdu: ShareControlPdu) -> io::Result<()> {
        send_scripted(&mut self.wire, &mut self.script, step, framed(MAIN_CHANNEL, &share_control(pdu)))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.send(bytes)
    }

    /// Sends user data on the channel with this number, whatever it is.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_mcs(&mut self, channel_id: u16, data: &[u8]) -> io::Result<()> {
        self.wire.send(&framed(channel_id, data))
    }

    /// Sends bytes on the main channel.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_main(&mut self, data: &[u8]) -> io::Result<()> {
        self.send_mcs(MAIN_CHANNEL, data)
    }

    /// Sends a PDU of the main channel.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_control(&mut self, share_control_pdu: ShareControlPdu) -> io::Result<()> {
        self.send_main(&share_control(share_control_pdu))
    }

    /// Sends a data PDU of the main channel.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_share(&mut self, share_data_pdu: ShareDataPdu) -> io::Result<()> {
        self.send_control(share_data(share_data_pdu))
    }

    /// Sends Set Error Info with any number (MS-RDPBCGR 2.2.5.1).
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_error_info(&mut self, code: u32) -> io::Result<()> {
        let mut data = vec![22, 0, 0x17, 0];
        data.extend(MAIN_CHANNEL.to_le_bytes());
        // Share, padding, stream; uncompressed length; Set Error Info; no compression.
        data.extend([0, 0, 0, 0, 0, 1, 8, 0, 0x2f, 0, 0, 0]);
        data.extend(code.to_le_bytes());
        self.send_main(&data)
    }

    /// Sends a fast-path update (MS-RDPBCGR 2.2.9.1.2) in as many fragments as it takes.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_update(&mut self, code: u8, data: &[u8]) -> io::Result<()> {
        let count = data.len().div_ceil(FRAGMENT_BYTES).max(1);
        for at in 0..count {
            let part = &data[at * FRAGMENT_BYTES..data.len().min((at + 1) * FRAGMENT_BYTES)];
            let fragmentation = match (at, at + 1 == count) {
                (0, true) => 0,
                (_, true) => 1,
                (0, false) => 2,
                (_, false) => 3,
            };
            self.send_fragment(code | fragmentation << 4, None, part)?;
        }
        Ok(())
    }

    /// Sends one fast-path update with this first byte: code, fragmentation (bits 4 and 5), compression (bits 6 and 7).
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_fragment(&mut self, head: u8, compression: Option<u8>, data: &[u8]) -> io::Result<()> {
        let mut update = vec![head | if compression.is_some() { 0x80 } else { 0 }];
        update.extend(compression);
        update.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        update.extend(data);
        let [high, low] = u16::try_from(update.len() + 3).unwrap().to_be_bytes();
        self.wire.send(&[&[0, high | 0x80, low][..], &update].concat())
    }

    /// Sends a whole message of a static channel.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_channel(&mut self, name: &str, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len()).unwrap();
        let chunks: Vec<&[u8]> = if data.is_empty() { vec![data] } else { data.chunks(CHUNK_BYTES).collect() };
        for (at, chunk) in chunks.iter().enumerate() {
            let mut flags = ChannelControlFlags::FLAG_SHOW_PROTOCOL;
            flags.set(ChannelControlFlags::FLAG_FIRST, at == 0);
            flags.set(ChannelControlFlags::FLAG_LAST, at + 1 == chunks.len());
            self.send_chunk(name, length, flags.bits(), chunk)?;
        }
        Ok(())
    }

    /// Sends a chunk of a static channel with this header (MS-RDPBCGR 2.2.6.1.1).
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_chunk(&mut self, name: &str, length: u32, flags: u32, data: &[u8]) -> io::Result<()> {
        let id = self.channel_id(name);
        self.send_mcs(id, &[&length.to_le_bytes()[..], &flags.to_le_bytes(), data].concat())
    }

    fn channel_id(&self, name: &str) -> u16 {
        let at = self.channels.iter().position(|channel| channel == name);
        let at = at.unwrap_or_else(|| panic!("the client did not ask for channel {name}: {:?}", self.channels));
        MAIN_CHANNEL + 1 + u16::try_from(at).unwrap()
    }

    /// Sends a PDU of the channel that carries dynamic channels.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_dynamic_pdu(&mut self, pdu: &DrdynvcServerPdu) -> io::Result<()> {
        self.send_channel("drdynvc", &encode_vec(pdu).unwrap())
    }

    /// Opens a dynamic channel and gives its number. `None` if the client does not want it.
    ///
    /// # Errors
    /// The client is gone.
    pub fn open_dynamic(&mut self, name: &str) -> io::Result<Option<u32>> {
        if !self.dynamic_ready {
            let capabilities = CapabilitiesRequestPdu::new(CapsVersion::V1, None);
            self.send_dynamic_pdu(&DrdynvcServerPdu::Capabilities(capabilities))?;
            self.expect("its version of dynamic channels", |message| {
                matches!(message, Message::DynamicReady).then_some(())
            })?;
            self.dynamic_ready = true;
        }
        let id = self.next_dynamic;
        self.next_dynamic += 1;
        self.send_dynamic_pdu(&DrdynvcServerPdu::Create(CreateRequestPdu::new(id, name.to_owned())))?;
        let status = self.expect("an answer to a dynamic channel", |message| match message {
            Message::DynamicCreated(created, status) if *created == id => Some(*status),
            _ => None,
        })?;
        Ok((status == 0).then_some(id))
    }

    /// Sends a whole message of a dynamic channel.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send_dynamic(&mut self, id: u32, data: &[u8]) -> io::Result<()> {
        if data.len() <= DYNAMIC_BYTES {
            let pdu = DrdynvcDataPdu::Data(DataPdu::new(id, data.to_vec()));
            return self.send_dynamic_pdu(&DrdynvcServerPdu::Data(pdu));
        }
        let length = u32::try_from(data.len()).unwrap();
        for (at, chunk) in data.chunks(DYNAMIC_BYTES).enumerate() {
            let pdu = if at == 0 {
                DrdynvcDataPdu::DataFirst(DataFirstPdu::new(id, length, chunk.to_vec()))
            } else {
                DrdynvcDataPdu::Data(DataPdu::new(id, chunk.to_vec()))
            };
            self.send_dynamic_pdu(&DrdynvcServerPdu::Data(pdu))?;
        }
        Ok(())
    }

    /// Changes the desktop's size by deactivation and reactivation (MS-RDPBCGR 1.3.1.3).
    ///
    /// # Errors
    /// The client is gone or does not follow.
    pub fn resize(&mut self, width: u16, height: u16) -> io::Result<()> {
        self.send_control(ShareControlPdu::ServerDeactivateAll(ServerDeactivateAll))?;
        self.activate(width, height)
    }

    /// What the client sent next; [`Message::Closed`] again and again when it is gone.
    ///
    /// # Errors
    /// It is silent for too long.
    pub fn receive(&mut self) -> io::Result<Message> {
        if let Some(message) = self.unseen.pop_front() {
            return Ok(message);
        }
        self.receive_new()
    }

    fn receive_new(&mut self) -> io::Result<Message> {
        loop {
            let frame = match self.wire.frame(&ironrdp_pdu::RDP_HINT) {
                Ok(frame) => frame,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(error);
                }
                Err(_) => return Ok(Message::Closed),
            };
            if let Some(message) = self.understand(&frame)? {
                return Ok(message);
            }
        }
    }

    /// Waits for a message that `find` takes. Others are kept for later calls.
    ///
    /// # Errors
    /// The client is silent for too long, or gone.
    pub fn expect<T>(&mut self, what: &str, mut find: impl FnMut(&Message) -> Option<T>) -> io::Result<T> {
        for at in 0..self.unseen.len() {
            if let Some(found) = find(&self.unseen[at]) {
                self.unseen.remove(at);
                return Ok(found);
            }
        }
        loop {
            let message = self
                .receive_new()
                .map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}, but {:?}", self.unseen)))?;
            if let Some(found) = find(&message) {
                return Ok(found);
            }
            if matches!(message, Message::Closed) {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{what}: the client is gone")));
            }
            self.unseen.push_back(message);
        }
    }

    /// Waits for a message of a static channel that `find` takes.
    ///
    /// # Errors
    /// As of [`expect`](Self::expect).
    pub fn expect_channel<T>(&mut self, name: &str, mut find: impl FnMut(&[u8]) -> Option<T>) -> io::Result<T> {
        self.expect(name, |message| match message {
            Message::Channel(channel, data) if channel == name => find(data),
            _ => None,
        })
    }

    /// Waits for a message of a dynamic channel that `find` takes.
    ///
    /// # Errors
    /// As of [`expect`](Self::expect).
    pub fn expect_dynamic<T>(&mut self, id: u32, mut find: impl FnMut(&[u8]) -> Option<T>) -> io::Result<T> {
        self.expect("a message of a dynamic channel", |message| match message {
            Message::Dynamic(channel, data) if *channel == id => find(data),
            _ => None,
        })
    }

    /// Says that nothing more comes, and waits until the client is gone as well.
    pub fn finish(mut self) {
        self.wire.finish();
    }

    /// Reads until the client is gone; gives what it sent.
    pub fn until_closed(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Ok(message) = self.receive() {
            if matches!(message, Message::Closed) {
                break;
            }
            messages.push(message);
        }
        messages
    }

    fn understand(&mut self, frame: &[u8]) -> io::Result<Option<Message>> {
        let wrong = |error: ironrdp_core::DecodeError| io::Error::other(format!("{error}: {frame:02x?}"));
        if frame.first().is_some_and(|action| action & 3 == 0) {
            let input = decode::<FastPathInput>(frame).map_err(wrong)?;
            return Ok(Some(Message::Input(input.input_events().to_vec())));
        }
        match decode::<X224<McsMessage<'_>>>(frame).map_err(wrong)?.0 {
            McsMessage::SendDataRequest(request) if request.channel_id == MAIN_CHANNEL => {
                let header = decode::<ShareControlHeader>(request.user_data.as_ref()).map_err(wrong)?;
                Ok(match header.share_control_pdu {
                    ShareControlPdu::Data(data) => Some(Message::Share(data.share_data_pdu)),
                    ShareControlPdu::ClientConfirmActive(confirm) => {
                        Some(Message::Confirmed(confirm.pdu.capability_sets))
                    }
                    _ => None,
                })
            }
            McsMessage::SendDataRequest(request) => self.understand_chunk(request.channel_id, &request.user_data),
            McsMessage::DisconnectProviderUltimatum(_) => Ok(Some(Message::Closed)),
            _ => Ok(None),
        }
    }

    fn understand_chunk(&mut self, id: u16, data: &[u8]) -> io::Result<Option<Message>> {
        let header: ChannelPduHeader = decode(data).map_err(io::Error::other)?;
        let partial = self.partial.entry(id).or_default();
        if header.flags.contains(ChannelControlFlags::FLAG_FIRST) {
            partial.clear();
        }
        partial.extend_from_slice(data.get(8..).unwrap_or_default());
        if !header.flags.contains(ChannelControlFlags::FLAG_LAST) {
            return Ok(None);
        }
        let data = std::mem::take(partial);
        assert_eq!(data.len(), usize::try_from(header.length).unwrap(), "the client says how long its message is");
        let at = id.checked_sub(MAIN_CHANNEL + 1).map(usize::from);
        let Some(name) = at.and_then(|at| self.channels.get(at)).cloned() else { return Ok(None) };
        if name == "drdynvc" {
            return self.understand_dynamic(&data);
        }
        Ok(Some(Message::Channel(name, data)))
    }

    fn understand_dynamic(&mut self, data: &[u8]) -> io::Result<Option<Message>> {
        let (id, data) = match decode::<DrdynvcClientPdu>(data).map_err(io::Error::other)? {
            DrdynvcClientPdu::Capabilities(_) => return Ok(Some(Message::DynamicReady)),
            DrdynvcClientPdu::Create(pdu) => {
                let status = u32::from_le_bytes(data[data.len() - 4..].try_into().unwrap());
                return Ok(Some(Message::DynamicCreated(pdu.channel_id(), status)));
            }
            DrdynvcClientPdu::Close(pdu) => return Ok(Some(Message::DynamicClosed(pdu.channel_id()))),
            DrdynvcClientPdu::Data(pdu) => {
                let id = pdu.channel_id();
                match pdu {
                    DrdynvcDataPdu::DataFirst(pdu) => {
                        self.dynamic_partial.insert(id, (usize::try_from(pdu.length()).unwrap(), Vec::new()));
                        (id, pdu.into_data())
                    }
                    DrdynvcDataPdu::Data(pdu) => (id, pdu.into_data()),
                    other => return Err(io::Error::other(format!("{other:?} needs version 3"))),
                }
            }
            _ => return Ok(None),
        };
        let Some((length, partial)) = self.dynamic_partial.get_mut(&id) else {
            return Ok(Some(Message::Dynamic(id, data)));
        };
        partial.extend(data);
        if partial.len() < *length {
            return Ok(None);
        }
        let data = self.dynamic_partial.remove(&id).map(|(_, data)| data).unwrap_or_default();
        Ok(Some(Message::Dynamic(id, data)))
    }
}

fn framed(channel_id: u16, data: &[u8]) -> Vec<u8> {
    encode_vec(&X224(SendDataIndication { initiator_id: SERVER_USER, channel_id, user_data: data.into() })).unwrap()
}

fn share_control(share_control_pdu: ShareControlPdu) -> Vec<u8> {
    encode_vec(&ShareControlHeader { share_id: 0, pdu_source: MAIN_CHANNEL, share_control_pdu }).unwrap()
}

fn share_data(share_data_pdu: ShareDataPdu) -> ShareControlPdu {
    ShareControlPdu::Data(ShareDataHeader {
        share_data_pdu,
        stream_priority: StreamPriority::Undefined,
        compression_flags: CompressionFlags::empty(),
        compression_type: CompressionType::K8,
    })
}
