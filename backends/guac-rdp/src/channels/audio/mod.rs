//! Sound that the machine plays, as it comes: PCM is handed on, and nothing else is offered to be decoded.
//!
//! # Specification
//! [MS-RDPEA]

mod processor;
#[cfg(test)]
mod tests;

use guac_display::Surface;
use guac_protocol::AudioFormat;
use guac_session::Stage;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_rdpsnd::pdu;
use ironrdp_svc::StaticChannelSet;

use self::processor::{DynamicPlayback, Heard, StaticPlayback};
use super::Channel;
use crate::{RdpError, link::Link};

/// Our end of the sound card.
#[derive(Debug)]
pub(crate) struct Audio {
    /// Whether anything is to be heard. Without, the channel is only there for Windows, which redirects no drives to
    /// a client without it ([MS-RDPEFS] appendix A, note 1).
    audible: bool,
    /// The server has our dynamic channel open.
    opened: bool,
}

impl Audio {
    pub(crate) fn new(audible: bool) -> Self {
        Self { audible, opened: false }
    }
}

impl Channel for Audio {
    fn attach(&mut self, fixed: &mut StaticChannelSet, dynamic: &mut DrdynvcClient) {
        fixed.insert(StaticPlayback::new(self.audible));
        if self.audible {
            dynamic.attach_dynamic_channel(DynamicPlayback::default());
        }
    }

    fn poll(&mut self, link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        let mut heard = link.static_channel::<StaticPlayback>().map(StaticPlayback::take).unwrap_or_default();
        let opened = match link.channels.get_dvc_mut::<DynamicPlayback>() {
            Some(mut channel) => {
                heard.append(&mut channel.processor_mut().take());
                true
            }
            None => false,
        };
        if std::mem::replace(&mut self.opened, opened) && !opened {
            heard.push(Heard::Close);
        }
        for heard in heard {
            match heard {
                Heard::Wave { format, pcm } => {
                    stage.start_audio(format);
                    stage.play_audio(&pcm);
                }
                Heard::Close => stage.stop_audio(),
            }
        }
        Ok(())
    }
}

/// What users hear of a format of the machine's, if it is plain PCM that adds up.
pub(super) fn pcm_format(format: &pdu::AudioFormat) -> Option<AudioFormat> {
    let channels = u8::try_from(format.n_channels).ok()?;
    let bits = u8::try_from(format.bits_per_sample).ok()?;
    let ours = AudioFormat::new(bits, format.n_samples_per_sec, channels).ok()?;
    let is_plain = format.format == pdu::WaveFormat::PCM && format.data.is_none();
    (is_plain && usize::from(format.n_block_align) == ours.frame_bytes()).then_some(ours)
}
