//! Everything of a session but its picture: users, streams, timestamps, frames in flight.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use guac_display::ImageSupport;
use guac_protocol::{
    ClientInfo, Encode as _, LayerIndex, ProtocolVersion, Rest, ServerInstruction, Status, StreamIndex, UserId,
    write_argv,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::audio::{Microphone, Speaker};
use crate::encode_pool::EncodePool;
use crate::files::UserFiles;
use crate::input::{Event, InputEvent, StreamAnswer, StreamKind, UserKey};
use crate::pace::{MAX_ACCUMULATION, MIN_FRAME_INTERVAL, UserPace};
use crate::recording::Recorder;
use crate::requests::Requests;
use crate::shared::{Shared, ToSession};
use crate::stream::{Collected, StreamRules, UserStreams};
use crate::user::Private;
use crate::{Params, SessionEnd};

/// The stream of parameter values in the broadcast, odd because it belongs to everyone. It is written whole at once, so
/// one index is enough; 1 is the images' and 3 the clipboard's.
pub(crate) const ARGV_STREAM: StreamIndex = StreamIndex(5);

/// A user as the session knows him.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) key: UserKey,
    pub(crate) id: UserId,
    pub(crate) info: ClientInfo,
    pub(crate) read_only: bool,
    /// Held at the last mouse event.
    pub(crate) buttons: u8,
    pub(crate) private: mpsc::Sender<Private>,
    pub(crate) streams: UserStreams,
    pub(crate) files: UserFiles,
    pub(crate) pace: UserPace,
    pub(crate) needs_snapshot: bool,
}

impl Member {
    pub(crate) fn new(
        key: UserKey,
        id: UserId,
        info: ClientInfo,
        read_only: bool,
        private: mpsc::Sender<Private>,
    ) -> Self {
        let (streams, files, pace) = (UserStreams::default(), UserFiles::default(), UserPace::new());
        Self { key, id, info, read_only, buttons: 0, private, streams, files, pace, needs_snapshot: false }
    }

    pub(crate) fn key(&self) -> UserKey {
        self.key
    }
}
/// A frame that is being compressed.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) prefix: Vec<u8>,
    pub(crate) encoded: oneshot::Receiver<Vec<Vec<u8>>>,
    pub(crate) merged: u32,
    /// Planned at the same moment: the picture that this frame leads to, for those who have none.
    pub(crate) snapshot: Option<Snapshot>,
}

/// The whole picture, being compressed for users who need it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) prefix: Vec<u8>,
    pub(crate) encoded: oneshot::Receiver<Vec<Vec<u8>>>,
    pub(crate) users: Vec<UserKey>,
    pub(crate) timestamp_ms: i64,
}

/// Everything of a session but its picture.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: mpsc::Receiver<ToSession>,
    /// A message taken from the mailbox while merging mouse moves.
    pub(crate) lookahead: Option<ToSession>,
    pub(crate) pool: PoolHandle,
    pub(crate) members: BTreeMap<UserKey, Member>,
    pub(crate) owner: UserKey,
    pub(crate) owner_info: ClientInfo,
    pub(crate) rules: StreamRules,
    pub(crate) requests: Requests,
    pub(crate) copy: bool,
    pub(crate) lossless: bool,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) clock: Clock,
    pub(crate) last_frame: Option<Instant>,
    pub(crate) last_write: Instant,
    pub(crate) damaged_since: Option<Instant>,
    pub(crate) frames_ended: u32,
    pub(crate) interval: Duration,
    pub(crate) lossy: bool,
    pub(crate) cursor: Vec<u8>,
    pub(crate) title: Option<String>,
    pub(crate) argv: BTreeMap<&'static str, String>,
    /// Of the default layer.
    pub(crate) properties: BTreeMap<&'static str, String>,
    pub(crate) speaker: Speaker,
    pub(crate) microphone: Microphone,
    pub(crate) recorder: Option<Recorder>,
}

pub(crate) struct PoolHandle(pub(crate) Arc<EncodePool>);

impl std::fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncodePool")
    }
}

/// Timestamps of frames: milliseconds since the session began, each larger than the one before.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    last_ms: i64,
}

impl Clock {
    fn next(&mut self, now: Instant) -> i64 {
        self.last_ms = self.at(now).max(self.last_ms.saturating_add(1));
        self.last_ms
    }

    /// The time of something between frames.
    fn at(&self, now: Instant) -> i64 {
        let elapsed = i64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(i64::MAX - 1);
        elapsed.max(self.last_ms)
    }
}
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
            requests: Requests::new(&shared),
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
            properties: BTreeMap::new(),
            speaker: Speaker::default(),
            microphone: Microphone::default(),
            recorder: None,
        }
    }

    pub(crate) fn owner_info(&self) -> &ClientInfo {
        &self.owner_info
    }

    pub(crate) fn cancellation(&self) -> CancellationToken {
        self.shared.cancel.clone()
    }

    pub(crate) fn publish(&mut self, bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        if let Some(recorder) = &self.recorder {
            recorder.output(&bytes);
        }
        self.publish_unrecorded(bytes);
    }

    /// For what a recording holds in a form of its own, if at all.
    pub(crate) fn publish_unrecorded(&mut self, bytes: Bytes) {
        self.last_write = Instant::now();
        self.shared.broadcast.publish(bytes);
    }

    /// Sound of this length, which a user who is behind may miss.
    pub(crate) fn publish_audio(&mut self, bytes: Vec<u8>, length: Duration) {
        let bytes = Bytes::from(bytes);
        if let Some(recorder) = &self.recorder {
            recorder.output(&bytes);
        }
        self.last_write = Instant::now();
        self.shared.broadcast.publish_audio(bytes, length);
    }

    /// Records what a user did, if there is a recording.
    fn record(&self, event: &Event) {
        let Some(recorder) = &self.recorder else { return };
        let timestamp_ms = self.clock.at(Instant::now());
        match event {
            &Event::Mouse { x, y, buttons, .. } => recorder.mouse((x, y), buttons, timestamp_ms),
            &Event::Key { keysym, pressed, .. } => recorder.key(keysym, pressed, timestamp_ms),
            &Event::Touch { id, x, y, radius_x, radius_y, angle, force, .. } => {
                let timestamp = None;
                let touch =
                    ServerInstruction::Touch { id, x, y, radius_x, radius_y, angle, force, timestamp_ms: timestamp };
                recorder.touch(&touch, timestamp_ms);
            }
            Event::Clipboard { mimetype, data, .. } => recorder.clipboard(mimetype, data),
            _ => {}
        }
    }

    /// Sends to one user. One who does not read is put out: his queue may not grow.
    pub(crate) fn send_private(&mut self, user: UserKey, message: Private) {
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

    pub(crate) fn answer(&mut self, user: UserKey, StreamAnswer { stream, message, status }: StreamAnswer) {
        let bytes = ServerInstruction::Ack { stream, message, status }.to_bytes();
        self.send_private(user, Private::Bytes(bytes.into()));
    }

    /// Removes those who left and marks those who lost track.
    pub(crate) fn take_notes(&mut self) {
        let (departed, behind) = self.shared.take_notes();
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

    pub(crate) fn support(&self) -> ImageSupport {
        ImageSupport { webp: self.members.values().all(|member| member.info.shows("image/webp")) }
    }

    /// Handles one message; gives what the backend must hear.
    pub(crate) fn handle(&mut self, message: ToSession) -> Option<Event> {
        match message {
            ToSession::Join(member) => {
                self.join(*member);
                None
            }
            ToSession::Input(user, event) => self.handle_input(user, event).inspect(|event| self.record(event)),
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
            InputEvent::Get { object, name } => {
                self.request_download(user, object, name);
                None
            }
            InputEvent::Ack { stream, status } => {
                self.members.get_mut(&user)?.files.handle_ack(stream, status);
                None
            }
            InputEvent::Open(open) => {
                self.members.get_mut(&user)?.files.forget_upload(open.stream);
                let ended = self.close_microphone(user, open.stream);
                if matches!(open.kind, StreamKind::File | StreamKind::Put(_)) {
                    self.request_upload(user, *open);
                    return ended;
                }
                if open.kind == StreamKind::Audio && is_owner && !read_only && !self.microphone.is_off() {
                    self.members.get_mut(&user)?.streams.forget(open.stream);
                    self.open_microphone(&open);
                    return ended;
                }
                let answer = self.members.get_mut(&user)?.streams.open(*open, &self.rules, read_only);
                self.answer(user, answer);
                ended
            }
            // Not answered one by one, as from guacd: sound is sent as it is recorded, whatever comes back.
            InputEvent::Blob { stream, data } if is_owner && self.microphone.is(stream) => self.microphone.blob(data),
            InputEvent::End { stream } if is_owner && self.microphone.is(stream) => self.close_microphone(user, stream),
            InputEvent::Blob { stream, data } if self.members.get(&user)?.files.has_upload(stream) => {
                if !self.members.get_mut(&user)?.files.blob(stream, data) {
                    let (message, status) = ("more blobs than were asked for", Status::ClientOverrun);
                    self.answer(user, StreamAnswer { stream, message, status });
                }
                None
            }
            InputEvent::Blob { stream, data } => {
                let (answer, collected) = self.members.get_mut(&user)?.streams.blob(stream, data, &self.rules);
                self.answer(user, answer);
                collected.map(|collected| deliver(user, is_owner, collected))
            }
            InputEvent::End { stream } if self.members.get_mut(&user)?.files.end(stream) => None,
            InputEvent::End { stream } => {
                let collected = self.members.get_mut(&user)?.streams.end(stream)?;
                Some(deliver(user, is_owner, collected))
            }
            _ if read_only => None,
            InputEvent::Key { keysym, pressed } => Some(Event::Key { user, keysym, pressed }),
            InputEvent::Mouse { x, y, buttons } => {
                let before = self.members.get_mut(&user).map(|member| std::mem::replace(&mut member.buttons, buttons));
                // Where a button went down or up is what machines act on: only moves give way to later ones.
                let only_moved = before == Some(buttons);
                let (x, y) = if only_moved { self.merge_moves(user, (x, y), buttons) } else { (x, y) };
                self.show_pointer(user, x, y, buttons);
                Some(Event::Mouse { user, x, y, buttons })
            }
            InputEvent::Touch { id, x, y, radius_x, radius_y, angle, force } => {
                Some(Event::Touch { user, id, x, y, radius_x, radius_y, angle, force })
            }
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
        for (name, value) in &self.properties {
            ServerInstruction::Set { layer: LayerIndex::DEFAULT, name, value }.encode(&mut out);
        }
        for (name, value) in &self.argv {
            write_argv(&mut out, ARGV_STREAM, name, value);
        }
        self.speaker.announce(&mut out);
        out
    }

    pub(crate) fn end_frame(&mut self, mut bytes: Vec<u8>, merged: u32, now: Instant) {
        let timestamp_ms = self.clock.next(now);
        ServerInstruction::Sync { timestamp_ms, frames: Some(merged.max(1)) }.encode(&mut bytes);
        for member in self.members.values_mut().filter(|member| !member.needs_snapshot) {
            member.pace.sent(timestamp_ms, now);
        }
        self.last_frame = Some(now);
        self.publish(bytes);
    }

    /// The frame before the snapshot is out: from here on its users follow the ring.
    pub(crate) fn begin_snapshot(&mut self, mut snapshot: Snapshot, now: Instant) {
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

    /// Before anything is shown there is nothing to catch up with: who joins now follows the ring from here.
    pub(crate) fn seat_early_joiners(&mut self) {
        let early = self.members.values_mut().filter(|member| member.needs_snapshot);
        let early: Vec<UserKey> = early
            .map(|member| {
                member.needs_snapshot = false;
                member.key
            })
            .collect();
        for user in early {
            self.shared.broadcast.place_at_end(user);
            let state = Bytes::from(self.state());
            self.send_private(user, Private::Snapshot(state));
        }
    }

    pub(crate) fn finish_in_flight(&mut self, encoded: Vec<Vec<u8>>) {
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

    pub(crate) fn finish_snapshot(&mut self, encoded: Vec<Vec<u8>>) {
        let Some(snapshot) = self.snapshot.take() else { return };
        let mut bytes = assemble(snapshot.prefix, encoded);
        ServerInstruction::Sync { timestamp_ms: snapshot.timestamp_ms, frames: Some(1) }.encode(&mut bytes);
        let bytes = Bytes::from(bytes);
        for user in snapshot.users {
            self.send_private(user, Private::Snapshot(bytes.clone()));
        }
    }

    /// When the next frame may be planned: now (`None`) or not before an instant.
    pub(crate) fn frame_due(&self, now: Instant) -> Option<Instant> {
        let complete = if self.frames_ended > 0 { now } else { self.damaged_since.unwrap_or(now) + MAX_ACCUMULATION };
        let spaced = self.last_frame.map_or(now, |last| last + self.interval);
        let held = self.members.values().filter_map(|member| member.pace.holds_until(now)).max();
        let due = complete.max(spaced).max(held.unwrap_or(now));
        (due > now).then_some(due)
    }

    pub(crate) fn lag(&self, now: Instant) -> Duration {
        self.members.values().map(|member| member.pace.lag(now)).max().unwrap_or_default()
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
