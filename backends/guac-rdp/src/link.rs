//! The open connection, without its socket: PDUs in, bytes out.

use ironrdp_core::WriteBuf;
use ironrdp_dvc::{DrdynvcClient, DvcClientProcessor, DvcMessage, encode_dvc_messages};
use ironrdp_pdu::gcc::ChannelName;
use ironrdp_pdu::input::fast_path::{FastPathInput, FastPathInputEvent};
use ironrdp_pdu::rdp::headers::ShareDataPdu;
use ironrdp_session::x224;
use ironrdp_svc::{ChannelFlags, SvcMessage, SvcProcessor, SvcProcessorMessages};

use crate::{RdpError, slow_path::slow_path};

/// Channels and what waits to be written to the server.
pub(crate) struct Link {
    /// Virtual channels, static and dynamic.
    pub(crate) channels: x224::Processor,
    /// The server takes input in the short form.
    fast_path_input: bool,
    unsent: Vec<u8>,
}

impl Link {
    pub(crate) fn new(channels: x224::Processor) -> Self {
        Self { channels, fast_path_input: true, unsent: Vec::new() }
    }

    /// Which form of input the server takes, as it says at each activation.
    pub(crate) fn set_fast_path_input(&mut self, fast_path_input: bool) {
        self.fast_path_input = fast_path_input;
    }

    /// Bytes for the server, in order.
    pub(crate) fn unsent(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Queues bytes that are framed already.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Queues input.
    pub(crate) fn send_input(&mut self, events: &[FastPathInputEvent]) -> Result<(), RdpError> {
        if events.is_empty() {
            return Ok(());
        }
        if !self.fast_path_input {
            return self.send_share_data(ShareDataPdu::Input(slow_path(events)));
        }
        for chunk in events.chunks(FastPathInput::MAX_EVENTS) {
            let pdu = FastPathInput::new(chunk.to_vec()).map_err(RdpError::decode)?;
            self.unsent.extend(ironrdp_core::encode_vec(&pdu).map_err(RdpError::encode)?);
        }
        Ok(())
    }

    /// Queues a PDU of the main channel.
    pub(crate) fn send_share_data(&mut self, pdu: ShareDataPdu) -> Result<(), RdpError> {
        let mut out = WriteBuf::new();
        self.channels.encode_static(&mut out, pdu)?;
        self.send_raw(out.filled());
        Ok(())
    }

    /// The processor of a static channel; none where it is not attached.
    pub(crate) fn static_channel<C: SvcProcessor + 'static>(&mut self) -> Option<&mut C> {
        self.channels.get_svc_processor_mut::<C>()
    }

    /// Queues messages of the static channel `C`, which must be attached.
    pub(crate) fn send_static<C: SvcProcessor + 'static>(&mut self, messages: Vec<SvcMessage>) -> Result<(), RdpError> {
        if !messages.is_empty() {
            let bytes = self.channels.process_svc_processor_messages(SvcProcessorMessages::<C>::new(messages))?;
            self.send_raw(&bytes);
        }
        Ok(())
    }

    /// Queues messages of the static channel of this name, which must be attached.
    pub(crate) fn send_named(&mut self, name: &ChannelName, messages: Vec<SvcMessage>) -> Result<(), RdpError> {
        let bytes = self.channels.process_svc_messages_by_name(name, messages)?;
        self.send_raw(&bytes);
        Ok(())
    }

    /// The id of the dynamic channel `C`; none where the server has not opened it.
    pub(crate) fn dynamic_channel_id<C: DvcClientProcessor + 'static>(&self) -> Option<u32> {
        Some(self.channels.get_dvc::<C>()?.channel_id())
    }

    /// Queues messages of the dynamic channel `C`. Nothing happens where the server has not opened it.
    pub(crate) fn send_dynamic<C: DvcClientProcessor + 'static>(
        &mut self,
        messages: Vec<DvcMessage>,
    ) -> Result<(), RdpError> {
        let Some(id) = self.dynamic_channel_id::<C>() else { return Ok(()) };
        let messages = encode_dvc_messages(id, messages, ChannelFlags::empty()).map_err(RdpError::encode)?;
        self.send_static::<DrdynvcClient>(messages)
    }
}
