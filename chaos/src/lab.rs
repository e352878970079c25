//! The faults: what a scenario can do to a system. Each is written into the round's record.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Result};
use rand::{rngs::StdRng, RngExt};

use crate::group::{self, Opened};
use crate::interrupt;
use crate::member::Member;
use crate::node::{Node, PORT};
use crate::record::{Event, EventKind, Turn};
use crate::system::{role, Role, System};
use crate::terms::Terms;

/// A promotion that takes longer does not come.
const PROMOTION: Duration = Duration::from_secs(20);
/// A group promotes within this time, if it can.
const WITHOUT_HELP: Duration = Duration::from_secs(6);

/// A node that starts is a replica again after this time.
const MOMENT: Duration = Duration::from_millis(300);

/// A system under faults.
pub struct Lab<'a> {
    pub system: &'a System,
    pub random: StdRng,
    /// Who has held which term.
    pub terms: &'a Terms,
    /// How many faults a scenario of many has.
    pub turns_wanted: usize,
    begin: Instant,
    story: Mutex<Story>,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Story {
    pub events: Vec<Event>,
    /// The faults of a scenario of many.
    pub turns: Vec<Turn>,
    /// What an operator did.
    pub opened: Vec<Opened>,
}

impl<'a> Lab<'a> {
    pub fn new(
        system: &'a System,
        random: StdRng,
        terms: &'a Terms,
        turns_wanted: usize,
        begin: Instant,
    ) -> Lab<'a> {
        Lab {
            system,
            random,
            terms,
            turns_wanted,
            begin,
            story: Mutex::default(),
        }
    }

    pub fn into_story(self) -> Story {
        self.story
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Heals and starts everything, and waits until the system is whole.
    pub fn restore(&self) -> Result<()> {
        self.system.revive()?;
        self.wait_until_whole()
    }

    /// Waits until the system is whole. If by the rules a failover group waits for an operator, the
    /// lab is the operator.
    pub fn wait_until_whole(&self) -> Result<()> {
        if self.system.is_group() {
            group::wait_until_ready(self)
        } else {
            self.system.wait_until_whole()
        }
    }

    /// One of many faults: plays it, heals everything, and waits until the system is whole.
    pub fn turn(&mut self, fault: &str, play: fn(&mut Lab<'a>) -> Result<()>) -> Result<()> {
        let at_ms = self.now_ms();
        self.note(format!("turn: {fault}"));
        play(self)?;
        self.system.revive()?;
        self.heal_event("all nodes run, the network is whole".to_owned());
        self.wait_until_whole()?;
        let until_ms = self.now_ms();
        let turn = Turn {
            fault: fault.to_owned(),
            at_ms,
            until_ms,
            failovers: 0,
            without_ms: 0,
        };
        self.story().turns.push(turn);
        Ok(())
    }

    /// An operator has opened a member.
    pub fn opened(&self, what: String, had_everything: bool) {
        self.note(what.clone());
        let at = self.begin.elapsed();
        self.story().opened.push(Opened {
            at,
            what,
            had_everything,
        });
    }

    /// The primary of the shard, and two of its replicas, in a random order.
    pub fn members(&mut self) -> Result<(&'a Node, &'a Node, &'a Node)> {
        let primary = self.system.primary()?;
        let mut others: Vec<&Node> = self.system.replicas_of(primary).collect();
        while others.len() > 2 {
            others.swap_remove(self.random.random_range(0..others.len()));
        }
        match (others.as_slice(), self.random.random()) {
            ([one, two], true) | ([two, one], false) => Ok((primary, one, two)),
            _ => bail!("the shard has no two replicas"),
        }
    }

    /// All nodes but these.
    pub fn all_but(&self, these: &[&Node]) -> Vec<&'a Node> {
        let is_other = |node: &&Node| these.iter().all(|one| one.name != node.name);
        self.system.nodes.iter().filter(is_other).collect()
    }

    /// Lets the clients work for a time between the two, in milliseconds.
    pub fn work(&mut self, least: u64, most: u64) -> Result<()> {
        let until = Instant::now() + Duration::from_millis(self.random.random_range(least..=most));
        while Instant::now() < until {
            interrupt::check()?;
            let left = until.saturating_duration_since(Instant::now());
            thread::sleep(left.min(Duration::from_millis(10)));
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&self, node: &Node) {
        node.kill();
        self.fault(format!("kill -9 {}", node.name));
    }

    /// In order (SIGTERM).
    pub fn shut_down(&self, node: &Node) {
        node.shut_down();
        self.fault(format!("shut down {}", node.name));
    }

    /// The machine is gone at once: nothing that it has sent and that this program delays arrives.
    pub fn crash(&self, node: &Node) {
        for other in &self.system.nodes {
            self.system
                .network
                .change(node.number, other.number, |link| link.is_cut = true);
        }
        self.system.network.drop_in_flight(node.number);
        node.kill();
        self.fault(format!("the machine of {} crashes", node.name));
    }

    /// SIGSTOP.
    pub fn freeze(&self, node: &Node) {
        node.freeze();
        self.fault(format!("freeze {}", node.name));
    }

    pub fn thaw(&self, node: &Node) {
        node.thaw();
        self.heal_event(format!("thaw {}", node.name));
    }

    /// Starts a node again, with its data.
    pub fn start(&self, node: &Node) -> Result<()> {
        self.connect_again(node);
        node.start()?;
        self.heal_event(format!("start {}", node.name));
        Ok(())
    }

    /// Starts a node again, without its data.
    pub fn start_empty(&self, node: &Node) -> Result<()> {
        node.wipe()?;
        self.connect_again(node);
        node.start()?;
        self.fault(format!("start {} without its data", node.name));
        Ok(())
    }

    /// Starts a node again as another one: without its data, its id, and what it knew of the
    /// cluster.
    pub fn start_as_a_new_node(&self, node: &Node) -> Result<()> {
        node.wipe()?;
        node.forget_the_cluster()?;
        self.connect_again(node);
        node.start()?;
        self.fault(format!("start {} as a new node", node.name));
        node.wait_until_it_answers()
    }

    fn connect_again(&self, node: &Node) {
        for other in &self.system.nodes {
            self.system
                .network
                .change(node.number, other.number, |link| link.is_cut = false);
        }
    }

    /// Cuts every link between the two groups. The clients reach all nodes.
    pub fn cut(&self, one: &[&Node], other: &[&Node]) {
        self.cut_links(one, other);
        self.cut_links(other, one);
        self.fault(format!("cut {} from {}", names(one), names(other)));
    }

    /// Cuts the links from one group to the other, not back.
    pub fn cut_one_way(&self, from: &[&Node], to: &[&Node]) {
        self.cut_links(from, to);
        self.fault(format!("cut the way from {} to {}", names(from), names(to)));
    }

    fn cut_links(&self, from: &[&Node], to: &[&Node]) {
        for a in from {
            for b in to {
                self.system
                    .network
                    .change(a.number, b.number, |link| link.is_cut = true);
            }
        }
    }

    /// Packets from one node to the other take longer.
    pub fn delay(&self, from: &Node, to: &Node, delay: Duration) {
        self.system
            .network
            .change(from.number, to.number, |link| link.delay = delay);
        let milliseconds = delay.as_millis();
        self.fault(format!(
            "{} to {} takes {milliseconds} ms",
            from.name, to.name
        ));
    }

    /// All links between nodes lose packets and are slow.
    pub fn spoil(&self, loss_percent: u32, delay: Duration) {
        for a in &self.system.nodes {
            for b in &self.system.nodes {
                self.system.network.change(a.number, b.number, |link| {
                    link.loss_percent = loss_percent;
                    link.delay = delay;
                });
            }
        }
        let milliseconds = delay.as_millis();
        self.fault(format!(
            "all links lose {loss_percent} % and take {milliseconds} ms"
        ));
    }

    pub fn heal(&self) {
        self.system.network.heal();
        self.heal_event("the network is whole".to_owned());
    }

    /// Sends a command. An error is written down, too: the server may refuse it because of a fault.
    pub fn command(&self, node: &Node, words: &[&str]) {
        let text = format!("{}: {}", node.name, words.join(" "));
        match node.run::<redis::Value>(words) {
            Ok(_) => self.fault(text),
            Err(error) => self.note(format!("{text}: {:#}", error.root_cause())),
        }
    }

    /// Sends a command that has to succeed: otherwise the scenario does not happen.
    pub fn must(&self, node: &Node, words: &[&str]) -> Result<()> {
        node.run::<redis::Value>(words)?;
        self.fault(format!("{}: {}", node.name, words.join(" ")));
        Ok(())
    }

    /// Waits until a node other than `old` says that it is a primary. Returns it. In a failover
    /// group there may be none, because too few members are left to vote: then returns `old`.
    pub fn wait_for_promotion(&self, old: &'a Node) -> Result<&'a Node> {
        let begin = Instant::now();
        let mut is_helped = !self.system.is_group();
        loop {
            interrupt::check()?;
            // A group of three promotes nobody while two are down.
            if !is_helped && begin.elapsed() > WITHOUT_HELP {
                is_helped = true;
                self.note("nobody was promoted yet: the other members thaw".to_owned());
                for node in self.system.replicas_of(old) {
                    node.thaw();
                }
            }
            let others = self
                .system
                .shard()
                .iter()
                .filter(|node| node.name != old.name);
            for node in others {
                if self.is_promoted(node) {
                    self.note(format!("{} is a primary", node.name));
                    return Ok(node);
                }
            }
            if self.system.is_group() && begin.elapsed() > 2 * WITHOUT_HELP {
                self.note("nobody can be promoted: too few members hear each other".to_owned());
                return Ok(old);
            }
            ensure!(begin.elapsed() < PROMOTION, "no replica was promoted");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a node is a primary. A replica of a cluster that starts shows itself as one for a
    /// moment, and in a group it would be closed.
    fn is_promoted(&self, node: &Node) -> bool {
        if !self.system.is_group() {
            return role(node) == Some(Role::Primary);
        }
        let state = || {
            Member::of(node)
                .map(|member| member.state)
                .unwrap_or_default()
        };
        let is_closed = || state() == "closed";
        state() == "primary"
            || is_closed() && {
                thread::sleep(MOMENT);
                is_closed()
            }
    }

    /// Waits until `condition` is true, or for some seconds.
    pub fn wait_at_most(&self, limit: Duration, condition: impl Fn() -> bool) -> Result<bool> {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            interrupt::check()?;
            if condition() {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }

    pub fn fault(&self, what: String) {
        self.event(EventKind::Fault, what);
    }

    pub fn note(&self, what: String) {
        self.event(EventKind::Note, what);
    }

    fn heal_event(&self, what: String) {
        self.event(EventKind::Heal, what);
    }

    fn event(&self, kind: EventKind, what: String) {
        let at_ms = self.now_ms();
        self.story().events.push(Event { at_ms, kind, what });
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `{P, A}`.
fn names(nodes: &[&Node]) -> String {
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    format!("{{{}}}", names.join(", "))
}

/// The address of a node as two words.
pub fn address(node: &Node) -> (String, String) {
    (node.address().to_string(), PORT.to_string())
}
