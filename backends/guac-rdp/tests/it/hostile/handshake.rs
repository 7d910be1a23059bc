//! Hostile before the desktop is open.

use ironrdp_pdu::nego::SecurityProtocol;
use rdp_peer::{Setup, Step};

use super::{Case, Dice, endure};

const STEPS: [Step; 7] = [
    Step::Confirm,
    Step::ConnectResponse,
    Step::AttachUser,
    Step::ChannelJoin,
    Step::License,
    Step::DemandActive,
    Step::Finalization,
];

fn at(step: Step, name: &str, mut change: impl FnMut(Vec<u8>) -> Vec<u8> + Send + 'static) -> Case {
    let setup = Setup::scripted(move |now, pdu| if now == step { change(pdu) } else { pdu });
    Case::before(format!("{step:?}: {name}"), setup)
}

/// A TPKT of this length on paper around other bytes.
fn tpkt(length: u16, data: &[u8]) -> Vec<u8> {
    [&[3, 0], &length.to_be_bytes()[..], data].concat()
}

#[test]
fn pdus_of_the_connection_sequence_may_be_short_long_or_noise() {
    let mut cases = Vec::new();
    for step in STEPS {
        cases.push(at(step, "nothing", |_| Vec::new()));
        cases.push(at(step, "half", |pdu| pdu[..pdu.len() / 2].to_vec()));
        cases.push(at(step, "one byte less", |pdu| pdu[..pdu.len() - 1].to_vec()));
        cases.push(at(step, "cut but framed", |pdu| {
            tpkt(u16::try_from(pdu.len() / 2 + 4).unwrap(), &pdu[4..pdu.len() / 2 + 4])
        }));
        cases.push(at(step, "framed longer", |pdu| {
            let rest = vec![0xFF; 60_000];
            tpkt(u16::try_from(pdu.len() + rest.len()).unwrap(), &[&pdu[4..], &rest].concat())
        }));
        cases.push(at(step, "length of nothing", |_| vec![3, 0, 0, 0]));
        cases.push(at(step, "length of four", |_| vec![3, 0, 0, 4]));
        cases.push(at(step, "ones", |_| vec![0xFF; 4096]));
        cases.push(at(step, "zeros", |_| vec![0; 4096]));
        cases.push(at(step, "noise", |_| Dice(7).bytes(100_000)));
        cases.push(at(step, "framed noise", |_| tpkt(0xFFFF, &Dice(8).bytes(65_531))));
        cases.push(at(step, "data of noise", |_| {
            tpkt(0xFFFF, &[&[2, 0xF0, 0x80], &Dice(9).bytes(65_528)[..]].concat())
        }));
    }
    endure(cases);
}

#[test]
fn bytes_of_the_connection_sequence_may_be_anything() {
    let mut cases = Vec::new();
    for step in STEPS {
        for seed in 0..12_u64 {
            cases.push(at(step, &format!("changed {seed}"), move |mut pdu| {
                let mut dice = Dice(seed * 77 + 1);
                // A byte or two behind the header, to the extremes at first.
                for round in 0..=seed % 3 {
                    let room = pdu.len() - 4;
                    let place = 4 + (usize::from(dice.byte()) * 256 + usize::from(dice.byte())) % room;
                    pdu[place] = match (seed + round) % 4 {
                        0 => 0xFF,
                        1 => 0,
                        2 => 0x80,
                        _ => dice.byte(),
                    };
                }
                pdu
            }));
        }
    }
    endure(cases);
}

#[test]
fn lengths_of_settings_and_capabilities_may_lie() {
    let lengths = [
        ("response of 4 GB", b"\x7f\x66\x84\xff\xff\xff\xff".to_vec()),
        ("response of 2 EB", b"\x7f\x66\x88\x1f\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        ("no response", b"\x7f\x66\x00".to_vec()),
        ("deep", [0x30, 0x80].repeat(20_000)),
    ];
    let mut cases: Vec<Case> = lengths
        .into_iter()
        .map(|(name, data)| {
            at(Step::ConnectResponse, name, move |_| {
                let pdu = [&[2, 0xF0, 0x80], &data[..]].concat();
                tpkt(u16::try_from(pdu.len() + 4).unwrap(), &pdu)
            })
        })
        .collect();
    // Positions in Demand Active: 7 of TPKT and X.224, 8 of MCS (long length), 6 of share control, share, lengths, "RDP".
    for place in 13..60 {
        cases.push(at(Step::DemandActive, &format!("ones at {place}"), move |mut pdu| {
            pdu[place] = 0xFF;
            pdu[place + 1] = 0xFF;
            pdu
        }));
    }
    endure(cases);
}

#[test]
fn desktops_may_be_of_any_size_on_paper() {
    let sizes = [(0, 0), (0, 480), (65_535, 65_535), (8192, 8192), (4097, 2048), (1, 1), (65_535, 1), (3840, 2160)];
    let cases = sizes.map(|size_px| {
        let setup = Setup { size_px: Some(size_px), ..Setup::default() };
        Case::before(format!("desktop of {size_px:?}"), setup)
    });
    endure(cases.into());
}

#[test]
fn tls_may_be_anything() {
    let answers: Vec<(&str, Vec<u8>)> = vec![
        ("alert", vec![0x15, 3, 3, 0, 2, 2, 40]),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("longest record", [&[0x16, 3, 3, 0xFF, 0xFF], &Dice(1).bytes(65_535)[..]].concat()),
        ("handshake of 16 MB", [0x16, 3, 3, 0x40, 0, 2, 0xFF, 0xFF, 0xFF].into_iter().chain([0; 300_000]).collect()),
        ("empty records", [0x16, 3, 3, 0, 0].repeat(50_000)),
        ("warnings", [0x15, 3, 3, 0, 2, 1, 0].repeat(20_000)),
        ("ones", vec![0xFF; 100_000]),
        ("RDP", vec![3, 0, 0, 11, 6, 0xD0, 0, 0, 0, 0, 0]),
    ];
    let case = |(name, answer): (&str, Vec<u8>)| at(Step::Tls, name, move |_| answer.clone());
    endure(answers.into_iter().map(case).collect());
}

#[test]
fn tokens_of_credssp_may_be_anything() {
    let answers: Vec<(&str, Vec<u8>)> = vec![
        ("4 GB", vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("2 GB that come", [&[0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF], &vec![0x30; 400_000][..]].concat()),
        ("200 MB that come", [&[0x30, 0x84, 0x0C, 0, 0, 0], &vec![0x30; 400_000][..]].concat()),
        ("no length", vec![0x30]),
        ("length of 127 bytes", [&[0x30, 0xFF], &vec![0xFF; 200][..]].concat()),
        ("indefinite", [0x30, 0x80].repeat(10_000)),
        ("empty", vec![0x30, 0]),
        ("deep", {
            let mut token = vec![];
            for _ in 0..10_000_u16 {
                let len = u16::try_from(token.len()).unwrap_or(u16::MAX).to_be_bytes();
                token = [&[0x30, 0x82, len[0], len[1]], &token[..]].concat();
                if token.len() > 60_000 {
                    break;
                }
            }
            token
        }),
        ("version of 2^64", vec![0x30, 0x0C, 0xA0, 0x0A, 2, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("error", vec![0x30, 0x0D, 0xA0, 3, 2, 1, 6, 0xA4, 6, 2, 4, 0xC0, 0, 0, 0x6D]),
        ("noise", Dice(5).bytes(50_000)),
        ("ones", vec![0xFF; 50_000]),
        ("challenge of noise", {
            // TSRequest, version 6, a token of noise in negoTokens.
            let noise = [&b"NTLMSSP\0\x02\0\0\0"[..], &[0xFF; 60]].concat();
            let wrap = |tag: u8, data: Vec<u8>| [&[tag, u8::try_from(data.len()).unwrap()][..], &data].concat();
            let tokens = wrap(0xA1, wrap(0x30, wrap(0x30, wrap(0xA0, wrap(4, noise)))));
            wrap(0x30, [vec![0xA0, 3, 2, 1, 6], tokens].concat())
        }),
    ];
    let case = |(name, answer): (&str, Vec<u8>)| {
        let script = move |step, pdu| if step == Step::Credssp { answer.clone() } else { pdu };
        let setup = Setup { security: SecurityProtocol::HYBRID, ..Setup::scripted(script) };
        Case::before(format!("CredSSP: {name}"), setup)
    };
    endure(answers.into_iter().map(case).collect());
}
