use super::*;
use crate::{ClientHandshake, ClientStep, Decoder, ServerHandshake, ServerStep};

/// Feeds `bytes` to `handle`, one instruction after the other, and gives the last result.
fn drive<S>(
    bytes: &[u8],
    mut handle: impl FnMut(&crate::Instruction<'_>) -> Result<S, HandshakeError>,
) -> Result<S, HandshakeError> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes).unwrap();
    let mut last = None;
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        last = Some(handle(&instruction)?);
    }
    Ok(last.expect("at least one instruction"))
}

fn info() -> ClientInfo {
    ClientInfo {
        width_px: 1920,
        height_px: 1080,
        dpi: 120,
        image_mimetypes: vec!["image/png".into(), "image/webp".into()],
        timezone: Some("Europe/Berlin".into()),
        name: Some("Zoë 😀".into()),
        version: ProtocolVersion::V1_5_0,
        ..ClientInfo::default()
    }
}

#[test]
fn both_sides_agree_on_everything_said() {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let mut client = ClientHandshake::start(&Selection::Protocol("ssh".into()), &mut to_server);
    let mut server = ServerHandshake::new();
    let step = drive(&to_server, |i| server.handle_instruction(i)).unwrap();
    assert_eq!(step, ServerStep::Selected(Selection::Protocol("ssh".into())));
    server.offer(&["hostname", "port", "password"], &mut to_client).unwrap();
    let step = drive(&to_client, |i| client.handle_instruction(i)).unwrap();
    assert_eq!(step, ClientStep::Args(vec!["hostname".into(), "port".into(), "password".into()]));

    to_server.clear();
    client.connect(&info(), |name| if name == "password" { "pä;ss,1.x" } else { "" }, &mut to_server).unwrap();
    let step = drive(&to_server, |i| server.handle_instruction(i)).unwrap();
    let expected = vec![String::new(), String::new(), "pä;ss,1.x".to_owned()];
    assert_eq!(step, ServerStep::Connect { info: Box::new(info()), values: expected });

    to_client.clear();
    let id = ConnectionId::from_random([7; 16]);
    server.ready(&id, &mut to_client).unwrap();
    assert_eq!(drive(&to_client, |i| client.handle_instruction(i)).unwrap(), ClientStep::Ready(id));
}

#[test]
fn refuses_a_wrong_number_of_values() {
    let mut server = ServerHandshake::new();
    drive(b"6.select,3.ssh;", |i| server.handle_instruction(i)).unwrap();
    server.offer(&["hostname"], &mut Vec::new()).unwrap();
    let error = drive(b"7.connect,13.VERSION_1_5_0;", |i| server.handle_instruction(i)).unwrap_err();
    assert_eq!(error, HandshakeError::WrongArgumentCount { expected: 2, got: 1 });
}

#[test]
fn accepts_any_order_repeats_and_unknown_opcodes() {
    let mut server = ServerHandshake::new();
    drive(b"6.select,3.vnc;", |i| server.handle_instruction(i)).unwrap();
    server.offer(&["hostname"], &mut Vec::new()).unwrap();
    let said = b"4.name,3.Ann;4.size,2.10,2.20;7.unknown,1.x;5.image;4.size,3.800,3.600,3.192;7.connect,0.,1.h;";
    let ServerStep::Connect { info, values } = drive(said, |i| server.handle_instruction(i)).unwrap() else {
        panic!("connect ends the handshake");
    };
    assert_eq!((info.width_px, info.height_px, info.dpi), (800, 600, 192));
    assert_eq!(info.version, ProtocolVersion::V1_0_0);
    assert_eq!(values, ["h"]);
}

#[test]
fn a_join_selects_by_id_and_a_bad_id_is_not_found() {
    let mut server = ServerHandshake::new();
    let step = drive(b"6.select,4.$abc;", |i| server.handle_instruction(i)).unwrap();
    assert_eq!(step, ServerStep::Selected(Selection::Join("$abc".parse().unwrap())));
    let error = drive(b"6.select,1.$;", |i| ServerHandshake::new().handle_instruction(i)).unwrap_err();
    assert_eq!(error.status(), Status::ResourceNotFound);
}

#[test]
fn something_else_than_select_is_refused() {
    let error = drive(b"4.size,1.1,1.1;", |i| ServerHandshake::new().handle_instruction(i)).unwrap_err();
    assert_eq!(error, HandshakeError::NotSelect { opcode: "size".into() });
}

#[test]
fn a_server_without_version_gets_no_version_and_no_new_instructions() {
    let mut out = Vec::new();
    let mut client = ClientHandshake::start(&Selection::Protocol("vnc".into()), &mut out);
    drive(b"4.args,8.hostname,4.port;", |i| client.handle_instruction(i)).unwrap();
    out.clear();
    client.connect(&info(), |name| if name == "port" { "5900" } else { "h" }, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("7.connect,1.h,4.5900;"), "{text}");
    assert!(!text.contains("timezone") && !text.contains("4.name"), "{text}");
}

#[test]
fn the_servers_error_keeps_its_status() {
    let mut client = ClientHandshake::start(&Selection::Protocol("vnc".into()), &mut Vec::new());
    let error = drive(b"5.error,19.No such connection.,3.516;", |i| client.handle_instruction(i)).unwrap_err();
    assert_eq!(error.status(), Status::ResourceNotFound);
}

#[test]
fn versions_between_and_above_the_known_ones_fall_back() {
    assert_eq!(ProtocolVersion::from_token("VERSION_1_4_2"), Some(ProtocolVersion::V1_3_0));
    assert_eq!(ProtocolVersion::from_token("VERSION_2_0_0"), Some(ProtocolVersion::V1_5_0));
    assert_eq!(ProtocolVersion::from_token("hostname"), None);
    assert_eq!(ProtocolVersion::from_token("VERSION_1_0"), None);
}

#[test]
fn what_is_not_said_has_defaults_and_an_unknown_version_no_capability() {
    let connect = |version: &str| {
        let mut server = ServerHandshake::new();
        drive(b"6.select,3.vnc;", |i| server.handle_instruction(i)).unwrap();
        server.offer(&["hostname"], &mut Vec::new()).unwrap();
        let said = format!("4.size,3.640,3.480;4.name,0.;8.timezone,0.;7.connect,{}.{version},1.h;", version.len());
        let ServerStep::Connect { info, .. } = drive(said.as_bytes(), |i| server.handle_instruction(i)).unwrap() else {
            panic!("connect ends the handshake");
        };
        info
    };
    let info = connect("");
    assert_eq!((info.width_px, info.height_px, info.dpi), (640, 480, 96));
    assert_eq!((info.name, info.timezone, info.version), (None, None, ProtocolVersion::V1_0_0));
    assert_eq!(connect("nonsense").version, ProtocolVersion::Unknown);
    assert!(ProtocolVersion::Unknown < ProtocolVersion::V1_1_0);
}

#[test]
fn while_a_client_waits_the_end_and_anything_else_are_told_apart() {
    let wait = |said: &[u8]| {
        let mut client = ClientHandshake::start(&Selection::Protocol("vnc".into()), &mut Vec::new());
        drive(said, |i| client.handle_instruction(i))
    };
    assert_eq!(wait(b"3.nop;").unwrap(), ClientStep::Continue);
    assert_eq!(wait(b"10.disconnect;").unwrap_err(), HandshakeError::Disconnected);
    for other in [&b"4.sync,1.1;"[..], b"5.ready,2.$a;", b"7.unknown;"] {
        assert!(matches!(wait(other).unwrap_err(), HandshakeError::Unexpected { expected: "args", .. }));
    }
}

#[test]
fn a_time_zone_and_a_name_without_argument_are_none() {
    let mut server = ServerHandshake::new();
    drive(b"6.select,3.ssh;", |i| server.handle_instruction(i)).unwrap();
    server.offer(&[], &mut Vec::new()).unwrap();
    let said = b"8.timezone,3.UTC;8.timezone;4.name;7.connect,13.VERSION_1_1_0;";
    let step = drive(said, |i| server.handle_instruction(i)).unwrap();
    let ServerStep::Connect { info, .. } = step else { panic!("{step:?}") };
    assert_eq!((info.timezone, info.name), (None, None));
}

/// One server and what a client with everything to say answers it.
fn answer_to(args: &str) -> (ProtocolVersion, String) {
    let mut client = ClientHandshake::start(&Selection::Protocol("vnc".into()), &mut Vec::new());
    drive(args.as_bytes(), |i| client.handle_instruction(i)).unwrap();
    let mut out = Vec::new();
    client.connect(&info(), |_| "v", &mut out).unwrap();
    (client.version(), String::from_utf8(out).unwrap())
}

#[test]
fn a_client_says_what_the_servers_version_knows_and_echoes_the_lower_version() {
    for (told, spoken, timezone, name) in [
        ("VERSION_1_0_0", "VERSION_1_0_0", false, false),
        ("VERSION_1_1_0", "VERSION_1_1_0", true, false),
        ("VERSION_1_3_0", "VERSION_1_3_0", true, false),
        ("VERSION_1_5_0", "VERSION_1_5_0", true, true),
        ("VERSION_1_9_0", "VERSION_1_5_0", true, true),
    ] {
        let (version, said) = answer_to(&format!("4.args,13.{told},8.hostname;"));
        assert_eq!(version.token(), spoken);
        assert!(said.ends_with(&format!("7.connect,13.{spoken},1.v;")), "{said}");
        assert_eq!((said.contains("8.timezone"), said.contains("4.name")), (timezone, name), "{told}");
        assert!(said.starts_with("4.size,4.1920,4.1080,3.120;5.audio;5.video;5.image,"), "the order of 1.0.0: {said}");
    }
    let (version, said) = answer_to("4.args,8.hostname;");
    assert_eq!((version, said.ends_with("7.connect,1.v;")), (ProtocolVersion::V1_0_0, true));
}

#[test]
fn a_client_of_1_0_0_takes_the_version_for_a_parameter_and_leaves_it_empty() {
    let (mut server, mut offered) = (ServerHandshake::new(), Vec::new());
    drive(b"6.select,3.vnc;", |i| server.handle_instruction(i)).unwrap();
    server.offer(&["hostname", "port"], &mut offered).unwrap();
    assert_eq!(offered, b"4.args,13.VERSION_1_5_0,8.hostname,4.port;");
    let said = b"4.size,4.1024,3.768,2.96;5.audio,9.audio/ogg;5.video;5.image,9.image/png;7.connect,0.,1.h,4.5900;";
    let ServerStep::Connect { info, values } = drive(said, |i| server.handle_instruction(i)).unwrap() else {
        panic!("connect ends the handshake");
    };
    assert_eq!((info.version, values), (ProtocolVersion::V1_0_0, vec!["h".to_owned(), "5900".to_owned()]));
    assert_eq!(
        (info.audio_mimetypes, info.image_mimetypes),
        (vec!["audio/ogg".to_owned()], vec!["image/png".to_owned()])
    );
}

#[test]
fn each_version_has_the_capabilities_of_those_before_it() {
    let has = |v: ProtocolVersion| [v.has_timezone(), v.has_required(), v.has_msg(), v.has_name()];
    assert_eq!(has(ProtocolVersion::Unknown), [false; 4]);
    assert_eq!(has(ProtocolVersion::V1_0_0), [false; 4]);
    assert_eq!(has(ProtocolVersion::V1_1_0), [true, false, false, false]);
    assert_eq!(has(ProtocolVersion::V1_3_0), [true, true, false, false]);
    assert_eq!(has(ProtocolVersion::V1_5_0), [true; 4]);
}

#[test]
fn who_joins_says_the_same_as_who_opens() {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let id = ConnectionId::from_random([3; 16]);
    let mut client = ClientHandshake::start(&Selection::Join(id.clone()), &mut to_server);
    assert_eq!(to_server, format!("6.select,37.{id};").into_bytes());
    let mut server = ServerHandshake::new();
    let step = drive(&to_server, |i| server.handle_instruction(i)).unwrap();
    assert_eq!(step, ServerStep::Selected(Selection::Join(id.clone())));
    server.offer(&["hostname", "read-only"], &mut to_client).unwrap();
    drive(&to_client, |i| client.handle_instruction(i)).unwrap();
    to_server.clear();
    client.connect(&info(), |name| if name == "read-only" { "true" } else { "" }, &mut to_server).unwrap();
    let step = drive(&to_server, |i| server.handle_instruction(i)).unwrap();
    assert!(matches!(step, ServerStep::Connect { values, .. } if values == ["", "true"]));
    to_client.clear();
    server.ready(&id, &mut to_client).unwrap();
    assert_eq!(drive(&to_client, |i| client.handle_instruction(i)).unwrap(), ClientStep::Ready(id));
}

#[test]
fn what_is_required_is_answered_by_argv_streams() {
    let (mut streams, mut out) = (crate::StreamAllocator::client(), Vec::new());
    let mut decoder = Decoder::new();
    decoder.feed(b"8.required,8.username,8.password;").unwrap();
    let asked = decoder.next_instruction().unwrap().unwrap();
    let Ok(crate::ServerInstruction::Required { names }) = crate::ServerInstruction::try_from(&asked) else {
        panic!("it is typed");
    };
    for name in names.0 {
        crate::write_argv(&mut out, streams.allocate().unwrap(), name, "ä");
    }
    let expected = "4.argv,1.0,10.text/plain,8.username;4.blob,1.0,4.w6Q=;3.end,1.0;\
        4.argv,1.1,10.text/plain,8.password;4.blob,1.1,4.w6Q=;3.end,1.1;";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn printing_a_step_shows_no_value() {
    let step = ServerStep::Connect { info: Box::default(), values: vec!["hunter2".into()] };
    assert!(!format!("{step:?}").contains("hunter2"));
}
