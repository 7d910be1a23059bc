//! A proxy for the guacd port that tells what is copied and pasted, and can forbid it.
//!
//! `clipboard_proxy 127.0.0.1:4823 127.0.0.1 4822 [--forbid]` listens at port 4823 for gateways and passes everything on
//! to the guacd at port 4822. It changes nothing but clipboard streams, and those only with `--forbid`: whoever opens
//! one is told that he may not.
#![expect(clippy::print_stdout, reason = "an example that tells what it sees")]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use guac_protocol::{Instruction, InstructionWriter, Parser, Status};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Bytes of one read. More than the longest instruction, which thus always fits.
const READ_BYTES: usize = 64 * 1024;

/// Refusals that wait for the other direction. Who opens more streams at once waits for no answers.
const ANSWERS: usize = 64;

/// Clipboard streams followed at once in one direction; guacd has 64 streams per user.
const MAX_OPEN: usize = 64;

/// One copy or paste that is done, or was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) from: &'static str,
    pub(crate) mimetype: String,
    /// Bytes of the content; 0 when refused.
    pub(crate) len_bytes: usize,
    pub(crate) refused: bool,
}

pub(crate) type Report = Arc<dyn Fn(Transfer) + Send + Sync>;

/// Follows the clipboard streams of one direction.
struct Watch {
    from: &'static str,
    forbid: bool,
    report: Report,
    open: HashMap<String, (String, usize)>,
}

impl Watch {
    /// Whether to pass an instruction on, and what to answer its sender if not.
    fn judge(&mut self, instruction: &Instruction<'_>) -> (bool, Option<Vec<u8>>) {
        let stream = instruction.arg(0).unwrap_or_default();
        match instruction.opcode() {
            "clipboard" if self.open.len() < MAX_OPEN => {
                let mimetype = instruction.arg(1).unwrap_or_default().to_owned();
                self.open.insert(stream.to_owned(), (mimetype.clone(), 0));
                if self.forbid {
                    (self.report)(Transfer { from: self.from, mimetype, len_bytes: 0, refused: true });
                    return (false, Some(refusal(stream)));
                }
            }
            "blob" => {
                let Some((_, len_bytes)) = self.open.get_mut(stream) else { return (true, None) };
                let base64 = instruction.arg(1).unwrap_or_default().trim_end_matches('=');
                *len_bytes = len_bytes.saturating_add(base64.len() * 3 / 4);
                return (!self.forbid, None);
            }
            "end" => {
                let Some((mimetype, len_bytes)) = self.open.remove(stream) else { return (true, None) };
                if self.forbid {
                    return (false, None);
                }
                (self.report)(Transfer { from: self.from, mimetype, len_bytes, refused: false });
            }
            _ => {}
        }
        (true, None)
    }
}

/// What a receiver says that does not want a stream.
fn refusal(stream: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let status = Status::ClientForbidden.code().to_string();
    InstructionWriter::new(&mut out, "ack").text(stream).text("No clipboard here.").text(&status).end();
    out
}

/// Passes one direction on, whole instructions at a time: what is put between them breaks none.
async fn pass<R, W>(
    mut reader: R,
    mut writer: W,
    mut watch: Watch,
    answers: mpsc::Sender<Vec<u8>>,
    mut insertions: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut parser, mut buffer, mut out) = (Parser::new(), BytesMut::with_capacity(READ_BYTES), Vec::new());
    loop {
        buffer.reserve(READ_BYTES.saturating_sub(buffer.len()).max(1));
        tokio::select! {
            Some(insertion) = insertions.recv() => out.extend(insertion),
            read = reader.read_buf(&mut buffer) => {
                if read? == 0 {
                    return writer.shutdown().await;
                }
            }
        }
        let mut whole = parser.instructions(&buffer);
        while let Some(instruction) = whole.next_instruction().map_err(io::Error::other)? {
            let (passes, answer) = watch.judge(&instruction);
            if passes {
                out.extend_from_slice(instruction.raw().as_bytes());
            }
            if let Some(answer) = answer {
                // Full: the sender reads nothing, so it misses nothing.
                let _ = answers.try_send(answer);
            }
        }
        let used = whole.consumed();
        buffer.advance(used);
        writer.write_all(&out).await?;
        out.clear();
    }
}

async fn proxy(gateway: TcpStream, guacd: (String, u16), forbid: bool, report: Report) -> io::Result<()> {
    let mut guacd = TcpStream::connect(guacd).await?;
    gateway.set_nodelay(true)?;
    guacd.set_nodelay(true)?;
    let (from_gateway, to_gateway) = gateway.into_split();
    let (from_guacd, to_guacd) = guacd.split();
    let watch = |from| Watch { from, forbid, report: Arc::clone(&report), open: HashMap::new() };
    let (answer_user, for_user) = mpsc::channel(ANSWERS);
    let (answer_machine, for_machine) = mpsc::channel(ANSWERS);
    // Either end is the end of both: guacd has nobody left to talk to, or nothing to say.
    tokio::select! {
        up = pass(from_gateway, to_guacd, watch("user"), answer_user, for_machine) => up,
        down = pass(from_guacd, to_gateway, watch("machine"), answer_machine, for_user) => down,
    }
}

/// Serves gateways until the listener fails.
pub(crate) async fn serve(listener: TcpListener, guacd: (String, u16), forbid: bool, report: Report) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let (guacd, report) = (guacd.clone(), Arc::clone(&report));
        // One that fails has ended, and both of its ends know.
        connections.spawn(async move { drop(proxy(stream, guacd, forbid, report).await) });
        while connections.try_join_next().is_some() {}
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let [listen, host, port, options @ ..] = &*std::env::args().skip(1).collect::<Vec<_>>() else {
        return Err(io::Error::other("usage: clipboard_proxy LISTEN GUACD-HOST GUACD-PORT [--forbid]"));
    };
    let forbid = options.iter().any(|option| option == "--forbid");
    let report: Report = Arc::new(|Transfer { from, mimetype, len_bytes, refused }| {
        let what = if refused { "refused".to_owned() } else { format!("{len_bytes} bytes") };
        println!("clipboard of the {from}: {mimetype}, {what}");
    });
    let guacd = (host.clone(), port.parse().map_err(io::Error::other)?);
    serve(TcpListener::bind(listen).await?, guacd, forbid, report).await
}
