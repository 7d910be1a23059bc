//! The running session: its picture and its users.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use guac_display::{Cursor, Display, FramePlan, ImageSupport, Picture};
use guac_protocol::{
    ClientInfo, Encode as _, InstructionWriter, ProtocolVersion, Rest, ServerInstruction, Status, StreamIndex, UserId,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::broadcast::Broadcast;
use crate::encode_pool::EncodePool;
use crate::input::{Event, InputEvent, StreamAnswer, UserKey};
use crate::pace::{MAX_ACCUMULATION, MIN_FRAME_INTERVAL, UserPace, quality};
use crate::stream::{Collected, StreamRules, UserStreams};
use crate::user::Private;
use crate::{Params, SessionEnd};

/// Pixels that are compressed on the session's own task: at most about 0.2 ms, less than a trip through the pool costs
/// in latency for the echo of a key.
const INLINE_PX: usize = 16 * 1024;

/// Silence after which everyone gets a `nop`, as from guacd (P-087).
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Quiet after which what was sent with loss is sent again without.
const REFINE_AFTER: Duration = Duration::from_millis(250);

/// Raw bytes of one clipboard blob (P-125).
const CLIPBOARD_BLOB_BYTES: usize = 4096;

/// Streams of the broadcast, odd because they belong to everyone. Each is written whole at once, so one index of a
/// kind is enough; 1 is the images'.
const CLIPBOARD_STREAM: StreamIndex = StreamIndex(3);
const ARGV_STREAM: StreamIndex = StreamIndex(5);

/// A message to the session's task.
#[derive(Debug)]
pub(crate) enum ToSession {
    Input(UserKey, InputEvent),
    Join(Box<Member>),
}

/// What the session and its users' tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) broadcast: Broadcast,
    /// Users who left, and users who need a snapshot. Lists, because a message could not wait in a destructor.
    notes: Mutex<Notes>,
    wake: Notify,
    killed: Mutex<Option<SessionEnd>>,
    cancel: CancellationToken,
    next_key: AtomicU32,
}

#[derive(Debug, Default)]
struct Notes {
    /// Users with a half that is still held, whether or not the session has met them.
    present: HashSet<UserKey>,
    departed: Vec<UserKey>,
    behind: Vec<UserKey>,
}

impl Shared {
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        Self {
            broadcast: Broadcast::default(),
            notes: Mutex::default(),
            wake: Notify::new(),
            killed: Mutex::default(),
            cancel,
            next_key: AtomicU32::new(0),
        }
    }

    pub(crate) fn next_key(&self) -> UserKey {
        let key = UserKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        self.notes().present.insert(key);
        key
    }

    pub(crate) fn users(&self) -> usize {
        self.notes().present.len()
    }

    fn is_present(&self, user: UserKey) -> bool {
        self.notes().present.contains(&user)
    }

    /// A user's last half is gone, he said `disconnect`, or he was put out: whatever comes first.
    pub(crate) fn depart(&self, user: UserKey) {
        let mut notes = self.notes();
        if notes.present.remove(&user) {
            notes.departed.push(user);
            drop(notes);
            self.wake.notify_one();
        }
    }

    pub(crate) fn ask_for_snapshot(&self, user: UserKey) {
        self.notes().behind.push(user);
        self.wake.notify_one();
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session for this reason.
    pub(crate) fn kill(&self, end: SessionEnd) {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
        self.cancel.cancel();
    }

    pub(crate) fn killed_by(&self) -> Option<SessionEnd> {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A user as the session knows him.
#[derive(Debug)]
pub(crate) struct Member {
    key: UserKey,
    id: UserId,
    info: ClientInfo,
    read_only: bool,
    private: mpsc::Sender<Private>,
    streams: UserStreams,
    pace: UserPace,
    needs_snapshot: bool,
}

impl Member {
    pub(crate) fn new(
        key: UserKey,
        id: UserId,
        info: ClientInfo,
        read_only: bool,
        private: mpsc::Sender<Private>,
    ) -> Self {
        let (streams, pace) = (UserStreams::default(), UserPace::new());
        Self { key, id, info, read_only, private, streams, pace, needs_snapshot: false }
    }

    pub(crate) fn key(&self) -> UserKey {
        self.key
    }
}

/// A frame that is being compressed.
#[derive(Debug)]
struct InFlight {
    prefix: Vec<u8>,
    encoded: oneshot::Receiver<Vec<Vec<u8>>>,
    merged: u32,
    /// Planned at the same moment: the picture that this frame leads to, for those who have none.
    snapshot: Option<Snapshot>,
}

/// The whole picture, being compressed for users who need it.
#[derive(Debug)]
struct Snapshot {
    prefix: Vec<u8>,
    encoded: oneshot::Receiver<Vec<Vec<u8>>>,
    users: Vec<UserKey>,
    timestamp_ms: i64,
}

/// Everything of a session but its picture.
#[derive(Debug)]
pub(crate) struct Core {
    shared: Arc<Shared>,
    mailbox: mpsc::Receiver<ToSession>,
    /// A message taken from the mailbox while merging mouse moves.
    lookahead: Option<ToSession>,
    pool: PoolHandle,
    members: BTreeMap<UserKey, Member>,
    owner: UserKey,
    owner_info: ClientInfo,
    rules: StreamRules,
    copy: bool,
    lossless: bool,
    in_flight: Option<InFlight>,
    snapshot: Option<Snapshot>,
    clock: Clock,
    last_frame: Option<Instant>,
    last_write: Instant,
    damaged_since: Option<Instant>,
    frames_ended: u32,
    interval: Duration,
    lossy: bool,
    cursor: Vec<u8>,
    title: Option<String>,
    argv: BTreeMap<&'static str, String>,
}

struct PoolHandle(Arc<EncodePool>);

impl std::fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncodePool")
    }
}

/// Timestamps of frames: milliseconds since the session began, each larger than the one before.
#[derive(Debug)]
struct Clock {
    start: Instant,
    last_ms: i64,
}

impl Clock {
    fn next(&mut self, now: Instant) -> i64 {
        let elapsed = i64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(i64::MAX - 1);
        self.last_ms = elapsed.max(self.last_ms.saturating_add(1));
        self.last_ms
    }
}

/// The owner cannot be asked: he is gone, or his client is older than `required`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session's owner cannot be asked for parameters")]
pub struct NotAskable;

impl Core {
    pub(crate) fn new(
        shared: Arc<Shared>,
        mailbox: mpsc::Receiver<ToSession>,
        pool: Arc<EncodePool>,
        owner: Member,
        params: &Params,
    ) -> Self {
        let now = Instant::now();
        let paste = !params.bool("disable-paste", false);
        Self {
            shared,
            mailbox,
            lookahead: None,
            pool: PoolHandle(pool),
            owner: owner.key,
            owner_info: owner.info.clone(),
            members: BTreeMap::from([(owner.key, owner)]),
            rules: StreamRules::new(paste, params.number("clipboard-buffer-size", 0)),
            copy: !params.bool("disable-copy", false),
            lossless: params.bool("force-lossless", false),
            in_flight: None,
            snapshot: None,
            clock: Clock { start: now, last_ms: 0 },
            last_frame: None,
            last_write: now,
            damaged_since: None,
            frames_ended: 0,
            interval: MIN_FRAME_INTERVAL,
            lossy: false,
            cursor: Vec::new(),
            title: None,
            argv: BTreeMap::new(),
        }
    }

    pub(crate) fn owner_info(&self) -> &ClientInfo {
        &self.owner_info
    }

    pub(crate) fn cancellation(&self) -> CancellationToken {
        self.shared.cancel.clone()
    }

    fn publish(&mut self, bytes: Vec<u8>) {
        self.last_write = Instant::now();
        self.shared.broadcast.publish(Bytes::from(bytes));
    }

    /// Sends to one user. One who does not read is put out: his queue may not grow.
    fn send_private(&mut self, user: UserKey, message: Private) {
        let Some(member) = self.members.get(&user) else { return };
        if member.private.try_send(message).is_err() {
            let end = SessionEnd::new(Status::ClientTimeout, "the browser does not read what it is sent");
            self.put_out(user, &end);
        }
    }

    fn put_out(&mut self, user: UserKey, end: &SessionEnd) {
        self.shared.broadcast.finish_user(user, Bytes::from(end.to_instructions()));
        self.shared.depart(user);
    }

    fn answer(&mut self, user: UserKey, StreamAnswer { stream, message, status }: StreamAnswer) {
        let bytes = ServerInstruction::Ack { stream, message, status }.to_bytes();
        self.send_private(user, Private::Bytes(bytes.into()));
    }

    /// Removes those who left and marks those who lost track.
    fn take_notes(&mut self) {
        let (departed, behind) = {
            let mut notes = self.shared.notes();
            (std::mem::take(&mut notes.departed), std::mem::take(&mut notes.behind))
        };
        for user in departed {
            if let Some(member) = self.members.remove(&user) {
                self.notify_owner(2, &member);
                tracing::debug!(user = %member.id, "User left");
            }
            self.shared.broadcast.remove_place(user);
        }
        for user in behind {
            if let Some(member) = self.members.get_mut(&user) {
                tracing::debug!(user = %member.id, "User fell behind, sending a snapshot");
                member.needs_snapshot = true;
                member.pace.restart();
            }
        }
    }

    /// Tells the owner that somebody else joined (1) or left (2), if his client understands it (P-075).
    fn notify_owner(&mut self, code: u32, who: &Member) {
        let understands = self.owner_info.version >= ProtocolVersion::V1_5_0;
        if who.key == self.owner || !understands {
            return;
        }
        let args = Rest(vec![who.id.as_str(), who.info.name.as_deref().unwrap_or_default()]);
        let bytes = ServerInstruction::Msg { code, args }.to_bytes();
        self.send_private(self.owner, Private::Bytes(bytes.into()));
    }

    fn join(&mut self, mut member: Member) {
        if !self.shared.is_present(member.key) {
            return;
        }
        tracing::debug!(user = %member.id, "User joined");
        member.needs_snapshot = true;
        self.notify_owner(1, &member);
        self.members.insert(member.key, member);
    }

    fn support(&self) -> ImageSupport {
        ImageSupport { webp: self.members.values().all(|member| member.info.shows("image/webp")) }
    }

    /// Handles one message; gives what the backend must hear.
    fn handle(&mut self, message: ToSession) -> Option<Event> {
        match message {
            ToSession::Join(member) => {
                self.join(*member);
                None
            }
            ToSession::Input(user, event) => self.handle_input(user, event),
        }
    }

    fn handle_input(&mut self, user: UserKey, event: InputEvent) -> Option<Event> {
        let read_only = self.members.get(&user)?.read_only;
        let is_owner = user == self.owner;
        match event {
            InputEvent::Sync { timestamp_ms } => {
                let now = Instant::now();
                if self.members.get_mut(&user)?.pace.acknowledge(timestamp_ms, now).is_err() {
                    let end = SessionEnd::new(Status::ClientBadRequest, "the browser acknowledged a frame never sent");
                    self.put_out(user, &end);
                }
                None
            }
            InputEvent::Open(open) => {
                let answer = self.members.get_mut(&user)?.streams.open(*open, &self.rules, read_only);
                self.answer(user, answer);
                None
            }
            InputEvent::Blob { stream, data } => {
                let (answer, collected) = self.members.get_mut(&user)?.streams.blob(stream, data, &self.rules);
                self.answer(user, answer);
                collected.map(|collected| deliver(user, is_owner, collected))
            }
            InputEvent::End { stream } => {
                let collected = self.members.get_mut(&user)?.streams.end(stream)?;
                Some(deliver(user, is_owner, collected))
            }
            _ if read_only => None,
            InputEvent::Key { keysym, pressed } => Some(Event::Key { user, keysym, pressed }),
            InputEvent::Mouse { x, y, buttons } => {
                let (x, y) = self.merge_moves(user, (x, y), buttons);
                self.show_pointer(user, x, y, buttons);
                Some(Event::Mouse { user, x, y, buttons })
            }
            InputEvent::Touch { id, x, y, force } => Some(Event::Touch { user, id, x, y, force }),
            InputEvent::Size { width_px, height_px } => Some(Event::Size { user, is_owner, width_px, height_px }),
        }
    }

    /// Takes moves of the same user that already wait behind this one, as long as no button changes.
    fn merge_moves(&mut self, user: UserKey, mut at: (i32, i32), buttons: u8) -> (i32, i32) {
        while self.lookahead.is_none() {
            match self.mailbox.try_recv() {
                Ok(ToSession::Input(same, InputEvent::Mouse { x, y, buttons: held }))
                    if same == user && held == buttons =>
                {
                    at = (x, y);
                }
                Ok(other) => self.lookahead = Some(other),
                Err(_) => break,
            }
        }
        at
    }

    /// Shows the others where this user's pointer is (P-085). Who has no room for it misses it: the next move tells.
    fn show_pointer(&self, from: UserKey, x: i32, y: i32, buttons: u8) {
        if self.members.len() < 2 {
            return;
        }
        let bytes =
            Bytes::from(ServerInstruction::Mouse { x, y, buttons, timestamp_ms: self.clock.last_ms }.to_bytes());
        for member in self.members.values().filter(|member| member.key != from) {
            if member.private.capacity() > member.private.max_capacity() / 2 {
                // Checked above; only this task sends.
                let _ = member.private.try_send(Private::Bytes(bytes.clone()));
            }
        }
    }

    /// Instructions that make a newcomer equal to the others, but for the picture.
    fn state(&self) -> Vec<u8> {
        let mut out = self.cursor.clone();
        if let Some(name) = &self.title {
            ServerInstruction::Name { name }.encode(&mut out);
        }
        for (name, value) in &self.argv {
            encode_argv(name, value, &mut out);
        }
        out
    }

    fn end_frame(&mut self, mut bytes: Vec<u8>, merged: u32, now: Instant) {
        let timestamp_ms = self.clock.next(now);
        ServerInstruction::Sync { timestamp_ms, frames: Some(merged.max(1)) }.encode(&mut bytes);
        for member in self.members.values_mut().filter(|member| !member.needs_snapshot) {
            member.pace.sent(timestamp_ms, now);
        }
        self.last_frame = Some(now);
        self.publish(bytes);
    }

    /// The frame before the snapshot is out: from here on its users follow the ring.
    fn begin_snapshot(&mut self, mut snapshot: Snapshot, now: Instant) {
        snapshot.timestamp_ms = self.clock.next(now);
        let mut prefix = self.state();
        prefix.append(&mut snapshot.prefix);
        snapshot.prefix = prefix;
        for user in &snapshot.users {
            if let Some(member) = self.members.get_mut(user) {
                member.needs_snapshot = false;
                member.pace.restart();
                member.pace.sent(snapshot.timestamp_ms, now);
                self.shared.broadcast.place_at_end(*user);
            }
        }
        self.snapshot = Some(snapshot);
    }

    fn finish_in_flight(&mut self, encoded: Vec<Vec<u8>>) {
        let Some(in_flight) = self.in_flight.take() else { return };
        let now = Instant::now();
        let bytes = assemble(in_flight.prefix, encoded);
        if !bytes.is_empty() {
            self.end_frame(bytes, in_flight.merged, now);
        }
        if let Some(snapshot) = in_flight.snapshot {
            self.begin_snapshot(snapshot, now);
        }
    }

    fn finish_snapshot(&mut self, encoded: Vec<Vec<u8>>) {
        let Some(snapshot) = self.snapshot.take() else { return };
        let mut bytes = assemble(snapshot.prefix, encoded);
        ServerInstruction::Sync { timestamp_ms: snapshot.timestamp_ms, frames: Some(1) }.encode(&mut bytes);
        let bytes = Bytes::from(bytes);
        for user in snapshot.users {
            self.send_private(user, Private::Snapshot(bytes.clone()));
        }
    }

    /// When the next frame may be planned: now (`None`) or not before an instant.
    fn frame_due(&self, now: Instant) -> Option<Instant> {
        let complete = if self.frames_ended > 0 { now } else { self.damaged_since.unwrap_or(now) + MAX_ACCUMULATION };
        let spaced = self.last_frame.map_or(now, |last| last + self.interval);
        let held = self.members.values().filter_map(|member| member.pace.holds_until(now)).max();
        let due = complete.max(spaced).max(held.unwrap_or(now));
        (due > now).then_some(due)
    }

    fn lag(&self, now: Instant) -> Duration {
        self.members.values().map(|member| member.pace.lag(now)).max().unwrap_or_default()
    }
}

/// One user's place on the stage where the picture is.
///
/// A backend keeps polling [`next`](Self::next) next to its own I/O: that is what runs the session.
#[derive(Debug)]
pub struct Stage<P> {
    picture: P,
    shown: bool,
    display: Display,
    core: Core,
}

impl<P: Picture> Stage<P> {
    pub(crate) fn new(picture: P, core: Core) -> Self {
        Self { picture, shown: false, display: Display::new(), core }
    }

    /// The picture, to draw on. It records its own changes.
    pub fn picture(&mut self) -> &mut P {
        self.shown = true;
        &mut self.picture
    }

    /// What was drawn so far belongs together: the protocol says that its frame ends here. Without it damage waits up
    /// to 10 ms for more.
    pub fn frame_end(&mut self) {
        self.core.frames_ended = self.core.frames_ended.saturating_add(1);
    }

    /// Shortest time between two frames, at least 10 ms. A terminal that scrolls needs no more than 25 frames a second.
    pub fn set_frame_interval(&mut self, interval: Duration) {
        self.core.interval = interval.max(MIN_FRAME_INTERVAL);
    }

    /// What the owner said about himself.
    #[must_use]
    pub fn owner_info(&self) -> &ClientInfo {
        &self.core.owner_info
    }

    /// Sets the pointer's picture for everyone.
    pub fn set_cursor(&mut self, cursor: &Cursor) {
        let instructions = cursor.to_instructions();
        if self.core.cursor != instructions {
            self.core.cursor.clone_from(&instructions);
            self.core.publish(instructions);
        }
    }

    /// Sends the machine's clipboard to everyone, unless `disable-copy` forbids it. Text beyond the connection's limit
    /// is not sent.
    pub fn send_clipboard(&mut self, text: &str) {
        if !self.core.copy || text.len() > self.core.rules.clipboard_bytes {
            tracing::debug!(len_bytes = text.len(), "Clipboard of the machine not sent");
            return;
        }
        let (stream, mimetype) = (CLIPBOARD_STREAM, "text/plain");
        let mut out = Vec::with_capacity(text.len() * 2);
        ServerInstruction::Clipboard { stream, mimetype }.encode(&mut out);
        write_blobs(stream, text.as_bytes(), CLIPBOARD_BLOB_BYTES, &mut out);
        self.core.publish(out);
    }

    /// Sets the session's title for everyone.
    pub fn set_title(&mut self, title: &str) {
        self.core.publish(ServerInstruction::Name { name: title }.to_bytes());
        self.core.title = Some(title.to_owned());
    }

    /// Tells everyone, and later joiners, the value of a parameter in force (P-129).
    pub fn publish_argv(&mut self, name: &'static str, value: &str) {
        let mut out = Vec::new();
        encode_argv(name, value, &mut out);
        self.core.publish(out);
        self.core.argv.insert(name, value.to_owned());
    }

    /// Parameters that users may set from now on; all others are refused.
    pub fn accept_argv(&mut self, names: &'static [&'static str]) {
        self.core.rules.argv = names;
    }

    /// Pipes that users may open from now on; all others are refused.
    pub fn accept_pipe(&mut self, names: &'static [&'static str]) {
        self.core.rules.pipes = names;
    }

    /// Asks the owner for parameters; answers come as [`Event::Argv`] if [`accept_argv`](Self::accept_argv) names them.
    ///
    /// # Errors
    /// [`NotAskable`] if the owner has left or his client does not know `required` (before 1.3.0).
    pub fn require(&mut self, names: &[&str]) -> Result<(), NotAskable> {
        let owner = self.core.owner;
        if self.core.owner_info.version < ProtocolVersion::V1_3_0 || !self.core.members.contains_key(&owner) {
            return Err(NotAskable);
        }
        let bytes = ServerInstruction::Required { names: Rest(names.to_vec()) }.to_bytes();
        self.core.send_private(owner, Private::Bytes(bytes.into()));
        Ok(())
    }

    /// Sends what is drawn, then runs the session until there is something for the backend.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped, so it belongs into a `select!`.
    pub async fn next(&mut self) -> Event {
        loop {
            self.core.take_notes();
            if self.core.shared.users() == 0 {
                self.core.shared.cancel.cancel();
            }
            if self.core.shared.cancel.is_cancelled() {
                return Event::Ended;
            }
            if let Some(message) = self.core.lookahead.take() {
                match self.core.handle(message) {
                    Some(event) => return event,
                    None => continue,
                }
            }
            let wake_at = self.send_due_frames(Instant::now());
            let core = &mut self.core;
            tokio::select! {
                biased;
                () = core.shared.cancel.cancelled() => return Event::Ended,
                encoded = finished(core.in_flight.as_mut().map(|frame| &mut frame.encoded)) => core.finish_in_flight(encoded),
                encoded = finished(core.snapshot.as_mut().map(|frame| &mut frame.encoded)) => core.finish_snapshot(encoded),
                () = core.shared.wake.notified() => {}
                Some(message) = core.mailbox.recv() => {
                    if let Some(event) = core.handle(message) {
                        return event;
                    }
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    /// Plans what is due and gives the instant at which to look again.
    fn send_due_frames(&mut self, now: Instant) -> Instant {
        let mut wake_at = self.core.last_write + KEEP_ALIVE;
        if wake_at <= now {
            self.core.publish(ServerInstruction::Nop {}.to_bytes());
            wake_at = now + KEEP_ALIVE;
        }
        if !self.shown || self.core.in_flight.is_some() {
            return wake_at;
        }
        let waiting = self.core.snapshot.is_none() && self.core.members.values().any(|member| member.needs_snapshot);
        if waiting {
            self.plan_frame(now, true);
            return wake_at;
        }
        if self.picture.has_changes() {
            self.core.damaged_since.get_or_insert(now);
            match self.core.frame_due(now) {
                Some(due) => return wake_at.min(due),
                None => self.plan_frame(now, false),
            }
        } else {
            self.core.frames_ended = 0;
            if self.core.lossy {
                return wake_at.min(self.refine_when_quiet(now));
            }
        }
        wake_at
    }

    fn plan_frame(&mut self, now: Instant, with_snapshot: bool) {
        let support = self.core.support();
        let quality = Some(quality(self.core.lag(now))).filter(|_| !self.core.lossless);
        self.display.set_quality(quality);
        let plan = self.display.plan(&mut self.picture, support, false);
        self.core.lossy = self.display.has_lossy();
        let snapshot = with_snapshot.then(|| self.plan_snapshot(support));
        self.core.damaged_since = None;
        self.start(plan, snapshot, now);
    }

    fn plan_snapshot(&mut self, support: ImageSupport) -> Snapshot {
        let FramePlan { prefix, jobs } = self.display.snapshot(&mut self.picture, support);
        let needy = self.core.members.values().filter(|member| member.needs_snapshot);
        let users = needy.map(|member| member.key).collect();
        Snapshot { prefix, encoded: self.core.pool.0.submit(jobs), users, timestamp_ms: 0 }
    }

    fn refine_when_quiet(&mut self, now: Instant) -> Instant {
        let quiet = self.core.last_frame.unwrap_or(now) + REFINE_AFTER;
        if quiet > now {
            return quiet;
        }
        let plan = self.display.refine(&mut self.picture, self.core.support());
        self.core.lossy = self.display.has_lossy();
        self.start(plan, None, now);
        now + REFINE_AFTER
    }

    /// Compresses a small frame here and a large one in the pool.
    fn start(&mut self, plan: FramePlan, snapshot: Option<Snapshot>, now: Instant) {
        let merged = std::mem::take(&mut self.core.frames_ended);
        if plan.area() <= INLINE_PX {
            let bytes = plan.encode_here();
            if !bytes.is_empty() {
                self.core.end_frame(bytes, merged, now);
            }
            if let Some(snapshot) = snapshot {
                self.core.begin_snapshot(snapshot, now);
            }
        } else {
            let encoded = self.core.pool.0.submit(plan.jobs);
            self.core.in_flight = Some(InFlight { prefix: plan.prefix, encoded, merged, snapshot });
        }
    }
}

/// Waits for a compressed frame; for ever if there is none.
async fn finished(encoded: Option<&mut oneshot::Receiver<Vec<Vec<u8>>>>) -> Vec<Vec<u8>> {
    match encoded {
        // The pool outlives its sessions, and answers every batch; without it the frame is lost and the session ends.
        Some(receiver) => receiver.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

fn assemble(mut prefix: Vec<u8>, encoded: Vec<Vec<u8>>) -> Vec<u8> {
    prefix.reserve(encoded.iter().map(Vec::len).sum::<usize>() + 64);
    for image in encoded {
        prefix.extend_from_slice(&image);
    }
    prefix
}

fn deliver(user: UserKey, is_owner: bool, collected: Collected) -> Event {
    match collected {
        Collected::Clipboard { mimetype, data } => Event::Clipboard { user, mimetype, data },
        Collected::Argv { name, value } => Event::Argv { user, is_owner, name, value },
        Collected::Pipe { name, data } => Event::Pipe { user, name, data },
    }
}

fn encode_argv(name: &str, value: &str, out: &mut Vec<u8>) {
    let (stream, mimetype) = (ARGV_STREAM, "text/plain");
    ServerInstruction::Argv { stream, mimetype, name }.encode(out);
    write_blobs(stream, value.as_bytes(), guac_protocol::MAX_BLOB_BYTES, out);
}

fn write_blobs(stream: StreamIndex, data: &[u8], chunk: usize, out: &mut Vec<u8>) {
    for chunk in data.chunks(chunk) {
        InstructionWriter::new(out, "blob").arg(&stream).base64(chunk).end();
    }
    ServerInstruction::End { stream }.encode(out);
}
