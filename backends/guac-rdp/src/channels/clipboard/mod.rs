//! The clipboard: text both ways.
//!
//! What the machine copies is fetched at once, as guacd does, for a browser cannot be told that there would be
//! something. What users paste is announced and handed over whenever the machine asks.
//!
//! # Specification
//! [MS-RDPECLIP]

mod processor;
#[cfg(test)]
mod tests;
mod text;

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use guac_display::Surface;
use guac_session::{Event, Params, Stage};
use ironrdp_cliprdr::pdu::{
    Capabilities, ClipboardFormat, ClipboardGeneralCapabilityFlags, ClipboardPdu, ClipboardProtocolVersion,
    FileContentsResponse, FormatDataRequest, FormatDataResponse, FormatList, FormatListResponse,
};
use ironrdp_dvc::DrdynvcClient;
use ironrdp_svc::{ChannelFlags, StaticChannelSet, SvcMessage};

pub(crate) use processor::ClipboardProcessor;
use processor::Heard;
pub(crate) use text::Newlines;
use text::{TextFormat, with_lf};

use super::Channel;
use crate::{RdpError, link::Link};

/// Smallest and largest clipboard that `clipboard-buffer-size` may ask for, in bytes; the smallest is the default.
const LIMIT_BYTES: (usize, usize) = (262_144, 52_428_800);

/// What a text has around it ([MS-RDPECLIP] 2.2.5.2), generously.
const HEADER_BYTES: usize = 64;

/// Text of this length is received whatever the limit.
const ROOM_BYTES: usize = 4 * 1024 * 1024;

/// Requests for the machine's text that wait for their answers. Each copy is asked for once, so that this many are
/// copies in quick succession, or a server that does not answer.
const MAX_ASKED: usize = 16;

/// Bytes on their way to the server beyond which it is not handed the clipboard once more: it would ask without
/// reading.
const MAX_UNSENT_BYTES: usize = 1024 * 1024;

/// What may pass, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClipboardRules {
    /// Whether users get what the machine copies.
    pub(crate) copy: bool,
    /// Longest text that users get, in bytes of UTF-8; longer text is cut. Theirs is limited by the session.
    pub(crate) limit_bytes: usize,
    pub(crate) newlines: Newlines,
}

impl ClipboardRules {
    /// By `disable-copy`, `clipboard-buffer-size` and `normalize-clipboard`. `disable-paste` is the session's.
    pub(crate) fn from_params(params: &Params) -> Self {
        Self {
            copy: !params.bool("disable-copy", false),
            limit_bytes: params.number("clipboard-buffer-size", 0).clamp(LIMIT_BYTES.0, LIMIT_BYTES.1),
            newlines: Newlines::from_params(params),
        }
    }

    /// Longest message of the server's that is of use. Text of one byte a character has two in UTF-16, and what is
    /// somewhat longer can be cut.
    fn max_message_bytes(&self) -> usize {
        self.limit_bytes.saturating_mul(2).saturating_add(HEADER_BYTES).max(ROOM_BYTES)
    }
}

/// A text, so that it is known when it comes back. Line ends do not count: browsers change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint(u64);

/// Our end of the clipboard.
#[derive(Debug)]
pub(crate) struct Clipboard {
    rules: ClipboardRules,
    hasher: RandomState,
    /// The server has said that it listens.
    ready: bool,
    long_names: bool,
    /// What users pasted last.
    held: Option<String>,
    /// That text, until the server has copied another.
    announced: Option<Fingerprint>,
    /// What the machine copied last, until users paste something else.
    copied: Option<Fingerprint>,
    /// Formats in which the machine's text was asked for, oldest first: answers do not say what they answer.
    asked: VecDeque<TextFormat>,
}

impl Clipboard {
    pub(crate) fn new(rules: ClipboardRules) -> Self {
        Self {
            rules,
            hasher: RandomState::new(),
            ready: false,
            long_names: false,
            held: None,
            announced: None,
            copied: None,
            asked: VecDeque::new(),
        }
    }

    fn hear(&mut self, heard: Heard, link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        match heard {
            Heard::Capabilities { long_names } => {
                self.long_names = long_names;
                Ok(())
            }
            // Again whenever the machine's side restarts, for instance when somebody logs in.
            Heard::MonitorReady => {
                self.ready = true;
                self.asked.clear();
                send(link, ClipboardPdu::Capabilities(self.capabilities()))?;
                self.announce(link)
            }
            Heard::Formats(best) => self.handle_formats(best, link),
            Heard::TooManyFormats => send(link, ClipboardPdu::FormatListResponse(FormatListResponse::Fail)),
            Heard::Asked(format) => {
                let text = self.held.as_deref().filter(|_| link.unsent().len() <= MAX_UNSENT_BYTES);
                let answer = match (TextFormat::from_id(format), text) {
                    (Some(format), Some(text)) => {
                        FormatDataResponse::new_data(format.encode(text, self.rules.newlines))
                    }
                    _ => FormatDataResponse::new_error(),
                };
                send(link, ClipboardPdu::FormatDataResponse(answer))
            }
            Heard::Answer(data) => {
                self.handle_answer(data.as_deref(), stage);
                Ok(())
            }
            Heard::AskedForFile(stream) => {
                send(link, ClipboardPdu::FileContentsResponse(FileContentsResponse::new_error(stream)))
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        let flags = if self.long_names {
            ClipboardGeneralCapabilityFlags::USE_LONG_FORMAT_NAMES
        } else {
            ClipboardGeneralCapabilityFlags::empty()
        };
        Capabilities::new(ClipboardProtocolVersion::V2, flags)
    }

    /// Tells the server what users pasted, if it listens.
    fn announce(&self, link: &mut Link) -> Result<(), RdpError> {
        if !self.ready {
            return Ok(());
        }
        let formats = [TextFormat::Unicode, TextFormat::Cp1252].map(|format| ClipboardFormat::new(format.id()));
        let formats = if self.held.is_some() { &formats[..] } else { &[] };
        let list = FormatList::new_unicode(formats, self.long_names).map_err(RdpError::encode)?;
        send(link, ClipboardPdu::FormatList(list))
    }

    fn handle_formats(&mut self, best: Option<TextFormat>, link: &mut Link) -> Result<(), RdpError> {
        send(link, ClipboardPdu::FormatListResponse(FormatListResponse::Ok))?;
        // The machine's clipboard has another content from now on, known or not.
        self.copied = None;
        let Some(format) = best.filter(|_| self.rules.copy) else { return Ok(()) };
        if self.asked.len() >= MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(format);
        send(link, ClipboardPdu::FormatDataRequest(FormatDataRequest { format: format.id() }))
    }

    fn handle_answer(&mut self, data: Option<&[u8]>, stage: &mut Stage<Surface>) {
        let (Some(format), Some(data)) = (self.asked.pop_front(), data) else {
            tracing::debug!("No text from the machine's clipboard");
            return;
        };
        let decoded = format.decode(data, self.rules.newlines, self.rules.limit_bytes);
        if decoded.cut {
            tracing::warn!(limit_bytes = self.rules.limit_bytes, "Text of the machine's clipboard is cut at the limit");
        }
        let fingerprint = self.fingerprint(&decoded.text);
        self.copied = Some(fingerprint);
        // Some servers copy what they were pasted. By now the user may have something else in his clipboard.
        if decoded.text.is_empty() || self.announced.take() == Some(fingerprint) {
            tracing::debug!("Text of the machine's clipboard is empty or was pasted by a user");
            return;
        }
        stage.send_clipboard(&decoded.text);
    }

    fn handle_paste(&mut self, mimetype: &str, data: Vec<u8>, link: &mut Link) -> Result<(), RdpError> {
        if !mimetype.starts_with("text/") {
            tracing::debug!(mimetype, "Clipboard of a user is no text");
            return Ok(());
        }
        let text = String::from_utf8(data).unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into());
        let fingerprint = self.fingerprint(&text);
        // A browser hands back what it got. Announced, it would replace the original with all its other formats.
        if self.copied == Some(fingerprint) {
            return Ok(());
        }
        self.copied = None;
        self.announced = Some(fingerprint);
        self.held = Some(text);
        self.announce(link)
    }

    fn fingerprint(&self, text: &str) -> Fingerprint {
        let mut hasher = self.hasher.build_hasher();
        with_lf(text.chars()).for_each(|c| hasher.write_u32(u32::from(c)));
        Fingerprint(hasher.finish())
    }
}

impl Channel for Clipboard {
    fn attach(&mut self, fixed: &mut StaticChannelSet, _dynamic: &mut DrdynvcClient) {
        self.ready = false;
        self.copied = None;
        self.asked.clear();
        fixed.insert(ClipboardProcessor::new(self.rules.max_message_bytes()));
    }

    fn handle(
        &mut self,
        event: Event,
        link: &mut Link,
        _stage: &mut Stage<Surface>,
    ) -> Result<Option<Event>, RdpError> {
        match event {
            Event::Clipboard { mimetype, data, .. } => self.handle_paste(&mimetype, data, link).map(|()| None),
            other => Ok(Some(other)),
        }
    }

    fn poll(&mut self, link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        let Some(processor) = link.static_channel::<ClipboardProcessor>() else { return Ok(()) };
        for heard in processor.take() {
            self.hear(heard, link, stage)?;
        }
        Ok(())
    }
}

/// # Specification
/// [MS-RDPBCGR] 3.1.5.2.1 asks for the flag wherever a message may come in pieces.
fn send(link: &mut Link, pdu: ClipboardPdu<'static>) -> Result<(), RdpError> {
    let message = SvcMessage::from(pdu).with_flags(ChannelFlags::SHOW_PROTOCOL);
    link.send_static::<ClipboardProcessor>(vec![message])
}
