//! Bytes to instructions: borrowed, copied into a decoder's buffer, and typed.

use benches::codec::{self, Seen};
use benches::corpus::Corpus;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use guac_protocol::DecodeError;

type Way = fn(&[u8]) -> Result<Seen, DecodeError>;

fn decode(criterion: &mut Criterion) {
    let ways: [(&str, Way); 3] = [("parser", codec::parse), ("decoder", codec::decode), ("typed", codec::parse_typed)];
    for (name, way) in ways {
        let mut group = criterion.benchmark_group(format!("decode/{name}"));
        for corpus in Corpus::ALL {
            let stream = corpus.generate(CORPUS_BYTES);
            group.throughput(Throughput::BytesDecimal(stream.bytes.len() as u64));
            group.bench_function(format!("{}/bytes", corpus.name()), |bencher| bencher.iter(|| way(&stream.bytes)));
            group.throughput(Throughput::Elements(stream.instructions));
            group.bench_function(format!("{}/instructions", corpus.name()), |b| b.iter(|| way(&stream.bytes)));
        }
    }
}

const CORPUS_BYTES: usize = 4_000_000;

criterion_group!(all, decode);
criterion_main!(all);
