//! Hostile in virtual channels.

use std::io;

use ironrdp_dvc::pdu::{CapabilitiesRequestPdu, CapsVersion, DrdynvcServerPdu};
use rdp_peer::{Drives, Peer, Sound};

use super::{Case, Dice, endure};

const FIRST: u32 = 1;
const LAST: u32 = 2;
const COMPRESSED: u32 = 0x0020_0000;

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn message(channel: &'static str, name: &str, data: Vec<u8>) -> Case {
    Case::new(&format!("{channel}: {name}"), move |peer| peer.send_channel(channel, &data))
}

#[test]
fn chunks_of_static_channels_may_lie_about_their_length() {
    let mut cases = Vec::new();
    for channel in ["cliprdr", "rdpsnd", "rdpdr", "drdynvc"] {
        let chunk = |name: &str, length, flags, data: Vec<u8>| {
            Case::new(&format!("{channel}: {name}"), move |peer| peer.send_chunk(channel, length, flags, &data))
        };
        cases.push(chunk("4 GB on paper", u32::MAX, FIRST, vec![0; 100]));
        cases.push(chunk("4 GB on paper, whole", u32::MAX, FIRST | LAST, vec![0; 100]));
        cases.push(chunk("more than it says", 4, FIRST | LAST, vec![0; 1600]));
        cases.push(chunk("nothing that is something", 0, FIRST | LAST, vec![0; 1600]));
        cases.push(chunk("nothing", 0, FIRST | LAST, vec![]));
        cases.push(chunk("an end without a beginning", 1600, LAST, vec![0; 1600]));
        cases.push(chunk("a middle without a beginning", 1600, 0, vec![0; 1600]));
        for kind in 0..16_u32 {
            let flags = FIRST | LAST | COMPRESSED | kind << 16;
            cases.push(chunk(&format!("compressed {kind}"), 1600, flags, Dice(kind.into()).bytes(1600)));
        }
        cases.push(Case::new(&format!("{channel}: without end"), move |peer| {
            let length = 200_000_000;
            peer.send_chunk(channel, length, FIRST, &[0; 1600])?;
            (0..100_000).try_for_each(|_| peer.send_chunk(channel, length, 0, &[0; 1600]))
        }));
        cases.push(Case::new(&format!("{channel}: beginnings only"), move |peer| {
            (0..50_000).try_for_each(|_| peer.send_chunk(channel, 3_000_000, FIRST, &[0; 1600]))
        }));
        cases.push(Case::new(&format!("{channel}: a header cut short"), move |peer| {
            let at = peer.channels.iter().position(|name| name == channel).unwrap();
            peer.send_mcs(1004 + u16::try_from(at).unwrap(), &[1, 2, 3])
        }));
        cases.push(message(channel, "noise", Dice(1).bytes(1000)));
        cases.push(message(channel, "ones", vec![0xFF; 1000]));
        cases.push(message(channel, "zeros", vec![0; 1000]));
        cases.push(message(channel, "a byte", vec![0]));
        cases.push(Case::new(&format!("{channel}: noise by the thousand"), move |peer| {
            let mut dice = Dice(2);
            (0..1000).try_for_each(|_| peer.send_channel(channel, &dice.bytes(64)))
        }));
    }
    endure(cases);
}

fn dynamic(name: &str, attack: impl FnOnce(&mut Peer, u32) -> io::Result<()> + Send + 'static) -> Case {
    Case::new(&format!("dynamic: {name}"), move |peer| {
        let id = peer.open_dynamic("Microsoft::Windows::RDP::DisplayControl")?;
        attack(peer, id.unwrap_or(1))
    })
}

/// A PDU of dynamic channels: command, numbers of four bytes.
fn pdu(command: u8, id: u32, rest: &[u8]) -> Vec<u8> {
    [&[command << 4 | 2][..], &id.to_le_bytes(), rest].concat()
}

#[test]
fn dynamic_channels_may_be_anything() {
    let send = |name: &str, data: Vec<u8>| dynamic(name, move |peer, _| peer.send_channel("drdynvc", &data));
    endure(vec![
        Case::new("dynamic: created before they are agreed on", |peer| {
            peer.send_channel("drdynvc", &pdu(1, 1, b"Microsoft::Windows::RDP::Graphics\0"))
        }),
        Case::new("dynamic: versions by the thousand", |peer| {
            let version = CapabilitiesRequestPdu::new(CapsVersion::V1, None);
            let version = DrdynvcServerPdu::Capabilities(version);
            (0..5000).try_for_each(|_| peer.send_dynamic_pdu(&version))
        }),
        Case::new("dynamic: version of tomorrow", |peer| peer.send_channel("drdynvc", &[0x50, 0, 0xFF, 0xFF])),
        dynamic("unknown ones by the ten thousand", |peer, _| {
            (10..30_000).try_for_each(|id| peer.send_channel("drdynvc", &pdu(1, id, b"nothing of ours\0")))
        }),
        dynamic("the same by the thousand", |peer, _| {
            let name = b"Microsoft::Windows::RDP::Graphics\0";
            (10..10_000).try_for_each(|id| peer.send_channel("drdynvc", &pdu(1, id, name)))
        }),
        dynamic("the same number again", |peer, id| {
            (0..1000).try_for_each(|_| peer.send_channel("drdynvc", &pdu(1, id, b"AUDIO_INPUT\0")))
        }),
        send("a name without end", pdu(1, 9, &[b'x'; 1500])),
        send("no name", pdu(1, 9, &[])),
        send("a name of noise", pdu(1, 9, &Dice(3).bytes(500))),
        send("data for nobody", pdu(3, 77, &[0; 100])),
        send("a first part for nobody", [vec![2 << 4 | 2 << 2 | 2], numbers(&[77, u32::MAX]), vec![0; 100]].concat()),
        send("an end of nobody", pdu(4, 77, &[])),
        send("no number", vec![0x12]),
        send("an unknown command", pdu(15, 1, &[0; 64])),
        send("soft sync of noise", [vec![0x80], Dice(4).bytes(300)].concat()),
        dynamic("4 GB on paper", |peer, id| {
            let head = [vec![2 << 4 | 2 << 2 | 2], numbers(&[id, u32::MAX]), vec![0; 1000]].concat();
            peer.send_channel("drdynvc", &head)
        }),
        dynamic("15 MB on paper, again and again", |peer, id| {
            let head = [vec![2 << 4 | 2 << 2 | 2], numbers(&[id, 15_000_000]), vec![0; 1000]].concat();
            (0..10_000).try_for_each(|_| peer.send_channel("drdynvc", &head))
        }),
        dynamic("100 MB that come", |peer, id| {
            let head = [vec![2 << 4 | 2 << 2 | 2], numbers(&[id, 100_000_000]), vec![0; 1000]].concat();
            peer.send_channel("drdynvc", &head)?;
            (0..60_000).try_for_each(|_| peer.send_channel("drdynvc", &pdu(3, id, &[0; 1590])))
        }),
        dynamic("more than it says", |peer, id| {
            let head = [vec![2 << 4 | 2 << 2 | 2], numbers(&[id, 10]), vec![0; 1000]].concat();
            peer.send_channel("drdynvc", &head)
        }),
        dynamic("15 MB on paper in channels side by side", |peer, _| {
            for name in ["AUDIO_INPUT", "Microsoft::Windows::RDP::Input", "Microsoft::Windows::RDP::Graphics"] {
                if let Some(id) = peer.open_dynamic(name)? {
                    let head = [vec![2 << 4 | 2 << 2 | 2], numbers(&[id, 15_000_000]), vec![0; 1000]].concat();
                    peer.send_channel("drdynvc", &head)?;
                    (0..9000).try_for_each(|_| peer.send_channel("drdynvc", &pdu(3, id, &[0; 1590])))?;
                }
            }
            Ok(())
        }),
        dynamic("compressed noise", |peer, id| {
            let head = [vec![6 << 4 | 2 << 2 | 2], numbers(&[id, 100_000]), Dice(5).bytes(1000)].concat();
            peer.send_channel("drdynvc", &head)?;
            (0..100).try_for_each(|_| peer.send_channel("drdynvc", &pdu(7, id, &Dice(6).bytes(1000))))
        }),
        dynamic("closed by the thousand", |peer, id| {
            (0..2000).try_for_each(|_| peer.send_channel("drdynvc", &pdu(4, id, &[])))
        }),
        dynamic("opened and closed by the thousand", |peer, _| {
            (0..2000).try_for_each(|_| {
                peer.send_channel("drdynvc", &pdu(1, 50, b"Microsoft::Windows::RDP::Graphics\0"))?;
                peer.send_channel("drdynvc", &pdu(4, 50, &[]))
            })
        }),
        dynamic("desktops of all sizes", |peer, id| {
            // Display control: capabilities of monitors beyond number.
            peer.send_dynamic(id, &numbers(&[5, 20, u32::MAX, u32::MAX, u32::MAX]))
        }),
        dynamic("monitors of no size", |peer, id| peer.send_dynamic(id, &numbers(&[5, 20, 0, 0, 0]))),
    ]);
}

#[test]
fn messages_of_dynamic_channels_may_be_anything() {
    let mut cases = Vec::new();
    for channel in [
        "Microsoft::Windows::RDP::DisplayControl",
        "Microsoft::Windows::RDP::Graphics",
        "Microsoft::Windows::RDP::Input",
        "AUDIO_INPUT",
        "AUDIO_PLAYBACK_DVC",
    ] {
        let mut case = |name: &str, messages: Vec<Vec<u8>>| {
            cases.push(Case::new(&format!("{channel}: {name}"), move |peer| {
                let Some(id) = peer.open_dynamic(channel)? else { return Ok(()) };
                messages.iter().try_for_each(|data| peer.send_dynamic(id, data))
            }));
        };
        case("nothing", vec![vec![]]);
        case("a byte", vec![vec![1]]);
        case("zeros", vec![vec![0; 5000]]);
        case("ones", vec![vec![0xFF; 5000]]);
        case("noise", (0..200).map(|seed| Dice(seed).bytes(200)).collect());
        // Each kind of message, with lengths and counts of ones behind it.
        case("every first byte", (0..=255_u8).map(|kind| [vec![kind], vec![0xFF; 64]].concat()).collect());
        case("every first word", (0..64_u8).map(|kind| [vec![kind, 0], vec![0xFF; 64]].concat()).collect());
    }
    endure(cases);
}

#[test]
fn sound_may_be_anything() {
    let format = |channels: u16, rate: u32, block: u16, bits: u16| {
        let mut format = Sound::pcm(2, 44_100, 16);
        (format.n_channels, format.n_samples_per_sec) = (channels, rate);
        (format.n_block_align, format.bits_per_sample) = (block, bits);
        format
    };
    let mut cases = Vec::new();
    for (channels, rate, block, bits) in [
        (2, 44_100, 0, 16),
        (0, 44_100, 4, 16),
        (2, 0, 4, 16),
        (2, u32::MAX, 4, 16),
        (0xFFFF, 44_100, 0xFFFF, 16),
        (2, 44_100, 4, 0),
        (2, 44_100, 1, 16),
        (1, 44_100, 3, 24),
    ] {
        let offered = format(channels, rate, block, bits);
        cases.push(Case::new(&format!("sound: {channels} x {rate} in {block}, {bits} bits"), move |peer| {
            let mut sound = Sound::open(peer, vec![offered])?;
            sound.play(peer, 0, &[1; 1001])
        }));
    }
    cases.push(Case::new("sound: formats by the thousand", move |peer| {
        let mut sound = Sound::open(peer, vec![format(2, 44_100, 4, 16); 3000])?;
        sound.play(peer, 2999, &[1; 1000])
    }));
    cases.push(Case::new("sound: a format that was not offered", move |peer| {
        let mut sound = Sound::open(peer, vec![format(2, 44_100, 4, 16)])?;
        sound.play(peer, 999, &[1; 1000])
    }));
    cases.push(Case::new("sound: no formats", |peer| {
        let mut sound = Sound::open(peer, Vec::new())?;
        sound.play(peer, 0, &[1; 1000])
    }));
    // Type, padding, length on paper.
    for (name, data) in [
        ("many formats on paper", [vec![7, 0, 20, 0], vec![0; 14], vec![0xFF, 0xFF], vec![0, 8, 0, 0]].concat()),
        ("a wave before formats", [vec![13, 0, 20, 0], vec![0; 20]].concat()),
        ("a wave in two parts before formats", [vec![2, 0, 16, 0], vec![0; 12]].concat()),
        ("a length of all", [vec![13, 0, 0xFF, 0xFF], vec![0; 20]].concat()),
        ("a length of nothing", vec![13, 0, 0, 0]),
        ("training of all", [vec![6, 0, 4, 0], vec![0, 0, 0xFF, 0xFF]].concat()),
    ] {
        cases.push(message("rdpsnd", name, data));
    }
    cases.push(Case::new("sound: 60 MB as fast as they go", move |peer| {
        let mut sound = Sound::open(peer, vec![format(2, 44_100, 4, 16)])?;
        (0..60).try_for_each(|_| sound.play(peer, 0, &vec![1; 1_000_000]))
    }));
    endure(cases);
}

/// A packet of devices.
fn packet(kind: u16, body: &[u8]) -> Vec<u8> {
    [&0x4472_u16.to_le_bytes()[..], &kind.to_le_bytes(), body].concat()
}

fn device(name: &str, attack: impl FnOnce(&mut Peer, &mut Drives, u32) -> io::Result<()> + Send + 'static) -> Case {
    Case::new(&format!("drive: {name}"), move |peer| {
        let mut drives = Drives::open(peer)?;
        let root = drives.create(peer, "\\", 1, 1)?.unwrap_or(0);
        attack(peer, &mut drives, root)
    })
}

#[test]
fn requests_to_drives_may_be_anything() {
    let mut cases = vec![
        message("rdpdr", "a request before all", packet(0x4952, &[0xFF; 64])),
        message("rdpdr", "version of tomorrow", packet(0x496E, &[0xFF; 8])),
        message("rdpdr", "many capabilities on paper", packet(0x5350, &[0xFF; 64])),
        message("rdpdr", "capabilities of no length", packet(0x5350, &[9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])),
        device("a read of 4 GB", |peer, drives, _| {
            let file = drives.create(peer, "\\big", 3, 0)?.unwrap_or(0);
            drives.read(peer, file, u64::MAX, u32::MAX)?.ok();
            drives.read(peer, file, 0, u32::MAX)?.ok();
            Ok(())
        }),
        device("reads by the thousand", |peer, drives, _| {
            let file = drives.create(peer, "\\big", 3, 0)?.unwrap_or(0);
            drives.write(peer, file, 0, &vec![7; 1_000_000])?;
            let drive = drives.drive();
            // What is read costs what it costs to send it, which is the server's to take; no more than that is kept.
            let body = [numbers(&[50_000, 0, 0]), vec![0; 20]].concat();
            (0..2000).try_for_each(|_| drives.request(peer, drive, file, (3, 0), &body).map(drop))
        }),
        device("a write beyond the end of the world", |peer, drives, _| {
            let file = drives.create(peer, "\\far", 3, 0)?.unwrap_or(0);
            drives.write(peer, file, u64::MAX - 3, &[1; 100])?;
            drives.write(peer, file, 1 << 62, &[1; 100]).map(drop)
        }),
        device("a write that lies", |peer, drives, _| {
            let file = drives.create(peer, "\\lie", 3, 0)?.unwrap_or(0);
            let body = [numbers(&[u32::MAX, 0, 0]), vec![0; 20], vec![1; 10]].concat();
            drives.call(peer, file, (4, 0), &body).map(drop)
        }),
        device("files by the thousand", |peer, drives, _| {
            (0..3000).try_for_each(|at| drives.create(peer, &format!("\\file{}", at % 10), 3, 0).map(drop))
        }),
        device("a path of 60,000 characters", |peer, drives, _| {
            drives.create(peer, &format!("\\{}", "x".repeat(60_000)), 1, 0).map(drop)
        }),
        device("a deep path", |peer, drives, _| drives.create(peer, &"\\x".repeat(2000), 3, 1).map(drop)),
        device("a path with a length of all", |peer, drives, _| {
            let body = [numbers(&[0, 0, 0, 0, 7, 1, 0, u32::MAX]), vec![b'x', 0]].concat();
            drives.call(peer, 0, (0, 0), &body).map(drop)
        }),
        device("a device that is none", |peer, drives, _| {
            drives.request(peer, 0xFFFF_FFFF, 1, (3, 0), &[0; 32]).map(drop)
        }),
        device("a file that is none", |peer, drives, _| drives.close(peer, 0xFFFF_FFFF).map(drop)),
        device("lists by the thousand", |peer, drives, root| {
            (0..300).try_for_each(|_| drives.list(peer, root, "\\*").map(drop))
        }),
        device("a pattern of stars", |peer, drives, root| {
            let name = "a".repeat(200);
            let file = drives.create(peer, &format!("\\{name}"), 3, 0)?.unwrap_or(0);
            drives.close(peer, file)?;
            drives.list(peer, root, &format!("\\{}b", "*a".repeat(100))).map(drop)
        }),
        device("a size of 2^62", |peer, drives, _| {
            let file = drives.create(peer, "\\sized", 3, 0)?.unwrap_or(0);
            // Set Information, end of file.
            let body = [numbers(&[20, 8]), vec![0; 24], (1_u64 << 62).to_le_bytes().to_vec()].concat();
            drives.call(peer, file, (6, 0), &body).map(drop)
        }),
        device("a new name outside", |peer, drives, _| {
            let file = drives.create(peer, "\\named", 3, 0)?.unwrap_or(0);
            let name: Vec<u8> = "\\..\\..\\escaped".encode_utf16().flat_map(u16::to_le_bytes).collect();
            let len = u32::try_from(name.len()).unwrap();
            let body = [numbers(&[10, len + 6]), vec![0; 24], vec![1, 0], numbers(&[len]), name].concat();
            drives.call(peer, file, (6, 0), &body).map(drop)
        }),
    ];
    for major in 0..=20_u32 {
        cases.push(device(&format!("request {major} of nothing"), move |peer, drives, root| {
            let drive = drives.drive();
            drives.request(peer, drive, root, (major, 0), &[]).map(drop)
        }));
        cases.push(device(&format!("request {major} of ones"), move |peer, drives, root| {
            let drive = drives.drive();
            drives.request(peer, drive, root, (major, u32::MAX), &[0xFF; 100]).map(drop)
        }));
    }
    endure(cases);
}

/// A message of the clipboard: type, flags, length.
fn clip(kind: u16, flags: u16, length: u32, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &flags.to_le_bytes(), &length.to_le_bytes(), data].concat()
}

#[test]
fn the_clipboard_may_be_anything() {
    let clip_case = |name: &str, data: Vec<u8>| message("cliprdr", name, data);
    let mut cases = vec![
        clip_case("a length of all", clip(2, 0, u32::MAX, &[0; 100])),
        clip_case("formats by the hundred thousand", clip(2, 0, 3_600_000, &vec![1; 3_600_000])),
        clip_case("names without end", clip(2, 0, 1000, &[1; 1000])),
        clip_case("data that nobody asked for", clip(5, 1, 100_000, &vec![b'x'; 100_000])),
        clip_case("data of one byte", clip(5, 1, 1, b"x")),
        clip_case("capabilities on paper", clip(7, 0, 4, &[0xFF; 4])),
        clip_case("capabilities of no length", clip(7, 0, 8, &[9, 0, 0, 0, 1, 0, 0, 0])),
        clip_case("files", clip(8, 0, 24, &[0xFF; 24])),
        Case::new("cliprdr: 60 MB that nobody asked for", |peer| {
            (0..20).try_for_each(|_| peer.send_channel("cliprdr", &clip(5, 1, 3_000_000, &vec![b'x'; 3_000_000])))
        }),
        Case::new("cliprdr: formats again and again", |peer| {
            peer.send_channel("cliprdr", &clip(7, 0, 16, &[1, 0, 0, 0, 1, 0, 12, 0, 2, 0, 0, 0, 2, 0, 0, 0]))?;
            peer.send_channel("cliprdr", &clip(1, 0, 0, &[]))?;
            let list = clip(2, 0, 6, &[13, 0, 0, 0, 0, 0]);
            (0..10_000).try_for_each(|_| peer.send_channel("cliprdr", &list))
        }),
        Case::new("cliprdr: questions by the thousand", |peer| {
            peer.send_channel("cliprdr", &clip(1, 0, 0, &[]))?;
            (0..10_000).try_for_each(|_| peer.send_channel("cliprdr", &clip(4, 0, 4, &13_u32.to_le_bytes())))
        }),
    ];
    for kind in 0..16 {
        cases.push(clip_case(&format!("{kind} of nothing"), clip(kind, 0, 0, &[])));
        cases.push(clip_case(&format!("{kind} of ones"), clip(kind, 0xFFFF, 64, &[0xFF; 64])));
    }
    endure(cases);
}
