//! Runs as the lab records them, made up: for the tests and for a look at the page.

use crate::record::{
    Contender, Counts, Event, EventKind, Operation, Round, Run, Span, State, Tenth, Violation,
};
use State::{Primary, Replica, Silent};

/// Nothing promised is lost. One round is inconclusive.
pub fn good() -> Run {
    Run {
        server: "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=d81b8ff71cfb150e".to_owned(),
        module: "0.1.0 d5e3e6d4".to_owned(),
        seed: 7_120_931,
        command: "cargo run --release -p durable-chaos -- --seed 7120931 --rounds 6 --server /usr/bin/redis-server".to_owned(),
        started: 1_796_041_860,
        rounds: vec![
            split(1, [false, false, false, false, true]),
            kill(2),
            split(3, [false, false, false, false, true]),
            unsure(4),
            calm(5),
            split(6, [false, false, false, false, true]),
        ],
    }
}

/// The last round breaks a promise in two ways.
pub fn bad() -> Run {
    let mut run = good();
    let round = run.rounds.last_mut().unwrap();
    round.scenario = "split-then-restart".to_owned();
    round.about = "The primary is cut off with one replica, and the other replica is promoted. \
                   Then the old primary restarts without its data."
        .to_owned();
    let all = round.contenders.last_mut().unwrap();
    all.counts.lost = 3;
    all.counts.histories_illegal = 1;
    all.tenths[30].lost = 3;
    all.violations = vec![
        Violation {
            what: "The acknowledged write 1873 of key w:9:1873 is not in the final state."
                .to_owned(),
            operations: vec![
                operation(9, 3_041.2, Some(3_044.9), "DURABLE.SET w:9:1873 1873 REPLICAS ALL -> OK from P"),
                operation(0, 9_120.0, Some(9_120.4), "GET w:9:1873 -> nil from B"),
            ],
            picture: None,
        },
        Violation {
            what: "No order of its operations explains the history of key r:4.".to_owned(),
            operations: vec![
                operation(2, 1_988.1, Some(1_990.7), "DURABLE.SET r:4 16 REPLICAS ALL -> OK from P"),
                operation(3, 1_989.9, None, "DURABLE.SET r:4 17 REPLICAS ALL -> no answer"),
                operation(2, 2_450.0, Some(3_450.2), "DURABLE.SET r:4 18 REPLICAS ALL -> UNACKED 1 of 2 replicas acknowledged within 1000 ms"),
                operation(5, 4_871.3, Some(4_872.0), "DURABLE.GET r:4 REPLICAS ALL -> 16 from B"),
                operation(5, 4_880.3, Some(4_882.0), "DURABLE.GET r:4 REPLICAS ALL -> 12 from B"),
            ],
            picture: Some("history-6.html".to_owned()),
        },
    ];
    run
}

const NAMES: [&str; 5] = [
    "SET",
    "SET + WAIT 1",
    "REPLICAS 1",
    "REPLICAS MAJORITY",
    "REPLICAS ALL",
];

/// A cluster is cut in two. The primary keeps one replica and goes on for some time.
fn split(number: usize, promised: [bool; 5]) -> Round {
    let cut = (20..34, 36..43);
    let mut contenders: Vec<Contender> = NAMES
        .iter()
        .zip(promised)
        .enumerate()
        .map(|(at, (name, promised))| {
            let rate = [220, 92, 96, 95, 71][at];
            let mut random = Random(number as u64 * 31 + at as u64);
            let tenths = (0..60).map(|tenth| match tenth {
                _ if cut.1.contains(&tenth) => Tenth::default(),
                _ if cut.0.contains(&tenth) && at == 4 => Tenth {
                    acked: 0,
                    unacked: u32::from(tenth > 29) * 8,
                    lost: 0,
                },
                _ if cut.0.contains(&tenth) => {
                    let acked = random.near(rate);
                    Tenth {
                        acked,
                        unacked: 0,
                        lost: acked - acked / 20,
                    }
                }
                _ => Tenth {
                    acked: random.near(rate),
                    ..Tenth::default()
                },
            });
            contender(name, promised, tenths.collect())
        })
        .collect();
    contenders[2].counts.reads_lost = 7;
    contenders[2].counts.histories_illegal = 2;
    contenders[2].violations = vec![Violation {
        what: "The acknowledged write 902 of key w:3:902 is not in the final state.".to_owned(),
        operations: vec![
            operation(
                3,
                2_311.2,
                Some(2_313.0),
                "DURABLE.SET w:3:902 902 REPLICAS 1 -> OK from P",
            ),
            operation(0, 9_101.0, Some(9_101.3), "GET w:3:902 -> nil from B"),
        ],
        picture: None,
    }];
    Round {
        scenario: "split-with-one-replica".to_owned(),
        about: "The primary and one replica are cut off from the rest of the cluster. The other \
                side promotes its replica; the old primary goes on until the cut heals."
            .to_owned(),
        events: events(&[
            (310, EventKind::Note, "delay P <-> A by 40 ms"),
            (1_600, EventKind::Note, "pick the side of P: {P, A}"),
            (2_000, EventKind::Fault, "cut {P, A} from {B, Q, R}"),
            (2_060, EventKind::Fault, "kill -9 Q"),
            (2_110, EventKind::Fault, "freeze R for 400 ms"),
            (2_510, EventKind::Heal, "thaw R"),
            (3_130, EventKind::Note, "B is a primary now (epoch 8)"),
            (3_400, EventKind::Note, "P stops: no majority of primaries"),
            (4_210, EventKind::Heal, "heal {P, A} from {B, Q, R}"),
            (4_240, EventKind::Heal, "start Q"),
            (4_390, EventKind::Note, "P is a replica of B"),
            (5_900, EventKind::Note, "the workload ends; all nodes agree"),
        ]),
        spans: spans(&[
            ("P", 0, 4_390, Primary),
            ("P", 4_390, 6_400, Replica),
            ("A", 0, 6_400, Replica),
            ("B", 0, 3_130, Replica),
            ("B", 3_130, 6_400, Primary),
        ]),
        failovers: 1,
        ..round(number, "cluster", contenders)
    }
}

/// The primary ends, and the sentinels promote a replica.
fn kill(number: usize) -> Round {
    let contenders = NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let mut random = Random(at as u64 + 900);
            let rate = [260, 110, 104, 105, 88][at];
            let tenths = (0..60).map(|tenth| match tenth {
                22..=33 => Tenth::default(),
                21 if at == 0 => Tenth {
                    acked: 130,
                    unacked: 0,
                    lost: 12,
                },
                34..=39 if at == 4 => Tenth {
                    acked: 0,
                    unacked: 9,
                    lost: 0,
                },
                _ => Tenth {
                    acked: random.near(rate),
                    ..Tenth::default()
                },
            });
            contender(name, at >= 2, tenths.collect())
        })
        .collect();
    Round {
        scenario: "kill-primary".to_owned(),
        about: "The primary is killed under load. The sentinels promote a replica.".to_owned(),
        events: events(&[
            (2_150, EventKind::Fault, "kill -9 P"),
            (3_390, EventKind::Note, "A is the primary"),
            (4_000, EventKind::Heal, "start P"),
            (4_120, EventKind::Note, "P is a replica of A"),
        ]),
        spans: spans(&[
            ("P", 0, 2_150, Primary),
            ("P", 2_150, 4_060, Silent),
            ("P", 4_120, 6_400, Replica),
            ("A", 0, 3_390, Replica),
            ("A", 3_390, 6_400, Primary),
            ("B", 0, 6_400, Replica),
        ]),
        failovers: 1,
        ..round(number, "sentinel", contenders)
    }
}

/// The system does not recover.
fn unsure(number: usize) -> Round {
    Round {
        scenario: "freeze-replicas".to_owned(),
        about: "Both replicas are frozen for some time, one after the other.".to_owned(),
        crashed: Vec::new(),
        inconclusive: Some("B did not answer within 30 s after the last heal".to_owned()),
        failovers: 0,
        ..kill(number)
    }
}

/// No failover.
fn calm(number: usize) -> Round {
    let contenders = NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let mut random = Random(at as u64 + 77);
            let rate = [260, 110, 104, 105, 88][at];
            let tenth = |_| Tenth {
                acked: random.near(rate),
                ..Tenth::default()
            };
            contender(name, true, (0..60).map(tenth).collect())
        })
        .collect();
    Round {
        scenario: "slow-network".to_owned(),
        about: "Packets are late and in bursts. No node ends.".to_owned(),
        events: events(&[
            (900, EventKind::Fault, "delay all by 30 ms"),
            (5_600, EventKind::Heal, "delay ends"),
        ]),
        spans: spans(&[
            ("P", 0, 6_400, Primary),
            ("A", 0, 6_400, Replica),
            ("B", 0, 6_400, Replica),
        ]),
        failovers: 0,
        ..round(number, "plain", contenders)
    }
}

fn round(number: usize, system: &str, contenders: Vec<Contender>) -> Round {
    Round {
        number,
        scenario: String::new(),
        about: String::new(),
        system: system.to_owned(),
        seed: 7_120_931 + number as u64 * 7_919,
        duration_ms: 6_400,
        nodes: ["P", "A", "B", "Q", "R"].map(str::to_owned).to_vec(),
        events: Vec::new(),
        spans: Vec::new(),
        failovers: 0,
        server: String::new(),
        turns: Vec::new(),
        stuck: None,
        operator: Vec::new(),
        contenders,
        crashed: Vec::new(),
        inconclusive: None,
    }
}

fn contender(name: &str, promised: bool, tenths: Vec<Tenth>) -> Contender {
    let sum = |field: fn(&Tenth) -> u32| tenths.iter().map(|one| u64::from(field(one))).sum();
    Contender {
        name: name.to_owned(),
        promised,
        counts: Counts {
            acked: sum(|one| one.acked),
            lost: sum(|one| one.lost),
            unacked: sum(|one| one.unacked),
            refused: 14,
            unknown: 3,
            reads: 402,
            reads_lost: 0,
            increments: 610,
            increments_lost: 0,
            once: 288,
            once_twice: 0,
            histories_of_several: 0,
            histories: 24,
            histories_illegal: 0,
            histories_undecided: 0,
        },
        tenths,
        violations: Vec::new(),
    }
}

fn events(all: &[(u64, EventKind, &str)]) -> Vec<Event> {
    all.iter()
        .map(|(at_ms, kind, what)| Event {
            at_ms: *at_ms,
            kind: *kind,
            what: what.to_string(),
        })
        .collect()
}

fn spans(all: &[(&str, u64, u64, State)]) -> Vec<Span> {
    all.iter()
        .map(|(node, from_ms, to_ms, state)| Span {
            node: node.to_string(),
            from_ms: *from_ms,
            to_ms: *to_ms,
            state: *state,
        })
        .collect()
}

fn operation(client: u32, called_ms: f64, returned_ms: Option<f64>, text: &str) -> Operation {
    Operation {
        client,
        called_ms,
        returned_ms,
        text: text.to_owned(),
    }
}

/// Noise that is the same each time.
struct Random(u64);

impl Random {
    fn near(&mut self, rate: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        rate - rate / 8 + (self.0 >> 33) as u32 % (rate / 4).max(1)
    }
}
