//! All live sessions of a process: opening, joining, ending.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use guac_protocol::{ClientInfo, ConnectionId, UserId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::core::{Core, Member};
use crate::encode_pool::EncodePool;
use crate::input::UserKey;
use crate::recording::Recorder;
use crate::shared::{Shared, ToSession};
use crate::user::PRIVATE_QUEUE;
use crate::{Backend, OpenError, Params, SessionEnd, Start, Targets, User};

/// Messages from users that may wait for the session. Past it they wait in their tunnels: 256 keys are more than
/// anybody types while a session is busy with one frame.
const MAILBOX: usize = 256;

/// Users of one session. Each costs a queue and a place in the ring; guacd has no limit.
const MAX_USERS: usize = 64;

/// How long a backend may take to close its connection once its session is over.
const CLOSING_GRACE: Duration = Duration::from_secs(5);

/// A live session, for lists.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// Its id; selecting it joins.
    pub connection_id: ConnectionId,
    /// Its protocol.
    pub protocol: &'static str,
    /// Users in it.
    pub users: usize,
}

struct Entry {
    protocol: &'static str,
    shared: Arc<Shared>,
    mailbox: mpsc::WeakSender<ToSession>,
}

struct Inner {
    backends: HashMap<&'static str, Box<dyn Backend>>,
    targets: Targets,
    sessions: Mutex<HashMap<ConnectionId, Entry>>,
    pool: Arc<EncodePool>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// The live sessions, their tasks and the threads that encode for them. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

impl Hub {
    /// A hub for these protocols, with this many encoding threads (at least one). Its sessions reach what the default
    /// of [`Targets`] permits.
    #[must_use]
    pub fn new(backends: Vec<Box<dyn Backend>>, encode_threads: usize) -> Self {
        Self::with_targets(backends, encode_threads, Targets::default())
    }

    /// The same with another choice of machines.
    #[must_use]
    pub fn with_targets(backends: Vec<Box<dyn Backend>>, encode_threads: usize, targets: Targets) -> Self {
        let backends = backends.into_iter().map(|backend| (backend.protocol(), backend)).collect();
        Self {
            inner: Arc::new(Inner {
                backends,
                targets,
                sessions: Mutex::default(),
                pool: Arc::new(EncodePool::new(encode_threads)),
                tasks: TaskTracker::new(),
                cancel: CancellationToken::new(),
            }),
        }
    }

    /// Parameter names of a protocol in the order of `args`, or `None` if it is not built in.
    #[must_use]
    pub fn parameters(&self, protocol: &str) -> Option<&'static [&'static str]> {
        self.inner.backends.get(protocol).map(|backend| backend.parameters())
    }

    /// Protocol of a live session.
    #[must_use]
    pub fn protocol_of(&self, id: &ConnectionId) -> Option<&'static str> {
        self.sessions_lock().get(id).map(|entry| entry.protocol)
    }

    /// Live sessions.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let sessions = self.sessions_lock();
        sessions
            .iter()
            .map(|(id, entry)| SessionInfo {
                connection_id: id.clone(),
                protocol: entry.protocol,
                users: entry.shared.users(),
            })
            .collect()
    }

    /// Tasks of live sessions; 0 when none is left.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.inner.tasks.len()
    }

    /// Starts a session. The one who opens it is its owner.
    ///
    /// # Errors
    /// [`OpenError::UnknownProtocol`], [`OpenError::ShuttingDown`].
    pub fn open(
        &self,
        protocol: &str,
        mut params: Params,
        info: ClientInfo,
    ) -> Result<(ConnectionId, User), OpenError> {
        let unknown = || OpenError::UnknownProtocol { protocol: protocol.chars().take(32).collect() };
        let name = self.inner.backends.get(protocol).ok_or_else(unknown)?.protocol();
        if self.inner.cancel.is_cancelled() {
            return Err(OpenError::ShuttingDown);
        }
        params.set_targets(self.inner.targets.clone());
        let id = ConnectionId::from_random(*uuid::Uuid::new_v4().as_bytes());
        let (mailbox, receiver) = mpsc::channel(MAILBOX);
        let shared = Arc::new(Shared::new(self.inner.cancel.child_token()));
        let (member, user) = self.new_user(&shared, &mailbox, &params, info, false);
        shared.broadcast.place_at_end(member.key());
        let mut core = Core::new(Arc::clone(&shared), receiver, Arc::clone(&self.inner.pool), member, &params);
        let entry = Entry { protocol: name, shared: Arc::clone(&shared), mailbox: mailbox.downgrade() };
        self.sessions_lock().insert(id.clone(), entry);
        let span = tracing::info_span!("session", connection_id = %id, protocol = name);
        if let Some((recorder, task)) = Recorder::start(&params) {
            core.recorder = Some(recorder);
            self.inner.tasks.spawn(task.instrument(span.clone()));
        }
        let task = run(Arc::clone(&self.inner), name, Start::new(params, core), shared, id.clone());
        self.inner.tasks.spawn(task.instrument(span));
        Ok((id, user))
    }

    /// Joins a session. Of the parameters only `read-only` counts for a joiner.
    ///
    /// # Errors
    /// [`OpenError::NoSuchConnection`], [`OpenError::TooManyUsers`].
    ///
    /// # Cancel safety
    /// If the future is dropped nobody joined.
    pub async fn join(&self, id: &ConnectionId, params: Params, info: ClientInfo) -> Result<User, OpenError> {
        let (shared, mailbox) = {
            let sessions = self.sessions_lock();
            let entry = sessions.get(id).ok_or(OpenError::NoSuchConnection)?;
            let mailbox = entry.mailbox.upgrade().ok_or(OpenError::NoSuchConnection)?;
            (Arc::clone(&entry.shared), mailbox)
        };
        if shared.users() >= MAX_USERS {
            return Err(OpenError::TooManyUsers { limit: MAX_USERS });
        }
        let permit = mailbox.reserve().await.map_err(|_| OpenError::NoSuchConnection)?;
        let (member, user) = self.new_user(&shared, &mailbox, &params, info, true);
        permit.send(ToSession::Join(Box::new(member)));
        Ok(user)
    }

    /// Ends a session; its users get this reason. `false` if there is none of that id.
    pub fn close(&self, id: &ConnectionId, end: SessionEnd) -> bool {
        let sessions = self.sessions_lock();
        let entry = sessions.get(id);
        if let Some(entry) = entry {
            entry.shared.kill(end);
        }
        entry.is_some()
    }

    /// Ends all sessions, refuses new ones and waits until every task is gone.
    ///
    /// # Cancel safety
    /// May be called again to go on waiting.
    pub async fn shutdown(&self) {
        for entry in self.sessions_lock().values() {
            entry.shared.kill(SessionEnd::shutdown());
        }
        self.inner.cancel.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn new_user(
        &self,
        shared: &Arc<Shared>,
        mailbox: &mpsc::Sender<ToSession>,
        params: &Params,
        info: ClientInfo,
        joins: bool,
    ) -> (Member, User) {
        let key: UserKey = shared.next_key();
        let id = UserId::from_random(*uuid::Uuid::new_v4().as_bytes());
        let (private, receiver) = mpsc::channel(PRIVATE_QUEUE);
        let member = Member::new(key, id.clone(), info, params.bool("read-only", false), private);
        (member, User::new(key, id, Arc::clone(shared), mailbox.clone(), receiver, joins))
    }

    fn sessions_lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Entry>> {
        self.inner.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("sessions", &self.sessions_lock().len()).finish_non_exhaustive()
    }
}

/// The session's task: runs the backend, catches its panic, tells the users, leaves no entry behind.
async fn run(inner: Arc<Inner>, protocol: &'static str, start: Start, shared: Arc<Shared>, id: ConnectionId) {
    tracing::info!("Session started");
    let cancel = start.cancellation();
    let end = match inner.backends.get(protocol) {
        None => Err(SessionEnd::internal()),
        Some(backend) => {
            let session = AssertUnwindSafe(backend.run(start)).catch_unwind();
            tokio::select! {
                result = session => result.unwrap_or_else(|_| {
                    tracing::error!("Backend panicked");
                    Err(SessionEnd::internal())
                }),
                () = async { cancel.cancelled().await; tokio::time::sleep(CLOSING_GRACE).await } => {
                    tracing::warn!("Backend did not close in time");
                    Ok(())
                }
            }
        }
    };
    // Whoever ended the session knows better why than the backend that was told to stop.
    let end = shared.killed_by().map_or(end, Err);
    let last = match &end {
        Ok(()) => {
            tracing::info!("Session ended");
            SessionEnd::new(guac_protocol::Status::Success, "").to_instructions()
        }
        Err(end) => {
            tracing::info!(status = %end.status(), reason = end.message(), "Session ended");
            end.to_instructions()
        }
    };
    shared.broadcast.finish(Bytes::from(last));
    inner.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
}
