//! Resets by example, and on a server that is nothing but counters.

use proptest::prelude::*;

use super::*;

fn commands(commands: u64) -> Marks {
    Marks {
        commands,
        transactions: None,
    }
}

#[test]
fn a_counter_that_fell_is_a_reset_and_one_that_grew_is_none() {
    let mut resets = Resets::default();
    for (now, reset) in [(5, false), (5, false), (9, false), (8, true), (8, false)] {
        assert_eq!(resets.observe(commands(now)), reset, "{now}");
    }
}

#[test]
fn a_client_that_was_refused_is_looked_at_when_it_executes_and_once() {
    let mut resets = Resets::default();
    resets.observe(commands(5));
    resets.asks(7);
    assert!(!resets.settle(commands(5), false) && !resets.is_pending());
    assert!(!resets.executes(8));
    assert!(resets.executes(7) && resets.needs_transactions());
    assert!(!resets.settle(commands(6), false));
    assert!(!resets.executes(7));
}

#[test]
fn a_client_that_got_its_reset_or_left_is_not_looked_at() {
    let mut resets = Resets::default();
    resets.observe(commands(5));
    resets.asks(7);
    assert!(resets.settle(commands(1), false));
    assert!(!resets.executes(7));
    resets.asks(8);
    resets.settle(commands(1), false);
    resets.left(8);
    assert!(!resets.executes(8));
}

#[test]
fn clients_without_a_name_are_looked_at_for_so_many_transactions() {
    let mut resets = Resets::default();
    assert!(!resets.executes(0));
    resets.asks(0);
    resets.settle(commands(5), false);
    for _ in 0..UNNAMED {
        assert!(resets.executes(0));
        resets.settle(commands(5), false);
    }
    assert!(!resets.executes(0));
}

#[test]
fn what_may_be_held_back_stays_open_until_it_resets_or_the_pause_ends() {
    let mut resets = Resets::default();
    resets.observe(commands(50));
    resets.asks(7);
    assert!(!resets.settle(commands(50), true) && resets.is_pending());
    assert!(resets.settle(commands(1), true) && !resets.is_pending());
    resets.asks(7);
    resets.settle(commands(1), true);
    assert!(!resets.settle(commands(1), false) && !resets.is_pending());
}

#[test]
fn calls_are_read_from_the_text_of_info() {
    assert_eq!(calls(b"calls=31,usec=7,usec_per_call=0.23"), Some(31));
    assert_eq!(calls(b"calls=31"), Some(31));
    for bad in ["", "calls=", "calls=x,usec=7", "usec=7,calls=31"] {
        assert_eq!(calls(bad.as_bytes()), None, "{bad}");
    }
}

/// What a client sends.
#[derive(Clone, Debug)]
enum Sent {
    Ping,
    Multi,
    Exec,
    Discard,
    Reset { allowed: bool },
}

/// A server as far as it matters here.
#[derive(Default)]
struct Server {
    commands: u64,
    multis: u64,
    /// What each client has queued: whether each is a reset.
    queues: [Option<Vec<bool>>; 3],
    /// What the module counts, and what it should show.
    resets: u32,
}

impl Server {
    fn marks(&self, transactions: bool) -> Marks {
        Marks {
            commands: self.commands,
            transactions: transactions.then_some(self.multis),
        }
    }

    fn reset(&mut self) {
        (self.commands, self.multis) = (0, 0);
        self.resets += 1;
    }

    fn execute(&mut self, client: usize, sent: &Sent) {
        match (sent, self.queues[client].take()) {
            (Sent::Multi, None) => {
                self.queues[client] = Some(Vec::new());
                self.multis += 1;
            }
            (Sent::Exec, Some(queue)) => {
                for is_reset in queue {
                    if is_reset {
                        self.reset();
                    }
                    self.commands += 1;
                }
            }
            (Sent::Discard, Some(_)) => (),
            (Sent::Ping | Sent::Reset { allowed: true }, Some(mut queue)) => {
                queue.push(matches!(sent, Sent::Reset { .. }));
                self.queues[client] = Some(queue);
                return;
            }
            (Sent::Reset { allowed: false } | Sent::Multi, queue) => {
                self.queues[client] = queue;
                return;
            }
            (Sent::Reset { allowed: true }, None) => self.reset(),
            (Sent::Ping | Sent::Exec | Sent::Discard, None) => (),
        }
        self.commands += 1;
    }
}

fn traffic() -> impl Strategy<Value = Vec<(usize, Sent)>> {
    let sent = prop_oneof![
        5 => Just(Sent::Ping),
        2 => Just(Sent::Multi),
        3 => Just(Sent::Exec),
        1 => Just(Sent::Discard),
        2 => any::<bool>().prop_map(|allowed| Sent::Reset { allowed }),
    ];
    prop::collection::vec((0..3usize, sent), 0..80)
}

proptest! {
    /// Without INFO's own look, which would find more. With fewer than two commands there was
    /// nothing to reset.
    #[test]
    fn the_module_is_reset_exactly_when_the_server_is(traffic in traffic(), named in any::<bool>()) {
        let (mut server, mut resets) = (Server { commands: 2, ..Server::default() }, Resets::default());
        let mut since_multi_was_lost = [false; 3];
        for (client, sent) in traffic {
            let id = if named { client as u64 + 1 } else { 0 };
            if resets.is_pending() {
                resets.settle(server.marks(resets.needs_transactions()), false);
            }
            if matches!(sent, Sent::Reset { .. }) {
                resets.observe(server.marks(false));
                resets.asks(id);
            } else if matches!(sent, Sent::Exec) && resets.executes(id) {
                resets.observe(server.marks(true));
            }
            let (before, was) = (server.resets, server.marks(true));
            if matches!(sent, Sent::Multi) && server.queues[client].is_none() {
                since_multi_was_lost[client] = false;
            }
            server.execute(client, &sent);
            // What follows is what the next look would tell.
            let told = resets.is_pending() && {
                let mut copy = Resets { last: resets.last, pending: resets.pending, ..Resets::default() };
                copy.settle(server.marks(copy.needs_transactions()), false)
            };
            let reset = server.resets > before;
            prop_assert!(!told || reset, "{sent:?}");
            if reset {
                // Another client's reset since the MULTI, and no other MULTI since: see the head of
                // `resets`.
                let hidden = was.commands < 2 || (since_multi_was_lost[client] && was.transactions == Some(0));
                prop_assert!(told || hidden, "{sent:?}, {was:?}");
                since_multi_was_lost = [true; 3];
            }
        }
    }
}
