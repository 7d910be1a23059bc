//! What the server says to the sound card, taken down until [`Audio`](super::Audio) acts on it.

use guac_protocol::AudioFormat;
use ironrdp_core::{Decode as _, ReadCursor, impl_as_any};
use ironrdp_dvc::{DvcClientProcessor, DvcMessage, DvcProcessor};
use ironrdp_pdu::{PduResult, gcc::ChannelName};
use ironrdp_rdpsnd::client::DVC_CHANNEL_NAME;
use ironrdp_rdpsnd::pdu::{
    AudioFormatFlags, ClientAudioFormatPdu, ClientAudioOutputPdu, QualityMode, QualityModePdu, ServerAudioFormatPdu,
    ServerAudioOutputPdu, TrainingConfirmPdu, Version, WaveConfirmPdu, WavePdu,
};
use ironrdp_svc::{SvcClientProcessor, SvcMessage, SvcProcessor};

use super::pcm_format;

/// Formats that are taken of the server's list. Windows offers some twenty of PCM, best first.
const MAX_FORMATS: usize = 32;

/// Longest piece of sound, in bytes: what the length in its header can say. Honest ones play for a tenth of a second.
const MAX_WAVE_BYTES: usize = 0xFFFF;

/// Pieces that wait for [`Playback::take`], which follows each PDU of the server's: a PDU brings one.
const MAX_HEARD: usize = 16;

/// Channels that sound the same in every browser. More are left to the machine to mix down.
const MAX_CHANNELS: u8 = 2;

/// A message of the server's, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Sound, as users hear it: signed.
    Wave {
        format: AudioFormat,
        pcm: Vec<u8>,
    },
    Close,
}

/// The server's end of the sound card, whichever channel it uses.
///
/// Servers differ in what they say before they play (some never train), so that each message is taken for what it is
/// and none for its place.
#[derive(Debug)]
pub(super) struct Playback {
    audible: bool,
    /// In the order of our answer, to which waves refer.
    formats: Vec<AudioFormat>,
    /// The header of a wave whose sound is the whole next message ([MS-RDPEA] 2.2.3.4).
    announced: Option<WavePdu>,
    heard: Vec<Heard>,
}

impl Playback {
    pub(super) const fn new(audible: bool) -> Self {
        Self { audible, formats: Vec::new(), announced: None, heard: Vec::new() }
    }

    /// What was said since the last call.
    pub(super) fn take(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    fn restart(&mut self) {
        *self = Self::new(self.audible);
    }

    pub(super) fn process(&mut self, payload: &[u8]) -> Vec<ClientAudioOutputPdu> {
        if let Some(wave) = self.announced.take() {
            return self.finish_wave(&wave, payload);
        }
        let mut src = ReadCursor::new(payload);
        match ServerAudioOutputPdu::decode(&mut src) {
            Ok(ServerAudioOutputPdu::AudioFormat(server)) => self.negotiate(&server),
            Ok(ServerAudioOutputPdu::Training(training)) => {
                let pack_size = pack_size(training.data.len());
                let timestamp = training.timestamp;
                vec![ClientAudioOutputPdu::TrainingConfirm(TrainingConfirmPdu { timestamp, pack_size })]
            }
            // The rest of the message is the sound, where both came as one.
            Ok(ServerAudioOutputPdu::Wave(wave)) if !src.remaining().is_empty() => {
                self.finish_wave(&wave, src.remaining())
            }
            Ok(ServerAudioOutputPdu::Wave(wave)) => {
                self.announced = Some(wave);
                Vec::new()
            }
            Ok(ServerAudioOutputPdu::Wave2(wave)) => {
                self.play(wave.format_no, &[], &wave.data);
                confirm(wave.timestamp, wave.block_no)
            }
            Ok(ServerAudioOutputPdu::Close) => {
                self.hear(Heard::Close);
                Vec::new()
            }
            // Volume and pitch were not offered, so that the machine applies them; the rest is for sound over UDP.
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::debug!(%error, "Message about sound not understood");
                Vec::new()
            }
        }
    }

    /// # Specification
    /// [MS-RDPEA] 3.2.5.1.1
    fn negotiate(&mut self, server: &ServerAudioFormatPdu) -> Vec<ClientAudioOutputPdu> {
        let offered = server.formats.iter().filter(|_| self.audible).filter_map(|format| {
            let ours = pcm_format(format).filter(|ours| ours.channels() <= MAX_CHANNELS)?;
            Some((ours, format))
        });
        // With eight bits only where there is nothing better. The sort is stable: otherwise the server knows best.
        let mut offered: Vec<_> = offered.take(MAX_FORMATS).collect();
        offered.sort_by_key(|(ours, _)| ours.bits() == 8);
        if offered.iter().any(|(ours, _)| ours.bits() == 16) {
            offered.retain(|(ours, _)| ours.bits() == 16);
        }
        self.formats = offered.iter().map(|(ours, _)| *ours).collect();
        let formats = offered.into_iter().map(|(_, format)| format.clone()).collect();
        let flags = if self.audible { AudioFormatFlags::ALIVE } else { AudioFormatFlags::empty() };
        let mut answer = vec![ClientAudioOutputPdu::AudioFormat(ClientAudioFormatPdu {
            version: server.version,
            flags,
            formats,
            volume_left: u16::MAX,
            volume_right: u16::MAX,
            pitch: 0x0001_0000,
            dgram_port: 0,
        })];
        if server.version >= Version::V6 {
            answer.push(ClientAudioOutputPdu::QualityMode(QualityModePdu { quality_mode: QualityMode::High }));
        }
        answer
    }

    /// The first four bytes of the sound stand in its header, and as many of no meaning here.
    fn finish_wave(&mut self, wave: &WavePdu, payload: &[u8]) -> Vec<ClientAudioOutputPdu> {
        let rest_bytes = usize::from(wave.audio_length).saturating_sub(wave.data_prefix.len());
        let rest = payload.get(wave.data_prefix.len()..).unwrap_or_default();
        self.play(wave.format_no, &wave.data_prefix, rest.get(..rest_bytes).unwrap_or(rest));
        confirm(wave.timestamp, wave.block_no)
    }

    fn play(&mut self, format_no: u16, beginning: &[u8], rest: &[u8]) {
        let Some(&format) = self.formats.get(usize::from(format_no)) else {
            tracing::debug!(format_no, "Sound of a format that was not agreed upon");
            return;
        };
        let mut pcm: Vec<u8> = beginning.iter().chain(rest).copied().take(MAX_WAVE_BYTES).collect();
        if format.bits() == 8 {
            // Eight bits are unsigned there and signed here.
            pcm.iter_mut().for_each(|sample| *sample ^= 0x80);
        }
        self.hear(Heard::Wave { format, pcm });
    }

    fn hear(&mut self, heard: Heard) {
        if self.heard.len() < MAX_HEARD {
            self.heard.push(heard);
        }
    }
}

/// How long the server said that its training message is: as long as it is, or 0 for one without data.
///
/// # Specification
/// [MS-RDPEA] 2.2.3.2
fn pack_size(data_bytes: usize) -> u16 {
    const HEADERS_BYTES: usize = 8;
    if data_bytes == 0 { 0 } else { u16::try_from(data_bytes.saturating_add(HEADERS_BYTES)).unwrap_or(u16::MAX) }
}

/// Said at once, so that the server goes on sending as it plays.
fn confirm(timestamp: u16, block_no: u8) -> Vec<ClientAudioOutputPdu> {
    vec![ClientAudioOutputPdu::WaveConfirm(WaveConfirmPdu { timestamp, block_no })]
}

/// The static channel.
#[derive(Debug)]
pub(super) struct StaticPlayback(Playback);

impl_as_any!(StaticPlayback);

impl StaticPlayback {
    pub(super) fn new(audible: bool) -> Self {
        Self(Playback::new(audible))
    }

    pub(super) fn take(&mut self) -> Vec<Heard> {
        self.0.take()
    }
}

impl SvcProcessor for StaticPlayback {
    fn channel_name(&self) -> ChannelName {
        ChannelName::from_static(b"rdpsnd\0\0")
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        Ok(self.0.process(payload).into_iter().map(SvcMessage::from).collect())
    }
}

impl SvcClientProcessor for StaticPlayback {}

/// The dynamic channel, which Windows prefers.
#[derive(Debug)]
pub(super) struct DynamicPlayback(Playback);

impl_as_any!(DynamicPlayback);

impl Default for DynamicPlayback {
    fn default() -> Self {
        Self(Playback::new(true))
    }
}

impl DynamicPlayback {
    pub(super) fn take(&mut self) -> Vec<Heard> {
        self.0.take()
    }
}

impl DvcProcessor for DynamicPlayback {
    fn channel_name(&self) -> &str {
        DVC_CHANNEL_NAME
    }

    fn start(&mut self, _channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        self.0.restart();
        Ok(Vec::new())
    }

    fn process(&mut self, _channel_id: u32, payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        Ok(self.0.process(payload).into_iter().map(|pdu| -> DvcMessage { Box::new(pdu) }).collect())
    }

    fn close(&mut self, _channel_id: u32) {
        self.0.restart();
    }
}

impl DvcClientProcessor for DynamicPlayback {}
