//! Typed instructions to bytes.

use benches::codec;
use benches::corpus::Corpus;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for corpus in Corpus::ALL {
        let stream = corpus.generate(CORPUS_BYTES);
        let owned = codec::owned(&stream.bytes).expect("a corpus is whole");
        let jobs = codec::jobs(&owned).expect("a corpus is typed");
        let mut out = Vec::new();
        group.throughput(Throughput::BytesDecimal(stream.bytes.len() as u64));
        group.bench_function(format!("{}/bytes", corpus.name()), |b| b.iter(|| codec::encode(&jobs, &mut out)));
        group.throughput(Throughput::Elements(stream.instructions));
        group.bench_function(format!("{}/instructions", corpus.name()), |b| b.iter(|| codec::encode(&jobs, &mut out)));
    }
}

const CORPUS_BYTES: usize = 4_000_000;

criterion_group!(all, encode);
criterion_main!(all);
