//! Hostile on the main channel and in updates.

use std::io;

use ironrdp_pdu::rdp::headers::{ServerDeactivateAll, ShareControlPdu, ShareDataPdu};
use rdp_peer::Peer;

use super::{Case, Dice, endure};

/// Codes of fast-path updates.
const BITMAP: u8 = 1;
const PALETTE: u8 = 2;
const SURFACE: u8 = 4;
const COLOR_POINTER: u8 = 9;
const CACHED_POINTER: u8 = 10;
const NEW_POINTER: u8 = 11;
const LARGE_POINTER: u8 = 12;

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A bitmap update of one rectangle; `flags` 0x401 is compressed without a header.
fn bitmap(rect: [u16; 4], size: (u16, u16), bits: u16, flags: u16, data: &[u8]) -> Vec<u8> {
    let [left, top, right, bottom] = rect;
    let len = u16::try_from(data.len()).unwrap();
    [words(&[1, 1, left, top, right, bottom, size.0, size.1, bits, flags, len]), data.to_vec()].concat()
}

/// Set Surface Bits with a codec.
fn surface(rect: [u16; 4], size: (u16, u16), codec: u8, len: u32, data: &[u8]) -> Vec<u8> {
    let [left, top, right, bottom] = rect;
    let mut command = words(&[1, left, top, right, bottom]);
    command.extend([32, 0, 0, codec]);
    command.extend(words(&[size.0, size.1]));
    command.extend(len.to_le_bytes());
    command.extend(data);
    command
}

fn update(name: &str, code: u8, data: Vec<u8>) -> Case {
    Case::new(name, move |peer| peer.send_update(code, &data))
}

#[test]
fn fragments_may_be_without_end_or_beginning() {
    endure(vec![
        Case::new("fragments without end", |peer| {
            peer.send_fragment(SURFACE | 2 << 4, None, &vec![0; 16_000])?;
            (0..8000).try_for_each(|_| peer.send_fragment(SURFACE | 3 << 4, None, &[0; 16_000]))
        }),
        Case::new("first fragments only", |peer| {
            (0..8000).try_for_each(|_| peer.send_fragment(BITMAP | 2 << 4, None, &[0; 16_000]))
        }),
        Case::new("a last fragment first", |peer| peer.send_fragment(BITMAP | 1 << 4, None, &[0; 100])),
        Case::new("a middle fragment first", |peer| peer.send_fragment(BITMAP | 3 << 4, None, &[0; 100])),
        Case::new("fragments of two kinds", |peer| {
            peer.send_fragment(BITMAP | 2 << 4, None, &[0; 100])?;
            peer.send_fragment(SURFACE | 1 << 4, None, &[0; 100])
        }),
        Case::new("empty updates", |peer| (0..50_000).try_for_each(|_| peer.send_fragment(BITMAP, None, &[]))),
        Case::new("an update longer than its PDU", |peer| peer.send_raw(&[0, 7, 1, 0xFF, 0xFF, 0, 0])),
        Case::new("a PDU of nothing", |peer| peer.send_raw(&[0, 2])),
        Case::new("a PDU of no length", |peer| peer.send_raw(&[0, 0])),
        Case::new("a long PDU of no length", |peer| peer.send_raw(&[0, 0x80, 0])),
        Case::new("an encrypted PDU", |peer| {
            peer.send_raw(&[0x80, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8])
        }),
        Case::new("noise", |peer| peer.send_raw(&Dice(3).bytes(200_000))),
        Case::new("zeros", |peer| peer.send_raw(&[0; 200_000])),
    ]);
}

#[test]
fn compressed_updates_may_be_anything() {
    let mut cases = Vec::new();
    for kind in 0..16_u8 {
        for flags in [0x20_u8, 0x60, 0xA0, 0xE0] {
            cases.push(Case::new(&format!("compression {:#x}", kind | flags), move |peer| {
                let mut dice = Dice(u64::from(kind) + 1);
                (0..20).try_for_each(|_| peer.send_fragment(BITMAP, Some(kind | flags), &dice.bytes(8000)))
            }));
        }
    }
    for kind in 0..4_u8 {
        cases.push(Case::new(&format!("ones with compression {kind}"), move |peer| {
            (0..20).try_for_each(|_| peer.send_fragment(BITMAP, Some(kind | 0x20), &[0xFF; 16_000]))
        }));
        cases.push(Case::new(&format!("nothing with compression {kind}"), move |peer| {
            peer.send_fragment(BITMAP, Some(kind | 0xE0), &[])
        }));
    }
    endure(cases);
}

#[test]
fn bitmaps_may_be_bombs_or_lie_outside() {
    let run = [0xF3, 0xFF, 0xFF, 1, 2, 3].repeat(2000);
    let mut cases = vec![
        update("outside", BITMAP, bitmap([65_000, 65_000, 65_003, 65_000], (4, 1), 32, 0, &[0; 16])),
        update("turned round", BITMAP, bitmap([100, 100, 0, 0], (4, 1), 32, 0, &[0; 16])),
        update("huge without data", BITMAP, bitmap([0, 0, 65_535, 65_535], (65_535, 65_535), 32, 0, &[])),
        update("no size", BITMAP, bitmap([0, 0, 0, 0], (0, 0), 32, 0, &[])),
        update("no bits", BITMAP, bitmap([0, 0, 3, 0], (4, 1), 0, 0, &[0; 16])),
        update("odd bits", BITMAP, bitmap([0, 0, 3, 0], (4, 1), 31, 0, &[0; 16])),
        update("many rectangles on paper", BITMAP, words(&[1, 0xFFFF])),
        update("no rectangles", BITMAP, words(&[1, 0])),
        update("orders", 0, Dice(4).bytes(15_000)),
        update("many colours on paper", PALETTE, words(&[2, 0, 0xFFFF, 0xFFFF])),
        update("unknown", 13, vec![0; 100]),
    ];
    for bits in [8, 15, 16, 24, 32] {
        let size = (65_535, 65_535);
        let whole = [0, 0, 639, 479];
        cases.push(update(
            &format!("{bits} bits: huge run"),
            BITMAP,
            bitmap([0, 0, 65_534, 65_534], size, bits, 0x401, &run),
        ));
        cases.push(update(&format!("{bits} bits: run"), BITMAP, bitmap(whole, (640, 480), bits, 0x401, &run)));
        cases.push(update(&format!("{bits} bits: none"), BITMAP, bitmap(whole, (640, 480), bits, 0x401, &[])));
        cases.push(Case::new(&format!("{bits} bits: noise"), move |peer| {
            let mut dice = Dice(bits.into());
            (0..30).try_for_each(|_| {
                let data = dice.bytes(9000);
                peer.send_update(BITMAP, &bitmap(whole, (640, 480), bits, 0x401, &data))
            })
        }));
        cases.push(Case::new(&format!("{bits} bits: over and over"), move |peer| over_and_over(peer, bits)));
    }
    endure(cases);
}

/// As many rectangles of the whole desktop as fit into an update, each of a few bytes.
fn over_and_over(peer: &mut Peer, bits: u16) -> io::Result<()> {
    let data = [0xF3, 0xFF, 0xFF, 1, 2, 3];
    let one = &bitmap([0, 0, 639, 479], (640, 480), bits, 0x401, &data)[4..];
    let count = 15_000 / one.len();
    let all = [words(&[1, u16::try_from(count).unwrap()]), one.repeat(count)].concat();
    peer.send_update(BITMAP, &all)
}

#[test]
fn surface_commands_may_be_bombs_or_lie_outside() {
    let mut cases = vec![
        update("outside", SURFACE, surface([65_000, 65_000, 65_001, 65_001], (1, 1), 0, 4, &[0; 4])),
        update("turned round", SURFACE, surface([9, 9, 0, 0], (9, 9), 0, 324, &[0; 324])),
        update("huge without data", SURFACE, surface([0, 0, 65_535, 65_535], (65_535, 65_535), 0, 0, &[])),
        update("length of 4 GB", SURFACE, surface([0, 0, 64, 64], (64, 64), 3, u32::MAX, &[0; 100])),
        update("half", SURFACE, surface([0, 0, 64, 64], (64, 64), 0, 0, &[])[..15].to_vec()),
        update("unknown command", SURFACE, words(&[0x77, 1, 2, 3])),
        Case::new("frames that begin", |peer| {
            (0..20_000_u16).try_for_each(|id| peer.send_update(SURFACE, &words(&[4, 0, id, 0])))
        }),
        Case::new("frames that end", |peer| {
            (0..20_000_u16).try_for_each(|id| peer.send_update(SURFACE, &words(&[4, 1, id, 0])))
        }),
    ];
    for codec in 0..=6_u8 {
        cases.push(Case::new(&format!("codec {codec}: noise"), move |peer| {
            let mut dice = Dice(codec.into());
            (0..50).try_for_each(|_| {
                peer.send_update(SURFACE, &surface([0, 0, 640, 480], (640, 480), codec, 8000, &dice.bytes(8000)))
            })
        }));
    }
    // RemoteFX: sync, versions, channels, context; then tiles that are not there.
    let head = [
        vec![0xC0, 0xCC, 12, 0, 0, 0, 0xCA, 0xAC, 0xCC, 0xCA, 0, 1],
        vec![0xC1, 0xCC, 10, 0, 0, 0, 1, 1, 0, 1],
        vec![0xC2, 0xCC, 12, 0, 0, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF],
        vec![0xC3, 0xCC, 13, 0, 0, 0, 1, 0xFF, 0, 0x40, 0, 0x28, 0xA8],
    ]
    .concat();
    let frame = vec![0xC4, 0xCC, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    let region = [vec![0xC6, 0xCC, 15, 0, 0, 0, 1, 0, 1], words(&[0xFFFF]), vec![0; 4]].concat();
    let tiles = [
        vec![0xC7, 0xCC],
        0xFFFF_FFFF_u32.to_le_bytes().to_vec(),
        vec![1, 0, 0xC2, 0xCA, 0, 0, 0x51, 0x28, 0xFF, 0x40, 0xFF, 0xFF],
    ]
    .concat();
    for (name, parts) in [
        ("huge channel", vec![]),
        ("many rectangles on paper", vec![frame.clone(), region]),
        ("many tiles on paper", vec![frame.clone(), tiles]),
        ("frames", vec![frame.repeat(5000)]),
    ] {
        let data = [head.clone(), parts.concat()].concat();
        let len = u32::try_from(data.len()).unwrap();
        cases.push(update(&format!("RemoteFX: {name}"), SURFACE, surface([0, 0, 640, 480], (640, 480), 3, len, &data)));
    }
    endure(cases);
}

#[test]
fn pointers_may_be_anything() {
    let pointer = |side: u16, bits: u16, masks: (u16, u16), data: usize| {
        let head = words(&[bits, 0, 0, 0, side, side, masks.0, masks.1]);
        [head, vec![0xAA; data]].concat()
    };
    endure(vec![
        update("huge", NEW_POINTER, pointer(65_535, 32, (65_535, 65_535), 0)),
        update("huge with data", NEW_POINTER, pointer(8192, 32, (8, 8), 16)),
        update("mask too short", NEW_POINTER, pointer(32, 32, (1, 1), 2)),
        update("mask too long", NEW_POINTER, pointer(1, 32, (60_000, 4), 60_004)),
        update("no size", NEW_POINTER, pointer(0, 32, (0, 0), 0)),
        update("odd bits", NEW_POINTER, pointer(16, 7, (1024, 32), 1056)),
        update("huge colour pointer", COLOR_POINTER, words(&[0xFFFF, 9, 9, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF])),
        update("huge large pointer", LARGE_POINTER, [words(&[32, 0, 0, 0, 65_535, 65_535]), vec![0xFF; 8]].concat()),
        update("unknown cached pointer", CACHED_POINTER, words(&[0xFFFF])),
        Case::new("all pointers of the cache", |peer| {
            (0..2000_u16).try_for_each(|at| {
                let head = words(&[32, at, 0, 0, 64, 64, 512, 16_384]);
                peer.send_update(NEW_POINTER, &[head, vec![0xAA; 512 + 16_384]].concat())
            })
        }),
    ]);
}

#[test]
fn pdus_of_the_main_channel_may_be_anything() {
    // Share control header; share data header of 12 bytes behind it.
    let share = |length: u16, kind: u8, compression: u8, data: &[u8]| {
        let head =
            [words(&[length, 0x17, 1003]), vec![0, 0, 0, 0, 0, 1], words(&[length]), vec![kind, compression, 0, 0]];
        [head.concat(), data.to_vec()].concat()
    };
    let main = |name: &str, data: Vec<u8>| Case::new(name, move |peer| peer.send_main(&data));
    let mut cases = vec![
        main("nothing", vec![]),
        main("a length of nothing", words(&[0, 0x17, 1003])),
        main("a length of all", words(&[0xFFFF, 0x17, 1003])),
        main("flow control", words(&[0x8000, 0x41, 0])),
        main("ones", vec![0xFF; 60_000]),
        main("noise", Dice(6).bytes(60_000)),
        main("logon information of no length", share(28, 0x26, 0, &[0; 10])),
        main("logon information that lies", share(0x40, 0x26, 0, &[3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])),
        main("many monitors on paper", share(30, 0x37, 0, &[0xFF; 4])),
        main("a redirection of nothing", words(&[6, 0x1A, 1003])),
        main("a redirection of noise", [words(&[0x400, 0x1A, 1003]), Dice(2).bytes(1018)].concat()),
        Case::new("errors by the thousand", |peer| {
            (0..20_000).try_for_each(|code| peer.send_error_info(code & 0xF0F0))
        }),
        Case::new("deactivations by the thousand", |peer| {
            (0..2000).try_for_each(|_| peer.send_control(ShareControlPdu::ServerDeactivateAll(ServerDeactivateAll)))
        }),
        Case::new("a deactivation and then updates", |peer| {
            peer.send_control(ShareControlPdu::ServerDeactivateAll(ServerDeactivateAll))?;
            (0..2000).try_for_each(|_| peer.send_update(BITMAP, &words(&[1, 0])))
        }),
        Case::new("activations by the hundred", |peer| {
            (0..200_u16).try_for_each(|at| peer.resize(640 + at % 8 * 8, 480))
        }),
        Case::new("sizes beyond all", |peer| peer.resize(65_535, 65_535)),
        Case::new("a size of nothing", |peer| peer.resize(0, 0)),
        Case::new("shutdown denied", |peer| (0..1000).try_for_each(|_| peer.send_share(ShareDataPdu::ShutdownDenied)))
            .ends_well(),
        Case::new("a channel that is none", |peer| peer.send_mcs(0xFFFF, &[0; 100])),
    ];
    for kind in [0x02, 0x1B] {
        let data = Dice(kind.into()).bytes(8000);
        cases.push(main(&format!("update {kind:#x} of noise"), share(8018, kind, 0, &data)));
        for compression in [0x20, 0x61, 0xE2, 0x63, 0x6F] {
            cases.push(main(
                &format!("update {kind:#x} compressed {compression:#x}"),
                share(8018, kind, compression, &data),
            ));
        }
    }
    for kind in 0..=0x40_u8 {
        for (name, data) in [("nothing", share(18, kind, 0, &[])), ("ones", share(0x60, kind, 0, &[0xFF; 78]))] {
            let case = main(&format!("data {kind:#x} of {name}"), data);
            // That is Shutdown Denied, whatever else it says.
            cases.push(if kind == 0x25 { case.ends_well() } else { case });
        }
    }
    endure(cases);
}

/// A Server Redirection to this address, as UTF-16 with its length, and nothing else (MS-RDPBCGR 2.2.13.1).
fn redirection(address: &str) -> Vec<u8> {
    let address: Vec<u8> = address.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let length = u16::try_from(16 + address.len()).unwrap();
    let mut body = words(&[0x0400, length]);
    body.extend([7_u32, 1, u32::try_from(address.len()).unwrap()].map(u32::to_le_bytes).concat());
    body.extend(address);
    // Padding; one byte more than asked for does no harm.
    body.extend([0; 8]);
    let total = u16::try_from(6 + 2 + body.len()).unwrap();
    [words(&[total, 0x1A, 1003, 0]), body].concat()
}

#[test]
fn redirections_lead_to_no_machine_that_is_not_one_of_a_farm() {
    let addresses = [
        "169.254.169.254",
        "127.0.0.1",
        "::1",
        "fe80::1",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "not an address",
        "",
    ];
    let cases =
        addresses.map(|address| Case::new(&format!("to {address}"), move |peer| peer.send_main(&redirection(address))));
    endure(cases.into());
}
