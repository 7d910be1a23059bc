//! What the server says to the microphone.

use guac_protocol::AudioFormat;
use ironrdp_core::{decode, impl_as_any};
use ironrdp_dvc::{DvcClientProcessor, DvcMessage, DvcProcessor};
use ironrdp_pdu::PduResult;
use ironrdp_rdpeai::CHANNEL_NAME;
use ironrdp_rdpeai::pdu::{FormatChangePdu, FormatsPdu, OpenPdu, OpenReplyPdu, RdpeaiPdu, VersionPdu};

use crate::channels::audio::pcm_format;

/// Formats that are taken of the server's list. Windows offers about twenty of PCM.
const MAX_FORMATS: usize = 32;

/// Frames of a packet: as few as make sense to send, and a second of the fastest.
const FRAMES_PER_PACKET: std::ops::RangeInclusive<usize> = 32..=48_000;

/// Rates that are worth converting to, in hertz: that of a telephone and that of a studio.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Channels that are made of a microphone.
const MAX_CHANNELS: u8 = 2;

/// How the machine wants to hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) format: AudioFormat,
    /// Of each packet, not 0.
    pub(super) packet_bytes: usize,
}

/// The server's end of the microphone.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// In the order of our answer, to which the server refers.
    formats: Vec<AudioFormat>,
    frames_per_packet: Option<usize>,
    wanted: Option<Wanted>,
}

impl_as_any!(Recorder);

impl Recorder {
    pub(super) fn wanted(&self) -> Option<Wanted> {
        self.wanted
    }

    fn answer(&mut self, pdu: RdpeaiPdu) -> Vec<RdpeaiPdu> {
        match pdu {
            RdpeaiPdu::Version(pdu) => vec![RdpeaiPdu::Version(VersionPdu::new(pdu.version))],
            RdpeaiPdu::Formats(server) => self.negotiate(server),
            RdpeaiPdu::Open(open) => self.open(&open),
            RdpeaiPdu::FormatChange(change) => match (self.frames_per_packet, self.format(change.new_format)) {
                (_, None) => Vec::new(),
                (frames, Some(format)) => {
                    self.wanted = frames.map(|frames| wanted(format, frames));
                    vec![RdpeaiPdu::FormatChange(FormatChangePdu::new(change.new_format))]
                }
            },
            // Ours to say.
            RdpeaiPdu::DataIncoming | RdpeaiPdu::Data(_) | RdpeaiPdu::OpenReply(_) => Vec::new(),
        }
    }

    /// # Specification
    /// [MS-RDPEAI] 3.2.5.1.4
    fn negotiate(&mut self, server: FormatsPdu) -> Vec<RdpeaiPdu> {
        *self = Self::default();
        let offered = server.formats.into_iter().filter_map(|format| {
            let ours = pcm_format(&format)?;
            let fits = ours.channels() <= MAX_CHANNELS && RATES_HZ.contains(&ours.rate_hz());
            fits.then_some((ours, format))
        });
        let (ours, theirs) = offered.take(MAX_FORMATS).unzip();
        self.formats = ours;
        vec![RdpeaiPdu::DataIncoming, RdpeaiPdu::Formats(FormatsPdu::client(theirs))]
    }

    /// # Specification
    /// [MS-RDPEAI] 3.2.5.1.6 and 3.2.5.1.7
    fn open(&mut self, open: &OpenPdu) -> Vec<RdpeaiPdu> {
        self.wanted = None;
        let frames = usize::try_from(open.frames_per_packet).ok().filter(|frames| FRAMES_PER_PACKET.contains(frames));
        let (Some(format), Some(frames)) = (self.format(open.initial_format), frames) else {
            tracing::debug!(frames_per_packet = open.frames_per_packet, "Microphone of no use to the machine");
            return vec![RdpeaiPdu::OpenReply(OpenReplyPdu::fail())];
        };
        self.frames_per_packet = Some(frames);
        self.wanted = Some(wanted(format, frames));
        vec![
            RdpeaiPdu::FormatChange(FormatChangePdu::new(open.initial_format)),
            RdpeaiPdu::OpenReply(OpenReplyPdu::ok()),
        ]
    }

    fn format(&self, index: u32) -> Option<AudioFormat> {
        self.formats.get(usize::try_from(index).ok()?).copied()
    }
}

fn wanted(format: AudioFormat, frames: usize) -> Wanted {
    Wanted { format, packet_bytes: frames * format.frame_bytes() }
}

impl DvcProcessor for Recorder {
    fn channel_name(&self) -> &str {
        CHANNEL_NAME
    }

    fn start(&mut self, _channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        *self = Self::default();
        Ok(Vec::new())
    }

    fn process(&mut self, _channel_id: u32, payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        let answers = match decode::<RdpeaiPdu>(payload) {
            Ok(pdu) => self.answer(pdu),
            Err(error) => {
                tracing::debug!(%error, "Message about the microphone not understood");
                Vec::new()
            }
        };
        Ok(answers.into_iter().map(|pdu| -> DvcMessage { Box::new(pdu) }).collect())
    }

    fn close(&mut self, _channel_id: u32) {
        *self = Self::default();
    }
}

impl DvcClientProcessor for Recorder {}
