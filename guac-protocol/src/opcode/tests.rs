use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Decoder, Encode, LayerIndex, Rest, Status, StreamIndex};

const SERVER: &[&str] = &[
    "4.args,13.VERSION_1_5_0,8.hostname;",
    "5.ready,2.$a;",
    "3.ack,1.3,2.OK,1.0;",
    "3.arc,1.1,1.2,1.3,1.4,3.0.5,4.1.25,1.1;",
    "4.argv,1.5,10.text/plain,9.font-size;",
    "5.audio,1.2,31.audio/L16;rate=44100,channels=2;",
    "4.blob,1.1,4.AAAA;",
    "4.body,1.0,1.2,10.text/plain,2./a;",
    "5.cfill,2.14,1.0,1.1,1.2,1.3,3.255;",
    "4.clip,1.0;",
    "9.clipboard,1.3,10.text/plain;",
    "5.close,2.-1;",
    "4.copy,1.0,1.1,1.2,1.3,1.4,2.12,2.-1,2.-5,1.6;",
    "7.cstroke,2.14,1.0,1.1,1.2,1.3,1.1,1.2,1.3,3.255;",
    "6.cursor,1.1,1.2,2.-1,1.0,1.0,2.16,2.24;",
    "5.curve,1.0,1.1,1.2,1.3,1.4,1.5,1.6;",
    "10.disconnect;",
    "7.dispose,2.-3;",
    "7.distort,1.1,1.1,3.0.5,4.-0.5,1.1,2.10,2.20;",
    "3.end,1.1;",
    "5.error,18.Aborted. See logs.,3.516;",
    "4.file,1.2,10.text/plain,5.ü.txt;",
    "10.filesystem,1.0,12.Shared Drive;",
    "8.identity,1.0;",
    "3.img,1.1,2.14,1.0,9.image/png,1.3,1.4;",
    "4.jpeg,2.14,1.0,1.1,1.2,4.AAAA;",
    "3.key,2.97,1.1,4.1234;",
    "5.lfill,2.12,1.0,2.-1;",
    "4.line,1.0,1.1,1.2;",
    "3.log,5.hello;",
    "7.lstroke,2.14,1.0,1.0,1.2,1.4,2.-1;",
    "5.mouse,1.1,1.2,1.4,3.500;",
    "4.move,1.1,1.0,2.10,2.20,1.2;",
    "3.msg,1.1,2.@a,3.Ann;",
    "4.name,1.X;",
    "4.nest,1.0,6.3.nop;;",
    "3.nop;",
    "4.pipe,1.2,10.text/plain,6.STDOUT;",
    "3.png,2.14,1.0,1.1,1.2,4.AAAA;",
    "3.pop,1.0;",
    "4.push,1.0;",
    "4.rect,1.0,1.1,1.2,1.3,1.4;",
    "8.required,8.username,8.password;",
    "5.reset,1.0;",
    "3.set,1.0,11.miter-limit,2.10;",
    "5.shade,1.1,3.128;",
    "4.size,1.0,4.1024,3.768;",
    "5.start,1.0,1.1,1.2;",
    "4.sync,13.1700000000000,1.2;",
    "5.touch,1.0,1.1,1.2,1.3,1.4,2.45,3.0.5,4.1234;",
    "8.transfer,1.0,1.1,1.2,1.3,1.4,1.6,2.-1,1.5,1.6;",
    "9.transform,1.0,1.1,1.0,1.0,1.1,4.1e10,4.-2.5;",
    "8.undefine,1.0;",
    "7.usbdata,1.a,1.2,4.AAAA;",
    "13.usbdisconnect,1.a;",
    "5.video,1.2,1.0,9.video/mp4;",
];

const CLIENT: &[&str] = &[
    "6.select,3.ssh;",
    "4.size,4.1024,3.768,2.96;",
    "5.audio,1.0,31.audio/L16;rate=44100,channels=2;",
    "5.audio,8.audio/L8,9.audio/L16;",
    "5.video;",
    "5.image,9.image/png,10.image/webp;",
    "8.timezone,13.Europe/Berlin;",
    "4.name,5.Zoë 😀;",
    "7.connect,13.VERSION_1_5_0,0.,1.h;",
    "3.key,5.65293,1.1;",
    "5.mouse,2.-1,1.2,2.16;",
    "5.touch,1.0,1.1,1.2,1.3,1.4,2.45,3.0.5;",
    "4.sync,13.1700000000000;",
    "9.clipboard,1.0,10.text/plain;",
    "4.file,1.0,10.text/plain,5.a.txt;",
    "4.pipe,1.0,10.text/plain,5.STDIN;",
    "4.argv,1.0,10.text/plain,8.password;",
    "3.get,1.0,1./;",
    "3.put,1.0,1.1,10.text/plain,2./a;",
    "4.blob,1.0,4.AAAA;",
    "3.end,1.0;",
    "3.ack,1.1,2.OK,1.0;",
    "10.usbconnect,1.a,4.1133,5.49948,5.Mouse,3.S-1,1.3,1.1,1.2,2.[];",
    "7.usbdata,1.a,3.129,4.AAAA,9.interrupt;",
    "13.usbdisconnect,1.a;",
    "3.nop;",
    "10.disconnect;",
];

fn decoded<R>(wire: &str, read: impl FnOnce(&Instruction<'_>) -> R) -> R {
    let mut decoder = Decoder::new();
    decoder.feed(wire.as_bytes()).unwrap();
    read(&decoder.next_instruction().unwrap().unwrap())
}

/// `1e10` is written out when it is sent again.
fn canonical(wire: &str) -> String {
    wire.replace("4.1e10", "11.10000000000")
}

#[test]
fn every_opcode_of_a_server_is_typed_and_written_as_it_came() {
    let mut seen = BTreeSet::new();
    for wire in SERVER {
        decoded(wire, |instruction| {
            let typed = ServerInstruction::try_from(instruction).unwrap();
            assert!(!matches!(typed, ServerInstruction::Other { .. }), "{wire}");
            assert_eq!(String::from_utf8(typed.to_bytes()).unwrap(), canonical(wire));
            let owned = OwnedInstruction::from(instruction);
            assert_eq!(ServerInstruction::try_from(&owned).unwrap(), typed);
            seen.insert(typed.opcode().to_owned());
        });
    }
    assert_eq!(seen, ServerInstruction::OPCODES.iter().map(ToString::to_string).collect());
}

#[test]
fn every_opcode_of_a_client_is_typed_and_written_as_it_came() {
    let mut seen = BTreeSet::new();
    for wire in CLIENT {
        decoded(wire, |instruction| {
            let typed = ClientInstruction::try_from(instruction).unwrap();
            assert!(!matches!(typed, ClientInstruction::Other { .. }), "{wire}");
            assert_eq!(String::from_utf8(typed.to_bytes()).unwrap(), *wire);
            seen.insert(typed.opcode().to_owned());
        });
    }
    assert_eq!(seen, ClientInstruction::OPCODES.iter().map(ToString::to_string).collect());
}

#[test]
fn arguments_are_read_in_the_order_of_the_protocol() {
    let arc =
        ServerInstruction::Arc { layer: LayerIndex(1), x: 2, y: 3, radius: 4, start: 0.5, end: 1.25, negative: true };
    assert!(decoded(SERVER[3], |wire| ServerInstruction::try_from(wire) == Ok(arc)));
    let transfer = ServerInstruction::Transfer {
        src_layer: LayerIndex(0),
        src_x: 1,
        src_y: 2,
        width: 3,
        height: 4,
        function: TransferFunction::Xor,
        dst_layer: LayerIndex(-1),
        dst_x: 5,
        dst_y: 6,
    };
    let wire = "8.transfer,1.0,1.1,1.2,1.3,1.4,1.6,2.-1,1.5,1.6;";
    assert!(decoded(wire, |wire| ServerInstruction::try_from(wire) == Ok(transfer)));
    let lstroke = ServerInstruction::Lstroke {
        mask: Mask::OVER,
        layer: LayerIndex(0),
        cap: LineCap::Butt,
        join: LineJoin::Round,
        thickness: 4,
        src_layer: LayerIndex(-1),
    };
    let wire = "7.lstroke,2.14,1.0,1.0,1.2,1.4,2.-1;";
    assert!(decoded(wire, |wire| ServerInstruction::try_from(wire) == Ok(lstroke)), "the source comes last");
    let usb = ClientInstruction::UsbConnect {
        device: "a",
        vendor_id: 1133,
        product_id: 49948,
        name: "Mouse",
        serial: "S-1",
        class: 3,
        subclass: 1,
        protocol: 2,
        interfaces: "[]",
    };
    let wire = "10.usbconnect,1.a,4.1133,5.49948,5.Mouse,3.S-1,1.3,1.1,1.2,2.[];";
    assert!(decoded(wire, |wire| ClientInstruction::try_from(wire) == Ok(usb)));
}

#[test]
fn unknown_opcodes_are_kept_as_they_came() {
    for wire in ["6.future,1.a,0.,2.😀é;", "0.,4.ping,1.1;", "7.require,1.a;", "0.;"] {
        decoded(wire, |instruction| {
            let server = ServerInstruction::try_from(instruction).unwrap();
            let client = ClientInstruction::try_from(instruction).unwrap();
            assert!(matches!(server, ServerInstruction::Other { .. }), "{wire}");
            assert_eq!((server.to_bytes(), client.to_bytes()), (wire.into(), wire.into()));
            assert_eq!(server.opcode(), instruction.opcode());
        });
    }
}

#[test]
fn usb_instructions_with_a_wrong_number_of_arguments_are_as_unknown() {
    for wire in ["10.usbconnect,1.a;", "7.usbdata,1.a,1.1,4.AAAA;", "13.usbdisconnect;", "13.usbdisconnect,1.a,1.b;"] {
        let typed = decoded(wire, |wire| ClientInstruction::try_from(wire).map(|typed| typed.to_bytes()));
        assert_eq!(typed, Ok(wire.into()), "{wire}");
    }
}

#[test]
fn a_list_of_audio_types_and_a_microphone_are_told_apart() {
    for (wire, is_stream) in [
        ("5.audio;", false),
        ("5.audio,8.audio/L8,9.audio/L16;", false),
        ("5.audio,8.audio/L8;", false),
        ("5.audio,0.,9.audio/L16;", false),
        ("5.audio,1.4,9.audio/L16;", true),
    ] {
        let found =
            decoded(wire, |wire| matches!(ClientInstruction::try_from(wire), Ok(ClientInstruction::Audio { .. })));
        assert_eq!(found, is_stream, "{wire}");
    }
}

#[test]
fn timestamps_of_recorded_input_may_be_missing() {
    for wire in ["3.key,2.97,1.0;", "5.touch,1.0,1.1,1.2,1.3,1.4,1.0,1.1;", "4.sync,1.9;"] {
        assert_eq!(
            decoded(wire, |wire| ServerInstruction::try_from(wire).map(|typed| typed.to_bytes())),
            Ok(wire.into())
        );
    }
}

#[test]
fn printing_shows_no_secret() {
    let shown = [
        format!("{:?}", ClientInstruction::Connect { values: Rest(vec!["hunter2"]) }),
        format!("{:?}", ClientInstruction::Key { keysym: 0x6875, pressed: true }),
        format!("{:?}", ClientInstruction::Blob { stream: StreamIndex(7), data: "hunter2" }),
        format!("{:?}", ClientInstruction::Argv { stream: StreamIndex(7), mimetype: "hunter2", name: "hunter2" }),
        format!("{:?}", ClientInstruction::Clipboard { stream: StreamIndex(7), mimetype: "hunter2" }),
        format!("{:?}", ServerInstruction::Blob { stream: StreamIndex(7), data: "hunter2" }),
        format!("{:?}", ServerInstruction::Key { keysym: 0x6875, pressed: true, timestamp_ms: Some(1) }),
        format!("{:?}", ServerInstruction::Other { opcode: "new", args: Rest(vec!["hunter2"]) }),
        format!("{:?}", OwnedInstruction::new("connect", ["hunter2"])),
    ];
    for text in shown {
        assert!(!text.contains("hunter2") && !text.contains("26741") && !text.contains("true"), "{text}");
    }
    let status = ServerInstruction::Error { message: "m", status: Status::ServerBusy };
    assert_eq!(format!("{status:?}"), "Error { message: \"m\", status: ServerBusy }");
}

#[test]
fn the_tunnels_own_messages_have_three_forms() {
    let own = |wire: &str| decoded(wire, |wire| TunnelInstruction::from_instruction(wire).map(|own| own.to_bytes()));
    let form = |wire: &str| {
        decoded(wire, |wire| match TunnelInstruction::from_instruction(wire) {
            Some(TunnelInstruction::Uuid { .. }) => "uuid",
            Some(TunnelInstruction::Ping { .. }) => "ping",
            Some(TunnelInstruction::End) => "end",
            Some(TunnelInstruction::Other { .. }) => "other",
            None => "session",
        })
    };
    let uuid = "0.,36.8063df49-c55f-347b-802d-0c1168c0c119;";
    for (wire, expected) in [
        (uuid, "uuid"),
        ("0.,4.ping,13.1700000000000;", "ping"),
        ("0.;", "end"),
        ("0.,4.ping;", "other"),
        ("0.,4.ping,1.1,1.2;", "other"),
        ("0.,1.a,1.b;", "other"),
    ] {
        assert_eq!((form(wire), own(wire)), (expected, Some(wire.as_bytes().to_vec())), "{wire}");
    }
    assert_eq!(form("3.nop;"), "session");
}

#[test]
fn composite_modes_have_the_numbers_and_names_of_the_protocol() {
    let named: Vec<_> = (0..16).filter_map(|number| Mask(number).name().map(|name| (number, name))).collect();
    let expected = [
        (0x1, "RIN"),
        (0x2, "ROUT"),
        (0x4, "IN"),
        (0x6, "ATOP"),
        (0x8, "OUT"),
        (0x9, "RATOP"),
        (0xA, "XOR"),
        (0xB, "ROVER"),
        (0xC, "SRC"),
        (0xE, "OVER"),
        (0xF, "PLUS"),
    ];
    assert_eq!(named, expected);
    assert_eq!(Mask::ALL.len(), 11);
    assert!(decoded("5.cfill,2.16,1.0,1.0,1.0,1.0,1.0;", |wire| ServerInstruction::try_from(wire).is_err()));
}

#[test]
fn transfer_functions_combine_colours_bit_by_bit_and_keep_alpha() {
    let (src, dst) = (0x8033_0F55, 0xFF55_3333);
    for (function, number, expected) in [
        (TransferFunction::Black, 0x0, 0xFF00_0000),
        (TransferFunction::White, 0xF, 0xFFFF_FFFF),
        (TransferFunction::Src, 0x3, src),
        (TransferFunction::Dest, 0x5, dst),
        (TransferFunction::Nsrc, 0xC, 0x80CC_F0AA),
        (TransferFunction::Ndest, 0xA, 0xFFAA_CCCC),
        (TransferFunction::And, 0x1, 0xFF11_0311),
        (TransferFunction::Nand, 0xE, 0xFFEE_FCEE),
        (TransferFunction::Or, 0x7, 0xFF77_3F77),
        (TransferFunction::Nor, 0x8, 0xFF88_C088),
        (TransferFunction::Xor, 0x6, 0xFF66_3C66),
        (TransferFunction::Xnor, 0x9, 0xFF99_C399),
        (TransferFunction::NsrcAnd, 0x4, 0xFF44_3022),
        (TransferFunction::SrcOrNdest, 0xB, 0xFFBB_CFDD),
        (TransferFunction::NsrcOr, 0xD, 0xFFDD_F3BB),
        (TransferFunction::SrcAndNdest, 0x2, 0xFF22_0C44),
    ] {
        assert_eq!((function.code(), TransferFunction::from_code(number)), (number, Some(function)));
        assert_eq!(function.apply(src, dst), expected, "{function:?}");
    }
    assert_eq!(TransferFunction::from_code(16), None);
}

#[test]
fn caps_and_joins_have_the_numbers_of_the_protocol() {
    assert_eq!([LineCap::Butt, LineCap::Round, LineCap::Square].map(LineCap::code), [0, 1, 2]);
    assert_eq!([LineJoin::Bevel, LineJoin::Miter, LineJoin::Round].map(LineJoin::code), [0, 1, 2]);
    let wrong = "7.cstroke,2.14,1.0,1.3,1.2,1.3,1.1,1.2,1.3,3.255;";
    assert!(decoded(wrong, |wire| ServerInstruction::try_from(wire).is_err()));
}

proptest! {
    #[test]
    fn what_is_typed_is_read_again_as_it_was_written(
        opcode in prop::sample::select(ServerInstruction::OPCODES),
        numbers in prop::collection::vec(0_u32..10, 9),
    ) {
        let owned = OwnedInstruction::new(opcode, numbers.iter().map(ToString::to_string));
        if let Ok(typed) = ServerInstruction::try_from(&owned) {
            let again = OwnedInstruction::of(&typed).unwrap();
            prop_assert_eq!(ServerInstruction::try_from(&again), Ok(typed));
        }
        if let Ok(typed) = ClientInstruction::try_from(&owned) {
            let again = OwnedInstruction::of(&typed).unwrap();
            prop_assert_eq!(ClientInstruction::try_from(&again), Ok(typed));
        }
    }

    #[test]
    fn numbers_survive_their_way_over_the_wire(x in any::<i32>(), angle in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let sent = ServerInstruction::Touch {
            id: x, x, y: x, radius_x: x, radius_y: x, angle, force: angle, timestamp_ms: Some(i64::from(x)),
        };
        let owned = OwnedInstruction::of(&sent).unwrap();
        prop_assert_eq!(ServerInstruction::try_from(&owned), Ok(sent));
    }
}
