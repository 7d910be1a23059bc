//! One SSH session from connecting to its end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use guac_session::{Backend, Event, SessionEnd, Stage, Start};
use guac_sftp::{Attendant, Connection, Files, HostKeyStore, Push, SshError};
use guac_terminal::{ColorScheme, GlyphCache, KeyStyle, Terminal, TerminalConfig};
use secrecy::SecretString;

use crate::params::{NAMES, SshParams};
use crate::wishes::Wishes;
use crate::{argv, display};

/// Time between two frames, as guacd's: a terminal that scrolls is read, not watched. What is typed into a quiet
/// terminal is shown at once all the same.
const FRAME_INTERVAL: Duration = Duration::from_millis(40);

/// How long closing the connection in an orderly way may take.
const CLOSING: Duration = Duration::from_secs(2);

/// The SSH protocol, for a [`Hub`](guac_session::Hub).
pub struct SshBackend {
    host_keys: Arc<dyn HostKeyStore>,
    /// One for all sessions: the fonts and what was drawn with them.
    glyphs: Arc<GlyphCache>,
}

impl std::fmt::Debug for SshBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshBackend").finish_non_exhaustive()
    }
}

impl SshBackend {
    /// Sessions that remember machines in `host_keys`.
    #[must_use]
    pub fn new(host_keys: Arc<dyn HostKeyStore>) -> Self {
        Self { host_keys, glyphs: Arc::new(GlyphCache::new()) }
    }
}

impl Backend for SshBackend {
    fn protocol(&self) -> &'static str {
        "ssh"
    }

    fn parameters(&self) -> &'static [&'static str] {
        &NAMES
    }

    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
        let (host_keys, glyphs) = (Arc::clone(&self.host_keys), Arc::clone(&self.glyphs));
        Box::pin(async move {
            let params = SshParams::new(start.params(), start.owner());
            let mut console = Console::new(start, &params, glyphs)?;
            match session(&mut console, params, host_keys).await {
                Ok(()) | Err(Stop::Ended) => Ok(()),
                Err(Stop::Failed(error)) => Err(error.into()),
            }
        })
    }
}

/// Why a session does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Its users left, or it was told to end.
    Ended,
    Failed(SshError),
}

impl From<SshError> for Stop {
    fn from(error: SshError) -> Self {
        Self::Failed(error)
    }
}

impl From<russh::Error> for Stop {
    fn from(error: russh::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The users' side of a session: the stage with the terminal on it.
pub(crate) struct Console {
    pub(crate) stage: Stage<Terminal>,
    /// What was typed and not used yet.
    pub(crate) typed: Vec<u8>,
    /// Columns and rows changed since the machine was last told.
    pub(crate) resized: bool,
    /// The machine's files, once they are there.
    pub(crate) files: Option<Files>,
    /// What the shell's start-up files wish before that.
    pub(crate) wishes: Wishes,
}

impl Console {
    fn new(start: Start, params: &SshParams, glyphs: Arc<GlyphCache>) -> Result<Self, SessionEnd> {
        let owner = start.owner();
        let size = display::size(owner.width_px, owner.height_px).ok_or_else(SessionEnd::internal)?;
        let mut config = TerminalConfig::new(size);
        config.dpi = display::dpi(owner.dpi);
        config.font_size_pt = params.font_size;
        config.scrollback_rows = params.scrollback;
        config.backspace = params.backspace;
        config.key_style = KeyStyle::for_terminal_type(&params.terminal_type);
        let (scheme, mistake) = ColorScheme::parse(&params.color_scheme);
        if let Some(error) = mistake {
            tracing::warn!(%error, "Colour scheme used up to the mistake in it");
        }
        config.color_scheme = scheme;
        let (_, mut stage) = start.stage(Terminal::new(config, glyphs));
        stage.set_frame_interval(FRAME_INTERVAL);
        stage.accept_argv(&argv::NAMES);
        stage.accept_pipe(&["STDIN"]);
        argv::publish(&mut stage, params);
        // The empty terminal is shown while the machine is being reached.
        stage.picture();
        Ok(Self { stage, typed: Vec::new(), resized: false, files: None, wishes: Wishes::default() })
    }

    /// Waits for `work` while the session goes on.
    pub(crate) async fn run<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                event = self.stage.next() => self.handle_event(event)?,
            }
        }
    }

    /// As [`run`](Self::run), but for so long at most.
    pub(crate) async fn run_within<T>(&mut self, limit: Duration, work: impl Future<Output = T>) -> Result<T, Stop> {
        let done = self.run(tokio::time::timeout(limit, work)).await?;
        done.map_err(|_| SshError::Timeout { after: limit }.into())
    }

    /// Takes in what a user did.
    pub(crate) fn handle_event(&mut self, event: Event) -> Result<(), Stop> {
        match event {
            Event::Ended => return Err(Stop::Ended),
            Event::Key { .. } | Event::Mouse { .. } | Event::Pipe { .. } => self.handle_input(event),
            Event::Size { width_px, height_px, .. } => self.handle_size(width_px, height_px),
            Event::Clipboard { mimetype, data, .. } => self.handle_clipboard(&mimetype, &data),
            Event::Argv { name, value, .. } => self.handle_argv(&name, &value),
            // Without files they are refused by being dropped.
            Event::Download(_) | Event::Upload(_) => {
                if let Some(files) = &mut self.files {
                    drop(files.handle(event));
                }
            }
            _ => {}
        }
        self.tell_users();
        Ok(())
    }

    /// Sends a file that the shell's user wants sent. `None`: the machine has ended file transfer.
    pub(crate) fn handle_push(&mut self, push: Option<Push>) {
        match push {
            Some(push) => {
                if let Some(files) = &mut self.files {
                    files.offer(push, &mut self.stage);
                }
            }
            None => {
                if let Some(files) = self.files.take() {
                    tracing::info!("No file transfer any more: the machine ended SFTP");
                    // Dropping the transfers ends them; nothing of the library's is left to wait for.
                    files.withdraw(&mut self.stage);
                }
            }
        }
    }

    /// Shows text of the machine, which may do anything a terminal understands.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        self.stage.picture().handle_output(bytes);
    }

    /// Shows a message as plain text: what would be a control is left out.
    pub(crate) fn show_message(&mut self, text: &str) {
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\n' => plain.push_str("\r\n"),
                '\t' => plain.push('\t'),
                c if c.is_control() => {}
                c => plain.push(c),
            }
        }
        self.show(plain.as_bytes());
        self.stage.frame_end();
    }
}

impl Attendant for Console {
    type Stop = Stop;

    async fn run<T: Send>(&mut self, work: impl Future<Output = T> + Send) -> Result<T, Stop> {
        Self::run(self, work).await
    }

    async fn ask(&mut self, prompt: &str, echo: bool) -> Result<SecretString, Stop> {
        Self::ask(self, prompt, echo).await
    }

    fn show_message(&mut self, text: &str) {
        Self::show_message(self, text);
    }
}

async fn session(console: &mut Console, params: SshParams, host_keys: Arc<dyn HostKeyStore>) -> Result<(), Stop> {
    if let Some(wake) = &params.wake {
        console.run(wake.wake(params.target.host.trim(), params.target.port)).await?;
    }
    let mut connection = console.run(Connection::open(&params.target, host_keys)).await??;
    let result = async {
        connection.log_in(&params.credentials, console).await?;
        crate::shell::run(console, &connection, &params).await
    }
    .await;
    let closing = async {
        let files_closed = match console.files.take() {
            Some(files) => Some(files.close(&mut console.stage).await),
            None => None,
        };
        // Its end matters: no task of the library is left behind. And it knows why a connection was lost.
        let ended = connection.close().await;
        if let Some(closed) = files_closed {
            closed.cancelled().await;
        }
        ended
    };
    match (tokio::time::timeout(CLOSING, closing).await, result) {
        (Ok(Err(reason)), Err(Stop::Failed(SshError::Lost))) => Err(reason.into()),
        (_, result) => result,
    }
}
