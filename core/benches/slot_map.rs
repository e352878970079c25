//! The slot map: building it, refreshing it, hinting a batch of keys, and its watchers and
//! trackers.
//!
//! A cluster has 16,384 slots, so at most as many owners. What grows to 1,000,000 here:
//!
//! | group | N is | the rest |
//! |---|---|---|
//! | nodes | nodes of the cluster | half are owners, at most 16,384; the others are replicas |
//! | keys | keys of one SLOTHINT | 1,000 owners |
//! | watchers | clients in SLOTHINT.WATCH | a change takes out 100 of them, as one turn does |
//! | trackers | clients that sent CLIENT TRACKING | one more of them sends it, and leaves |

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, BatchSize, BenchmarkId, Criterion, Throughput};
use durable_core::slot::SLOTS;
use durable_core::slot_map::{
    AddressFamily, Connection, MapCache, MissingPort, Moment, Trackers, Watchers, TOPOLOGY_KEY,
};
use durable_core::topology::{Health, Node, PreferredEndpoint, SlotRange, Topology};

const SIZES: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
const OWNERS_FOR_KEYS: usize = 1_000;
/// The watchers that one turn takes out.
const PORTION: usize = 100;
const PLAIN: Connection = Connection {
    tls: false,
    family: AddressFamily::V4,
};

/// A cluster whose first nodes own slots, one range each. The others are replicas of these.
fn cluster(nodes: usize, owners: usize) -> Topology<'static> {
    let id = |number: usize| format!("{number:040x}").into_bytes();
    let slots = usize::from(SLOTS);
    let slot = |number: usize| u16::try_from(number).unwrap_or(SLOTS);
    Topology {
        nodes: (0..nodes)
            .map(|number| Node {
                id: id(number).into(),
                ip: b"10.0.0.1"[..].into(),
                endpoint: b"10.0.0.1"[..].into(),
                hostname: b""[..].into(),
                port: Some(6379),
                tls_port: None,
                primary: (number >= owners).then(|| id(number % owners).into()),
                health: Health::Online,
                is_listed: true,
            })
            .collect(),
        ranges: (0..owners)
            .map(|owner| SlotRange {
                first: slot(owner * slots / owners),
                last: slot((owner + 1) * slots / owners - 1),
                node: owner,
            })
            .collect(),
        preferred: PreferredEndpoint::Ip,
    }
}

/// Moves the last slot to the first node, or back.
fn move_last_slot(topology: &mut Topology<'_>, away: bool) {
    let owner = topology.ranges.len() - 1;
    if let Some(last) = topology.ranges.last_mut() {
        last.node = if away { 0 } else { owner };
    }
}

fn filled(topology: Topology<'static>) -> MapCache {
    let mut cache = MapCache::new(MissingPort::Zero);
    cache.take_look(topology, AddressFamily::V4, Moment::default());
    black_box(cache.map(PLAIN));
    cache
}

fn nodes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slot map, N nodes");
    for nodes in SIZES {
        if nodes >= 100_000 {
            group.sample_size(10);
        }
        let owners = (nodes / 2).min(usize::from(SLOTS));
        let topology = cluster(nodes, owners);
        group.bench_function(BenchmarkId::new("build", nodes), |bencher| {
            bencher.iter_batched(|| topology.clone(), filled, BatchSize::PerIteration);
        });
        let mut cache = filled(topology.clone());
        let mut look = |topology: Topology<'static>| {
            let begun = Instant::now();
            black_box(cache.take_look(topology, AddressFamily::V4, Moment::default()));
            begun.elapsed()
        };
        group.bench_function(
            BenchmarkId::new("refresh, nothing changed", nodes),
            |bencher| {
                bencher.iter_custom(|looks| (0..looks).map(|_| look(topology.clone())).sum());
            },
        );
        group.bench_function(
            BenchmarkId::new("refresh, one slot moved", nodes),
            |bencher| {
                let mut changing = topology.clone();
                let mut away = false;
                bencher.iter_custom(|looks| {
                    let mut took = Duration::ZERO;
                    for _ in 0..looks {
                        away = !away;
                        move_last_slot(&mut changing, away);
                        took += look(changing.clone());
                    }
                    took
                });
            },
        );
    }
    group.finish();
}

fn keys(criterion: &mut Criterion) {
    let mut cache = filled(cluster(2 * OWNERS_FOR_KEYS, OWNERS_FOR_KEYS));
    let Some(map) = cache.map(PLAIN) else {
        unreachable!("the cache was filled");
    };
    let mut group = criterion.benchmark_group("slot map, hint for N keys");
    for count in SIZES {
        let keys: Vec<String> = (0..count)
            .map(|number| format!("customer:{number:07}:orders"))
            .collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("hint", count), |bencher| {
            bencher.iter(|| map.hint(black_box(&keys).iter().map(String::as_bytes)));
        });
    }
    group.finish();
}

fn watchers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slot map, N watchers");
    for count in SIZES {
        let mut watchers = Watchers::new();
        let deadline = |id: u64| Some(60_000 + id);
        for id in 0..count as u64 {
            watchers.add(id, PLAIN, 1, deadline(id), ());
        }
        group.bench_function(BenchmarkId::new("take out 100", count), |bencher| {
            bencher.iter_custom(|turns| {
                let mut took = Duration::ZERO;
                for _ in 0..turns {
                    let begun = Instant::now();
                    let taken = watchers.take_outdated(PLAIN, 2, PORTION);
                    took += begun.elapsed();
                    assert_eq!(taken.len(), PORTION.min(count));
                    for (id, ()) in taken {
                        watchers.add(id, PLAIN, 1, deadline(id), ());
                    }
                }
                took
            });
        });
        // Every look of a watched server asks this.
        group.bench_function(BenchmarkId::new("nothing changed", count), |bencher| {
            bencher.iter(|| watchers.take_outdated(PLAIN, black_box(1), PORTION).len());
        });
    }
    group.finish();
}

fn trackers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slot map, N trackers");
    let words = [b"ON", &b"BCAST"[..], b"PREFIX", TOPOLOGY_KEY];
    for count in SIZES {
        let mut trackers = Trackers::at_load(0);
        for id in 1..=count as u64 {
            trackers.tracking_sent(id, words.into_iter(), 0);
        }
        let newcomer = count as u64 + 1;
        group.bench_function(BenchmarkId::new("one comes and leaves", count), |bencher| {
            bencher.iter(|| {
                trackers.tracking_sent(newcomer, black_box(words).into_iter(), 0);
                black_box(trackers.is_count_due(0));
                trackers.client_left(newcomer);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, nodes, keys, watchers, trackers);
criterion_main!(benches);
