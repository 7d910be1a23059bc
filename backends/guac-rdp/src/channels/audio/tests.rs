use std::sync::Arc;

use guac_session::Params;
use ironrdp_core::{Encode, EncodeResult, WriteCursor, decode, encode_vec, impl_as_any};
use ironrdp_dvc::{DrdynvcServer, DvcEncode, DvcMessage, DvcProcessor, DvcServerProcessor, encode_dvc_messages};
use ironrdp_pdu::PduResult;
use ironrdp_rdpsnd::pdu::{
    AudioFormatFlags, ClientAudioOutputPdu, ServerAudioFormatPdu, ServerAudioOutputPdu, TrainingPdu, Version,
    VolumePdu, Wave2Pdu, WaveFormat, WavePdu,
};
use ironrdp_rdpsnd::server::{NegotiatedFormat, RdpsndError, RdpsndServer, RdpsndServerHandler};
use ironrdp_svc::{ChannelFlags, SvcMessage};
use proptest::prelude::*;

use super::processor::Playback;
use super::*;
use crate::channels::testing::{Both, Pair, Scene};

fn pcm(bits: u16, rate_hz: u32, channels: u16) -> pdu::AudioFormat {
    let block = channels * bits / 8;
    pdu::AudioFormat {
        format: WaveFormat::PCM,
        n_channels: channels,
        n_samples_per_sec: rate_hz,
        n_avg_bytes_per_sec: rate_hz * u32::from(block),
        n_block_align: block,
        bits_per_sample: bits,
        data: None,
    }
}

/// A machine that plays, and what it heard of us.
#[derive(Debug)]
struct Player {
    formats: Vec<pdu::AudioFormat>,
    confirmed: Both<Vec<(u8, u16)>>,
}

impl RdpsndServerHandler for Player {
    fn get_formats(&self) -> &[pdu::AudioFormat] {
        &self.formats
    }

    fn choose_format<'a>(&mut self, common: &'a [NegotiatedFormat]) -> Option<&'a NegotiatedFormat> {
        common.first()
    }

    fn start(&mut self, _format: &NegotiatedFormat) -> Result<(), Box<dyn RdpsndError>> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn wave_confirm(&mut self, block_no: u8, timestamp: u16) {
        self.confirmed.lock().unwrap().push((block_no, timestamp));
    }
}

fn elements(told: &[Vec<String>]) -> Vec<Vec<&str>> {
    told.iter().map(|elements| elements.iter().map(String::as_str).collect()).collect()
}

#[tokio::test]
async fn what_a_machine_plays_is_heard_and_confirmed_until_it_closes() {
    let confirmed = Both::default();
    let player = Player { formats: vec![pcm(16, 44_100, 2), pcm(16, 22_050, 1)], confirmed: Arc::clone(&confirmed) };
    let mut pair = Pair::new(StaticPlayback::new(true), RdpsndServer::new(Box::new(player)));
    let mut scene = Scene::open(Params::default()).await;
    let mut audio = Audio::new(true);
    pair.start();
    while pair.listen() > 0 {}

    let sound = pair.server::<RdpsndServer>().wave(vec![1, 2, 3, 4, 5, 6, 7, 8], 77).unwrap();
    pair.say(sound.into());
    audio.poll(&mut pair.link, &mut scene.stage).unwrap();
    pair.listen();
    assert_eq!(*confirmed.lock().unwrap(), [(0, 77)]);
    let told = scene.told().await;
    let expected = [vec!["audio", "7", "audio/L16;rate=44100,channels=2"], vec!["blob", "7", "AQIDBAUGBwg="]];
    assert_eq!(elements(&told), expected);

    let close = pair.server::<RdpsndServer>().close().unwrap();
    pair.say(close.into());
    audio.poll(&mut pair.link, &mut scene.stage).unwrap();
    assert_eq!(elements(&scene.told().await), [vec!["end", "7"]]);
}

/// What a server hears and users get of these messages of its.
fn exchange(playback: &mut Playback, said: impl IntoIterator<Item = Vec<u8>>) -> Vec<ClientAudioOutputPdu> {
    let answers: Vec<_> = said.into_iter().flat_map(|payload| playback.process(&payload)).collect();
    for answer in &answers {
        assert_eq!(&decode::<ClientAudioOutputPdu>(&encode_vec(answer).unwrap()).unwrap(), answer);
    }
    answers
}

fn formats(version: Version, formats: Vec<pdu::AudioFormat>) -> Vec<u8> {
    encode_vec(&ServerAudioOutputPdu::AudioFormat(ServerAudioFormatPdu { version, formats })).unwrap()
}

fn agreed(answers: &[ClientAudioOutputPdu]) -> (AudioFormatFlags, Vec<pdu::AudioFormat>) {
    let Some(ClientAudioOutputPdu::AudioFormat(pdu)) = answers.first() else { panic!("{answers:?}") };
    (pdu.flags, pdu.formats.clone())
}

fn wave_info(audio_length: u16) -> Vec<u8> {
    let info = WavePdu { timestamp: 9, format_no: 0, block_no: 3, data_prefix: [1, 2, 3, 4], audio_length };
    encode_vec(&ServerAudioOutputPdu::Wave(info)).unwrap()
}

#[test]
fn a_wave_in_two_messages_is_put_together_without_training() {
    let mut playback = Playback::new(true);
    exchange(&mut playback, [formats(Version::V5, vec![pcm(16, 22_050, 2)])]);
    for payload in [vec![0, 0, 0, 0, 5, 6, 7, 8, 99, 99], vec![0, 0, 0, 0, 5, 6], vec![0]] {
        let answers = exchange(&mut playback, [wave_info(8), payload.clone()]);
        assert!(matches!(answers.as_slice(), [ClientAudioOutputPdu::WaveConfirm(pdu)] if pdu.block_no == 3));
        let expected: Vec<u8> =
            [1, 2, 3, 4].into_iter().chain(payload.get(4..).unwrap_or_default().to_vec()).take(8).collect();
        assert!(matches!(playback.take().as_slice(), [Heard::Wave { pcm, .. }] if *pcm == expected), "{payload:?}");
    }
    // Both in one message.
    exchange(&mut playback, [[wave_info(8), vec![0, 0, 0, 0, 5, 6, 7, 8]].concat()]);
    assert!(matches!(playback.take().as_slice(), [Heard::Wave { pcm, .. }] if pcm.len() == 8));
}

#[test]
fn eight_bits_are_taken_where_there_is_nothing_better_and_become_signed() {
    let mut playback = Playback::new(true);
    let both = formats(Version::V8, vec![pcm(8, 44_100, 2), pcm(16, 44_100, 1)]);
    assert_eq!(agreed(&exchange(&mut playback, [both])).1, [pcm(16, 44_100, 1)]);
    let eight = formats(Version::V8, vec![pcm(8, 22_050, 1)]);
    assert_eq!(agreed(&exchange(&mut playback, [eight])).1, [pcm(8, 22_050, 1)]);
    let data = vec![0, 0x80, 0xFF].into();
    let wave = Wave2Pdu { timestamp: 1, format_no: 0, block_no: 0, audio_timestamp: 1, data };
    exchange(&mut playback, [encode_vec(&ServerAudioOutputPdu::Wave2(wave)).unwrap()]);
    let format = "audio/L8;rate=22050,channels=1".parse().unwrap();
    assert_eq!(playback.take(), [Heard::Wave { format, pcm: vec![0x80, 0, 0x7F] }]);
}

#[test]
fn formats_that_do_not_add_up_are_not_agreed_upon() {
    let good = pcm(16, 48_000, 2);
    let odd = |change: fn(&mut pdu::AudioFormat)| {
        let mut format = good.clone();
        change(&mut format);
        format
    };
    let hostile = vec![
        odd(|format| format.n_block_align = 0),
        odd(|format| format.n_samples_per_sec = 0),
        odd(|format| format.n_samples_per_sec = u32::MAX),
        odd(|format| format.n_channels = 0),
        odd(|format| (format.n_channels, format.n_block_align) = (6, 12)),
        odd(|format| (format.bits_per_sample, format.n_block_align) = (24, 6)),
        odd(|format| format.bits_per_sample = 0),
        odd(|format| format.format = WaveFormat::ADPCM),
        odd(|format| format.data = Some(vec![0; 2])),
        good.clone(),
    ];
    let (flags, agreed) = agreed(&exchange(&mut Playback::new(true), [formats(Version::V6, hostile)]));
    assert_eq!((flags, agreed), (AudioFormatFlags::ALIVE, vec![good]));
}

#[test]
fn sound_of_unknown_format_is_confirmed_and_not_heard_and_volume_is_left_to_the_machine() {
    let mut playback = Playback::new(true);
    let wave = Wave2Pdu { timestamp: 1, format_no: 7, block_no: 5, audio_timestamp: 1, data: vec![0; 4].into() };
    let said = [
        encode_vec(&ServerAudioOutputPdu::Wave2(wave)).unwrap(),
        encode_vec(&ServerAudioOutputPdu::Volume(VolumePdu { volume_left: 0, volume_right: 0 })).unwrap(),
        encode_vec(&ServerAudioOutputPdu::Training(TrainingPdu { timestamp: 2, data: vec![] })).unwrap(),
        vec![0xEE; 3],
    ];
    let answers = exchange(&mut playback, said);
    use ClientAudioOutputPdu::{TrainingConfirm, WaveConfirm};
    assert!(matches!(answers.as_slice(), [WaveConfirm(_), TrainingConfirm(_)]), "{answers:?}");
    assert_eq!(playback.take(), []);
}

#[test]
fn a_machine_that_shall_be_silent_is_told_so() {
    let answers = exchange(&mut Playback::new(false), [formats(Version::V8, vec![pcm(16, 48_000, 2)])]);
    assert_eq!(agreed(&answers), (AudioFormatFlags::empty(), Vec::new()));
}

/// A message as bytes: the crate has the server's for static channels only.
struct Raw(Vec<u8>);

impl Encode for Raw {
    fn encode(&self, dst: &mut WriteCursor<'_>) -> EncodeResult<()> {
        dst.write_slice(&self.0);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "Raw"
    }

    fn size(&self) -> usize {
        self.0.len()
    }
}

impl DvcEncode for Raw {}

fn raw(pdu: &ServerAudioOutputPdu<'_>) -> DvcMessage {
    Box::new(Raw(encode_vec(pdu).unwrap()))
}

/// A machine that plays through a dynamic channel.
struct Speaker;

impl_as_any!(Speaker);

impl DvcProcessor for Speaker {
    fn channel_name(&self) -> &str {
        "AUDIO_PLAYBACK_DVC"
    }

    fn start(&mut self, _channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        let formats = vec![pcm(16, 48_000, 1)];
        let pdu = ServerAudioOutputPdu::AudioFormat(ServerAudioFormatPdu { version: Version::V8, formats });
        Ok(vec![raw(&pdu)])
    }

    fn process(&mut self, _channel_id: u32, _payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        Ok(Vec::new())
    }
}

impl DvcServerProcessor for Speaker {}

#[tokio::test]
async fn a_dynamic_channel_is_heard_until_it_is_closed() {
    let client = DrdynvcClient::new().with_dynamic_channel(DynamicPlayback::default());
    let mut pair = Pair::new(client, DrdynvcServer::new().with_dynamic_channel(Speaker));
    let mut scene = Scene::open(Params::default()).await;
    let mut audio = Audio::new(true);
    pair.start();
    while pair.listen() > 0 {}
    let id = pair.server::<DrdynvcServer>().get_channel_id_by_type::<Speaker>().unwrap();
    let wave = Wave2Pdu { timestamp: 1, format_no: 0, block_no: 0, audio_timestamp: 1, data: vec![0; 3].into() };
    let message = raw(&ServerAudioOutputPdu::Wave2(wave));
    pair.say(encode_dvc_messages(id, vec![message], ChannelFlags::empty()).unwrap());
    audio.poll(&mut pair.link, &mut scene.stage).unwrap();
    let expected = [vec!["audio", "7", "audio/L16;rate=48000,channels=1"], vec!["blob", "7", "AAA="]];
    assert_eq!(elements(&scene.told().await), expected);
    let close = ironrdp_dvc::pdu::DrdynvcServerPdu::Close(ironrdp_dvc::pdu::ClosePdu::new(id));
    pair.say(vec![SvcMessage::from(close)]);
    audio.poll(&mut pair.link, &mut scene.stage).unwrap();
    assert_eq!(elements(&scene.told().await), [vec!["end", "7"]]);
}

proptest! {
    #[test]
    fn nothing_that_a_server_says_about_sound_panics_or_piles_up(
        said in prop::collection::vec((0_u8..16, prop::collection::vec(any::<u8>(), 0..64)), 0..40),
        agree in any::<bool>(),
    ) {
        let mut playback = Playback::new(true);
        if agree {
            playback.process(&formats(Version::V8, vec![pcm(16, 44_100, 2)]));
        }
        for (kind, body) in said {
            let len = u16::try_from(body.len()).unwrap().to_le_bytes();
            playback.process(&[&[kind, 0, len[0], len[1]], body.as_slice()].concat());
        }
        let heard = playback.take();
        prop_assert!(heard.len() <= 16);
        for heard in heard {
            let bounded = !matches!(heard, Heard::Wave { pcm, .. } if pcm.len() > 0xFFFF);
            prop_assert!(bounded);
        }
    }
}
