//! The ledger of waits: what a turn with 100 waits costs while N other waits are parked.
//!
//! The parked waits need two replicas, and only one acknowledges, as when a replica is frozen. The
//! 100 measured waits need one. A wait must not cost more because others wait, so the four times
//! should hardly grow with N. (They grow a little: larger sets have more levels and fit the caches
//! less.)
//!
//! Each time is that of 100 calls, or of the one call that serves 100 waits (`assign`, `release`).

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use durable_core::acks::{Acks, Need};
use durable_core::ledger::{Ledger, Released};
use durable_core::units::{Micros, Offset};

/// The waits of the measured turn.
const TURN: u64 = 100;
const PARKED: [u64; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
const TIMEOUT: Micros = Micros::from_secs(1);

const ONE: Need = Need {
    replicas: 1,
    fsync: 0,
};
const TWO: Need = Need {
    replicas: 2,
    fsync: 0,
};

/// A ledger with parked waits, and the numbers that the next turn continues with.
struct Bench {
    ledger: Ledger<u64>,
    next_id: u64,
    now: Micros,
    offset: Offset,
    released: Released<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Accept,
    Assign,
    Release,
    Cancel,
}

impl Bench {
    fn with_parked(parked: u64) -> Bench {
        let mut bench = Bench {
            ledger: Ledger::default(),
            next_id: 1,
            now: Micros::new(0),
            offset: Offset::new(0),
            released: Released::new(),
        };
        let mut left = parked;
        while left > 0 {
            let count = left.min(TURN);
            bench.accept(count, TWO);
            bench.assign();
            left -= count;
        }
        bench
    }

    fn accept(&mut self, count: u64, need: Need) {
        for _ in 0..count {
            let (id, since) = (self.next_id, self.now);
            self.next_id += 1;
            let deadline = since.saturating_add(TIMEOUT);
            let accepted = self.ledger.accept(id, need, since, Some(deadline), id);
            assert!(accepted.is_ok());
        }
        self.now = self.now.saturating_add(Micros::new(10_000));
    }

    fn assign(&mut self) {
        self.offset = self.offset.saturating_add(100 * TURN);
        let acks = self.acks(0);
        black_box(self.ledger.assign(self.offset, &acks));
    }

    /// Two replicas count. One has acknowledged everything up to `up_to`, the other nothing.
    fn acks(&self, up_to: u64) -> Acks {
        let mut acks = Acks::default();
        let acked = [Offset::new(up_to), Offset::new(0)];
        acks.replace(acked.into_iter(), std::iter::empty());
        acks
    }

    /// One turn of 100 waits. Returns how long the measured step took.
    fn turn(&mut self, step: Step) -> Duration {
        let first = self.next_id;
        let mut took = Duration::ZERO;
        let mut timed = |own, bench: &mut Bench, action: &mut dyn FnMut(&mut Bench)| {
            let begun = Instant::now();
            action(bench);
            if own == step {
                took = begun.elapsed();
            }
        };
        timed(Step::Accept, self, &mut |bench| bench.accept(TURN, ONE));
        timed(Step::Assign, self, &mut Bench::assign);
        if step == Step::Cancel {
            timed(step, self, &mut |bench| {
                for id in first..first + TURN {
                    black_box(bench.ledger.cancel(id));
                }
            });
        } else {
            let acks = self.acks(u64::MAX);
            timed(Step::Release, self, &mut |bench| {
                bench.ledger.release(&acks, &mut bench.released);
            });
            assert_eq!(self.released.len() as u64, TURN);
            self.released.clear();
        }
        took
    }
}

fn ledger(criterion: &mut Criterion) {
    let steps = [
        ("accept", Step::Accept),
        ("assign", Step::Assign),
        ("release", Step::Release),
        ("cancel", Step::Cancel),
    ];
    let mut group = criterion.benchmark_group("ledger, 100 waits beside N parked ones");
    group.throughput(Throughput::Elements(TURN));
    for parked in PARKED {
        let mut bench = Bench::with_parked(parked);
        for (name, step) in steps {
            group.bench_function(BenchmarkId::new(name, parked), |bencher| {
                bencher.iter_custom(|turns| (0..turns).map(|_| bench.turn(step)).sum());
            });
        }
        assert_eq!(bench.ledger.len() as u64, parked);
    }
    group.finish();
}

criterion_group!(benches, ledger);
criterion_main!(benches);
