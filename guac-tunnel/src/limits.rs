//! Every bound of a tunnel, with its reason.

use std::time::Duration;

/// How long a tunnel waits for whom. The defaults are those of guacd and of the stock gateway where they have one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TunnelLimits {
    /// Guacd port: a client must bring one whole instruction within this time, in the handshake and after it (P-039).
    pub instruction: Duration,
    /// A peer that takes none of the bytes waiting for it for this long is gone.
    pub write_stall: Duration,
    /// A session that takes no input for this long is broken.
    pub input_stall: Duration,
    /// Opening or joining a session must be done by then.
    pub open: Duration,
    /// WebSocket: a browser that says nothing for this long has vanished: two pings unanswered and a margin.
    pub browser_silence: Duration,
    /// WebSocket: how often the transport's own ping is sent. Browsers answer it without the page, whose timers they
    /// slow down to once a minute in hidden tabs; the silence above must allow for one to get lost.
    pub browser_ping: Duration,
    /// HTTP: a tunnel that no request touches for this long is closed (T-022).
    pub http_idle: Duration,
    /// After the last word, a peer has this long to take it and to close.
    pub close_grace: Duration,
    /// Outside guacd: name resolution, TCP and TLS together (T-044).
    pub guacd_connect: Duration,
    /// Outside guacd: it sends a `nop` every 5 s, so silence this long is an error (T-044).
    pub guacd_read: Duration,
}

impl Default for TunnelLimits {
    fn default() -> Self {
        Self {
            instruction: Duration::from_secs(15),
            write_stall: Duration::from_secs(15),
            input_stall: Duration::from_secs(15),
            open: Duration::from_secs(30),
            browser_silence: Duration::from_secs(20),
            browser_ping: Duration::from_secs(8),
            http_idle: Duration::from_secs(15),
            close_grace: Duration::from_secs(2),
            guacd_connect: Duration::from_secs(15),
            guacd_read: Duration::from_secs(15),
        }
    }
}

/// Bytes of one read. Larger reads gain nothing measurable, smaller ones cost a system call each.
pub const READ_BYTES: usize = 64 * 1024;

/// Bytes from which on nothing more is gathered for one write or one WebSocket message. Half a read, so that a full
/// read goes out at once and by itself, and its buffer is free for the next.
pub const BATCH_BYTES: usize = 32 * 1024;

/// Bytes of one read from a browser, on the stack: it sends keys and mouse moves, and at times an upload.
pub(crate) const INPUT_BYTES: usize = 8 * 1024;

/// Items gathered for one vectored write. Far below the system's 1024, and enough to reach [`BATCH_BYTES`].
pub const BATCH_ITEMS: usize = 32;

/// Items from this size on become a WebSocket message of their own: copying them would cost more than a frame header.
pub const WHOLE_MESSAGE_BYTES: usize = 8 * 1024;

/// Longest WebSocket message taken from a browser. Browsers send one instruction per message; four of the longest
/// leave room for clients that batch.
pub const MAX_MESSAGE_BYTES: usize = 4 * guac_protocol::MAX_INSTRUCTION_BYTES;

/// Longest ping that is echoed: the opcode, `ping` and a time in milliseconds, generously.
pub(crate) const MAX_PING_BYTES: usize = 64;

/// Frames of the tunnel itself (its name, ping echoes, pings and pongs) that wait for the writer. Browsers send one ping
/// every 500 ms; past this the browser does not read, and more would only pile up.
pub(crate) const OWN_FRAMES: usize = 6;

/// Requests that wait for their turn to read or to write one HTTP tunnel. The client keeps one read ahead and one
/// write in flight; retries may double that.
pub const MAX_WAITING_REQUESTS: usize = 4;

/// Input kept for an outside guacd that is slow to take it.
pub(crate) const MAX_UNSENT_BYTES: usize = 64 * 1024;
