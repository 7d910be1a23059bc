//! A session host whose sessions do what the test says.

use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use guac_protocol::{ConnectionId, Decoder, Encode, Instruction, Selection, ServerInstruction, Status};
use guac_tunnel::{InstructionSink, Link, LinkClosed, OpenError, OpenRequest, Opened, SessionHost};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The test's end of a session.
pub(crate) struct Session {
    /// What the session says next. Dropping it ends the session.
    pub(crate) say: mpsc::Sender<Bytes>,
    /// What the session heard, instruction by instruction as received.
    pub(crate) heard: mpsc::Receiver<String>,
    /// Cancelled once the user has left.
    pub(crate) left: CancellationToken,
}

impl Session {
    pub(crate) async fn hear(&mut self) -> String {
        self.heard.recv().await.expect("the link lives")
    }
}

struct Sink {
    heard: mpsc::Sender<String>,
    _left: DropGuard,
}

impl InstructionSink for Sink {
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        if self.heard.is_closed() { Poll::Ready(Err(LinkClosed)) } else { Poll::Ready(Ok(())) }
    }

    fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
        self.heard.try_send(instruction.raw().to_owned()).map_err(|_| LinkClosed)
    }
}

pub(crate) fn link() -> (Link, Session) {
    // Room for one only: what the tunnel has not taken is still here.
    let (say, said) = mpsc::channel(1);
    let (hear, heard) = mpsc::channel(100_000);
    let left = CancellationToken::new();
    let sink = Box::new(Sink { heard: hear, _left: left.clone().drop_guard() });
    let source =
        stream::unfold(said, |mut said: mpsc::Receiver<Bytes>| async move { Some((said.recv().await?, said)) });
    (Link { source: source.boxed(), sink }, Session { say, heard, left })
}

/// Knows `ssh` with three parameters and the session `$known`.
#[derive(Default)]
pub(crate) struct ScriptedHost {
    pub(crate) requests: Mutex<Vec<OpenRequest>>,
    pub(crate) links: Mutex<Vec<Link>>,
}

impl ScriptedHost {
    pub(crate) fn with(link: Link) -> Self {
        Self { requests: Mutex::default(), links: Mutex::new(vec![link]) }
    }
}

pub(crate) const NAMES: [&str; 3] = ["hostname", "port", "password"];

impl SessionHost for ScriptedHost {
    fn parameters(&self, selected: &str) -> Option<Vec<String>> {
        matches!(selected, "ssh" | "$known").then(|| NAMES.map(str::to_owned).to_vec())
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        let joined = matches!(request.selection, Selection::Join(_));
        self.requests.lock().unwrap().push(request);
        let connection_id = ConnectionId::from_random([u8::from(joined); 16]);
        let link = self.links.lock().unwrap().pop();
        async move {
            let link = link.ok_or(OpenError::new(Status::ServerBusy, "No room."))?;
            Ok(Opened { connection_id, link })
        }
        .boxed()
    }
}

/// Every whole instruction in `bytes`, each as its elements.
pub(crate) fn decode(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes).expect("valid bytes");
    let mut all = Vec::new();
    while let Some(instruction) = decoder.next_instruction().expect("valid instructions") {
        let mut elements = vec![instruction.opcode().to_owned()];
        elements.extend(instruction.args().map(str::to_owned));
        all.push(elements);
    }
    assert_eq!(decoder.buffered_len(), 0, "ends with a whole instruction");
    all
}

pub(crate) fn sync(timestamp_ms: i64) -> Bytes {
    ServerInstruction::Sync { timestamp_ms, frames: None }.to_bytes().into()
}

pub(crate) fn error(message: &str, status: Status) -> Bytes {
    ServerInstruction::Error { message, status }.to_bytes().into()
}
