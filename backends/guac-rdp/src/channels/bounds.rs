//! How much a server may have us put together: messages of channels come in pieces, and say at first how long they will
//! be. The crates that join them believe it.

use std::collections::BTreeSet;

use ironrdp_dvc::DrdynvcClient;
use ironrdp_pdu::mcs::decode_send_data_indication;
use ironrdp_svc::{StaticChannelId, StaticChannelSet};

use super::clipboard::ClipboardProcessor;
use crate::{RdpError, link::Link};

/// Longest message of a static channel. Writes to drives are the longest that are known: 1 MiB at most.
const MAX_STATIC_BYTES: usize = 4 * 1024 * 1024;

/// Longest message of a dynamic channel: a 4K picture in the codecs of the graphics pipeline, at its worst.
const MAX_DYNAMIC_BYTES: usize = 16 * 1024 * 1024;

/// # Specification
/// [MS-RDPBCGR] 2.2.6.1.1
mod flags {
    pub(super) const FIRST: u32 = 0x0000_0001;
    pub(super) const LAST: u32 = 0x0000_0002;
    pub(super) const COMPRESSED: u32 = 0x0020_0000;
}

/// What to do with a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Process,
    /// It belongs to a message that is too long, of a channel that can do without.
    Skip,
}

/// The limits of one connection.
#[derive(Debug)]
pub(crate) struct Bounds {
    channels: BTreeSet<StaticChannelId>,
    dynamic: Option<StaticChannelId>,
    clipboard: Option<StaticChannelId>,
    /// Longest message of the clipboard.
    clipboard_bytes: usize,
    /// Within a clipboard message that is too long.
    skips_clipboard: bool,
}

impl Bounds {
    /// Of a connection with these channels, all joined.
    pub(crate) fn new(channels: &StaticChannelSet) -> Self {
        let clipboard = channels.get_by_type::<ClipboardProcessor>();
        let clipboard = clipboard.and_then(|channel| channel.channel_processor_downcast_ref::<ClipboardProcessor>());
        Self {
            channels: channels.channel_ids().collect(),
            dynamic: channels.get_channel_id_by_type::<DrdynvcClient>(),
            clipboard: channels.get_channel_id_by_type::<ClipboardProcessor>(),
            clipboard_bytes: clipboard.map_or(0, ClipboardProcessor::max_message_bytes),
            skips_clipboard: false,
        }
    }

    /// Looks at a slow-path PDU before it is processed.
    ///
    /// # Errors
    /// [`RdpError::LimitExceeded`] where it begins a message longer than any honest one, and for compressed pieces, which
    /// were never asked for and would be joined without regard to their length.
    pub(crate) fn admit(&mut self, pdu: &[u8], link: &mut Link) -> Result<Verdict, RdpError> {
        // What is no data of a channel is judged where it is processed.
        let Ok(indication) = decode_send_data_indication(pdu) else { return Ok(Verdict::Process) };
        if !self.channels.contains(&indication.channel_id) {
            return Ok(Verdict::Process);
        }
        let Some((header, piece)) = indication.user_data.split_first_chunk::<8>() else { return Ok(Verdict::Process) };
        let [l0, l1, l2, l3, f0, f1, f2, f3] = *header;
        let len_bytes = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let flags = u32::from_le_bytes([f0, f1, f2, f3]);
        if flags & flags::COMPRESSED != 0 {
            return Err(RdpError::LimitExceeded { what: "a compressed channel message", len_bytes });
        }
        let id = Some(indication.channel_id);
        if id == self.clipboard {
            return Ok(self.admit_clipboard(len_bytes, flags, piece, link));
        }
        if len_bytes > MAX_STATIC_BYTES {
            return Err(RdpError::LimitExceeded { what: "a static channel's message", len_bytes });
        }
        let announced = dynamic_len(piece).filter(|_| id == self.dynamic && flags & flags::FIRST != 0);
        match announced {
            Some(len_bytes) if len_bytes > MAX_DYNAMIC_BYTES => {
                Err(RdpError::LimitExceeded { what: "a dynamic channel's message", len_bytes })
            }
            _ => Ok(Verdict::Process),
        }
    }

    /// Somebody may well copy a long text that nobody can get.
    fn admit_clipboard(&mut self, len_bytes: usize, flags: u32, piece: &[u8], link: &mut Link) -> Verdict {
        if flags & flags::FIRST != 0 {
            self.skips_clipboard = len_bytes > self.clipboard_bytes;
            if self.skips_clipboard {
                tracing::warn!(len_bytes, "Text of the machine's clipboard is too long, it is left out");
                if let Some(processor) = link.static_channel::<ClipboardProcessor>() {
                    processor.skipped(piece);
                }
            }
        }
        if !self.skips_clipboard {
            return Verdict::Process;
        }
        self.skips_clipboard = flags & flags::LAST == 0;
        Verdict::Skip
    }
}

/// The length that the first piece of a dynamic channel's message announces; none where a piece is no first one.
///
/// # Specification
/// [MS-RDPEDYC] 2.2.3.1, 2.2.3.3
fn dynamic_len(piece: &[u8]) -> Option<usize> {
    const DATA_FIRST: u8 = 2;
    const DATA_FIRST_COMPRESSED: u8 = 6;
    let (head, rest) = piece.split_first()?;
    if !matches!(head >> 4, DATA_FIRST | DATA_FIRST_COMPRESSED) {
        return None;
    }
    let width = |code: u8| match code & 3 {
        0 => 1,
        1 => 2,
        _ => 4,
    };
    let len = rest.get(width(*head)..)?.get(..width(*head >> 2))?;
    let value = len.iter().rev().fold(0_u32, |value, byte| (value << 8) | u32::from(*byte));
    Some(usize::try_from(value).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use ironrdp_core::encode_vec;
    use ironrdp_pdu::{mcs::SendDataIndication, x224::X224};
    use ironrdp_session::x224;
    use proptest::prelude::*;

    use super::*;

    const CLIPBOARD: u16 = 1004;
    const DYNAMIC: u16 = 1005;
    const IO: u16 = 1003;
    const LIMIT: usize = 10_000;

    struct Gate {
        bounds: Bounds,
        link: Link,
    }

    impl Gate {
        fn new() -> Self {
            let mut channels = StaticChannelSet::new();
            channels.insert(ClipboardProcessor::new(LIMIT));
            channels.insert(DrdynvcClient::new());
            channels.attach_channel_id(TypeId::of::<ClipboardProcessor>(), CLIPBOARD);
            channels.attach_channel_id(TypeId::of::<DrdynvcClient>(), DYNAMIC);
            let bounds = Bounds::new(&channels);
            Self { bounds, link: Link::new(x224::Processor::new(channels, 1007, IO, None, 0)) }
        }

        fn admit(&mut self, channel: u16, len: usize, flags: u32, piece: &[u8]) -> Result<Verdict, RdpError> {
            let mut data = u32::try_from(len).unwrap().to_le_bytes().to_vec();
            data.extend(flags.to_le_bytes());
            data.extend(piece);
            let pdu = SendDataIndication { initiator_id: 1002, channel_id: channel, user_data: data.into() };
            self.bounds.admit(&encode_vec(&X224(pdu)).unwrap(), &mut self.link)
        }
    }

    #[test]
    fn a_clipboard_message_of_the_limit_passes_and_a_longer_one_is_skipped_whole() {
        let mut gate = Gate::new();
        for (len, verdict) in [(LIMIT, Verdict::Process), (LIMIT + 1, Verdict::Skip), (5, Verdict::Process)] {
            for flags in [flags::FIRST, 0, flags::LAST] {
                assert_eq!(gate.admit(CLIPBOARD, len, flags, &[5, 0, 1, 0]).unwrap(), verdict, "{len}");
            }
        }
    }

    #[test]
    fn longer_messages_of_other_channels_end_the_session() {
        let mut gate = Gate::new();
        let first = flags::FIRST | flags::LAST;
        assert!(gate.admit(DYNAMIC, MAX_STATIC_BYTES, flags::FIRST, &[0x30]).is_ok());
        assert!(gate.admit(DYNAMIC, MAX_STATIC_BYTES + 1, flags::FIRST, &[0x30]).is_err());
        assert!(gate.admit(IO, usize::try_from(u32::MAX).unwrap(), flags::FIRST, &[0x30]).is_ok());
        let announced = |len: usize| {
            let mut piece = vec![0x28, 7];
            piece.extend(u32::try_from(len).unwrap().to_le_bytes());
            piece
        };
        assert!(gate.admit(DYNAMIC, 6, first, &announced(MAX_DYNAMIC_BYTES)).is_ok());
        assert!(gate.admit(DYNAMIC, 6, first, &announced(MAX_DYNAMIC_BYTES + 1)).is_err());
        assert!(gate.admit(CLIPBOARD, 6, first | flags::COMPRESSED, &[5, 0]).is_err());
    }

    #[test]
    fn lengths_of_dynamic_channels_have_three_widths() {
        assert_eq!(dynamic_len(&[0x20, 7, 0x11, 0x22]), Some(0x11));
        assert_eq!(dynamic_len(&[0x65, 7, 0, 0x11, 0x22, 0x33]), Some(0x2211));
        assert_eq!(dynamic_len(&[0x2A, 7, 0, 0, 0, 1, 2, 3, 4, 5]), Some(0x0403_0201));
        assert_eq!(dynamic_len(&[0x2A, 7, 0, 0, 0, 1, 2, 3]), None);
        assert_eq!(dynamic_len(&[0x38, 7, 1, 2, 3, 4]), None);
    }

    proptest! {
        #[test]
        fn no_pdu_is_too_odd_to_look_at(pdu: Vec<u8>, data in prop::collection::vec(any::<u8>(), 0..40), flags: u32) {
            let mut gate = Gate::new();
            let _ = gate.bounds.admit(&pdu, &mut gate.link);
            let _ = gate.admit(DYNAMIC, 40, flags & !flags::COMPRESSED, &data);
        }
    }
}
