//! Streams that a user opened: what is collected of each, how much, and how it is answered.

use std::collections::HashMap;
use std::sync::Arc;

use guac_protocol::{MAX_STREAMS, Status, StreamIndex};

use crate::input::{StreamAnswer, StreamKind, StreamOpen};

/// Longest value of a parameter, in bytes (P-128).
const MAX_ARGV_BYTES: usize = 16_384;

/// Smallest and largest clipboard that `clipboard-buffer-size` may ask for, in bytes; the smallest is the default.
const CLIPBOARD_BYTES: (usize, usize) = (262_144, 52_428_800);

/// Streams of one user at once. guacd allows 512; nobody pastes into more than a few at a time, and each may hold a
/// clipboard.
const MAX_OPEN: usize = 16;

/// What the session takes from users, by the owner's parameters and the backend's word.
#[derive(Debug)]
pub(crate) struct StreamRules {
    pub(crate) argv: &'static [&'static str],
    pub(crate) pipes: Vec<Arc<str>>,
    pub(crate) paste: bool,
    pub(crate) clipboard_bytes: usize,
}

impl StreamRules {
    /// `requested` is the value of `clipboard-buffer-size`.
    pub(crate) fn new(paste: bool, requested: usize) -> Self {
        let clipboard_bytes = requested.clamp(CLIPBOARD_BYTES.0, CLIPBOARD_BYTES.1);
        Self { argv: &[], pipes: Vec::new(), paste, clipboard_bytes }
    }
}

/// What became whole.
#[derive(Debug)]
pub(crate) enum Collected {
    Clipboard { mimetype: String, data: Vec<u8> },
    Argv { name: String, value: String },
    Pipe { name: Arc<str>, data: Vec<u8> },
}

#[derive(Debug)]
enum Sink {
    Clipboard { mimetype: String, data: Vec<u8> },
    Argv { name: String, data: Vec<u8> },
    Pipe { name: Arc<str> },
}

/// The open streams of one user.
#[derive(Debug, Default)]
pub(crate) struct UserStreams {
    open: HashMap<StreamIndex, Sink>,
}

impl UserStreams {
    /// Opens a stream, ending one of the same index (P-122), and answers whether it is taken.
    pub(crate) fn open(&mut self, open: StreamOpen, rules: &StreamRules, read_only: bool) -> StreamAnswer {
        let stream = open.stream;
        self.open.remove(&stream);
        let answer = |message, status| StreamAnswer { stream, message, status };
        if stream.0 >= MAX_STREAMS || self.open.len() >= MAX_OPEN {
            return answer("too many streams", Status::ClientTooMany);
        }
        if read_only {
            return answer("read only", Status::ClientForbidden);
        }
        let sink = match open.kind {
            StreamKind::Clipboard if !rules.paste => return answer("clipboard is off", Status::Unsupported),
            StreamKind::Clipboard => Sink::Clipboard { mimetype: open.mimetype, data: Vec::new() },
            StreamKind::Argv if rules.argv.contains(&open.name.as_str()) => {
                Sink::Argv { name: open.name, data: Vec::new() }
            }
            StreamKind::Argv => return answer("parameter cannot be changed", Status::Unsupported),
            StreamKind::Pipe => match rules.pipes.iter().find(|name| ***name == *open.name) {
                Some(name) => Sink::Pipe { name: Arc::clone(name) },
                None => return answer("no such pipe", Status::ResourceNotFound),
            },
            // Uploads are taken before; this is what is left of them.
            StreamKind::File | StreamKind::Put(_) => return answer("file transfer is off", Status::Unsupported),
            StreamKind::NameTooLong => return answer("name is too long", Status::ClientBadRequest),
            // The owner's is taken before, where the backend listens.
            StreamKind::Audio => return answer("audio input is off", Status::Unsupported),
        };
        self.open.insert(stream, sink);
        answer("OK", Status::Success)
    }

    /// Ends a stream whose index gets another meaning.
    pub(crate) fn forget(&mut self, stream: StreamIndex) {
        self.open.remove(&stream);
    }

    /// Adds a blob. Past a limit the stream is dropped and the answer says so; the session lives.
    pub(crate) fn blob(
        &mut self,
        stream: StreamIndex,
        blob: Vec<u8>,
        rules: &StreamRules,
    ) -> (StreamAnswer, Option<Collected>) {
        let answer = |message, status| StreamAnswer { stream, message, status };
        let (held, limit) = match self.open.get_mut(&stream) {
            None => return (answer("Invalid stream index", Status::ClientBadRequest), None),
            Some(Sink::Pipe { name }) => {
                let collected = Collected::Pipe { name: Arc::clone(name), data: blob };
                return (answer("OK", Status::Success), Some(collected));
            }
            Some(Sink::Clipboard { data, .. }) => (data, rules.clipboard_bytes),
            Some(Sink::Argv { data, .. }) => (data, MAX_ARGV_BYTES),
        };
        if held.len() + blob.len() > limit {
            self.open.remove(&stream);
            return (answer("too much data", Status::ClientOverrun), None);
        }
        held.extend_from_slice(&blob);
        (answer("OK", Status::Success), None)
    }

    /// Ends a stream. Unknown indices are ignored: the stream was refused and its sender had not heard yet.
    pub(crate) fn end(&mut self, stream: StreamIndex) -> Option<Collected> {
        match self.open.remove(&stream)? {
            Sink::Clipboard { mimetype, data } => Some(Collected::Clipboard { mimetype, data }),
            Sink::Argv { name, data } => String::from_utf8(data).ok().map(|value| Collected::Argv { name, value }),
            Sink::Pipe { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(kind: StreamKind, index: u32, name: &str) -> StreamOpen {
        StreamOpen { stream: StreamIndex(index), kind, mimetype: "text/plain".into(), name: name.into() }
    }

    #[test]
    fn a_clipboard_at_the_limit_passes_and_one_byte_more_is_refused() {
        let rules = StreamRules::new(true, 0);
        for (extra, expected) in [(0, Status::Success), (1, Status::ClientOverrun)] {
            let mut streams = UserStreams::default();
            assert_eq!(streams.open(open(StreamKind::Clipboard, 0, ""), &rules, false).status, Status::Success);
            let (answer, _) = streams.blob(StreamIndex(0), vec![b'x'; 262_143], &rules);
            assert_eq!(answer.status, Status::Success);
            let (answer, _) = streams.blob(StreamIndex(0), vec![b'x'; 1 + extra], &rules);
            assert_eq!(answer.status, expected);
            assert_eq!(streams.end(StreamIndex(0)).is_some(), expected == Status::Success);
        }
    }

    #[test]
    fn a_setting_at_the_limit_passes_and_one_byte_more_is_refused() {
        let rules = StreamRules { argv: &["password"], ..StreamRules::new(true, 0) };
        for (extra, expected) in [(0, Status::Success), (1, Status::ClientOverrun)] {
            let mut streams = UserStreams::default();
            assert_eq!(streams.open(open(StreamKind::Argv, 0, "password"), &rules, false).status, Status::Success);
            let (answer, _) = streams.blob(StreamIndex(0), vec![b'x'; 16_384 + extra], &rules);
            assert_eq!(answer.status, expected);
        }
    }

    #[test]
    fn a_user_may_have_16_streams_open_and_not_17() {
        let rules = StreamRules::new(true, 0);
        let mut streams = UserStreams::default();
        for index in 0..16 {
            assert_eq!(streams.open(open(StreamKind::Clipboard, index, ""), &rules, false).status, Status::Success);
        }
        assert_eq!(streams.open(open(StreamKind::Clipboard, 16, ""), &rules, false).status, Status::ClientTooMany);
        assert_eq!(streams.open(open(StreamKind::Clipboard, 3, ""), &rules, false).status, Status::Success);
    }

    #[test]
    fn refusals_have_the_statuses_of_guacd() {
        let off = StreamRules::new(false, 0);
        let mut streams = UserStreams::default();
        let mut status = |kind, name: &str, read_only| streams.open(open(kind, 1, name), &off, read_only).status;
        assert_eq!(status(StreamKind::Clipboard, "", false), Status::Unsupported);
        assert_eq!(status(StreamKind::Argv, "password", false), Status::Unsupported);
        assert_eq!(status(StreamKind::Pipe, "STDIN", false), Status::ResourceNotFound);
        assert_eq!(status(StreamKind::File, "", false), Status::Unsupported);
        assert_eq!(status(StreamKind::Audio, "", false), Status::Unsupported);
        assert_eq!(status(StreamKind::Clipboard, "", true), Status::ClientForbidden);
        let (answer, _) = streams.blob(StreamIndex(9), vec![1], &off);
        assert_eq!((answer.message, answer.status), ("Invalid stream index", Status::ClientBadRequest));
    }
}
