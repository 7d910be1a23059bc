//! What an RDP server says on virtual channels: whatever it is, it is taken or refused, and nothing happens after a
//! refusal. How much may be kept is the fuzzer's limit of memory.

use guac_rdp::fuzzing::Channels;

/// Flags of a chunk: its message's first, its last.
const FLAGS: u8 = 3;

/// Chunks: the channel (3 of them, else bytes that are a PDU themselves), flags, the message's length, the chunk's.
pub fn check(data: &[u8]) {
    let mut channels = Channels::new();
    let mut rest = data;
    while let Some((&[channel, flags, low, high, len], behind)) = rest.split_first_chunk() {
        let (chunk, behind) = behind.split_at(usize::from(len).min(behind.len()));
        let accepted = match channel % 4 {
            3 => channels.handle(chunk),
            at => {
                let total = u32::from(u16::from_le_bytes([low, high]));
                // A whole message mostly says how long it is.
                let total = if flags & FLAGS == FLAGS && flags & 4 == 0 { u32::from(len) } else { total };
                channels.handle(&indication(Channels::FIRST + u16::from(at), total, u32::from(flags & FLAGS), chunk))
            }
        };
        if !accepted {
            return;
        }
        rest = behind;
    }
}

/// A Send Data Indication with one chunk.
fn indication(channel: u16, total: u32, flags: u32, chunk: &[u8]) -> Vec<u8> {
    let len = u16::try_from(chunk.len() + 8).unwrap_or_default();
    // TPKT, X.224 data, MCS: choice, initiator, channel, priority, length.
    let mut pdu = vec![3, 0];
    pdu.extend_from_slice(&(len + 15).to_be_bytes());
    pdu.extend_from_slice(&[2, 0xF0, 0x80, 0x68, 0, 6]);
    pdu.extend_from_slice(&channel.to_be_bytes());
    pdu.push(0x70);
    pdu.extend_from_slice(&(len | 0x8000).to_be_bytes());
    pdu.extend_from_slice(&total.to_le_bytes());
    pdu.extend_from_slice(&flags.to_le_bytes());
    pdu.extend_from_slice(chunk);
    pdu
}
