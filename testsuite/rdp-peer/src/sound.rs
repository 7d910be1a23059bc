//! Sound to the client (MS-RDPEA), from the server.

use std::borrow::Cow;
use std::io;

use ironrdp_core::{decode, encode_vec};
use ironrdp_rdpsnd::pdu::{
    AudioFormat, ClientAudioFormatPdu, ClientAudioOutputPdu, ServerAudioFormatPdu, ServerAudioOutputPdu, TrainingPdu,
    Version, Wave2Pdu, WaveFormat,
};

use crate::peer::Peer;

/// The static channel of sound.
const CHANNEL: &str = "rdpsnd";

/// Sound that both sides agreed on.
#[derive(Debug)]
pub struct Sound {
    /// What the client takes.
    pub client: ClientAudioFormatPdu,
    block: u8,
}

impl Sound {
    /// Uncompressed sound.
    #[must_use]
    pub fn pcm(channels: u16, rate: u32, bits: u16) -> AudioFormat {
        let block = channels * bits / 8;
        AudioFormat {
            format: WaveFormat::PCM,
            n_channels: channels,
            n_samples_per_sec: rate,
            n_avg_bytes_per_sec: rate * u32::from(block),
            n_block_align: block,
            bits_per_sample: bits,
            data: None,
        }
    }

    /// Offers formats and trains.
    ///
    /// # Errors
    /// The client is gone or says something else.
    pub fn open(peer: &mut Peer, formats: Vec<AudioFormat>) -> io::Result<Self> {
        Self::send(peer, ServerAudioOutputPdu::AudioFormat(ServerAudioFormatPdu { version: Version::V8, formats }))?;
        let client = peer.expect_channel(CHANNEL, |data| match decode(data) {
            Ok(ClientAudioOutputPdu::AudioFormat(pdu)) => Some(pdu),
            _ => None,
        })?;
        Self::send(peer, ServerAudioOutputPdu::Training(TrainingPdu { timestamp: 7, data: vec![0; 64] }))?;
        peer.expect_channel(CHANNEL, |data| match decode(data) {
            Ok(ClientAudioOutputPdu::TrainingConfirm(_)) => Some(()),
            _ => None,
        })?;
        Ok(Self { client, block: 0 })
    }

    /// Plays a piece in the client's format with this index and waits until it says that it has.
    ///
    /// # Errors
    /// The client is gone.
    pub fn play(&mut self, peer: &mut Peer, format_no: u16, data: &[u8]) -> io::Result<()> {
        self.block = self.block.wrapping_add(1);
        let block_no = self.block;
        let wave = Wave2Pdu { timestamp: 7, format_no, block_no, audio_timestamp: 0, data: Cow::Borrowed(data) };
        Self::send(peer, ServerAudioOutputPdu::Wave2(wave))?;
        peer.expect_channel(CHANNEL, |data| match decode(data) {
            Ok(ClientAudioOutputPdu::WaveConfirm(confirm)) if confirm.block_no == block_no => Some(()),
            _ => None,
        })
    }

    /// Sends a PDU of sound.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send(peer: &mut Peer, pdu: ServerAudioOutputPdu<'_>) -> io::Result<()> {
        peer.send_channel(CHANNEL, &encode_vec(&pdu).unwrap())
    }
}
