//! Lone writes: requests that are sent without a look.

use super::*;

/// Bytes of a write in the stream.
const WRITE: u64 = 50;

/// Redis 7.0, one client, one replica.
struct Lone {
    coordinator: Coordinator<()>,
    /// The end of the stream.
    stream: u64,
    /// The replica has acknowledged this.
    acked: u64,
    /// Where the last request begins.
    request: u64,
    /// How many commands the filter has heard.
    commands: u64,
}

/// What a write took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Took {
    looks: u32,
    requests: u32,
}

impl Lone {
    fn new() -> Self {
        Self {
            coordinator: primary(Setup {
                release_point: ReleasePoint::TurnEnd,
                ..TIMER
            }),
            stream: 100,
            acked: 100,
            request: 63,
            commands: 0,
        }
    }

    /// A durable command that writes so many bytes. Another client writes `others` bytes before the
    /// replica answers.
    fn command(&mut self, bytes: u64, others: u64) -> Took {
        let mut took = Took {
            looks: 0,
            requests: 0,
        };
        self.begins(bytes, None);
        self.turn_ends(&mut took);
        self.stream += others;
        self.commands += u64::from(others > 0);
        for _ in 0..3 {
            if self.coordinator.waiting() == 0 {
                return took;
            }
            self.coordinator.turn_begins();
            if self.acked != self.request {
                self.acknowledge(self.request);
            }
            self.turn_ends(&mut took);
        }
        panic!("not released after {took:?}");
    }

    /// A turn in which client 7 sends a durable command.
    fn begins(&mut self, bytes: u64, timeout: Option<Micros>) {
        self.coordinator.turn_begins();
        self.stream += bytes;
        self.commands += 1;
        accept(&mut self.coordinator, 7, timeout, Micros::new(0));
    }

    fn acknowledge(&mut self, acked: u64) {
        self.acked = acked;
        self.commands += 1;
        self.coordinator.acknowledgement_seen();
    }

    fn turn_ends(&mut self, took: &mut Took) {
        self.coordinator.commands_heard(self.commands);
        if self.coordinator.unseen_request().is_some() {
            self.send(took);
            return self.coordinator.sent_unseen();
        }
        if !self.coordinator.turn_ends() {
            return;
        }
        took.looks += 1;
        look(
            &mut self.coordinator,
            self.stream,
            self.acked,
            Micros::new(0),
        );
        let actions = self
            .coordinator
            .looked_at_turn_end(true, false, Micros::new(0));
        if actions.request.is_some() {
            self.send(took);
            self.coordinator.request_sent();
        }
    }

    fn send(&mut self, took: &mut Took) {
        took.requests += 1;
        self.request = self.stream;
        self.stream += 37;
    }

    /// A client alone writes until its next write needs one look only. Returns how many writes that
    /// takes.
    fn writes_until_one_look(&mut self) -> usize {
        let writes = (0..5000).find(|_| self.command(WRITE, 0).looks == 1);
        writes.expect("a write with one look")
    }
}

const ONE_LOOK: Took = Took {
    looks: 1,
    requests: 1,
};
const TWO_LOOKS: Took = Took {
    looks: 2,
    requests: 1,
};

#[test]
fn a_client_alone_needs_one_look_for_each_write_after_sixteen() {
    let mut lone = Lone::new();
    assert_eq!(lone.command(WRITE, 0), TWO_LOOKS);
    assert_eq!(lone.writes_until_one_look(), 15);
    for _ in 0..100 {
        assert_eq!(lone.command(WRITE, 0), ONE_LOOK);
    }
}

#[test]
fn clients_that_write_in_between_cost_a_second_request_and_end_it() {
    let mut lone = Lone::new();
    for needed in [16, 32, 62, 122] {
        assert_eq!(lone.writes_until_one_look(), needed);
        // The answer to the first request is below the offset that the look shows.
        let took = lone.command(WRITE, 20);
        assert_eq!((took.looks, took.requests), (2, 2));
    }
    for _ in 0..100 {
        assert_eq!(lone.command(WRITE, 20), TWO_LOOKS, "never alone");
    }
}

#[test]
fn a_read_ends_it_and_reads_between_writes_never_begin_it() {
    let mut lone = Lone::new();
    let at_once = Took {
        looks: 1,
        requests: 0,
    };
    lone.writes_until_one_look();
    assert_eq!(lone.command(0, 0), ONE_LOOK, "not known to be a read");
    for _ in 0..100 {
        assert_eq!(lone.command(WRITE, 0), TWO_LOOKS);
        assert_eq!(lone.command(0, 0), at_once);
    }
}

#[test]
fn a_client_that_waits_again_behind_the_request_is_not_covered_by_it() {
    let mut lone = Lone::new();
    lone.writes_until_one_look();
    lone.coordinator.turn_begins();
    accept(&mut lone.coordinator, 7, None, Micros::new(0));
    let mut took = ONE_LOOK;
    lone.turn_ends(&mut took);
    assert_eq!(took.requests, 2);
    // In the next turn the client is unblocked, writes again, and somebody else waits as well.
    lone.coordinator.turn_begins();
    let given_up = lone.coordinator.timed_out(7, ms(1), |()| true);
    assert!(given_up.is_some());
    accept(&mut lone.coordinator, 7, None, ms(1));
    accept(&mut lone.coordinator, 8, None, ms(1));
    lone.stream += WRITE;
    // The replica reports by itself, between the request and the second write.
    lone.acknowledge(lone.stream - WRITE);
    lone.turn_ends(&mut took);
    assert_eq!(lone.coordinator.waiting(), 2);
    let wait = lone.coordinator.wait_of(7).expect("it waits");
    assert_eq!(wait.offset, Some(Offset::new(lone.stream - 37)));
}

#[test]
fn a_turn_without_an_acknowledgement_costs_nothing_and_the_position_is_known_afterwards() {
    let mut lone = Lone::new();
    lone.writes_until_one_look();
    lone.begins(WRITE, Some(ms(50)));
    let mut took = Took {
        looks: 0,
        requests: 0,
    };
    lone.turn_ends(&mut took);
    // A PING of another client.
    lone.coordinator.turn_begins();
    lone.commands += 1;
    lone.turn_ends(&mut took);
    assert_eq!((took.looks, took.requests), (1, 1));
    lone.coordinator.turn_begins();
    lone.acknowledge(lone.request);
    lone.turn_ends(&mut took);
    assert_eq!((took.looks, took.requests), (2, 1), "released");
    assert_eq!(lone.coordinator.waiting(), 0);
    // Because of the PING it is not known whether the last 37 bytes are the request.
    assert_eq!(lone.coordinator.max_lag(), 37);
    assert_eq!(lone.command(WRITE, 0), ONE_LOOK);
    assert_eq!(lone.coordinator.max_lag(), 0, "it is known");
}

#[test]
fn a_report_of_the_replica_in_between_leaves_the_position_unknown() {
    let mut lone = Lone::new();
    lone.writes_until_one_look();
    lone.begins(WRITE, None);
    let mut took = TWO_LOOKS;
    lone.turn_ends(&mut took);
    assert_eq!(took.requests, 2);
    // The server deletes an expired key: no command. The replica answers the request, and reports
    // once more before it reads the DEL.
    lone.coordinator.turn_begins();
    lone.acknowledge(lone.request);
    lone.acknowledge(lone.request + 37);
    lone.stream += 37;
    lone.turn_ends(&mut took);
    assert_eq!(lone.coordinator.waiting(), 0, "the write is safe");
    assert_eq!(lone.coordinator.max_lag(), 37, "the DEL is not");
}
