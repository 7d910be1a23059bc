use std::sync::Arc;

use guac_session::Params;
use ironrdp_core::encode_vec;
use ironrdp_dvc::{DrdynvcServer, DvcProcessor as _, encode_dvc_messages};
use ironrdp_rdpeai::pdu::{FormatsPdu, OpenPdu, Version, VersionPdu, pcm_format as pcm};
use ironrdp_rdpeai::server::{RdpeaiServer, RdpeaiServerBackend};
use ironrdp_rdpeai::{AudioFormat, WaveFormat};
use ironrdp_svc::ChannelFlags;
use proptest::prelude::*;

use super::*;
use crate::channels::testing::{Both, Pair, Scene};

/// What a machine that records got.
#[derive(Default)]
struct Got {
    formats: Vec<AudioFormat>,
    replies: Vec<i32>,
    packets: Vec<(u32, Vec<u8>)>,
}

struct Machine(Vec<AudioFormat>, Both<Got>);

impl RdpeaiServerBackend for Machine {
    fn supported_formats(&self) -> &[AudioFormat] {
        &self.0
    }

    fn on_formats_negotiated(&mut self, negotiated: &[AudioFormat]) {
        self.1.lock().unwrap().formats = negotiated.to_vec();
    }

    fn on_open_reply(&mut self, result: i32) {
        self.1.lock().unwrap().replies.push(result);
    }

    fn on_audio_data(&mut self, format: &AudioFormat, data: &[u8]) {
        self.1.lock().unwrap().packets.push((format.n_samples_per_sec, data.to_vec()));
    }
}

struct Studio {
    pair: Pair,
    scene: Scene,
    microphone: Microphone,
    got: Both<Got>,
}

impl Studio {
    async fn open() -> Self {
        let got = Both::<Got>::default();
        let mut compressed = pcm(2, 44_100, 16);
        compressed.format = WaveFormat::ADPCM;
        let formats = vec![compressed, pcm(1, 22_050, 16), pcm(2, 44_100, 16), pcm(2, 192_000, 16)];
        let server = RdpeaiServer::new(Box::new(Machine(formats, Arc::clone(&got))));
        let server = DrdynvcServer::new().with_dynamic_channel(server);
        let client = DrdynvcClient::new().with_dynamic_channel(Recorder::default());
        let scene = Scene::open(Params::default()).await;
        let mut studio = Self { pair: Pair::new(client, server), scene, microphone: Microphone::default(), got };
        studio.pair.start();
        studio.settle();
        studio
    }

    fn settle(&mut self) {
        loop {
            self.microphone.poll(&mut self.pair.link, &mut self.scene.stage).unwrap();
            if self.pair.listen() == 0 {
                return;
            }
        }
    }

    fn say(&mut self, say: impl FnOnce(&mut RdpeaiServer) -> Vec<DvcMessage>) {
        let server = self.pair.server::<DrdynvcServer>();
        let id = server.get_channel_id_by_type::<RdpeaiServer>().unwrap();
        let messages = say(server.dvc_by_id_mut::<RdpeaiServer>(id).unwrap().processor_mut());
        self.pair.say(encode_dvc_messages(id, messages, ChannelFlags::empty()).unwrap());
        self.settle();
    }

    async fn hear(&mut self, instructions: &[&[&str]]) {
        let event = self.scene.hear(instructions).await;
        let left = self.microphone.handle(event, &mut self.pair.link, &mut self.scene.stage).unwrap();
        assert!(left.is_none());
        self.settle();
    }
}

#[tokio::test]
async fn the_machine_hears_the_owner_in_the_format_and_the_packets_that_it_wants() {
    let mut studio = Studio::open().await;
    assert_eq!(studio.got.lock().unwrap().formats, [pcm(1, 22_050, 16), pcm(2, 44_100, 16)]);
    // The offer waits until the machine opens the microphone.
    studio.scene.owner.say(&["audio", "0", "audio/L16;rate=44100,channels=2"]).await;
    let key = studio.scene.hear(&[&["key", "97", "1"]]).await;
    assert!(matches!(key, Event::Key { .. }));
    assert_eq!(studio.scene.told().await, Vec::<Vec<String>>::new());
    studio.say(|server| server.open(32, 0, pcm(1, 22_050, 16)).unwrap());
    assert_eq!(studio.got.lock().unwrap().replies, [0]);
    assert_eq!(studio.scene.told().await, [["ack", "0", "OK", "0"]]);

    // Half the rate and one channel: 32 frames of 64 and one that the last waits for.
    let sound = vec![0x11; 65 * 4];
    studio.hear(&[&["blob", "0", &base64_simd::STANDARD.encode_to_string(&sound)]]).await;
    assert_eq!(studio.got.lock().unwrap().packets, [(22_050, vec![0x11; 64])]);
    studio.hear(&[&["blob", "0", &base64_simd::STANDARD.encode_to_string(&sound[..8])]]).await;
    assert_eq!(studio.got.lock().unwrap().packets.len(), 1, "what is no packet waits");

    studio.say(|server| server.change_format(1).unwrap());
    studio.hear(&[&["blob", "0", &base64_simd::STANDARD.encode_to_string(&sound)]]).await;
    let (rate, packet) = studio.got.lock().unwrap().packets[1].clone();
    assert_eq!((rate, packet), (44_100, vec![0x11; 128]));
    studio.hear(&[&["end", "0"]]).await;
}

#[tokio::test]
async fn packets_of_an_absurd_size_and_formats_out_of_range_are_refused() {
    for (frames, format, expected) in [(31, 0, false), (32, 0, true), (48_000, 1, true), (48_001, 0, false)] {
        let mut recorder = Recorder::default();
        let said = [
            RdpeaiPdu::Version(VersionPdu::new(Version::V2)),
            RdpeaiPdu::Formats(FormatsPdu::server(vec![pcm(1, 22_050, 16), pcm(2, 8_000, 8)])),
            RdpeaiPdu::Open(OpenPdu {
                frames_per_packet: frames,
                initial_format: format,
                capture_format: pcm(1, 1, 16),
            }),
        ];
        for pdu in said {
            recorder.process(1, &encode_vec(&pdu).unwrap()).unwrap();
        }
        assert_eq!(recorder.wanted().is_some(), expected, "{frames} frames");
        let open = OpenPdu { frames_per_packet: 441, initial_format: 2, capture_format: pcm(1, 1, 16) };
        recorder.process(1, &encode_vec(&RdpeaiPdu::Open(open)).unwrap()).unwrap();
        assert_eq!(recorder.wanted(), None, "there are two formats");
    }
}

proptest! {
    #[test]
    fn nothing_that_a_server_says_to_a_microphone_panics(
        said in prop::collection::vec((0_u8..9, prop::collection::vec(any::<u8>(), 0..64)), 0..20),
        agree in any::<bool>(),
    ) {
        let mut recorder = Recorder::default();
        if agree {
            let formats = RdpeaiPdu::Formats(FormatsPdu::server(vec![pcm(1, 22_050, 16)]));
            recorder.process(1, &encode_vec(&formats).unwrap()).unwrap();
        }
        for (kind, body) in said {
            recorder.process(1, &[&[kind], body.as_slice()].concat()).unwrap();
        }
        prop_assert!(recorder.wanted().is_none_or(|wanted| wanted.packet_bytes > 0));
    }
}
