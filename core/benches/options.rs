//! The option parser, with commands of 10 to 1,000,000 words.
//!
//! | bench | words | expected |
//! |---|---|---|
//! | `leading` | two options, then an inner command of N words | does not grow with N |
//! | `only` | N words that are no options | does not grow: the first one is refused |
//! | `only, long word` | one option with a value of N digits | grows with N (each digit) |
//! | `at_end` | a variadic command of N words that ends like an option | does not grow |
//! | `trailing_start_in_set` | N words of which none begins the options | grows with N |
//!
//! What grows looks at each word or digit once. The server has read all of them before.

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use durable_core::options::{leading, only, trailing_start_in_set, StrayOption};

const WORDS: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

fn options(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("options, N words");
    for count in WORDS {
        let stray: Vec<Vec<u8>> = (0..count)
            .map(|number| format!("member:{number:07}").into_bytes())
            .collect();
        let words: Vec<&[u8]> = stray.iter().map(Vec::as_slice).collect();
        let options: [&[u8]; 4] = [b"REPLICAS", b"MAJORITY", b"timeout", b"500"];
        let call: Vec<&[u8]> = options.into_iter().chain(words.iter().copied()).collect();
        let long = vec![b'7'; count];

        group.bench_function(BenchmarkId::new("leading", count), |bencher| {
            bencher.iter(|| leading(black_box(&call).iter().copied()));
        });
        group.bench_function(BenchmarkId::new("only", count), |bencher| {
            bencher.iter(|| only(black_box(&words).iter().copied()));
        });
        group.bench_function(BenchmarkId::new("only, long word", count), |bencher| {
            bencher.iter(|| only([&b"REPLICAS"[..], black_box(&long)]));
        });
        group.bench_function(BenchmarkId::new("at_end", count), |bencher| {
            bencher.iter(|| StrayOption::at_end(-3, black_box(count), b"REPLICAS", b"2"));
        });
        // Only this one has a rate: no other one looks at every word.
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(
            BenchmarkId::new("trailing_start_in_set", count),
            |bencher| {
                bencher.iter(|| trailing_start_in_set(black_box(&words).iter().copied()));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, options);
criterion_main!(benches);
