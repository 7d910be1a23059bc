//! Both handshakes: with each other everything said arrives; with a hostile peer they end in an error or in order.

use arbitrary::{Arbitrary, Unstructured};
use guac_protocol::{
    ClientHandshake, ClientInfo, ClientStep, ConnectionId, Decoder, HandshakeError, ProtocolVersion, Selection,
    ServerHandshake, ServerStep,
};

/// What two honest sides say, or bytes of a hostile one.
#[derive(Debug, Arbitrary)]
enum Case<'a> {
    Honest { size: (u32, u32, u32), types: Vec<&'a str>, zone: &'a str, name: &'a str, values: Vec<&'a str> },
    HostileClient { parameters: u8, bytes: &'a [u8] },
    HostileServer { bytes: &'a [u8] },
}

/// Any bytes as one case.
pub fn check(data: &[u8]) {
    match Case::arbitrary_take_rest(Unstructured::new(data)) {
        Ok(Case::Honest { size, types, zone, name, values }) => honest(size, &types, zone, name, &values),
        Ok(Case::HostileClient { parameters, bytes }) => hostile_client(usize::from(parameters % 120), bytes),
        Ok(Case::HostileServer { bytes }) => hostile_server(bytes),
        Err(_) => {}
    }
}

fn honest(size: (u32, u32, u32), types: &[&str], zone: &str, name: &str, values: &[&str]) {
    let fits = |text: &&str| text.len() < 200;
    let types: Vec<String> = types.iter().filter(|text| fits(text)).take(20).map(|&text| text.to_owned()).collect();
    let values: Vec<&str> = values.iter().copied().filter(fits).take(100).collect();
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty() && text.len() < 200);
    let info = ClientInfo {
        width_px: size.0,
        height_px: size.1,
        dpi: size.2.max(1),
        audio_mimetypes: types.clone(),
        video_mimetypes: Vec::new(),
        image_mimetypes: types,
        timezone: some(zone),
        name: some(name),
        version: ProtocolVersion::LATEST,
    };
    let names: Vec<String> = (0..values.len()).map(|index| format!("p{index}")).collect();
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();

    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut server = ServerHandshake::new();
    let mut client = ClientHandshake::start(&Selection::Protocol("x".into()), &mut up);
    serve(&mut server, &up, |_| {});
    server.offer(&borrowed, &mut down).expect("the client selected");
    up.clear();
    let mut decoder = Decoder::new();
    decoder.feed(&down).expect("UTF-8");
    let args = decoder.next_instruction().expect("well-formed").expect("whole");
    assert!(matches!(client.handle_instruction(&args), Ok(ClientStep::Args(told)) if told == names));
    let value_of = |name: &str| {
        let index: usize = name.trim_start_matches('p').parse().expect("a name of ours");
        values.get(index).copied().unwrap_or_default()
    };
    client.connect(&info, value_of, &mut up).expect("args came");
    let mut connected = false;
    serve(&mut server, &up, |step| {
        if let ServerStep::Connect { info: heard, values: got } = step {
            assert_eq!((*heard, got.iter().map(String::as_str).collect()), (info.clone(), values.clone()));
            connected = true;
        }
    });
    assert!(connected, "the server heard everything");
    let id = ConnectionId::from_random([7; 16]);
    down.clear();
    server.ready(&id, &mut down).expect("the client connected");
    let mut decoder = Decoder::new();
    decoder.feed(&down).expect("UTF-8");
    let ready = decoder.next_instruction().expect("well-formed").expect("whole");
    assert_eq!(client.handle_instruction(&ready), Ok(ClientStep::Ready(id)));
}

fn serve(server: &mut ServerHandshake, bytes: &[u8], mut handle: impl FnMut(ServerStep)) {
    let mut decoder = Decoder::new();
    decoder.feed(bytes).expect("UTF-8");
    while let Some(instruction) = decoder.next_instruction().expect("well-formed") {
        handle(server.handle_instruction(&instruction).expect("an honest client is never refused"));
    }
}

fn hostile_client(parameters: usize, bytes: &[u8]) {
    let names = vec!["x"; parameters];
    let mut server = ServerHandshake::new();
    let mut decoder = Decoder::new();
    if decoder.feed(bytes).is_err() {
        return;
    }
    let (mut first, mut done) = (true, false);
    while let Ok(Some(instruction)) = decoder.next_instruction() {
        let step = server.handle_instruction(&instruction);
        assert!(!done || step == Err(HandshakeError::OutOfOrder), "nothing follows the end");
        match step {
            Ok(ServerStep::Selected(_)) => {
                assert!(first && instruction.opcode() == "select", "one select, and first");
                server.offer(&names, &mut Vec::new()).expect("selected");
            }
            Ok(ServerStep::Connect { values, .. }) => {
                assert_eq!(values.len(), parameters, "a value for each parameter");
                done = true;
            }
            Ok(ServerStep::Continue) => assert!(!first, "nothing before select"),
            Err(_) if done => {}
            Err(_) => return,
        }
        first = false;
    }
}

fn hostile_server(bytes: &[u8]) {
    let mut out = Vec::new();
    let mut client = ClientHandshake::start(&Selection::Protocol("x".into()), &mut out);
    let mut decoder = Decoder::new();
    if decoder.feed(bytes).is_err() {
        return;
    }
    let mut asked = 0;
    while let Ok(Some(instruction)) = decoder.next_instruction() {
        match client.handle_instruction(&instruction) {
            Ok(ClientStep::Args(names)) => {
                asked += 1;
                assert_eq!(asked, 1, "args once");
                out.clear();
                client.connect(&ClientInfo::default(), |_| "v", &mut out).expect("args came");
                let text = String::from_utf8(out.clone()).expect("UTF-8");
                assert!(text.matches("1.v").count() >= names.len(), "a value for each name");
            }
            Ok(ClientStep::Ready(_)) => {
                assert_eq!(asked, 1, "ready only after args");
                return;
            }
            Ok(ClientStep::Continue) => {}
            Err(_) => return,
        }
    }
}
