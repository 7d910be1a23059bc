//! What the task of a client tells its callers: the newest state, and that it changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guac_canvas::{Cursor, Image};
use guac_protocol::{ObjectIndex, Status};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{Instant, timeout};

use crate::outbox::Outbox;
use crate::streams::Streams;
use crate::{ClientError, Event};

/// Events kept for a receiver that does not keep up.
const EVENTS: usize = 256;

/// Why a session is over.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) message: String,
    pub(crate) status: Status,
}

impl End {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { message: message.into(), status }
    }

    pub(crate) fn error(&self) -> ClientError {
        ClientError::Ended { message: self.message.clone(), status: self.status }
    }
}

/// The session as callers see it.
#[derive(Debug)]
pub(crate) struct View {
    /// Frames ended.
    pub(crate) frame: u64,
    /// The last of them that drew anything, and when it came.
    pub(crate) drawn_frame: u64,
    pub(crate) drawn_at: Instant,
    pub(crate) size: (u32, u32),
    /// A picture, and the value of `drawn_frame` it belongs to.
    pub(crate) picture: Option<(u64, Image)>,
    pub(crate) title: Option<Arc<str>>,
    pub(crate) clipboard: Option<Arc<str>>,
    pub(crate) pointer: Option<(i32, i32)>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) filesystems: BTreeMap<ObjectIndex, Arc<str>>,
    pub(crate) parameters: BTreeMap<Arc<str>, Arc<str>>,
    /// Files that the server pushed so far.
    pub(crate) files: u64,
    pub(crate) end: Option<Arc<End>>,
}

impl View {
    /// The picture, if it is the newest.
    pub(crate) fn fresh_picture(&self) -> Option<Image> {
        let (frame, image) = self.picture.as_ref()?;
        (self.frame > 0 && *frame == self.drawn_frame).then(|| image.clone())
    }
}

/// What a client's task and its callers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) outbox: Outbox,
    pub(crate) view: watch::Sender<View>,
    pub(crate) events: broadcast::Sender<Event>,
    streams: Mutex<Streams>,
    /// A picture of the newest frame is wanted: flattening it costs a copy, which nobody pays who does not look.
    pub(crate) wanted: AtomicBool,
    pub(crate) look: Notify,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let view = View {
            frame: 0,
            drawn_frame: 0,
            drawn_at: Instant::now(),
            size: (0, 0),
            picture: None,
            title: None,
            clipboard: None,
            pointer: None,
            cursor: None,
            filesystems: BTreeMap::new(),
            parameters: BTreeMap::new(),
            files: 0,
            end: None,
        };
        Self {
            outbox: Outbox::default(),
            view: watch::Sender::new(view),
            events: broadcast::Sender::new(EVENTS),
            streams: Mutex::default(),
            wanted: AtomicBool::new(false),
            look: Notify::new(),
        }
    }

    /// Never held across an await.
    pub(crate) fn streams(&self) -> MutexGuard<'_, Streams> {
        // Nothing panics while it is held.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error that ended the session.
    pub(crate) fn end(&self) -> Option<ClientError> {
        self.view.borrow().end.as_ref().map(|end| end.error())
    }

    /// Waits until `look` finds something in the view. Cancel safe.
    pub(crate) async fn until<T>(
        &self,
        what: &'static str,
        limit: Duration,
        mut look: impl FnMut(&View) -> Option<T>,
    ) -> Result<T, ClientError> {
        let mut changes = self.view.subscribe();
        let found = async {
            loop {
                {
                    let view = changes.borrow_and_update();
                    if let Some(found) = look(&view) {
                        return Ok(found);
                    }
                    if let Some(end) = &view.end {
                        return Err(end.error());
                    }
                }
                // The sender lives in `self`.
                let _ = changes.changed().await;
            }
        };
        timeout(limit, found).await.map_err(|_| ClientError::Timeout { what, limit })?
    }

    /// Says something to the server, when there is room for it. Cancel safe.
    pub(crate) async fn say(&self, instructions: Vec<u8>) -> Result<(), ClientError> {
        self.outbox.send(instructions).await;
        self.end().map_or(Ok(()), Err)
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}
