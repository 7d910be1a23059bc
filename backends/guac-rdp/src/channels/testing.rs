//! Both ends of virtual channels in memory, and a session around ours: what tests of channels stand on.

use std::{
    any::TypeId,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures_util::future::BoxFuture;
use guac_display::{Size, Surface};
use guac_protocol::{ClientInfo, Decoder, ProtocolVersion};
use guac_session::{Backend, Event, Hub, Params, SessionEnd, Stage, Start, User};
use ironrdp_core::decode;
use ironrdp_pdu::{
    mcs::{McsMessage, SendDataRequest},
    x224::X224,
};
use ironrdp_session::x224;
use ironrdp_svc::{StaticChannelSet, StaticVirtualChannel, SvcMessage, SvcProcessor, server_encode_svc_messages};
use tokio::sync::oneshot;

use crate::{RdpError, link::Link};

const CHANNEL_ID: u16 = 1005;
const IO_CHANNEL_ID: u16 = 1003;
const USER_ID: u16 = 1007;

/// Our link and the server's half of one static channel of it.
pub(crate) struct Pair {
    pub(crate) link: Link,
    server: StaticVirtualChannel,
}

impl Pair {
    pub(crate) fn new<C: SvcProcessor + 'static>(client: C, server: impl SvcProcessor + 'static) -> Self {
        let mut channels = StaticChannelSet::new();
        channels.insert(client);
        channels.attach_channel_id(TypeId::of::<C>(), CHANNEL_ID);
        Self::with_channels(channels, server)
    }

    /// For a channel that is known by its name only.
    pub(crate) fn named(client: impl SvcProcessor + 'static, server: impl SvcProcessor + 'static) -> Self {
        let mut channels = StaticChannelSet::new();
        let key = channels.insert_dynamic(client).unwrap();
        channels.attach_channel_id_by_key(key, CHANNEL_ID);
        Self::with_channels(channels, server)
    }

    fn with_channels(channels: StaticChannelSet, server: impl SvcProcessor + 'static) -> Self {
        let link = Link::new(x224::Processor::new(channels, USER_ID, IO_CHANNEL_ID, None, 0));
        Self { link, server: StaticVirtualChannel::new(server) }
    }

    pub(crate) fn server<S: SvcProcessor + 'static>(&mut self) -> &mut S {
        self.server.channel_processor_downcast_mut().unwrap()
    }

    /// The server's first words.
    pub(crate) fn start(&mut self) {
        let messages = self.server.start().unwrap();
        self.say(messages);
    }

    /// The server sends.
    pub(crate) fn say(&mut self, messages: Vec<SvcMessage>) {
        self.try_say(messages).unwrap();
    }

    pub(crate) fn try_say(&mut self, messages: Vec<SvcMessage>) -> Result<(), RdpError> {
        let bytes = server_encode_svc_messages(messages, CHANNEL_ID, USER_ID).unwrap();
        for frame in frames(&bytes) {
            for output in self.link.channels.process(frame, &mut None, None)? {
                let x224::ProcessorOutput::ResponseFrame(answer) = output else { panic!("{output:?}") };
                self.link.send_raw(&answer);
            }
        }
        Ok(())
    }

    /// The server reads what was sent to it and answers. Gives the number of frames.
    pub(crate) fn listen(&mut self) -> usize {
        let bytes = std::mem::take(self.link.unsent());
        for frame in frames(&bytes) {
            let X224(message) = decode::<X224<McsMessage<'_>>>(frame).unwrap();
            let McsMessage::SendDataRequest(SendDataRequest { channel_id, user_data, .. }) = message else {
                panic!("{message:?}")
            };
            assert_eq!(channel_id, CHANNEL_ID);
            let answers = self.server.process(&user_data).unwrap();
            self.say(answers);
        }
        frames(&bytes).len()
    }
}

/// Cuts at the lengths that stand in the headers ([T123] 8).
fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let [3, 0, high, low, ..] = *bytes {
        let (frame, rest) = bytes.split_at(usize::from(u16::from_be_bytes([high, low])));
        frames.push(frame);
        bytes = rest;
    }
    assert!(bytes.is_empty());
    frames
}

/// A session with its owner, whose machine is the test.
pub(crate) struct Scene {
    pub(crate) hub: Hub,
    pub(crate) id: guac_protocol::ConnectionId,
    pub(crate) owner: Listener,
    pub(crate) stage: Stage<Surface>,
    marks: u32,
}

/// A user and what he is told.
pub(crate) struct Listener {
    pub(crate) user: User,
    decoder: Decoder,
    clipboards: Clipboards,
}

struct Given(Mutex<Option<oneshot::Sender<Stage<Surface>>>>);

impl Backend for Given {
    fn protocol(&self) -> &'static str {
        "given"
    }

    fn parameters(&self) -> &'static [&'static str] {
        &["disable-copy"]
    }

    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
        let sender = self.0.lock().unwrap().take().unwrap();
        Box::pin(async move {
            let (_, stage) = start.stage(Surface::new(Size::new(64, 64).unwrap()));
            let _ = sender.send(stage);
            std::future::pending().await
        })
    }
}

impl Scene {
    pub(crate) async fn open(params: Params) -> Self {
        let (sender, stage) = oneshot::channel();
        let hub = Hub::new(vec![Box::new(Given(Mutex::new(Some(sender))))], 1);
        let (id, user) = hub.open("given", params, modern()).unwrap();
        Self { hub, id, owner: Listener::new(user), stage: stage.await.unwrap(), marks: 0 }
    }

    pub(crate) async fn join(&mut self) -> Listener {
        Listener::new(self.hub.join(&self.id, Params::default(), modern()).await.unwrap())
    }

    /// The owner says something that the machine hears.
    pub(crate) async fn hear(&mut self, instructions: &[&[&str]]) -> Event {
        for elements in instructions {
            self.owner.say(elements).await;
        }
        self.stage.next().await
    }

    /// The owner pastes, reading what he is told meanwhile without regard.
    pub(crate) async fn paste(&mut self, mimetype: &str, data: &[u8]) -> Event {
        let Self { owner, stage, .. } = self;
        let say = async {
            owner.say(&["clipboard", "0", mimetype]).await;
            for piece in data.chunks(6048) {
                owner.say(&["blob", "0", &base64_simd::STANDARD.encode_to_string(piece)]).await;
                owner.user.recv().await.unwrap();
            }
            owner.say(&["end", "0"]).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            event = stage.next() => event,
            () = say => panic!("the owner is done"),
        }
    }

    /// Everything that the owner was told so far.
    pub(crate) async fn told(&mut self) -> Vec<Vec<String>> {
        self.marks += 1;
        let mark = self.marks.to_string();
        self.stage.set_title(&mark);
        let mut told = self.owner.hear_until(&["name", &mark]).await;
        told.retain(|elements| elements[0] != "name");
        told
    }

    /// Runs the session until the owner has been told this. Gives what he was told, this included.
    pub(crate) async fn until_told(&mut self, beginning: &[&str]) -> Vec<Vec<String>> {
        tokio::select! {
            event = self.stage.next() => panic!("{event:?}"),
            told = self.owner.hear_until(beginning) => told,
        }
    }
}

impl Listener {
    fn new(user: User) -> Self {
        Self { user, decoder: Decoder::new(), clipboards: Clipboards::default() }
    }

    pub(crate) async fn say(&mut self, elements: &[&str]) {
        let text: Vec<String> = elements.iter().map(|e| format!("{}.{e}", e.chars().count())).collect();
        let mut decoder = Decoder::new();
        decoder.feed((text.join(",") + ";").as_bytes()).unwrap();
        let instruction = decoder.next_instruction().unwrap().unwrap();
        self.user.handle_instruction(&instruction).await.unwrap();
    }

    /// What he is told up to an instruction that begins like this. A clipboard comes whole, as its opening instruction
    /// with the text behind.
    pub(crate) async fn hear_until(&mut self, beginning: &[&str]) -> Vec<Vec<String>> {
        let mut told = Vec::new();
        loop {
            let bytes = self.user.recv().await.unwrap();
            for chunk in bytes.chunks(4096) {
                self.decoder.feed(chunk).unwrap();
                while let Some(instruction) = self.decoder.next_instruction().unwrap() {
                    let elements = std::iter::once(instruction.opcode()).chain(instruction.args());
                    told.extend(self.clipboards.collect(elements.map(Into::into).collect()));
                }
            }
            let begins = |elements: &Vec<String>| elements.iter().zip(beginning).all(|(a, b)| a == b);
            if told.iter().any(begins) {
                return told;
            }
        }
    }
}

/// Clipboards on their way, by stream.
#[derive(Default)]
struct Clipboards(BTreeMap<String, (Vec<String>, Vec<u8>)>);

impl Clipboards {
    fn collect(&mut self, mut elements: Vec<String>) -> Option<Vec<String>> {
        let stream = elements.get(1).cloned().unwrap_or_default();
        match (elements[0].as_str(), self.0.get_mut(&stream)) {
            ("clipboard", _) => {
                self.0.insert(stream, (elements, Vec::new()));
                None
            }
            ("blob", Some((_, data))) => {
                data.extend(base64_simd::STANDARD.decode_to_vec(&elements[2]).unwrap());
                None
            }
            ("end", Some(_)) => {
                let (opening, data) = self.0.remove(&stream).unwrap();
                elements = opening;
                elements.push(String::from_utf8(data).unwrap());
                Some(elements)
            }
            _ => Some(elements),
        }
    }
}

fn modern() -> ClientInfo {
    ClientInfo {
        version: ProtocolVersion::V1_5_0,
        image_mimetypes: vec!["image/webp".into()],
        audio_mimetypes: vec!["audio/L8".into(), "audio/L16".into()],
        ..ClientInfo::default()
    }
}

/// Something that both the test and the other side hold.
pub(crate) type Both<T> = Arc<Mutex<T>>;
