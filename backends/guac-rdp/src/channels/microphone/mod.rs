//! The owner's microphone, as the machine wants to hear it.
//!
//! # Specification
//! [MS-RDPEAI]

mod convert;
mod processor;
#[cfg(test)]
mod tests;

use guac_display::Surface;
use guac_session::{AudioInput, Event, Stage};
use ironrdp_dvc::{DrdynvcClient, DvcMessage};
use ironrdp_rdpeai::pdu::{DataPdu, RdpeaiPdu};
use ironrdp_svc::StaticChannelSet;

use self::convert::Converter;
use self::processor::{Recorder, Wanted};
use super::Channel;
use crate::{RdpError, link::Link};

/// Bytes on their way to the server beyond which it is sent no sound: a second of it, which it does not take.
const MAX_UNSENT_BYTES: usize = 256 * 1024;

/// Our end of the microphone.
#[derive(Debug, Default)]
pub(crate) struct Microphone {
    /// What users have been told of the machine's wish; nothing before the first time.
    told: Option<Option<Wanted>>,
    converter: Option<Converter>,
    /// Sound in the machine's format, less than a packet.
    packet: Vec<u8>,
}

impl Microphone {
    fn forget(&mut self) {
        self.converter = None;
        self.packet = Vec::new();
    }
}

impl Channel for Microphone {
    fn attach(&mut self, _fixed: &mut StaticChannelSet, dynamic: &mut DrdynvcClient) {
        dynamic.attach_dynamic_channel(Recorder::default());
    }

    fn handle(
        &mut self,
        event: Event,
        link: &mut Link,
        _stage: &mut Stage<Surface>,
    ) -> Result<Option<Event>, RdpError> {
        let (format, data) = match event {
            Event::AudioInput { format, data } => (format, data),
            Event::AudioInputEnd => {
                self.forget();
                return Ok(None);
            }
            other => return Ok(Some(other)),
        };
        let Some(wanted) = wanted(link).filter(|_| link.unsent().len() <= MAX_UNSENT_BYTES) else {
            self.forget();
            return Ok(None);
        };
        if self.converter.as_ref().is_none_or(|converter| !converter.is_between(format, wanted.format)) {
            self.forget();
            self.converter = Converter::new(format, wanted.format);
        }
        let Some(converter) = self.converter.as_mut() else { return Ok(None) };
        converter.convert(&data, &mut self.packet);
        let whole_bytes = self.packet.len() - self.packet.len() % wanted.packet_bytes;
        let packets: Vec<u8> = self.packet.drain(..whole_bytes).collect();
        let messages = packets.chunks_exact(wanted.packet_bytes).flat_map(|packet| -> [DvcMessage; 2] {
            [Box::new(RdpeaiPdu::DataIncoming), Box::new(RdpeaiPdu::Data(DataPdu::new(packet.to_vec())))]
        });
        link.send_dynamic::<Recorder>(messages.collect())?;
        Ok(None)
    }

    fn poll(&mut self, link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        let wanted = wanted(link);
        if self.told != Some(wanted) {
            self.forget();
            stage.use_microphone(if wanted.is_some() { AudioInput::On } else { AudioInput::Standby });
            self.told = Some(wanted);
        }
        Ok(())
    }
}

/// What the machine wants to hear; nothing while it does not listen.
fn wanted(link: &Link) -> Option<Wanted> {
    link.channels.get_dvc::<Recorder>()?.processor().wanted()
}
