//! A whole handshake, both sides, 40 connection parameters.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use guac_protocol::{
    ClientHandshake, ClientInfo, ClientStep, ConnectionId, Decoder, Selection, ServerHandshake, ServerStep,
};

/// Runs both sides until the client is let in. Returns the bytes exchanged.
fn shake(names: &[&str], id: &ConnectionId) -> usize {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let (mut at_server, mut at_client) = (Decoder::new(), Decoder::new());
    let mut client = ClientHandshake::start(&Selection::Protocol("vnc".to_owned()), &mut to_server);
    let mut server = ServerHandshake::new();
    let mut exchanged = 0;
    loop {
        exchanged += to_server.len();
        at_server.feed(&to_server).expect("it is UTF-8");
        to_server.clear();
        while let Some(instruction) = at_server.next_instruction().expect("it is framed") {
            match server.handle_instruction(&instruction).expect("it is in order") {
                ServerStep::Selected(_) => server.offer(names, &mut to_client).expect("it was selected"),
                ServerStep::Connect { .. } => server.ready(id, &mut to_client).expect("all is there"),
                ServerStep::Continue => {}
            }
        }
        exchanged += to_client.len();
        at_client.feed(&to_client).expect("it is UTF-8");
        to_client.clear();
        while let Some(instruction) = at_client.next_instruction().expect("it is framed") {
            match client.handle_instruction(&instruction).expect("it is in order") {
                ClientStep::Args(_) => {
                    client.connect(&ClientInfo::default(), |_| "value", &mut to_server).expect("args came");
                }
                ClientStep::Ready(_) => return exchanged,
                ClientStep::Continue => {}
            }
        }
    }
}

fn handshake(criterion: &mut Criterion) {
    let names: Vec<String> = (0..40).map(|index| format!("parameter-{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let id: ConnectionId = "$01234567-89ab-4cde-8f01-23456789abcd".parse().expect("it is an id");
    let mut group = criterion.benchmark_group("handshake");
    group.throughput(Throughput::BytesDecimal(shake(&names, &id) as u64));
    group.bench_function("both sides/bytes", |bencher| bencher.iter(|| shake(&names, &id)));
    group.throughput(Throughput::Elements(1));
    group.bench_function("both sides/handshakes", |bencher| bencher.iter(|| shake(&names, &id)));
}

criterion_group!(all, handshake);
criterion_main!(all);
