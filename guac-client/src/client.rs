//! The client: what a person at the screen could do.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guac_canvas::{Image, Rect};
use guac_protocol::{
    CLIPBOARD_BLOB_BYTES, ClientInstruction, ConnectionId, Encode as _, KeyCombination, StreamError, StreamIndex,
    TunnelUuid, keysym_of_char, write_blobs,
};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::connect::{OwnLogin, open};
use crate::driver::{Driver, write};
use crate::view::{End, Shared};
use crate::{ClientError, Endpoint, Event, Files, IncomingFile, Options};

/// Time between the two presses of a double click, and between steps of a drag: enough for a program to see each,
/// well below what it takes for two single clicks.
const BETWEEN_CLICKS: Duration = Duration::from_millis(40);

/// Steps of a drag: programs notice a drag by its movement.
const DRAG_STEPS: i32 = 8;

/// Time for a last word.
const CLOSING: Duration = Duration::from_secs(5);

/// Characters after which typing waits for room, so that a long text is not held twice.
const TYPED_AT_ONCE: usize = 64;

/// A button of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Button {
    /// The left one.
    #[default]
    Left,
    /// The middle one, or the wheel pressed.
    Middle,
    /// The right one.
    Right,
}

impl Button {
    fn mask(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Middle => 2,
            Self::Right => 4,
        }
    }
}

/// The wheel, in the protocol's button mask.
const WHEEL_UP: u8 = 8;
const WHEEL_DOWN: u8 = 16;

#[derive(Debug, Default)]
struct Mouse {
    x: i32,
    y: i32,
    buttons: u8,
}

/// A user of a session: looks at its screen, types, clicks, moves files.
///
/// All methods take `&self`: several tasks may look and wait at once. Dropping the client ends its tasks and its
/// place in the session; [`close`](Self::close) does so with a word to the other side.
pub struct Client {
    shared: Arc<Shared>,
    mouse: Mutex<Mouse>,
    options: Options,
    connection_id: Option<ConnectionId>,
    tunnel: Option<TunnelUuid>,
    login: Mutex<Option<OwnLogin>>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
}

impl Client {
    /// Connects, logs in where that is asked for, and opens the session. The machine behind may still be busy: see
    /// [`wait_frame`](Self::wait_frame) for its first picture.
    ///
    /// # Errors
    /// Whatever prevents it, at the latest after [`Options::connect_timeout`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(endpoint: impl Into<Endpoint>, options: Options) -> Result<Self, ClientError> {
        let limit = options.connect_timeout;
        let opening = Box::pin(open(endpoint.into(), &options));
        let session = timeout(limit, opening).await;
        let session = session.map_err(|_| ClientError::Timeout { what: "the session", limit })??;
        let shared = Arc::new(Shared::new());
        let driver = Driver::new(Arc::clone(&shared), session.incoming, session.decoder, &options);
        let mut tasks = JoinSet::new();
        tasks.spawn(driver.run());
        tasks.spawn(write(Arc::clone(&shared), session.outgoing));
        let (connection_id, tunnel, login) = (session.connection_id, session.tunnel, Mutex::new(session.login));
        let tasks = tokio::sync::Mutex::new(tasks);
        Ok(Self { shared, mouse: Mutex::default(), options, connection_id, tunnel, login, tasks })
    }

    /// The session's id, with which others join it at the same guacd. Gateways do not tell it.
    #[must_use]
    pub fn connection_id(&self) -> Option<&ConnectionId> {
        self.connection_id.as_ref()
    }

    /// The tunnel's id at a gateway.
    #[must_use]
    pub fn tunnel_uuid(&self) -> Option<&TunnelUuid> {
        self.tunnel.as_ref()
    }

    /// Width and height of the display, in pixels; 0 and 0 before the first frame.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.shared.view.borrow().size
    }

    /// Frames received so far.
    #[must_use]
    pub fn frame(&self) -> u64 {
        self.shared.view.borrow().frame
    }

    /// The session's title; terminals set it.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        self.shared.view.borrow().title.as_deref().map(str::to_owned)
    }

    /// The session's clipboard, as far as it told it to us and it is text.
    #[must_use]
    pub fn clipboard(&self) -> Option<String> {
        self.shared.view.borrow().clipboard.as_deref().map(str::to_owned)
    }

    /// The present value of a parameter that may be changed while the session runs, such as `color-scheme`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.shared.view.borrow().parameters.get(name).map(|value| value.as_ref().to_owned())
    }

    /// Why the session is over, if it is.
    #[must_use]
    pub fn ended(&self) -> Option<ClientError> {
        self.shared.end()
    }

    /// What happens from now on. A receiver that lags by more than 256 events misses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// The last picture of a session that is over; none while it runs, or if it never drew.
    #[must_use]
    pub fn last_picture(&self) -> Option<Image> {
        let view = self.shared.view.borrow();
        view.end.as_ref().and_then(|_| view.fresh_picture())
    }

    /// The display as of the last whole frame, row-major RGBA. The pixels are shared, not copied; where nothing was
    /// drawn since the last look, this costs nothing. Before the first frame it waits for that.
    ///
    /// # Errors
    /// [`ClientError::Ended`]; [`ClientError::Timeout`] after [`Options::stall_timeout`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn screenshot(&self) -> Result<Image, ClientError> {
        if let Some(error) = self.shared.end() {
            return Err(error);
        }
        self.picture("a picture", self.options.stall_timeout, 0).await
    }

    /// As [`screenshot`](Self::screenshot), with the pointer drawn in where it was last moved to, by this client or, in a
    /// shared session, by somebody else after that. A pointer whose picture the session never set is not drawn.
    ///
    /// # Errors
    /// As [`screenshot`](Self::screenshot).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn screenshot_with_pointer(&self) -> Result<Image, ClientError> {
        let image = self.screenshot().await?;
        let view = self.shared.view.borrow();
        let Some((cursor, (x, y))) = view.cursor.as_ref().zip(view.pointer) else { return Ok(image) };
        let (hotspot_x, hotspot_y) = cursor.hotspot();
        Ok(image.with_overlay(cursor.image(), x.saturating_sub(hotspot_x), y.saturating_sub(hotspot_y)))
    }

    /// A picture of which at least this frame is part.
    async fn picture(&self, what: &'static str, limit: Duration, frame: u64) -> Result<Image, ClientError> {
        let asked = |view: &crate::view::View| {
            let fresh = view.fresh_picture().filter(|_| view.frame >= frame);
            if fresh.is_none() {
                // Asked again at each change: the last answer may have been overtaken by a newer frame.
                self.shared.wanted.store(true, Ordering::Release);
                self.shared.look.notify_one();
            }
            fresh
        };
        self.shared.until(what, limit, asked).await
    }

    /// Asks for another size of the display, in pixels. Not every machine follows, and none at once: see
    /// [`wait_for_size`](Self::wait_for_size).
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// Cancel safe, as are all methods that only say something: it is said, or not.
    pub async fn resize(&self, width_px: u32, height_px: u32) -> Result<(), ClientError> {
        self.say(&ClientInstruction::Size { width: width_px, height: height_px, dpi: None }).await
    }

    /// Presses or releases one key, by its X11 keysym.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn key(&self, keysym: u32, pressed: bool) -> Result<(), ClientError> {
        self.say(&ClientInstruction::Key { keysym, pressed }).await
    }

    /// Presses keys together and releases them: `"Return"`, `"Control+Alt+t"`, `"F5"`, `"é"`. Names are X11's, or what
    /// people call them, as [`KeyCombination`] reads them.
    ///
    /// # Errors
    /// [`ClientError::Key`] for keys that there are not, [`ClientError::Ended`].
    pub async fn press(&self, keys: &str) -> Result<(), ClientError> {
        let keys: KeyCombination = keys.parse()?;
        let mut out = Vec::new();
        for (keysym, pressed) in keys.events() {
            ClientInstruction::Key { keysym, pressed }.encode(&mut out);
        }
        self.shared.say(out).await
    }

    /// Types text, character by character; a line feed is Return, a tabulator is Tab.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// What was typed until then stays typed.
    pub async fn type_text(&self, text: &str) -> Result<(), ClientError> {
        let characters: Vec<char> = text.chars().collect();
        for some in characters.chunks(TYPED_AT_ONCE) {
            let mut out = Vec::new();
            some.iter().for_each(|character| type_character(*character, &mut out));
            self.shared.say(out).await?;
        }
        Ok(())
    }

    /// As [`type_text`](Self::type_text), with a pause after each character: for programs that lose keys.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// What was typed until then stays typed.
    pub async fn type_text_slowly(&self, text: &str, pause: Duration) -> Result<(), ClientError> {
        for character in text.chars() {
            let mut out = Vec::new();
            type_character(character, &mut out);
            self.shared.say(out).await?;
            sleep(pause).await;
        }
        Ok(())
    }

    /// Moves the pointer, with whatever buttons are down. Pixels of the display.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn mouse_move(&self, x: i32, y: i32) -> Result<(), ClientError> {
        self.mouse(|mouse| (mouse.x, mouse.y) = (x, y)).await
    }

    /// Presses a button where the pointer is.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn mouse_down(&self, button: Button) -> Result<(), ClientError> {
        self.mouse(|mouse| mouse.buttons |= button.mask()).await
    }

    /// Releases a button where the pointer is.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn mouse_up(&self, button: Button) -> Result<(), ClientError> {
        self.mouse(|mouse| mouse.buttons &= !button.mask()).await
    }

    /// Clicks `count` times: 1 is a click, 2 a double click.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// The button may stay down.
    pub async fn click(&self, x: i32, y: i32, button: Button, count: u32) -> Result<(), ClientError> {
        self.mouse_move(x, y).await?;
        for click in 0..count {
            if click > 0 {
                sleep(BETWEEN_CLICKS).await;
            }
            self.mouse_down(button).await?;
            self.mouse_up(button).await?;
        }
        Ok(())
    }

    /// Presses at one place, moves to another, releases there.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// The button may stay down.
    pub async fn drag(&self, from: (i32, i32), to: (i32, i32), button: Button) -> Result<(), ClientError> {
        self.mouse_move(from.0, from.1).await?;
        self.mouse_down(button).await?;
        for step in 1..=DRAG_STEPS {
            sleep(BETWEEN_CLICKS / 2).await;
            let along = |from: i32, to: i32| {
                let (from, to) = (i64::from(from), i64::from(to));
                i32::try_from(from + (to - from) * i64::from(step) / i64::from(DRAG_STEPS)).unwrap_or_default()
            };
            self.mouse_move(along(from.0, to.0), along(from.1, to.1)).await?;
        }
        self.mouse_up(button).await
    }

    /// Turns the wheel at a place: below 0 upwards, above 0 downwards, one notch each.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn scroll(&self, x: i32, y: i32, notches: i32) -> Result<(), ClientError> {
        self.mouse_move(x, y).await?;
        let wheel = if notches < 0 { WHEEL_UP } else { WHEEL_DOWN };
        for _ in 0..notches.unsigned_abs() {
            self.mouse(|mouse| mouse.buttons |= wheel).await?;
            self.mouse(|mouse| mouse.buttons &= !wheel).await?;
        }
        Ok(())
    }

    /// Sets the session's clipboard.
    ///
    /// # Errors
    /// [`ClientError::Ended`]; [`ClientError::Transfer`] while 512 streams are open.
    pub async fn set_clipboard(&self, text: &str) -> Result<(), ClientError> {
        let open = |stream| ClientInstruction::Clipboard { stream, mimetype: "text/plain" };
        self.say_at_once(open, text.as_bytes(), CLIPBOARD_BLOB_BYTES).await
    }

    /// Changes a parameter of the running session, or answers [`Event::Required`]. May be a password.
    ///
    /// # Errors
    /// [`ClientError::Ended`]; [`ClientError::Transfer`] while 512 streams are open.
    pub async fn set_parameter(&self, name: &str, value: &str) -> Result<(), ClientError> {
        let open = |stream| ClientInstruction::Argv { stream, mimetype: "text/plain", name };
        self.say_at_once(open, value.as_bytes(), guac_protocol::MAX_BLOB_BYTES).await
    }

    /// Waits for a frame after number `after` (0: for the first) and gives its number.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// Cancel safe, as all waiting is.
    pub async fn wait_frame(&self, after: u64, limit: Duration) -> Result<u64, ClientError> {
        self.shared.until("a frame", limit, |view| (view.frame > after).then_some(view.frame)).await
    }

    /// Waits until nothing was drawn for `quiet`, counted from now at the earliest, and gives the picture.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_until_still(&self, quiet: Duration, limit: Duration) -> Result<Image, ClientError> {
        let (what, begin) = ("rest on the screen", Instant::now());
        let still = async {
            let mut changes = self.shared.view.subscribe();
            loop {
                let (frame, drawn_at) = {
                    let view = changes.borrow_and_update();
                    if let Some(end) = &view.end {
                        return Err(end.error());
                    }
                    (view.frame, view.drawn_at.max(begin))
                };
                if frame > 0 && drawn_at.elapsed() >= quiet {
                    let image = self.picture(what, limit, frame).await?;
                    if self.shared.view.borrow().drawn_at <= drawn_at {
                        return Ok(image);
                    }
                    continue;
                }
                // Before the first frame there is nothing that could be still.
                let rest = if frame > 0 { quiet.saturating_sub(drawn_at.elapsed()) } else { limit };
                let _ = timeout(rest, changes.changed()).await;
            }
        };
        timeout(limit, still).await.map_err(|_| ClientError::Timeout { what, limit })?
    }

    /// Waits until a picture shows on the display, and says where. `region` bounds the search (the whole display if
    /// `None`), `tolerance` is what each colour may differ by; transparent pixels of the template fit anything.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_image(
        &self,
        template: &Image,
        region: Option<Rect>,
        tolerance: u8,
        limit: Duration,
    ) -> Result<Rect, ClientError> {
        let what = "the picture looked for";
        let search = async {
            let mut changes = self.shared.view.subscribe();
            let mut seen = None;
            loop {
                let drawn_frame = changes.borrow_and_update().drawn_frame;
                if seen != Some(drawn_frame) || drawn_frame == 0 {
                    let screen = self.picture(what, limit, 0).await?;
                    let template = template.clone();
                    // Some milliseconds of work on a large display, and nothing is locked.
                    let search = tokio::task::spawn_blocking(move || screen.find(&template, region, tolerance));
                    if let Ok(Some(found)) = search.await {
                        return Ok(found);
                    }
                    seen = Some(drawn_frame);
                }
                if let Some(error) = self.shared.end() {
                    return Err(error);
                }
                let _ = changes.changed().await;
            }
        };
        timeout(limit, search).await.map_err(|_| ClientError::Timeout { what, limit })?
    }

    /// Waits for a title that `wanted` accepts, and gives it.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_title(
        &self,
        mut wanted: impl FnMut(&str) -> bool,
        limit: Duration,
    ) -> Result<String, ClientError> {
        let look = |view: &crate::view::View| view.title.as_deref().filter(|title| wanted(title)).map(str::to_owned);
        self.shared.until("the title", limit, look).await
    }

    /// Waits for a clipboard that `wanted` accepts, and gives it.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_clipboard(
        &self,
        mut wanted: impl FnMut(&str) -> bool,
        limit: Duration,
    ) -> Result<String, ClientError> {
        let look = |view: &crate::view::View| view.clipboard.as_deref().filter(|text| wanted(text)).map(str::to_owned);
        self.shared.until("the clipboard", limit, look).await
    }

    /// Waits until the display has this size, in pixels.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_size(&self, width_px: u32, height_px: u32, limit: Duration) -> Result<(), ClientError> {
        self.shared.until("the size", limit, |view| (view.size == (width_px, height_px)).then_some(())).await
    }

    /// Waits for the session's end and gives its reason, which is [`ClientError::Ended`].
    ///
    /// # Errors
    /// [`ClientError::Timeout`].
    pub async fn wait_for_end(&self, limit: Duration) -> Result<ClientError, ClientError> {
        self.shared.until("the end", limit, |view| view.end.as_ref().map(|end| end.error())).await
    }

    /// Waits for a file that the session pushes, such as a download begun in a terminal, and takes it. At most 16 wait
    /// to be taken; more are refused.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn next_file(&self, limit: Duration) -> Result<IncomingFile, ClientError> {
        let shared = &self.shared;
        let arrival = shared.until("a file", limit, |_| shared.streams().waiting_files.pop_front()).await?;
        Ok(IncomingFile::new(Arc::clone(shared), arrival, self.options.stall_timeout))
    }

    /// The files of the session: of the first file system that it offers.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        Files::new(&self.shared, self.options.stall_timeout, None)
    }

    /// The files of the file system of this name.
    #[must_use]
    pub fn files_of(&self, filesystem: &str) -> Files<'_> {
        Files::new(&self.shared, self.options.stall_timeout, Some(filesystem.to_owned()))
    }

    /// Sends a file as a browser does when one is dropped on the display: the session decides where it goes. `progress`
    /// hears the bytes sent so far. Gives their number.
    ///
    /// # Errors
    /// [`ClientError::Transfer`] if it is refused, [`ClientError::Local`] if `reader` fails, [`ClientError::Timeout`]
    /// if the other side does not answer for [`Options::stall_timeout`], [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// Dropping the future ends the transfer; the other side keeps what it has.
    pub async fn upload(
        &self,
        name: &str,
        reader: impl tokio::io::AsyncRead + Unpin,
        progress: impl FnMut(u64),
    ) -> Result<u64, ClientError> {
        let open = |stream| {
            let mimetype = "application/octet-stream";
            ClientInstruction::File { stream, mimetype, filename: name }.to_bytes()
        };
        crate::files::upload(&self.shared, self.options.stall_timeout, open, reader, progress).await
    }

    /// Leaves the session, waits until the other side knows, and ends a login that this client made. Calls that still
    /// wait for something of the session fail then. Once more does nothing.
    ///
    /// # Errors
    /// What logging out at a gateway failed with; the session is left all the same.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the session at once.
    pub async fn close(&self) -> Result<(), ClientError> {
        let leaving = Leaving(self);
        let _ = timeout(CLOSING, self.say(&ClientInstruction::Disconnect {})).await;
        self.shared.outbox.close();
        let ended = async { while self.tasks.lock().await.join_next().await.is_some() {} };
        let _ = timeout(CLOSING, ended).await;
        drop(leaving);
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(login) = login else { return Ok(()) };
        let limit = CLOSING;
        timeout(limit, login.end()).await.map_err(|_| ClientError::Timeout { what: "the end of the login", limit })?
    }

    /// Leaves without a word.
    fn leave(&self) {
        if let Ok(mut tasks) = self.tasks.try_lock() {
            tasks.abort_all();
        }
        // Whoever still reads a file of this session learns that it is over.
        self.shared.outbox.close();
        self.shared.streams().clear();
        let left = self.shared.view.send_if_modified(|view| {
            let running = view.end.is_none();
            view.end.get_or_insert_with(|| Arc::new(End::new(guac_protocol::Status::Success, "this client left")));
            running
        });
        if left {
            self.shared.tell(Event::Ended);
        }
    }

    async fn say(&self, instruction: &ClientInstruction<'_>) -> Result<(), ClientError> {
        self.shared.say(instruction.to_bytes()).await
    }

    async fn mouse(&self, change: impl FnOnce(&mut Mouse)) -> Result<(), ClientError> {
        let instruction = {
            let mut mouse = self.mouse.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut mouse);
            // Servers tell only others of it.
            self.shared.view.send_if_modified(|view| {
                view.pointer = Some((mouse.x, mouse.y));
                false
            });
            ClientInstruction::Mouse { x: mouse.x, y: mouse.y, buttons: mouse.buttons }.to_bytes()
        };
        self.shared.say(instruction).await
    }

    /// A short stream that nobody paces, blob by blob.
    async fn say_at_once<'i>(
        &self,
        open: impl FnOnce(StreamIndex) -> ClientInstruction<'i>,
        data: &[u8],
        blob_bytes: usize,
    ) -> Result<(), ClientError> {
        let full = StreamError::TooManyStreams { limit: guac_protocol::MAX_STREAMS as usize };
        let (stream, _) = self.shared.streams().open().ok_or(full)?;
        let mut out = Vec::new();
        open(stream).encode(&mut out);
        write_blobs(&mut out, stream, data, blob_bytes);
        let said = self.shared.say(out).await;
        self.shared.streams().close(stream);
        said
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Leaves the session when it goes out of scope, as it does where closing is given up.
struct Leaving<'c>(&'c Client);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connection_id", &self.connection_id).finish_non_exhaustive()
    }
}

fn type_character(character: char, out: &mut Vec<u8>) {
    let keysym = keysym_of_char(character);
    for pressed in [true, false] {
        ClientInstruction::Key { keysym, pressed }.encode(out);
    }
}
