//! Printing (MS-RDPEPC): the server prints PostScript, the owner gets it as PDF.
//!
//! Ghostscript makes the one of the other, in a process of its own for each job: nothing that a server sends is read by
//! code in C within this process, and printing is off unless a connection asks for it. The process runs in Ghostscript's
//! safe mode, which keeps it to its own resources and to a temporary directory that is its alone; with no environment
//! besides, in its own process group, with limits on processor time, memory, files and their sizes. It is killed when
//! the job or the session ends. Where Ghostscript or `prlimit`, which sets the limits,
//! is missing, there is no printer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::Bytes;
use guac_display::Picture;
use guac_session::{Download, Stage};
use ironrdp_rdpdr::RdpdrPrinter;
use ironrdp_rdpdr::pdu::RdpdrPdu;
use ironrdp_rdpdr::pdu::efs::{
    DEFAULT_PRINTER_DRIVER_NAME, DeviceCloseResponse, DeviceCreateResponse, DeviceIoRequest, DeviceIoResponse,
    DeviceWriteResponse, Information, NtStatus, PrinterIoRequest,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::drive::requests::PRINTER_ID;

/// Type of what the owner gets (RDP-009).
const PDF_MIMETYPE: &str = "application/pdf";

/// Its name, where the document has none.
const DEFAULT_NAME: &str = "guacamole-print.pdf";

/// Where a document's title is looked for: at its beginning, as guacd does.
const HEAD_BYTES: usize = 2048;

/// Longest title that becomes a name.
const MAX_TITLE_CHARS: usize = 200;

/// Jobs at once. The server's queue prints one after the other.
const MAX_JOBS: usize = 2;

/// Writes of a job that wait to be taken.
const MAX_WRITES: usize = 16;

/// Bytes of them, over all jobs. One write is at most 16 MiB, and some kilobytes in fact.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// Bytes of a PDF that are read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Answers of jobs on their way to the server.
const EVENTS: usize = 32;

/// What Ghostscript may use: processor seconds, address space, sizes of its temporary files, open files, no core dump.
const LIMITS: [&str; 5] = ["--cpu=120", "--as=536870912", "--fsize=536870912", "--nofile=64", "--core=0"];

/// No stray output of the document's program may get into the PDF.
const GHOSTSCRIPT_ARGUMENTS: [&str; 8] =
    ["-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-sstdout=%stderr", "-sOutputFile=-", "-"];

/// The programs that a printer needs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    ghostscript: PathBuf,
    prlimit: PathBuf,
}

impl Programs {
    /// Looks for them as a shell does. Waits for the disk.
    pub(super) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let find =
            |name: &str| std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file());
        Some(Self { ghostscript: find("gs")?, prlimit: find("prlimit")? })
    }

    /// Starts Ghostscript. Even its safe mode may read and write all of the temporary directory.
    fn start(&self, temporary: &Path) -> std::io::Result<Child> {
        let mut command = Command::new(&self.prlimit);
        command.args(LIMITS).arg("--").arg(&self.ghostscript).args(GHOSTSCRIPT_ARGUMENTS);
        command.env_clear().env("TMPDIR", temporary).current_dir("/").process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn()
    }
}

/// What the server does to a job.
#[derive(Debug)]
enum Step {
    Write(Bytes, DeviceIoRequest),
    Close,
}

/// What a job wants of the session.
#[derive(Debug)]
pub(super) enum PrintEvent {
    /// Its data was taken, or not.
    Written { request: DeviceIoRequest, len_bytes: usize, status: NtStatus, epoch: u64 },
    /// It begins to be a file for the owner.
    Begin { name: String, answer: oneshot::Sender<Download> },
}

/// The printer and its jobs.
pub(super) struct Printer {
    name: String,
    programs: Programs,
    jobs: HashMap<u32, mpsc::Sender<Step>>,
    last_id: u32,
    /// Bytes that jobs were given and have not taken.
    waiting_bytes: usize,
    /// How often the server began anew.
    epoch: u64,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<PrintEvent>,
    events: mpsc::Receiver<PrintEvent>,
    event: Option<PrintEvent>,
}

impl Printer {
    pub(super) fn new(name: String, programs: Programs) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            name,
            programs,
            jobs: HashMap::new(),
            last_id: 0,
            waiting_bytes: 0,
            epoch: 0,
            tasks: JoinSet::new(),
            sender,
            events,
            event: None,
        }
    }

    /// What the server gets to know of it: a driver that every Windows has, for PostScript.
    pub(super) fn device(&self) -> RdpdrPrinter {
        RdpdrPrinter::new(PRINTER_ID, self.name.clone(), DEFAULT_PRINTER_DRIVER_NAME.to_owned()).with_default(true)
    }

    /// The server began anew: jobs that it had not ended are dropped.
    pub(super) fn restart(&mut self) {
        self.jobs.clear();
        self.epoch += 1;
        self.waiting_bytes = 0;
    }

    /// Takes the server's requests and gives answers to these or to earlier ones.
    pub(super) fn turn<P: Picture>(&mut self, requests: Vec<PrinterIoRequest>, stage: &mut Stage<P>) -> Vec<RdpdrPdu> {
        let mut replies: Vec<_> = requests.into_iter().filter_map(|request| self.request(request)).collect();
        while let Some(event) = self.event.take().or_else(|| self.events.try_recv().ok()) {
            match event {
                PrintEvent::Written { request, len_bytes, status, epoch } if epoch == self.epoch => {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(len_bytes);
                    replies.push(written(request, len_bytes, status));
                }
                PrintEvent::Written { .. } => {}
                PrintEvent::Begin { name, answer } => match stage.send_file(PDF_MIMETYPE, &name) {
                    // A job that ended meanwhile drops it, which ends the stream.
                    Ok(download) => drop(answer.send(download)),
                    Err(error) => tracing::debug!(%error, "Print job not sent"),
                },
            }
        }
        replies
    }

    /// Waits for a job's word. What it said is kept for [`turn`](Self::turn).
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn wake(&mut self) {
        if self.event.is_none() {
            self.event = self.events.recv().await;
        }
    }

    fn request(&mut self, request: PrinterIoRequest) -> Option<RdpdrPdu> {
        match request {
            PrinterIoRequest::Create(create) => {
                let id = self.begin();
                let status = if id.is_some() { NtStatus::SUCCESS } else { NtStatus::INSUFFICIENT_RESOURCES };
                Some(RdpdrPdu::DeviceCreateResponse(DeviceCreateResponse {
                    device_io_reply: DeviceIoResponse::new(create.device_io_request, status),
                    file_id: id.unwrap_or_default(),
                    information: Information::empty(),
                }))
            }
            PrinterIoRequest::Write(write) => {
                let (request, len_bytes) = (write.device_io_request, write.write_data.len());
                let Some(job) = self.jobs.get(&request.file_id) else {
                    return Some(written(request, 0, NtStatus::INVALID_HANDLE));
                };
                if self.waiting_bytes.saturating_add(len_bytes) > MAX_WAITING_BYTES {
                    return Some(written(request, 0, NtStatus::INSUFFICIENT_RESOURCES));
                }
                match job.try_send(Step::Write(write.write_data.into(), request.clone())) {
                    Ok(()) => {
                        self.waiting_bytes += len_bytes;
                        None
                    }
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        Some(written(request, 0, NtStatus::INSUFFICIENT_RESOURCES))
                    }
                    // It failed, or the owner does not want it.
                    Err(mpsc::error::TrySendError::Closed(_)) => Some(written(request, 0, NtStatus::UNSUCCESSFUL)),
                }
            }
            PrinterIoRequest::Close(close) => {
                let request = close.device_io_request;
                let status = match self.jobs.remove(&request.file_id) {
                    Some(job) => {
                        // Without room for it the job is dropped: its data was refused before.
                        let _ = job.try_send(Step::Close);
                        NtStatus::SUCCESS
                    }
                    None => NtStatus::INVALID_HANDLE,
                };
                let device_io_response = DeviceIoResponse::new(request, status);
                Some(RdpdrPdu::DeviceCloseResponse(DeviceCloseResponse { device_io_response }))
            }
        }
    }

    /// Begins a job, unless too many are under way.
    fn begin(&mut self) -> Option<u32> {
        while let Some(done) = self.tasks.try_join_next() {
            if done.is_err_and(|error| error.is_panic()) {
                tracing::error!("Print job panicked");
            }
        }
        if self.tasks.len() >= MAX_JOBS {
            tracing::debug!(limit = MAX_JOBS, "Print job refused");
            return None;
        }
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        // One more for the end.
        let (steps, receiver) = mpsc::channel(MAX_WRITES + 1);
        self.jobs.insert(self.last_id, steps);
        let job = Job { steps: receiver, events: self.sender.clone(), epoch: self.epoch };
        let programs = self.programs.clone();
        self.tasks.spawn(job.serve(programs));
        Some(self.last_id)
    }
}

fn written(request: DeviceIoRequest, len_bytes: usize, status: NtStatus) -> RdpdrPdu {
    let length = if status == NtStatus::SUCCESS { u32::try_from(len_bytes).unwrap_or(u32::MAX) } else { 0 };
    let device_io_reply = DeviceIoResponse::new(request, status);
    RdpdrPdu::DeviceWriteResponse(DeviceWriteResponse { device_io_reply, length })
}

/// Why a job does not become a file.
#[derive(Debug, thiserror::Error)]
enum JobError {
    /// *Upstream.* The server did not end it.
    #[error("the server dropped it")]
    Dropped,
    /// *Peer.* The owner does not want it, or is gone.
    #[error("its owner does not take it")]
    Gone,
    /// *Upstream*, for what it sent, or *environment*.
    #[error("no PDF could be made of it")]
    Conversion,
    /// *Environment.*
    #[error("Ghostscript does not run")]
    Io(#[from] std::io::Error),
}

/// A document on its way from the server to the owner.
struct Job {
    steps: mpsc::Receiver<Step>,
    events: mpsc::Sender<PrintEvent>,
    epoch: u64,
}

impl Job {
    /// Does it, and refuses what still comes of one that failed.
    async fn serve(mut self, programs: Programs) {
        let Err(error) = self.run(&programs).await else { return };
        tracing::warn!(%error, "Print job ended early");
        while let Some(Step::Write(data, request)) = self.steps.recv().await {
            self.wrote(request, data.len(), NtStatus::UNSUCCESSFUL).await;
        }
    }

    async fn run(&mut self, programs: &Programs) -> Result<(), JobError> {
        let (head, more) = self.head().await?;
        if head.is_empty() {
            return Ok(());
        }
        let (answer, download) = oneshot::channel();
        let name = file_name(&head);
        self.events.send(PrintEvent::Begin { name, answer }).await.map_err(|_| JobError::Gone)?;
        let mut download = download.await.map_err(|_| JobError::Gone)?;
        // Removed behind the process, as it is dropped after it.
        let temporary = tokio::task::spawn_blocking(|| tempfile::Builder::new().prefix("guacd-lite-print-").tempdir());
        let temporary = temporary.await.map_err(|_| JobError::Gone)??;
        let mut child = programs.start(temporary.path())?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(JobError::Conversion);
        };
        let (fed, sent) = tokio::join!(self.feed(stdin, head, more), send(stdout, &mut download));
        sent?;
        fed?;
        if !child.wait().await?.success() {
            return Err(JobError::Conversion);
        }
        download.finish().await.map_err(|_| JobError::Gone)
    }

    /// The beginning of the document, and whether it goes on.
    async fn head(&mut self) -> Result<(Vec<u8>, bool), JobError> {
        let mut head = Vec::new();
        while head.len() < HEAD_BYTES {
            match self.steps.recv().await {
                Some(Step::Write(data, request)) => {
                    head.extend_from_slice(&data);
                    self.wrote(request, data.len(), NtStatus::SUCCESS).await;
                }
                Some(Step::Close) => return Ok((head, false)),
                None => return Err(JobError::Dropped),
            }
        }
        Ok((head, true))
    }

    /// Gives Ghostscript the document. What it does not take any more is refused.
    async fn feed(&mut self, mut stdin: ChildStdin, head: Vec<u8>, more: bool) -> Result<(), JobError> {
        let mut taken = stdin.write_all(&head).await.is_ok();
        drop(head);
        if !more {
            return Ok(());
        }
        loop {
            match self.steps.recv().await {
                Some(Step::Write(data, request)) => {
                    taken = taken && stdin.write_all(&data).await.is_ok();
                    let status = if taken { NtStatus::SUCCESS } else { NtStatus::UNSUCCESSFUL };
                    self.wrote(request, data.len(), status).await;
                }
                Some(Step::Close) => return Ok(()),
                None => return Err(JobError::Dropped),
            }
        }
    }

    async fn wrote(&self, request: DeviceIoRequest, len_bytes: usize, status: NtStatus) {
        let event = PrintEvent::Written { request, len_bytes, status, epoch: self.epoch };
        // Without a session there is nobody to answer to.
        let _ = self.events.send(event).await;
    }
}

/// Sends the PDF as it comes.
async fn send(mut stdout: ChildStdout, download: &mut Download) -> Result<(), JobError> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        tokio::select! {
            read = stdout.read_buf(&mut chunk) => {
                if read? == 0 {
                    return Ok(());
                }
            }
            () = download.gone() => return Err(JobError::Gone),
        }
        download.send(chunk.into()).await.map_err(|_| JobError::Gone)?;
    }
}

/// The file's name: the title that the document gives itself (`%%Title:`), without what no file name has.
///
/// # Specification
/// Document Structuring Conventions 3.0, 5.1 and 4.6 (text in parentheses).
fn file_name(head: &[u8]) -> String {
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    let title = head.split(|byte| matches!(byte, b'\r' | b'\n')).find_map(|line| line.strip_prefix(b"%%Title:"));
    let title = String::from_utf8_lossy(title.unwrap_or_default());
    let title = title.trim();
    let title = title.strip_prefix('(').and_then(|title| title.strip_suffix(')')).unwrap_or(title);
    let plain = |c: char| if c.is_control() || r#"/\:*?"<>|"#.contains(c) { '_' } else { c };
    let title: String = title.trim().chars().take(MAX_TITLE_CHARS).map(plain).collect();
    if title.is_empty() || title.starts_with('.') { DEFAULT_NAME.to_owned() } else { format!("{title}.pdf") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_document() {
        for (head, name) in [
            ("%!PS-Adobe-3.0\r\n%%Title: (Report 7)\r\n%%Pages: 1", "Report 7.pdf"),
            ("%!PS\n%%Title: Untitled - Notepad\n", "Untitled - Notepad.pdf"),
            ("%!PS\n%%Title: (C:\\a/b.txt)\n", "C__a_b.txt.pdf"),
            ("%!PS\n%%Title: ()\n", "guacamole-print.pdf"),
            ("%!PS\n%%Title: ../x\n", "guacamole-print.pdf"),
            ("%!PS\n(%%Title: no)\n", "guacamole-print.pdf"),
        ] {
            assert_eq!(file_name(head.as_bytes()), name);
        }
        let long = format!("%%Title: {}\n", "x".repeat(1000));
        assert_eq!(file_name(long.as_bytes()).len(), MAX_TITLE_CHARS + 4);
        let late = format!("{}\n%%Title: late\n", "%".repeat(HEAD_BYTES));
        assert_eq!(file_name(late.as_bytes()), DEFAULT_NAME);
    }
}
