//! Static channels of any name, each as a pipe of the same name: what the machine says goes to the owner, what users
//! say goes to the machine. Both ends agree on what it means.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use guac_display::Surface;
use guac_session::{Download, Event, Stage};
use ironrdp_core::impl_as_any;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_pdu::{PduResult, gcc::ChannelName};
use ironrdp_svc::{StaticChannelSet, SvcClientProcessor, SvcMessage, SvcProcessor};

use super::Channel;
use crate::{RdpError, link::Link};

/// Longest name of a static channel ([MS-RDPBCGR] 2.2.1.3.4.1).
const MAX_NAME_CHARS: usize = 7;

/// Channels with a purpose of their own.
const RESERVED: [&str; 6] = ["cliprdr", "drdynvc", "encomsp", "rail", "rdpdr", "rdpsnd"];

/// Channels that one connection may name: of the 31 that there can be, some are ours.
const MAX_PIPES: usize = 24;

/// What waits for the owner, per pipe. The channel cannot be told to wait: one who reads slower loses the pipe.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// What a message costs beside its bytes.
const MESSAGE_BYTES: usize = 64;

const MIMETYPE: &str = "application/octet-stream";

/// What the machine said and the owner has not taken. Only the session's task touches it, at both ends: the processor
/// belongs to the connection, and cannot be found in it by its type.
#[derive(Debug, Default)]
struct Inbox {
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// The owner does not want it, or did not keep up.
    closed: bool,
}

impl Inbox {
    fn put(&mut self, data: &[u8]) {
        if self.closed {
            return;
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(data.len()).saturating_add(MESSAGE_BYTES);
        if self.waiting_bytes > MAX_WAITING_BYTES {
            tracing::warn!("The owner does not keep up with a static channel, its pipe ends");
            self.close();
        } else {
            self.waiting.push_back(Bytes::copy_from_slice(data));
        }
    }

    fn pop(&mut self) {
        if let Some(data) = self.waiting.pop_front() {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(data.len().saturating_add(MESSAGE_BYTES));
        }
    }

    fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }
}

type SharedInbox = Arc<Mutex<Inbox>>;

fn open(inbox: &SharedInbox) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's end of one channel.
#[derive(Debug)]
struct PipeProcessor {
    name: ChannelName,
    inbox: SharedInbox,
}

impl_as_any!(PipeProcessor);

impl SvcProcessor for PipeProcessor {
    fn channel_name(&self) -> ChannelName {
        self.name.clone()
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        open(&self.inbox).put(payload);
        Ok(Vec::new())
    }
}

impl SvcClientProcessor for PipeProcessor {}

/// One channel and its pipe.
#[derive(Debug)]
struct Pipe {
    name: String,
    channel: ChannelName,
    inbox: SharedInbox,
    /// To the owner, as long as he wants it.
    download: Option<Download>,
    /// The connection has such a channel.
    attached: bool,
}

impl Pipe {
    fn processor(&self) -> PipeProcessor {
        PipeProcessor { name: self.channel.clone(), inbox: Arc::clone(&self.inbox) }
    }

    fn close(&mut self) {
        open(&self.inbox).close();
        self.download = None;
    }

    /// Hands one piece over, or notices that it is of no use; for ever where nothing waits.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    async fn advance(&mut self) {
        let front = open(&self.inbox).waiting.front().cloned();
        let (Some(download), Some(data)) = (&mut self.download, front) else { return future::pending().await };
        match download.send(data).await {
            Ok(()) => open(&self.inbox).pop(),
            Err(_gone) => self.close(),
        }
    }
}

/// Our end of all of them.
#[derive(Debug)]
pub(crate) struct Pipes {
    pipes: Vec<Pipe>,
    /// Users know of them.
    opened: bool,
}

impl Pipes {
    /// By the names in `static-channels`. None where none can be used.
    pub(crate) fn from_names(names: &[String]) -> Option<Self> {
        let mut pipes: Vec<Pipe> = Vec::new();
        for name in names.iter().map(String::as_str) {
            let problem = if name.is_empty() || name.len() > MAX_NAME_CHARS || !name.is_ascii() {
                "it has not one to seven characters of ASCII"
            } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
                "it has a purpose of its own"
            } else if pipes.iter().any(|pipe| pipe.name == name) {
                "it is there already"
            } else if pipes.len() >= MAX_PIPES {
                "there are too many"
            } else if let Some(channel) = ChannelName::from_utf8(name) {
                let inbox = SharedInbox::default();
                pipes.push(Pipe { name: name.to_owned(), channel, inbox, download: None, attached: false });
                continue;
            } else {
                "it cannot be sent"
            };
            tracing::warn!(parameter = "static-channels", channel = name, problem, "Static channel is left out");
        }
        (!pipes.is_empty()).then_some(Self { pipes, opened: false })
    }

    fn open(&mut self, stage: &mut Stage<Surface>) {
        let names: Vec<&str> = self.pipes.iter().map(|pipe| pipe.name.as_str()).collect();
        stage.accept_pipe(&names);
        for pipe in &mut self.pipes {
            match stage.send_pipe(MIMETYPE, &pipe.name) {
                Ok(download) => pipe.download = Some(download),
                Err(error) => {
                    tracing::warn!(channel = pipe.name, %error, "No pipe for a static channel");
                    pipe.close();
                }
            }
        }
    }
}

/// Servers take 31 ([MS-RDPBCGR] 2.2.1.3.4), and the last one is for dynamic channels.
const MAX_STATIC_CHANNELS: usize = 30;

impl Channel for Pipes {
    fn attach(&mut self, fixed: &mut StaticChannelSet, _dynamic: &mut DrdynvcClient) {
        for pipe in &mut self.pipes {
            pipe.attached = fixed.len() < MAX_STATIC_CHANNELS && fixed.insert_dynamic(pipe.processor()).is_some();
            if !pipe.attached {
                tracing::warn!(
                    channel = pipe.name,
                    "Static channel is left out: its name is taken, or there are too many"
                );
            }
        }
    }

    fn handle(
        &mut self,
        event: Event,
        link: &mut Link,
        _stage: &mut Stage<Surface>,
    ) -> Result<Option<Event>, RdpError> {
        let Event::Pipe { name, data, .. } = &event else { return Ok(Some(event)) };
        let Some(pipe) = self.pipes.iter().find(|pipe| *pipe.name == **name) else { return Ok(Some(event)) };
        if pipe.attached {
            let sent = link.send_named(&pipe.channel, vec![SvcMessage::from(data.clone())]);
            // The server need not have joined a channel that it does not know.
            let _ = sent.inspect_err(|error| tracing::debug!(channel = pipe.name, %error, "Pipe leads nowhere"));
        }
        Ok(None)
    }

    fn poll(&mut self, _link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        if !std::mem::replace(&mut self.opened, true) {
            self.open(stage);
        }
        for pipe in &mut self.pipes {
            if pipe.download.is_some() && open(&pipe.inbox).closed {
                pipe.close();
            }
        }
        Ok(())
    }

    fn wake(&mut self) -> BoxFuture<'_, ()> {
        let pipes: Vec<_> = self.pipes.iter_mut().map(|pipe| pipe.advance().boxed()).collect();
        future::select_all(pipes).map(|_| ()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use guac_session::Params;

    use super::*;
    use crate::channels::testing::{Pair, Scene};

    /// A program on the machine.
    #[derive(Debug, Default)]
    struct Program(Vec<Vec<u8>>);

    impl_as_any!(Program);

    impl SvcProcessor for Program {
        fn channel_name(&self) -> ChannelName {
            ChannelName::from_static(b"METER\0\0\0")
        }

        fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
            self.0.push(payload.to_vec());
            Ok(Vec::new())
        }
    }

    /// A session with the channel METER.
    struct Desk {
        pair: Pair,
        scene: Scene,
        pipes: Pipes,
    }

    impl Desk {
        async fn open() -> Self {
            let mut pipes = Pipes::from_names(&["METER".to_owned()]).unwrap();
            let pipe = pipes.pipes.first_mut().unwrap();
            pipe.attached = true;
            let pair = Pair::named(pipe.processor(), Program::default());
            let mut desk = Self { pair, scene: Scene::open(Params::default()).await, pipes };
            desk.poll();
            desk
        }

        fn poll(&mut self) {
            self.pipes.poll(&mut self.pair.link, &mut self.scene.stage).unwrap();
        }

        fn machine_says(&mut self, data: &[u8]) {
            self.pair.say(vec![SvcMessage::from(data.to_vec())]);
            self.poll();
        }

        /// Hands over what waits until there is nothing, or nobody takes it.
        fn hand_over(&mut self) {
            while pin!(self.pipes.wake()).poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                self.poll();
            }
        }

        async fn acknowledge(&mut self, status: &str) {
            self.scene.owner.say(&["ack", "0", "", status]).await;
            let event = self.scene.hear(&[&["key", "65", "1"]]).await;
            assert!(matches!(event, Event::Key { .. }), "{event:?}");
        }

        fn waiting_bytes(&self) -> usize {
            open(&self.pipes.pipes[0].inbox).waiting_bytes
        }
    }

    #[tokio::test]
    async fn the_owner_is_offered_each_channel_as_a_pipe_and_gets_what_the_machine_says() {
        let mut desk = Desk::open().await;
        let told = desk.scene.told().await;
        assert_eq!(told, [["pipe", "0", MIMETYPE, "METER"]]);
        desk.machine_says(b"42");
        desk.machine_says(&[b'x'; 5000]);
        desk.hand_over();
        assert_eq!(desk.waiting_bytes(), 0);
        desk.scene.owner.say(&["ack", "0", "", "0"]).await;
        let told = desk.scene.until_told(&["blob", "0", "NDI="]).await;
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[tokio::test]
    async fn what_a_user_sends_into_the_pipe_reaches_the_machine() {
        let mut desk = Desk::open().await;
        let event = desk.scene.hear(&[&["pipe", "1", MIMETYPE, "METER"], &["blob", "1", "c3RvcA=="]]).await;
        let left = desk.pipes.handle(event, &mut desk.pair.link, &mut desk.scene.stage).unwrap();
        assert!(left.is_none());
        desk.pair.listen();
        assert_eq!(desk.pair.server::<Program>().0, [b"stop"]);
    }

    #[tokio::test]
    async fn pipes_of_other_names_are_refused() {
        let mut desk = Desk::open().await;
        desk.scene.owner.say(&["pipe", "1", MIMETYPE, "OTHER"]).await;
        desk.scene.until_told(&["ack", "1", "no such pipe", "516"]).await;
        let event = desk.scene.hear(&[&["blob", "1", "c3RvcA=="], &["key", "65", "1"]]).await;
        assert!(matches!(event, Event::Key { .. }), "{event:?}");
    }

    #[tokio::test]
    async fn an_owner_who_refuses_or_does_not_read_costs_a_bounded_amount() {
        for refuses in [true, false] {
            let mut desk = Desk::open().await;
            if refuses {
                desk.acknowledge("256").await;
            }
            for _ in 0..3000 {
                desk.machine_says(&[b'x'; 1000]);
                desk.hand_over();
                assert!(desk.waiting_bytes() <= MAX_WAITING_BYTES);
            }
            assert!(open(&desk.pipes.pipes[0].inbox).closed);
            assert_eq!(desk.waiting_bytes(), 0);
        }
    }

    #[test]
    fn names_that_cannot_be_used_are_left_out() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().copied().map(Into::into).collect();
            Pipes::from_names(&names).map(|pipes| pipes.pipes.into_iter().map(|pipe| pipe.name).collect::<Vec<_>>())
        };
        let given = ["A", "B", "A", "EIGHTLNG", "SEVENLN", "naïve", "CLIPRDR", "rdpsnd"];
        assert_eq!(names(&given).unwrap(), ["A", "B", "SEVENLN"]);
        assert_eq!(names(&[""]), None);
        let many: Vec<String> = (0..100).map(|n| format!("C{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(names(&many).unwrap().len(), MAX_PIPES);
    }
}
