//! The shell or command in its terminal.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use guac_sftp::{Connection, FileRules, Files, Push, Sftp, SshError};
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty};
use tokio::sync::mpsc;

use crate::backend::{Console, Stop};
use crate::display::WindowSize;
use crate::params::SshParams;

/// Time for each answer of the machine while the shell is being opened.
const REPLY: Duration = Duration::from_secs(30);

/// Bytes given to the terminal between two looks at the clock: a hostile one can make each of them cost a lot.
const SLICE_BYTES: usize = 1024;

/// How long the terminal may work before users are heard again.
const WORK: Duration = Duration::from_millis(5);

/// Output taken at once from the channel, so that not every packet of a pty costs a round.
const BACKLOG_BYTES: usize = 64 << 10;

/// Messages on their way to the machine. Past it input waits in the console.
const OUTGOING: usize = 8;

/// Bytes of input in one message.
const CHUNK_BYTES: usize = 32 << 10;

/// What goes to the machine.
enum Outgoing {
    Input(Bytes),
    Size(WindowSize),
}

/// Opens a shell, or the command that is set, and runs it to its end.
pub(crate) async fn run(console: &mut Console, connection: &Connection, params: &SshParams) -> Result<(), Stop> {
    let mut channel = console.run_within(REPLY, connection.open_session()).await??;
    open_pty(console, &mut channel, params).await?;
    let what = match &params.command {
        Some(command) => {
            channel.exec(true, command.as_bytes()).await?;
            "command"
        }
        None => {
            channel.request_shell(true).await?;
            "shell"
        }
    };
    confirmed(console, &mut channel, what).await?;
    let (reader, writer) = channel.split();
    let (sender, receiver) = mpsc::channel(OUTGOING);
    let mut shell = Shell { console, sender, backlog: VecDeque::new(), finished: false };
    // INVARIANT: nothing here waits for the machine to read while it does not take what the machine writes.
    let writing = write(writer, receiver);
    // After the shell, which does not wait for it.
    let opening = async {
        match &params.files {
            Some(rules) => open_files(connection).await.map(|opened| (opened, rules.clone())),
            None => None,
        }
    };
    shell.pump(reader, writing, opening).await
}

/// `None`, with a line in the log, if the machine has no SFTP: the shell does without it then.
async fn open_files(connection: &Connection) -> Option<Sftp> {
    match Sftp::open(connection).await {
        Ok(opened) => Some(opened),
        Err(error) => {
            tracing::warn!(%error, "No file transfer");
            None
        }
    }
}

async fn open_pty(console: &mut Console, channel: &mut Channel<Msg>, params: &SshParams) -> Result<(), Stop> {
    for (name, value) in [("LANG", &params.locale), ("TZ", &params.timezone)] {
        if let Some(value) = value {
            // Without an answer: machines that do not take variables are the rule.
            channel.set_env(false, name, value.as_str()).await?;
        }
    }
    let WindowSize { columns, rows, width_px, height_px } = console.window_size();
    console.resized = false;
    let modes = [(Pty::VERASE, u32::from(params.backspace))];
    channel.request_pty(true, &params.terminal_type, columns, rows, width_px, height_px, &modes).await?;
    confirmed(console, channel, "terminal").await
}

/// Waits for the answer to a request.
async fn confirmed(console: &mut Console, channel: &mut Channel<Msg>, what: &'static str) -> Result<(), Stop> {
    loop {
        match console.run_within(REPLY, channel.wait()).await? {
            Some(ChannelMsg::Success) => return Ok(()),
            Some(ChannelMsg::Failure | ChannelMsg::Close | ChannelMsg::Eof) => {
                return Err(SshError::NotOpened { what }.into());
            }
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => console.show(&data),
            Some(_) => {}
            None => return Err(SshError::Lost.into()),
        }
    }
}

/// Sends what the shell's user types, as fast as the machine takes it.
async fn write(writer: ChannelWriteHalf<Msg>, mut outgoing: mpsc::Receiver<Outgoing>) -> Result<(), russh::Error> {
    while let Some(message) = outgoing.recv().await {
        match message {
            Outgoing::Input(bytes) => writer.data_bytes(bytes).await?,
            Outgoing::Size(size) => {
                writer.window_change(size.columns, size.rows, size.width_px, size.height_px).await?;
            }
        }
    }
    Ok(())
}

/// Waits for a file that the shell's user wants sent, or for the end of file transfer (`None`); for ever if there is
/// none.
async fn next_push(files: &mut Option<Files>) -> Option<Push> {
    match files {
        Some(files) => files.next_push().await,
        None => std::future::pending().await,
    }
}

struct Shell<'a> {
    console: &'a mut Console,
    sender: mpsc::Sender<Outgoing>,
    /// Output that the terminal has not seen yet.
    backlog: VecDeque<Bytes>,
    /// The machine closed the channel, or said how the program ended.
    finished: bool,
}

impl Shell<'_> {
    async fn pump(
        &mut self,
        mut reader: ChannelReadHalf,
        writing: impl Future<Output = Result<(), russh::Error>>,
        opening: impl Future<Output = Option<(Sftp, FileRules)>>,
    ) -> Result<(), Stop> {
        let (mut writing, mut opening, mut opened) = (pin!(writing), pin!(opening), false);
        let sender = self.sender.clone();
        loop {
            self.send_waiting();
            let (waiting, working) = (self.has_waiting(), !self.backlog.is_empty());
            tokio::select! {
                event = self.console.stage.next() => self.console.handle_event(event)?,
                () = std::future::ready(()), if working => self.work(),
                message = reader.wait(), if !working => {
                    if !self.take(message) {
                        return self.end();
                    }
                    self.take_more(&mut reader);
                }
                permit = sender.reserve(), if waiting => drop(permit),
                files = &mut opening, if !opened => {
                    opened = true;
                    let Console { stage, files: shown, wishes, .. } = &mut *self.console;
                    *shown = files.and_then(|(opened, rules)| Files::show(opened, rules, stage));
                    if let Some(files) = shown {
                        wishes.grant(files);
                    }
                }
                push = next_push(&mut self.console.files) => self.console.handle_push(push),
                result = &mut writing => {
                    result.map_err(SshError::from)?;
                    return Err(SshError::Lost.into());
                }
            }
        }
    }

    /// Takes a message of the machine's; false if it was the last.
    fn take(&mut self, message: Option<ChannelMsg>) -> bool {
        match message {
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => self.backlog.push_back(data),
            Some(ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. }) => self.finished = true,
            Some(ChannelMsg::Close) => {
                self.finished = true;
                return false;
            }
            Some(_) => {}
            None => return false,
        }
        true
    }

    /// Takes what else is there already.
    fn take_more(&mut self, reader: &mut ChannelReadHalf) {
        while self.backlog.iter().map(Bytes::len).sum::<usize>() < BACKLOG_BYTES {
            match reader.wait().now_or_never() {
                // The end is for the loop to see, after the terminal has seen what came before.
                Some(Some(ChannelMsg::Close)) => {
                    self.finished = true;
                    break;
                }
                Some(Some(message)) => drop(self.take(Some(message))),
                Some(None) | None => break,
            }
        }
    }

    /// Shows output for a while.
    fn work(&mut self) {
        let start = Instant::now();
        while let Some(mut bytes) = self.backlog.pop_front() {
            let slice = bytes.split_to(bytes.len().min(SLICE_BYTES));
            self.console.show(&slice);
            if !bytes.is_empty() {
                self.backlog.push_front(bytes);
            }
            if start.elapsed() >= WORK {
                break;
            }
        }
        if self.backlog.is_empty() {
            // Nothing more is there at the moment: what came belongs together.
            self.console.stage.frame_end();
        }
        self.console.tell_users();
        self.console.collect_typed();
    }

    fn end(&mut self) -> Result<(), Stop> {
        while !self.backlog.is_empty() {
            self.work();
        }
        if self.finished { Ok(()) } else { Err(SshError::Lost.into()) }
    }

    fn has_waiting(&self) -> bool {
        self.console.resized || !self.console.typed.is_empty()
    }

    /// Hands over what there is room for.
    fn send_waiting(&mut self) {
        while self.has_waiting() {
            let Ok(permit) = self.sender.try_reserve() else { return };
            if std::mem::take(&mut self.console.resized) {
                permit.send(Outgoing::Size(self.console.window_size()));
                continue;
            }
            let rest = self.console.typed.split_off(self.console.typed.len().min(CHUNK_BYTES));
            let chunk = std::mem::replace(&mut self.console.typed, rest);
            permit.send(Outgoing::Input(Bytes::from(chunk)));
        }
    }
}
