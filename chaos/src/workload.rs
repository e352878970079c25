//! The clients of all contenders, which run side by side during a round.
//!
//! | client | what it does |
//! |---|---|
//! | writers | set keys of their own, once each |
//! | a reader | reads the key that was written last |
//! | swappers | SET with GET on one register, two at a time |
//! | adders | INCR on one counter, two at a time |
//! | a repeater | DURABLE.ONCE INCR, sent again until it is answered |
//! | slow swappers and adders | the same, seldom, on one key for the whole round |
//!
//! Swappers and adders take a new key after some operations: the checker's work grows quickly with
//! the number of open operations on one key. The slow ones keep theirs, so that the answers of the
//! primaries before and after a failover are in one history.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use rand::{rngs::StdRng, SeedableRng};
use redis::Value;

use crate::client::{Addresses, Client, TAG};
use crate::contender::{Answer, Contender};
use crate::history::{Action, Operation, Outcome};

/// After an operation a client pauses for this long, so that the lab fits on two cores.
pub const THINKING: Duration = Duration::from_millis(3);
/// In rounds of minutes, of which several are played at once.
pub const THINKING_LONG: Duration = Duration::from_millis(10);
/// So many operations on one register or counter.
const OPERATIONS_PER_KEY: u64 = 15;
/// Or so much time.
const TIME_PER_KEY: Duration = Duration::from_millis(700);
/// The pause of the slow ones, and after an operation that stays open.
const SLOW: Duration = Duration::from_millis(400);
const VERY_SLOW: Duration = Duration::from_millis(1500);

/// What one client does until the round ends.
type Job = fn(&Shared, u32, &mut Client) -> Vec<Operation>;

/// The running clients of a round.
pub struct Workload {
    stop: Arc<AtomicBool>,
    begin: Instant,
    clients: Vec<(Contender, JoinHandle<Vec<Operation>>)>,
}

/// What all clients of one contender share.
#[derive(Clone)]
struct Shared {
    contender: Contender,
    /// The beginning of the names of this round's keys.
    prefix: String,
    stop: Arc<AtomicBool>,
    begin: Instant,
    /// The pause after an operation.
    thinking: Duration,
    /// The key that was written last.
    latest: Arc<RwLock<String>>,
    /// Operations on registers and on counters: the keys get new names as these numbers grow.
    swaps: Arc<AtomicU64>,
    additions: Arc<AtomicU64>,
}

impl Workload {
    pub fn start(
        addresses: &Arc<Addresses>,
        contenders: &[Contender],
        round: usize,
        seed: u64,
        thinking: Duration,
    ) -> Result<Workload> {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let mut clients = Vec::new();
        for (index, &contender) in contenders.iter().enumerate() {
            let shared = Shared {
                contender,
                prefix: format!("{TAG}:{round}:{index}"),
                stop: Arc::clone(&stop),
                begin,
                thinking,
                latest: Arc::default(),
                swaps: Arc::default(),
                additions: Arc::default(),
            };
            let jobs: [Job; 12] = [
                write, write, read, swap, swap, add, add, repeat, slow_swap, slow_swap, slow_add,
                slow_add,
            ];
            for (number, job) in jobs.into_iter().enumerate() {
                let number = u32::try_from(index * jobs.len() + number)?;
                let random = StdRng::seed_from_u64(seed ^ u64::from(number));
                let mut client = Client::new(Arc::clone(addresses), random);
                let shared = shared.clone();
                let handle = thread::Builder::new()
                    .name(format!("client {number}"))
                    .spawn(move || job(&shared, number, &mut client))
                    .context("starting a client")?;
                clients.push((contender, handle));
            }
        }
        Ok(Workload {
            stop,
            begin,
            clients,
        })
    }

    /// When the round began.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// Lets all clients end their current operation, and collects what they did.
    pub fn finish(self) -> Result<Vec<(Contender, Vec<Operation>)>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut histories: Vec<(Contender, Vec<Operation>)> = Vec::new();
        for (contender, handle) in self.clients {
            let operations = handle.join().map_err(|_| anyhow!("a client panicked"))?;
            match histories.iter_mut().find(|(of, _)| *of == contender) {
                Some((_, all)) => all.extend(operations),
                None => histories.push((contender, operations)),
            }
        }
        Ok(histories)
    }
}

impl Shared {
    fn runs(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Sends one operation and adds it to the history.
    fn perform(
        &self,
        number: u32,
        client: &mut Client,
        words: &[String],
        action: Action,
        history: &mut Vec<Operation>,
    ) -> Outcome {
        let called = self.begin.elapsed();
        let (answer, node) = client.send(self.contender, words);
        let outcome = outcome(&answer);
        history.push(Operation {
            client: number,
            called,
            returned: self.begin.elapsed(),
            action,
            outcome,
            node,
        });
        thread::sleep(self.thinking);
        outcome
    }

    /// The key for the next operation of a kind, of which `count` were sent.
    fn shared_key(&self, kind: &str, count: &AtomicU64) -> String {
        let by_time = self.begin.elapsed().as_millis() / TIME_PER_KEY.as_millis();
        let by_count = count.fetch_add(1, Ordering::Relaxed) / OPERATIONS_PER_KEY;
        format!("{}:{kind}:{by_time}.{by_count}", self.prefix)
    }

    /// The pause of a slow client, not after the end of the round.
    fn pause_after(&self, outcome: Outcome) {
        let pause = if outcome.is_open() { VERY_SLOW } else { SLOW };
        let until = Instant::now() + pause;
        while self.runs() && Instant::now() < until {
            thread::sleep(THINKING);
        }
    }
}

fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Acked(Value::Int(number)) => Outcome::Acked(Some(*number)),
        Answer::Acked(Value::BulkString(bytes)) => {
            Outcome::Acked(String::from_utf8_lossy(bytes).parse().ok())
        }
        Answer::Acked(_) => Outcome::Acked(None),
        Answer::Unacked => Outcome::Unacked,
        Answer::Refused | Answer::Elsewhere { .. } => Outcome::Refused,
        Answer::Unknown => Outcome::Unknown,
    }
}

fn write(shared: &Shared, number: u32, client: &mut Client) -> Vec<Operation> {
    let mut history = Vec::new();
    let mut next = 0_u64;
    while shared.runs() {
        let key = format!("{}:w:{number}:{next}", shared.prefix);
        next += 1;
        let words = shared.contender.words(&["SET", &key, "1"]);
        shared
            .latest
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&key);
        shared.perform(number, client, &words, Action::Write { key }, &mut history);
    }
    history
}

fn read(shared: &Shared, number: u32, client: &mut Client) -> Vec<Operation> {
    let mut history = Vec::new();
    while shared.runs() {
        let key = shared
            .latest
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if key.is_empty() {
            thread::sleep(THINKING);
            continue;
        }
        let words = shared.contender.words(&["GET", &key]);
        shared.perform(number, client, &words, Action::Read { key }, &mut history);
    }
    history
}

fn swap(shared: &Shared, number: u32, client: &mut Client) -> Vec<Operation> {
    let mut history = Vec::new();
    let mut next = 0_i64;
    while shared.runs() {
        let key = shared.shared_key("r", &shared.swaps);
        let value = i64::from(number) * 1_000_000 + next;
        next += 1;
        let words = shared
            .contender
            .words(&["SET", &key, &value.to_string(), "GET"]);
        shared.perform(
            number,
            client,
            &words,
            Action::Swap { key, value },
            &mut history,
        );
    }
    history
}

fn add(shared: &Shared, number: u32, client: &mut Client) -> Vec<Operation> {
    let mut history = Vec::new();
    while shared.runs() {
        let key = shared.shared_key("n", &shared.additions);
        let words = shared.contender.words(&["INCR", &key]);
        shared.perform(number, client, &words, Action::Add { key }, &mut history);
    }
    history
}

fn slow_swap(shared: &Shared, number: u32, client: &mut Client) -> Vec<Operation> {
    let mut history = Vec::new();
    let mut next = 0_i64;
    while shared.runs() {
        let key = format!("{}:slow-r", shared.prefix);
        let value = i64::from(number) * 1_000_000 + next;
        next += 1;
        let words = shared
            .contender
            .words(&["SET", &key, &value.to_string(), "GET"]);
        let action = Action::Swap { key, value };
        let outcome = shared.perform(number, client, &words, action, &mut history);
        shared.pause_after(outcome);
    }
    history
}

fn slow_add(shared: &Shared, number: u32, client: &mut Client) -> Vec<Operation> {
    let mut history = Vec::new();
    while shared.runs() {
        let key = format!("{}:slow-n", shared.prefix);
        let words = shared.contender.words(&["INCR", &key]);
        let action = Action::Add { key };
        let outcome = shared.perform(number, client, &words, action, &mut history);
        shared.pause_after(outcome);
    }
    history
}

/// Each increment is one operation, from its first sending to the first answer.
fn repeat(shared: &Shared, number: u32, client: &mut Client) -> Vec<Operation> {
    let mut history = Vec::new();
    let mut next = 0_u64;
    while shared.runs() {
        let by_time = shared.begin.elapsed().as_millis() / TIME_PER_KEY.as_millis();
        let key = format!("{}:o:{by_time}", shared.prefix);
        let id = format!("{}:{number}:{next}", shared.prefix);
        next += 1;
        let Some(words) = shared.contender.once(&id, &["INCR", &key]) else {
            // This contender has no such command.
            return history;
        };
        let called = shared.begin.elapsed();
        let (mut result, mut answered_by) = (Outcome::Refused, None);
        while shared.runs() && !result.is_acked() {
            let (answer, node) = client.send(shared.contender, &words);
            let this = outcome(&answer);
            // A refusal speaks of one try only: an earlier one may have been executed.
            if this != Outcome::Refused {
                (result, answered_by) = (this, node);
            }
        }
        history.push(Operation {
            client: number,
            called,
            returned: shared.begin.elapsed(),
            action: Action::AddOnce { key },
            outcome: result,
            node: answered_by,
        });
        thread::sleep(shared.thinking);
    }
    history
}
