//! Streams of both directions: which are open, and where their data goes.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;

use guac_protocol::{IncomingStream, ObjectIndex, Refusal, Status, StreamAllocator, StreamIndex, StreamTable};
use tokio::sync::{mpsc, oneshot};

/// Streams that a server may have open beside its images.
const MAX_INBOUND: usize = 64;

/// Pushed files that wait for somebody to take them; more are refused.
pub(crate) const MAX_WAITING_FILES: usize = 16;

/// Questions to file systems that wait for an answer.
pub(crate) const MAX_GETS: usize = 64;

/// Blobs that a server may send ahead of our answers. Those of today send one.
const WINDOW: NonZeroU32 = NonZeroU32::new(64).expect("64 is not 0");

/// Answers that may wait for whoever uploads. Servers give one per blob.
const ACKS: usize = 256;

/// A part of an incoming file.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Vec<u8>),
    End,
}

/// A file that begins to arrive.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) name: String,
    pub(crate) mimetype: String,
    pub(crate) stream: StreamIndex,
    /// Tells streams of one index apart.
    pub(crate) id: u64,
    pub(crate) pieces: mpsc::Receiver<Piece>,
}

/// What an incoming stream carries.
#[derive(Debug)]
pub(crate) enum Inbound {
    Clipboard { machine: IncomingStream, mimetype: String, data: Vec<u8> },
    Parameter { machine: IncomingStream, name: String, data: Vec<u8> },
    File { machine: IncomingStream, id: u64, pieces: mpsc::Sender<Piece> },
}

/// A question that a `body` will answer, or guacd-lite's log.
#[derive(Debug)]
pub(crate) struct Get {
    pub(crate) object: ObjectIndex,
    pub(crate) name: String,
    pub(crate) answer: oneshot::Sender<Result<Arrival, Status>>,
}

#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) inbound: StreamTable<Inbound>,
    pub(crate) waiting_files: VecDeque<Arrival>,
    pub(crate) gets: VecDeque<Get>,
    next_id: u64,
    own: StreamAllocator,
    acks: HashMap<StreamIndex, mpsc::Sender<Status>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            inbound: StreamTable::new(MAX_INBOUND),
            waiting_files: VecDeque::new(),
            gets: VecDeque::new(),
            next_id: 0,
            own: StreamAllocator::client(),
            acks: HashMap::new(),
        }
    }
}

impl Streams {
    /// Begins to take a file. `None` if too many streams are open.
    pub(crate) fn arrive(&mut self, stream: StreamIndex, name: &str, mimetype: &str) -> Option<Arrival> {
        self.next_id += 1;
        let id = self.next_id;
        // The window bounds the data; one more is for the end.
        let (sender, pieces) = mpsc::channel(usize::try_from(WINDOW.get()).unwrap_or_default() + 1);
        let machine = IncomingStream::new(stream, u64::MAX).with_window(WINDOW);
        self.inbound.open(stream, Inbound::File { machine, id, pieces: sender }).ok()?;
        Some(Arrival { name: name.to_owned(), mimetype: mimetype.to_owned(), stream, id, pieces })
    }

    /// The machine of a file that is still arriving.
    pub(crate) fn file(&mut self, stream: StreamIndex, id: u64) -> Option<&mut IncomingStream> {
        match self.inbound.get_mut(stream) {
            Some(Inbound::File { machine, id: open, .. }) if *open == id => Some(machine),
            _ => None,
        }
    }

    /// Takes the question out that a `body` answers.
    pub(crate) fn answered(&mut self, object: ObjectIndex, name: &str) -> Option<Get> {
        // Whoever asked may have gone.
        self.gets.retain(|get| !get.answer.is_closed());
        let at = self.gets.iter().position(|get| get.object == object && get.name == name)?;
        self.gets.remove(at)
    }

    /// Tells who asked for it that a file is refused, as far as the server says so in its log.
    pub(crate) fn handle_log(&mut self, message: &str) {
        let Some(refusal) = Refusal::parse(message) else { return };
        let found = self.gets.iter().position(|get| get.name == refusal.name);
        if let Some(get) = found.and_then(|at| self.gets.remove(at)) {
            // Whoever asked may have gone.
            let _ = get.answer.send(Err(refusal.status));
        }
    }

    /// An object is gone, and nothing that was asked of it comes.
    pub(crate) fn undefine(&mut self, object: ObjectIndex) {
        self.gets.retain(|get| get.object != object);
    }

    /// Opens a stream of our own, with the answers to it. `None` while all indices are taken.
    pub(crate) fn open(&mut self) -> Option<(StreamIndex, mpsc::Receiver<Status>)> {
        let stream = self.own.allocate()?;
        let (sender, answers) = mpsc::channel(ACKS);
        self.acks.insert(stream, sender);
        Some((stream, answers))
    }

    /// Ends a stream of our own.
    pub(crate) fn close(&mut self, stream: StreamIndex) {
        self.acks.remove(&stream);
        self.own.free(stream);
    }

    /// An answer to a stream of our own. Those that nobody waits for are dropped.
    pub(crate) fn answer(&mut self, stream: StreamIndex, status: Status) {
        if let Some(waiting) = self.acks.get(&stream) {
            let _ = waiting.try_send(status);
        }
    }

    /// Ends everything: whoever waits learns it.
    pub(crate) fn clear(&mut self) {
        let Self { inbound, waiting_files, gets, acks, .. } = self;
        *inbound = StreamTable::new(MAX_INBOUND);
        waiting_files.clear();
        gets.clear();
        acks.clear();
    }
}

/// Shared text.
pub(crate) fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
