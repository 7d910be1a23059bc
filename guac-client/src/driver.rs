//! The task of a client: reads, draws, answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use guac_canvas::{Canvas, Change};
use guac_protocol::{
    ClientInstruction, DecodeError, Decoder, Encode as _, IncomingStream, Instruction, Status, StreamIndex,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::connect::ended;
use crate::streams::{Arrival, Inbound, MAX_WAITING_FILES, Piece, shared};
use crate::transport::{Incoming, Outgoing};
use crate::view::{End, Shared};
use crate::{Event, Options};

/// How often the server is told that we are alive, as the stock client does.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Longest value of a parameter, as in guacd.
const MAX_PARAMETER_BYTES: u64 = 16 * 1024;

/// Parameters whose value is kept. guacd allows 128 per connection.
const MAX_PARAMETERS: usize = 128;

/// File systems kept: an object index has no more values for one user.
const MAX_FILESYSTEMS: usize = 64;

/// Time that one write may take before the other side counts as gone.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// Instructions handled before others get a turn, so that a flood of them does not starve the rest of a runtime.
const BATCH: usize = 256;

/// Writes what waits, until the outbox is closed or the other side is gone.
pub(crate) async fn write(shared: Arc<Shared>, mut outgoing: Outgoing) {
    while let Some(instructions) = shared.outbox.take(outgoing.most()).await {
        match timeout(WRITE_STALL, outgoing.send(instructions)).await {
            Ok(Ok(())) => {}
            // The reader learns it, too, and says so.
            Ok(Err(_)) | Err(_) => break,
        }
    }
    shared.outbox.close();
    let _ = timeout(WRITE_STALL, outgoing.close()).await;
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
    incoming: Incoming,
    decoder: Decoder,
    screen: Screen,
    silence: Duration,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, incoming: Incoming, decoder: Decoder, options: &Options) -> Self {
        let screen = Screen {
            shared: Arc::clone(&shared),
            canvas: Canvas::new(options.canvas.clone()),
            frame: 0,
            drawn_frame: 0,
            drawn: false,
            whole: false,
            last_sync_ms: None,
            max_clipboard_bytes: u64::try_from(options.max_clipboard_bytes).unwrap_or(u64::MAX),
            said: None,
        };
        Self { shared, incoming, decoder, screen, silence: options.silence_timeout }
    }

    /// Runs to the session's end.
    pub(crate) async fn run(mut self) {
        let end = self.turn().await;
        tracing::debug!(status = %end.status, "Session over");
        self.screen.finish(end);
    }

    async fn turn(&mut self) -> End {
        let mut alive = interval(KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            if let Some(end) = self.handle_waiting().await {
                return end;
            }
            tokio::select! {
                chunk = self.incoming.next() => match chunk {
                    Ok(chunk) => {
                        heard = Instant::now();
                        if let Err(error) = self.decoder.feed(&chunk) {
                            return nonsense(&error);
                        }
                    }
                    Err(closed) => return self.screen.said.take().unwrap_or_else(|| ended(&closed)),
                },
                () = self.shared.look.notified() => self.screen.publish_if_whole(),
                _ = alive.tick() => {
                    if !self.shared.outbox.push(ClientInstruction::Nop {}.to_bytes()) {
                        return stuck();
                    }
                }
                () = sleep_until(heard + self.silence) => {
                    return End::new(Status::UpstreamTimeout, "the server has fallen silent");
                }
            }
        }
    }

    async fn handle_waiting(&mut self) -> Option<End> {
        let mut handled = 0_usize;
        loop {
            match self.decoder.next_instruction() {
                Ok(Some(instruction)) => {
                    if let Some(end) = self.screen.handle(&instruction) {
                        return Some(end);
                    }
                }
                Ok(None) => return None,
                Err(error) => return Some(nonsense(&error)),
            }
            handled += 1;
            if handled.is_multiple_of(BATCH) {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn nonsense(error: &DecodeError) -> End {
    End::new(Status::UpstreamError, format!("the server does not speak the protocol: {error}"))
}

fn stuck() -> End {
    End::new(Status::UpstreamTimeout, "the server has stopped reading")
}

/// What instructions do.
struct Screen {
    shared: Arc<Shared>,
    canvas: Canvas,
    frame: u64,
    drawn_frame: u64,
    /// Whether anything was drawn since the last frame ended.
    drawn: bool,
    /// Whether nothing was drawn since then: the picture is one that the server meant to be seen.
    whole: bool,
    last_sync_ms: Option<i64>,
    max_clipboard_bytes: u64,
    /// The server's last `error`.
    said: Option<End>,
}

impl Screen {
    fn handle(&mut self, instruction: &Instruction<'_>) -> Option<End> {
        let arg = |index: usize| instruction.arg(index).unwrap_or_default();
        let stream = |index: usize| arg(index).parse().ok().map(StreamIndex);
        match instruction.opcode() {
            "blob" => match stream(0) {
                Some(stream) if self.is_inbound(stream) => self.blob(stream, arg(1)),
                _ => self.draw(instruction),
            },
            "end" => match stream(0) {
                Some(stream) if self.is_inbound(stream) => {
                    self.end(stream);
                    None
                }
                _ => self.draw(instruction),
            },
            "error" => {
                let code: Option<u16> = arg(1).parse().ok();
                let status = code.and_then(Status::from_code).unwrap_or(Status::ServerError);
                Some(End::new(status, arg(0).chars().take(256).collect::<String>()))
            }
            "disconnect" => Some(End::new(Status::Success, "the server closed the session")),
            "ack" => {
                let code: Option<u16> = arg(2).parse().ok();
                if let Some(stream) = stream(0) {
                    let status = code.and_then(Status::from_code).unwrap_or(Status::ServerError);
                    self.shared.streams().answer(stream, status);
                }
                None
            }
            "clipboard" => self.open(stream(0)?, arg(1), None),
            "argv" => self.open(stream(0)?, arg(1), Some(arg(2))),
            "file" => self.file(stream(0)?, arg(1), arg(2)),
            "body" => self.body(arg(0).parse().ok()?, stream(1)?, arg(2), arg(3)),
            "audio" | "video" => self.refuse(stream(0)?, Status::ClientBadType),
            "pipe" => self.refuse(stream(0)?, Status::Unsupported),
            "filesystem" => {
                self.filesystem(arg(0).parse().ok()?, arg(1));
                None
            }
            "undefine" => {
                let object = guac_protocol::ObjectIndex(arg(0).parse().ok()?);
                self.shared.view.send_modify(|view| {
                    view.filesystems.remove(&object);
                });
                self.shared.streams().undefine(object);
                None
            }
            "log" => {
                self.shared.streams().handle_log(arg(0));
                None
            }
            "required" => {
                self.shared.tell(Event::Required { names: instruction.args().map(str::to_owned).collect() });
                None
            }
            "msg" => {
                let args = instruction.args().skip(1).map(str::to_owned).collect();
                self.shared.tell(Event::Message { code: arg(0).parse().ok()?, args });
                None
            }
            _ => self.draw(instruction),
        }
    }

    /// What the canvas is for.
    fn draw(&mut self, instruction: &Instruction<'_>) -> Option<End> {
        match self.canvas.handle(instruction) {
            Ok(Change::Nothing) => None,
            Ok(Change::FrameEnd { timestamp_ms, .. }) => self.frame_end(timestamp_ms),
            Ok(Change::Title) => {
                let title = shared(self.canvas.title().unwrap_or_default());
                self.shared.view.send_modify(|view| view.title = Some(Arc::clone(&title)));
                self.shared.tell(Event::Title(title));
                None
            }
            Ok(Change::Pointer) => {
                let (pointer, cursor) = (self.canvas.pointer(), self.canvas.cursor().cloned());
                self.shared.view.send_modify(|view| {
                    // A new picture must not take the pointer back to where somebody else had it.
                    if instruction.opcode() == "mouse" {
                        view.pointer = pointer;
                    }
                    view.cursor = cursor;
                });
                None
            }
            Ok(Change::Resized { width_px, height_px }) => {
                (self.drawn, self.whole) = (true, false);
                self.shared.tell(Event::Resized { width_px, height_px });
                None
            }
            Ok(_) => {
                (self.drawn, self.whole) = (true, false);
                None
            }
            Err(error) => {
                tracing::debug!(%error, opcode = instruction.opcode(), "Instruction not drawn");
                None
            }
        }
    }

    fn frame_end(&mut self, timestamp_ms: i64) -> Option<End> {
        self.frame += 1;
        self.whole = true;
        let drawn = std::mem::take(&mut self.drawn);
        if drawn || self.frame == 1 {
            self.drawn_frame = self.frame;
        }
        if self.shared.wanted.load(Ordering::Acquire) {
            self.publish();
        }
        let (frame, drawn_frame, size) = (self.frame, self.drawn_frame, self.canvas.size());
        self.shared.view.send_modify(|view| {
            (view.frame, view.size) = (frame, size);
            if view.drawn_frame != drawn_frame {
                (view.drawn_frame, view.drawn_at) = (drawn_frame, Instant::now());
            }
        });
        // A timestamp is answered once (P-106).
        if self.last_sync_ms.replace(timestamp_ms) == Some(timestamp_ms) {
            return None;
        }
        self.reply(ClientInstruction::Sync { timestamp_ms }.to_bytes())
    }

    fn publish_if_whole(&mut self) {
        if self.whole {
            self.publish();
            self.shared.view.send_modify(|_| {});
        }
    }

    /// Puts the picture where callers find it.
    fn publish(&mut self) {
        self.shared.wanted.store(false, Ordering::Release);
        // The old one is given up first: were it shared, the canvas would have to copy all of it.
        self.shared.view.send_if_modified(|view| {
            view.picture = None;
            false
        });
        let picture = Some((self.drawn_frame, self.canvas.frame()));
        self.shared.view.send_if_modified(|view| {
            view.picture = picture;
            false
        });
    }

    /// The session is over: the last picture stays.
    fn finish(&mut self, end: End) {
        self.publish();
        self.shared.streams().clear();
        self.shared.view.send_modify(|view| {
            view.drawn_frame = self.drawn_frame;
            view.end = Some(Arc::new(end));
        });
        self.shared.outbox.close();
        self.shared.tell(Event::Ended);
    }

    fn is_inbound(&self, stream: StreamIndex) -> bool {
        self.shared.streams().inbound.get_mut(stream).is_some()
    }

    fn reply(&self, instructions: Vec<u8>) -> Option<End> {
        if self.shared.outbox.push(instructions) { None } else { Some(stuck()) }
    }

    fn refuse(&self, stream: StreamIndex, status: Status) -> Option<End> {
        self.reply(ClientInstruction::Ack { stream, message: "Not accepted.", status }.to_bytes())
    }

    /// `clipboard` or, with a name, `argv`.
    fn open(&self, stream: StreamIndex, mimetype: &str, parameter: Option<&str>) -> Option<End> {
        let data = Vec::new();
        let mut out = Vec::new();
        let limit = if parameter.is_some() { MAX_PARAMETER_BYTES } else { self.max_clipboard_bytes };
        let mut machine = IncomingStream::new(stream, limit);
        machine.accept(&mut out);
        let inbound = match parameter {
            Some(name) => Inbound::Parameter { machine, name: name.to_owned(), data },
            None => Inbound::Clipboard { machine, mimetype: mimetype.to_owned(), data },
        };
        let opened = self.shared.streams().inbound.open(stream, inbound);
        if opened.is_err() { self.refuse(stream, Status::ClientTooMany) } else { self.reply(out) }
    }

    fn file(&self, stream: StreamIndex, mimetype: &str, name: &str) -> Option<End> {
        let arrived = {
            let mut streams = self.shared.streams();
            let room = streams.waiting_files.len() < MAX_WAITING_FILES;
            let arrival = room.then(|| streams.arrive(stream, name, mimetype)).flatten();
            arrival.map(|arrival| streams.waiting_files.push_back(arrival)).is_some()
        };
        if !arrived {
            return self.refuse(stream, Status::ClientTooMany);
        }
        self.shared.view.send_modify(|view| view.files += 1);
        self.shared.tell(Event::File { name: shared(name) });
        None
    }

    fn body(&self, object: u32, stream: StreamIndex, mimetype: &str, name: &str) -> Option<End> {
        let taken = {
            let mut streams = self.shared.streams();
            let get = streams.answered(guac_protocol::ObjectIndex(object), name);
            get.and_then(|get| {
                let arrival: Arrival = streams.arrive(stream, name, mimetype)?;
                get.answer.send(Ok(arrival)).ok()
            })
        };
        if taken.is_none() {
            self.shared.streams().inbound.close(stream);
            return self.refuse(stream, Status::ResourceClosed);
        }
        None
    }

    fn filesystem(&self, object: u32, name: &str) {
        let name = shared(name);
        self.shared.view.send_modify(|view| {
            if view.filesystems.len() < MAX_FILESYSTEMS {
                view.filesystems.insert(guac_protocol::ObjectIndex(object), Arc::clone(&name));
            }
        });
        self.shared.tell(Event::Filesystem { name });
    }

    /// Data of a stream that is no image.
    fn blob(&self, stream: StreamIndex, base64: &str) -> Option<End> {
        let mut out = Vec::new();
        {
            let mut streams = self.shared.streams();
            let taken = match streams.inbound.get_mut(stream)? {
                Inbound::Clipboard { machine, data, .. } | Inbound::Parameter { machine, data, .. } => {
                    let taken = machine.handle_blob(base64, data);
                    if taken.is_ok() {
                        machine.accept(&mut out);
                    }
                    taken.map_err(|error| error.status())
                }
                Inbound::File { machine, pieces, .. } => {
                    let mut data = Vec::new();
                    let taken = machine.handle_blob(base64, &mut data).map_err(|error| error.status());
                    // The window is smaller than the channel; who dropped the other end has told the server.
                    taken.and_then(|len| {
                        pieces.try_send(Piece::Data(data)).map(|()| len).map_err(|_| Status::ResourceClosed)
                    })
                }
            };
            if let Err(status) = taken {
                streams.inbound.close(stream);
                drop(streams);
                return self.refuse(stream, status);
            }
        }
        self.reply(out)
    }

    fn end(&self, stream: StreamIndex) {
        let ended = self.shared.streams().inbound.close(stream);
        match ended {
            Some(Inbound::Clipboard { mimetype, data, .. }) => {
                if mimetype.starts_with("text/")
                    && let Ok(text) = std::str::from_utf8(&data)
                {
                    let text = shared(text);
                    self.shared.view.send_modify(|view| view.clipboard = Some(text));
                }
                self.shared.tell(Event::Clipboard { mimetype: mimetype.into(), data: data.into() });
            }
            Some(Inbound::Parameter { name, data, .. }) => {
                let (name, value) = (shared(&name), shared(&String::from_utf8_lossy(&data)));
                self.shared.view.send_modify(|view| {
                    if view.parameters.len() < MAX_PARAMETERS || view.parameters.contains_key(&name) {
                        view.parameters.insert(Arc::clone(&name), Arc::clone(&value));
                    }
                });
                self.shared.tell(Event::Parameter { name, value });
            }
            Some(Inbound::File { pieces, .. }) => {
                // There is one place more than blobs may wait.
                let _ = pieces.try_send(Piece::End);
            }
            None => {}
        }
    }
}
