//! What the server says about its clipboard, taken down until [`Clipboard`](super::Clipboard) acts on it.

use ironrdp_cliprdr::pdu::{ClipboardFormatId, ClipboardGeneralCapabilityFlags, ClipboardPdu, FormatList};
use ironrdp_core::{decode, impl_as_any};
use ironrdp_pdu::{PduResult, decode_err, gcc::ChannelName, pdu_other_err};
use ironrdp_svc::{SvcClientProcessor, SvcMessage, SvcProcessor};

use super::text::TextFormat;

/// Longest list of formats that is read: thousands of them. Spreadsheets offer about thirty.
const MAX_FORMAT_LIST_BYTES: usize = 64 * 1024;

/// Messages that wait for [`ClipboardProcessor::take`], which follows each PDU of the server's.
const MAX_HEARD: usize = 64;

/// Types of messages, which stand first ([MS-RDPECLIP] 2.2.1).
const FORMAT_LIST: [u8; 2] = [2, 0];
const FORMAT_DATA_RESPONSE: [u8; 2] = [5, 0];

/// A message of the server's, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Capabilities {
        long_names: bool,
    },
    MonitorReady,
    /// The machine's clipboard has a new content, with this as its best format of text.
    Formats(Option<TextFormat>),
    TooManyFormats,
    /// It wants what users pasted.
    Asked(ClipboardFormatId),
    /// It wants a part of a file, which was never offered.
    AskedForFile(u32),
    /// What it was asked for, or nothing.
    Answer(Option<Vec<u8>>),
}

/// The server's end of the clipboard.
#[derive(Debug)]
pub(crate) struct ClipboardProcessor {
    max_message_bytes: usize,
    heard: Vec<Heard>,
    long_names: bool,
}

impl_as_any!(ClipboardProcessor);

impl ClipboardProcessor {
    /// `max_message_bytes` is for whoever puts messages together.
    pub(crate) fn new(max_message_bytes: usize) -> Self {
        Self { max_message_bytes, heard: Vec::new(), long_names: false }
    }

    /// Longest message that is of use.
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.max_message_bytes
    }

    /// What was said since the last call.
    pub(super) fn take(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    /// A message was too long to be received; it began like this.
    pub(crate) fn skipped(&mut self, beginning: &[u8]) {
        if beginning.starts_with(&FORMAT_DATA_RESPONSE) && self.heard.len() < MAX_HEARD {
            self.heard.push(Heard::Answer(None));
        }
    }

    fn interpret(&mut self, pdu: ClipboardPdu<'_>) -> Option<Heard> {
        Some(match pdu {
            ClipboardPdu::Capabilities(capabilities) => {
                self.long_names = capabilities.flags().contains(ClipboardGeneralCapabilityFlags::USE_LONG_FORMAT_NAMES);
                Heard::Capabilities { long_names: self.long_names }
            }
            ClipboardPdu::MonitorReady => Heard::MonitorReady,
            ClipboardPdu::FormatList(list) => Heard::Formats(self.best_format(&list)),
            ClipboardPdu::FormatDataRequest(request) => Heard::Asked(request.format),
            ClipboardPdu::FormatDataResponse(response) => {
                let data = (!response.is_error()).then(|| response.into_data().into_owned());
                Heard::Answer(data)
            }
            ClipboardPdu::FileContentsRequest(request) => Heard::AskedForFile(request.stream_id),
            // Whether it likes our formats changes nothing; locks, files and directories are not ours.
            _ => return None,
        })
    }

    /// A list that cannot be read is one without text: the clipboard has changed all the same.
    fn best_format(&self, list: &FormatList<'_>) -> Option<TextFormat> {
        let formats = list.get_formats(self.long_names).unwrap_or_default();
        let has = |wanted: TextFormat| formats.iter().any(|format| format.id() == wanted.id());
        [TextFormat::Unicode, TextFormat::Cp1252].into_iter().find(|format| has(*format))
    }
}

impl SvcProcessor for ClipboardProcessor {
    fn channel_name(&self) -> ChannelName {
        ChannelName::from_static(b"cliprdr\0")
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        if self.heard.len() >= MAX_HEARD {
            return Err(pdu_other_err!("ClipboardProcessor", "too many messages at once"));
        }
        if payload.starts_with(&FORMAT_LIST) && payload.len() > MAX_FORMAT_LIST_BYTES {
            self.heard.push(Heard::TooManyFormats);
            return Ok(Vec::new());
        }
        let pdu = decode::<ClipboardPdu<'_>>(payload).map_err(|error| decode_err!(error))?;
        let heard = self.interpret(pdu);
        self.heard.extend(heard);
        Ok(Vec::new())
    }
}

impl SvcClientProcessor for ClipboardProcessor {}
