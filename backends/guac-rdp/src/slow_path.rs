//! Input for servers that do not take the short form ([MS-RDPBCGR] 2.2.8.1.1.3), such as VirtualBox: some hang up on it.

use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags as FastFlags, SynchronizeFlags};
use ironrdp_pdu::input::{InputEvent, InputEventPdu, ScanCodePdu, SyncPdu, UnicodePdu, scan_code, sync, unicode};

/// The same events in the long form.
pub(crate) fn slow_path(events: &[FastPathInputEvent]) -> InputEventPdu {
    InputEventPdu(events.iter().filter_map(convert).collect())
}

fn convert(event: &FastPathInputEvent) -> Option<InputEvent> {
    Some(match event {
        FastPathInputEvent::KeyboardEvent(fast, code) => {
            let mut flags = scan_code::KeyboardFlags::empty();
            flags.set(scan_code::KeyboardFlags::RELEASE, fast.contains(FastFlags::RELEASE));
            flags.set(scan_code::KeyboardFlags::EXTENDED, fast.contains(FastFlags::EXTENDED));
            flags.set(scan_code::KeyboardFlags::EXTENDED_1, fast.contains(FastFlags::EXTENDED1));
            InputEvent::ScanCode(ScanCodePdu { flags, key_code: (*code).into() })
        }
        FastPathInputEvent::UnicodeKeyboardEvent(fast, code) => {
            let mut flags = unicode::KeyboardFlags::empty();
            flags.set(unicode::KeyboardFlags::RELEASE, fast.contains(FastFlags::RELEASE));
            InputEvent::Unicode(UnicodePdu { flags, unicode_code: *code })
        }
        FastPathInputEvent::MouseEvent(event) => InputEvent::Mouse(*event),
        FastPathInputEvent::MouseEventEx(event) => InputEvent::MouseX(*event),
        FastPathInputEvent::SyncEvent(fast) => {
            let locks = [
                (SynchronizeFlags::SCROLL_LOCK, sync::SyncToggleFlags::SCROLL_LOCK),
                (SynchronizeFlags::NUM_LOCK, sync::SyncToggleFlags::NUM_LOCK),
                (SynchronizeFlags::CAPS_LOCK, sync::SyncToggleFlags::CAPS_LOCK),
                (SynchronizeFlags::KANA_LOCK, sync::SyncToggleFlags::KANA_LOCK),
            ];
            let mut flags = sync::SyncToggleFlags::empty();
            for (from, to) in locks {
                flags.set(to, fast.contains(from));
            }
            InputEvent::Sync(SyncPdu { flags })
        }
        // Never made here.
        FastPathInputEvent::MouseEventRel(_) | FastPathInputEvent::QoeEvent(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_locks_keep_their_meaning() {
        let events = [
            FastPathInputEvent::KeyboardEvent(FastFlags::RELEASE | FastFlags::EXTENDED, 0x1D),
            FastPathInputEvent::UnicodeKeyboardEvent(FastFlags::empty(), 0x20AC),
            FastPathInputEvent::SyncEvent(SynchronizeFlags::NUM_LOCK),
        ];
        let InputEventPdu(slow) = slow_path(&events);
        let flags = scan_code::KeyboardFlags::RELEASE | scan_code::KeyboardFlags::EXTENDED;
        assert_eq!(slow[0], InputEvent::ScanCode(ScanCodePdu { flags, key_code: 0x1D }));
        let flags = unicode::KeyboardFlags::empty();
        assert_eq!(slow[1], InputEvent::Unicode(UnicodePdu { flags, unicode_code: 0x20AC }));
        assert_eq!(slow[2], InputEvent::Sync(SyncPdu { flags: sync::SyncToggleFlags::NUM_LOCK }));
    }
}
