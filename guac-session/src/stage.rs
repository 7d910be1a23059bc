//! The running session: its picture next to its users.

use std::sync::Arc;

use guac_display::{Cursor, Display, FramePlan, ImageSupport, Picture};
use guac_protocol::{
    AudioFormat, ClientInfo, Encode as _, LayerIndex, ObjectIndex, ProtocolVersion, Rest, ServerInstruction,
    StreamIndex, write_argv, write_clipboard,
};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use crate::audio::AudioInput;
use crate::core::{ARGV_STREAM, Core, InFlight, Snapshot};
use crate::input::Event;
use crate::pace::{MIN_FRAME_INTERVAL, quality};
use crate::requests::poll_files;
use crate::transfer::Download;
use crate::user::Private;

/// Pixels that are compressed on the session's own task: at most about 0.2 ms, less than a trip through the pool costs
/// in latency for the echo of a key.
const INLINE_PX: usize = 16 * 1024;
/// Silence after which everyone gets a `nop`, as from guacd (P-087).
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Quiet after which what was sent with loss is sent again without.
const REFINE_AFTER: Duration = Duration::from_millis(250);

/// The clipboard's stream in the broadcast, odd because it belongs to everyone. It is written whole at once, so one
/// index is enough; 1 is the images'.
const CLIPBOARD_STREAM: StreamIndex = StreamIndex(3);

/// The owner cannot be asked: he is gone, or his client is older than `required`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session's owner cannot be asked for parameters")]
pub struct NotAskable;

/// The session's owner gets no file system or stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotOffered {
    /// *Peer.* He has left.
    #[error("the session's owner has left")]
    OwnerGone,
    /// *Peer.* He has as many as there can be, or does not take those that wait for him.
    #[error("the session's owner has too many of them")]
    TooMany,
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
        write_clipboard(&mut out, stream, mimetype, text.as_bytes());
        if let Some(recorder) = &self.core.recorder {
            recorder.clipboard(mimetype, text.as_bytes());
        }
        self.core.publish_unrecorded(out.into());
    }

    /// Sets the session's title for everyone.
    pub fn set_title(&mut self, title: &str) {
        self.core.publish(ServerInstruction::Name { name: title }.to_bytes());
        self.core.title = Some(title.to_owned());
    }

    /// Tells everyone, and later joiners, the value of a parameter in force (P-129).
    pub fn publish_argv(&mut self, name: &'static str, value: &str) {
        let mut out = Vec::new();
        write_argv(&mut out, ARGV_STREAM, name, value);
        self.core.publish(out);
        self.core.argv.insert(name, value.to_owned());
    }

    /// The machine begins to play sound of this format, or changes to it. Users whose client plays it hear from now on
    /// what [`play_audio`](Self::play_audio) gets (P-070, P-145).
    pub fn start_audio(&mut self, format: AudioFormat) {
        self.core.start_audio(format);
    }

    /// Sends sound at once: whole frames of the format that was started; a rest that is no frame is left out. Nothing
    /// happens where none was. Who is half a second behind misses some, so that sound does not pile up for him.
    pub fn play_audio(&mut self, pcm: &[u8]) {
        self.core.play_audio(pcm);
    }

    /// The machine plays nothing more.
    pub fn stop_audio(&mut self) {
        self.core.stop_audio();
    }

    /// What becomes of the owner's microphone from now on; at first it is [`Off`](AudioInput::Off) (P-094, P-146).
    /// What he says comes as [`Event::AudioInput`].
    pub fn use_microphone(&mut self, input: AudioInput) {
        self.core.use_microphone(input);
    }

    /// Sets a property of the whole display for everyone, and for later joiners (P-062).
    pub fn publish_property(&mut self, name: &'static str, value: &str) {
        if self.core.properties.get(name).is_none_or(|known| known != value) {
            self.core.publish(ServerInstruction::Set { layer: LayerIndex::DEFAULT, name, value }.to_bytes());
            self.core.properties.insert(name, value.to_owned());
        }
    }

    /// Parameters that users may set from now on; all others are refused.
    pub fn accept_argv(&mut self, names: &'static [&'static str]) {
        self.core.rules.argv = names;
    }

    /// Pipes that users may open from now on; all others are refused.
    pub fn accept_pipe(&mut self, names: &[&str]) {
        self.core.rules.pipes = names.iter().map(|name| Arc::from(*name)).collect();
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
            if let Some(event) = self.core.next_request() {
                return event;
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
                // Last, so that files come behind frames and input, and one blob at a time.
                (user, out) = std::future::poll_fn(|cx| poll_files(&mut core.members, &mut core.requests, cx)) => {
                    core.send_private(user, Private::Bytes(out.into()));
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    /// Shows the owner, and nobody else, a file system (P-080, P-144). What he asks of it comes as
    /// [`Event::Download`] and [`Event::Upload`]. guacd names it by its root.
    ///
    /// # Errors
    /// [`NotOffered`] if the owner has left or has 64 objects.
    pub fn expose_filesystem(&mut self, name: &str) -> Result<ObjectIndex, NotOffered> {
        let owner = self.core.owner;
        let member = self.core.members.get_mut(&owner).ok_or(NotOffered::OwnerGone)?;
        let object = member.files.define().ok_or(NotOffered::TooMany)?;
        let bytes = ServerInstruction::Filesystem { object, name }.to_bytes();
        self.core.send_private(owner, Private::Bytes(bytes.into()));
        Ok(object)
    }

    /// Takes it away again (P-081). Transfers under way go on until their backend ends them.
    pub fn withdraw_filesystem(&mut self, object: ObjectIndex) {
        let owner = self.core.owner;
        if self.core.members.get_mut(&owner).is_some_and(|member| member.files.undefine(object)) {
            let bytes = ServerInstruction::Undefine { object }.to_bytes();
            self.core.send_private(owner, Private::Bytes(bytes.into()));
        }
    }

    /// Whether users who are not read-only may upload files that are just dropped (`file`). Without it they are told
    /// that it is off.
    pub fn accept_files(&mut self, accept: bool) {
        self.core.requests.accept_files(accept);
    }

    /// Sends the owner a file (P-074). He may let it wait, or refuse it: see [`Download`].
    ///
    /// # Errors
    /// [`NotOffered`] if the owner has left or too many files wait for him.
    pub fn send_file(&mut self, mimetype: &str, filename: &str) -> Result<Download, NotOffered> {
        self.core.push_stream(|stream| ServerInstruction::File { stream, mimetype, filename }.to_bytes())
    }

    /// Sends the owner a named pipe (P-077), paced as a file is.
    ///
    /// # Errors
    /// [`NotOffered`] if the owner has left or too many streams wait for him.
    pub fn send_pipe(&mut self, mimetype: &str, name: &str) -> Result<Download, NotOffered> {
        self.core.push_stream(|stream| ServerInstruction::Pipe { stream, mimetype, name }.to_bytes())
    }

    /// Plans what is due and gives the instant at which to look again.
    fn send_due_frames(&mut self, now: Instant) -> Instant {
        let mut wake_at = self.core.last_write + KEEP_ALIVE;
        if wake_at <= now {
            self.core.publish(ServerInstruction::Nop {}.to_bytes());
            wake_at = now + KEEP_ALIVE;
        }
        if !self.shown {
            self.core.seat_early_joiners();
            return wake_at;
        }
        if self.core.in_flight.is_some() {
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
