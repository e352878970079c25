//! Failover groups: what each server did in all, and what each fault cost.

use maud::{html, Markup};

use super::sums::{self, Sum};
use super::text::{count, seconds};
use crate::record::{Round, Run, Turn};

/// All rounds with one server. `None`: all servers.
pub struct Line<'a> {
    pub server: Option<&'a str>,
    pub rounds: usize,
    pub failovers: u64,
    pub promised: Sum,
    pub stuck: usize,
    /// Rounds in which an operator opened a member.
    pub operator: usize,
    pub silent: usize,
}

/// One line for each server, and one for all, if there are several.
pub fn lines(run: &Run) -> Vec<Line<'_>> {
    let mut servers: Vec<&str> = Vec::new();
    for round in &run.rounds {
        if !servers.contains(&round.server.as_str()) {
            servers.push(&round.server);
        }
    }
    let several = servers.len() > 1;
    let each = servers.into_iter().map(Some);
    let all = several.then_some(None);
    each.chain(all).map(|server| line(run, server)).collect()
}

fn line<'a>(run: &'a Run, server: Option<&'a str>) -> Line<'a> {
    let is_of = |round: &&Round| server.is_none_or(|name| round.server == name);
    let rounds = || run.rounds.iter().filter(is_of);
    let conclusive = || rounds().filter(|round| round.inconclusive.is_none());
    Line {
        server,
        rounds: rounds().count(),
        failovers: conclusive().map(|round| round.failovers as u64).sum(),
        promised: sums::sum(conclusive(), |one| one.promised),
        stuck: rounds().filter(|round| round.stuck.is_some()).count(),
        operator: rounds().filter(|round| !round.operator.is_empty()).count(),
        silent: rounds()
            .filter(|round| round.inconclusive.is_some())
            .count(),
    }
}

/// All turns with one fault.
pub struct Fault<'a> {
    pub name: &'a str,
    pub turns: Vec<&'a Turn>,
}

impl Fault<'_> {
    pub fn failovers(&self) -> usize {
        self.turns.iter().map(|turn| turn.failovers).sum()
    }

    /// The median and the greatest time without an acknowledged write, in milliseconds.
    pub fn without_ms(&self) -> (u64, u64) {
        let mut times: Vec<u64> = self.turns.iter().map(|turn| turn.without_ms).collect();
        times.sort_unstable();
        let median = times
            .get(times.len().saturating_sub(1) / 2)
            .copied()
            .unwrap_or(0);
        (median, times.last().copied().unwrap_or(0))
    }
}

/// In the order of their first turns.
pub fn faults(run: &Run) -> Vec<Fault<'_>> {
    let mut faults: Vec<Fault> = Vec::new();
    for turn in run.rounds.iter().flat_map(|round| &round.turns) {
        match faults.iter_mut().find(|fault| fault.name == turn.fault) {
            Some(fault) => fault.turns.push(turn),
            None => faults.push(Fault {
                name: &turn.fault,
                turns: vec![turn],
            }),
        }
    }
    faults
}

/// Nothing, if no shard was a group.
pub fn section(run: &Run) -> Markup {
    let faults = faults(run);
    html! {
        @if !faults.is_empty() || run.rounds.iter().any(|round| round.stuck.is_some()) {
            section {
                h2 { "Failover groups" }
                (failures(run))
                p {
                    "A failover is counted when another member holds a term: it can acknowledge "
                    "writes. Acknowledged, lost and contradicted are of writes with a promise."
                }
                (servers(run))
                h3 { "What each fault cost" }
                p {
                    "The longest time in which no write with a promise was acknowledged, from the "
                    "fault until the group was whole again."
                }
                (costs(&faults))
            }
        }
    }
}

fn failures(run: &Run) -> Markup {
    html! {
        @for round in run.rounds.iter() {
            @if let Some(what) = &round.stuck {
                p {
                    strong { "A group did not do what it can: " }
                    a href={ "#round-" (round.number) } { "round " (round.number) }
                    ", " code { (round.scenario) } ": " (what)
                }
            }
        }
    }
}

fn servers(run: &Run) -> Markup {
    let names = [
        "Rounds",
        "Failovers",
        "Acknowledged",
        "Lost",
        "Reads",
        "Increments",
        "Histories",
        "Contradicted",
        "Undecided",
        "Stuck",
        "By an operator",
        "Say nothing",
    ];
    html! {
        div.scroll {
            table.numbers {
                thead {
                    tr {
                        th scope="col" { "Server" }
                        @for name in names { th.number scope="col" { (name) } }
                    }
                }
                tbody {
                    @for line in lines(run) {
                        @let counts = &line.promised.counts;
                        tr {
                            th scope="row" { (line.server.unwrap_or("together")) }
                            @for number in [
                                line.rounds as u64, line.failovers, counts.acked, counts.lost,
                                counts.reads, counts.increments, counts.histories,
                                counts.histories_illegal, counts.histories_undecided,
                                line.stuck as u64, line.operator as u64, line.silent as u64,
                            ] {
                                td.number { (count(number)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn costs(faults: &[Fault]) -> Markup {
    html! {
        div.scroll {
            table.numbers {
                thead {
                    tr {
                        th scope="col" { "Fault" }
                        th.number scope="col" { "Times" }
                        th.number scope="col" { "Failovers" }
                        th.number scope="col" { "Median" }
                        th.number scope="col" { "Longest" }
                    }
                }
                tbody {
                    @for fault in faults {
                        @let (median, longest) = fault.without_ms();
                        tr {
                            th scope="row" { (fault.name) }
                            td.number { (count(fault.turns.len() as u64)) }
                            td.number { (count(fault.failovers() as u64)) }
                            td.number { (seconds(median as f64)) }
                            td.number { (seconds(longest as f64)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn turn(fault: &str, without_ms: u64) -> Turn {
        Turn {
            fault: fault.to_owned(),
            at_ms: 0,
            until_ms: 9_000,
            failovers: 1,
            without_ms,
        }
    }

    #[test]
    fn servers_are_added_up_and_faults_are_told_apart() {
        let mut run = fixture::good();
        for (index, round) in run.rounds.iter_mut().enumerate() {
            round.server = format!("server {}", index % 2);
            round.turns = vec![turn("kill", 1_000 * index as u64), turn("freeze", 7)];
        }
        run.rounds[0].stuck = Some("no primary".to_owned());
        let lines = lines(&run);
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[0].stuck, lines[1].stuck, lines[2].stuck), (1, 0, 1));
        assert_eq!(lines[2].rounds, 6);
        let faults = faults(&run);
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].without_ms(), (2_000, 5_000));
        assert_eq!(faults[1].failovers(), 6);
        let page = section(&run).into_string();
        assert!(page.contains("A group did not do what it can"));
    }
}
