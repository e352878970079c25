//! Resets by example, and against a simulated server that consists of counters.

use proptest::prelude::*;

use super::*;

fn commands(commands: u64) -> ServerCounters {
    ServerCounters {
        commands,
        transactions: None,
    }
}

#[test]
fn a_counter_that_falls_shows_a_reset() {
    let mut resets = Resets::default();
    for (now, reset) in [(5, false), (5, false), (9, false), (8, true), (8, false)] {
        assert_eq!(resets.observe(commands(now)), reset, "{now}");
    }
}

#[test]
fn the_next_transaction_of_a_client_is_checked_after_a_reset_without_effect() {
    let mut resets = Resets::default();
    resets.observe(commands(5));
    resets.resetstat_sent(7);
    assert!(!resets.command_done(commands(5), false) && !resets.is_pending());
    assert!(!resets.exec_sent(8));
    assert!(resets.exec_sent(7) && resets.needs_multi_calls());
    assert!(!resets.command_done(commands(6), false));
    assert!(!resets.exec_sent(7));
}

#[test]
fn transactions_are_not_checked_after_a_reset_or_when_the_client_left() {
    let mut resets = Resets::default();
    resets.observe(commands(5));
    resets.resetstat_sent(7);
    assert!(resets.command_done(commands(1), false));
    assert!(!resets.exec_sent(7));
    resets.resetstat_sent(8);
    resets.command_done(commands(1), false);
    resets.client_left(8);
    assert!(!resets.exec_sent(8));
}

#[test]
fn the_next_100_transactions_of_unknown_clients_are_checked() {
    let mut resets = Resets::default();
    assert!(!resets.exec_sent(0));
    resets.resetstat_sent(0);
    resets.command_done(commands(5), false);
    for _ in 0..CHECKED_TRANSACTIONS {
        assert!(resets.exec_sent(0));
        resets.command_done(commands(5), false);
    }
    assert!(!resets.exec_sent(0));
}

#[test]
fn a_deferred_command_stays_pending_until_it_resets_or_the_pause_ends() {
    let mut resets = Resets::default();
    resets.observe(commands(50));
    resets.resetstat_sent(7);
    assert!(!resets.command_done(commands(50), true) && resets.is_pending());
    assert!(resets.command_done(commands(1), true) && !resets.is_pending());
    resets.resetstat_sent(7);
    resets.command_done(commands(1), true);
    assert!(!resets.command_done(commands(1), false) && !resets.is_pending());
}

#[test]
fn calls_are_read_from_a_line_of_info() {
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

/// The counters and transactions of a server.
#[derive(Default)]
struct Server {
    commands: u64,
    multis: u64,
    /// The transaction of each client: for each queued command, whether it is a reset.
    queues: [Option<Vec<bool>>; 3],
    /// The number of resets so far.
    resets: u32,
}

impl Server {
    fn marks(&self, transactions: bool) -> ServerCounters {
        ServerCounters {
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
    /// INFO's own looks, which would detect more, are left out. With fewer than two commands there
    /// is nothing to reset.
    #[test]
    fn a_reset_is_detected_exactly_when_the_server_resets(traffic in traffic(), named in any::<bool>()) {
        let (mut server, mut resets) = (Server { commands: 2, ..Server::default() }, Resets::default());
        let mut since_multi_was_lost = [false; 3];
        for (client, sent) in traffic {
            let id = if named { client as u64 + 1 } else { 0 };
            if resets.is_pending() {
                resets.command_done(server.marks(resets.needs_multi_calls()), false);
            }
            if matches!(sent, Sent::Reset { .. }) {
                resets.observe(server.marks(false));
                resets.resetstat_sent(id);
            } else if matches!(sent, Sent::Exec) && resets.exec_sent(id) {
                resets.observe(server.marks(true));
            }
            let (before, was) = (server.resets, server.marks(true));
            if matches!(sent, Sent::Multi) && server.queues[client].is_none() {
                since_multi_was_lost[client] = false;
            }
            server.execute(client, &sent);
            // What the next look would detect.
            let detected = resets.is_pending() && {
                let mut copy = Resets { last: resets.last, pending: resets.pending, ..Resets::default() };
                copy.command_done(server.marks(copy.needs_multi_calls()), false)
            };
            let reset = server.resets > before;
            prop_assert!(!detected || reset, "{sent:?}");
            if reset {
                // Another client's reset since the MULTI, and no other MULTI since that: see the
                // head of `resets`.
                let hidden = was.commands < 2 || (since_multi_was_lost[client] && was.transactions == Some(0));
                prop_assert!(detected || hidden, "{sent:?}, {was:?}");
                since_multi_was_lost = [true; 3];
            }
        }
    }
}
