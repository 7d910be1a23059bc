//! The client: what a person at the screen could do.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guac_canvas::Image;
use guac_protocol::{ClientInstruction, ConnectionId, Encode as _, TunnelUuid};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connect::{OwnLogin, open};
use crate::driver::{Driver, write};
use crate::input::Mouse;
use crate::view::{End, Shared};
use crate::{ClientError, Endpoint, Event, Files, IncomingFile, Options};

/// Time for a last word.
const CLOSING: Duration = Duration::from_secs(5);

/// A user of a session: looks at its screen, types, clicks, moves files.
///
/// All methods take `&self`: several tasks may look and wait at once. Dropping the client ends its tasks and its
/// place in the session; [`close`](Self::close) does so with a word to the other side.
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mouse: Mutex<Mouse>,
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
    pub(crate) async fn picture(&self, what: &'static str, limit: Duration, frame: u64) -> Result<Image, ClientError> {
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

    pub(crate) async fn say(&self, instruction: &ClientInstruction<'_>) -> Result<(), ClientError> {
        self.shared.say(instruction.to_bytes()).await
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
