//! The run in one sentence, and the head of the page around it.

use maud::{html, Markup};

use super::sums::{self, Outcome, Sum};
use super::text::{count, percent, plural, utc};
use crate::record::Run;

pub struct Verdict {
    pub outcome: Outcome,
    pub sentence: String,
}

impl Verdict {
    pub fn of(run: &Run) -> Verdict {
        let promised = sums::sum(sums::conclusive(run), |contender| contender.promised);
        let rounds = sums::conclusive(run).count() as u64;
        let failovers = sums::conclusive(run)
            .map(|round| round.failovers as u64)
            .sum();
        let extent = format!(
            "{}, {}",
            plural(rounds, "round", "rounds"),
            plural(failovers, "failover", "failovers")
        );
        let acked = plural(
            promised.counts.acked,
            "acknowledged write",
            "acknowledged writes",
        );
        let stuck = run
            .rounds
            .iter()
            .filter(|round| round.stuck.is_some())
            .count() as u64;
        let outcome = if stuck > 0 {
            Outcome::Broken
        } else {
            promised.outcome()
        };
        let sentence = match outcome {
            _ if run.rounds.is_empty() => "This run has no rounds, so it shows nothing.".to_owned(),
            _ if rounds == 0 && stuck == 0 => {
                "Every round is inconclusive, so this run shows nothing.".to_owned()
            }
            Outcome::Nothing | Outcome::Lossy => {
                format!("No promise was tested: nothing promised was acknowledged in {extent}.")
            }
            Outcome::Broken => {
                format!(
                    "{}: {extent}, {acked} with a promise.",
                    join(&broken(&promised, stuck))
                )
            }
            Outcome::Kept => format!(
                "No write that the documentation promises to keep was lost: {extent}, {acked} {}.",
                with(run, promised.counts.acked)
            ),
        };
        Verdict { outcome, sentence }
    }
}

/// One clause for each kind of broken promise.
fn broken(sum: &Sum, stuck: u64) -> Vec<String> {
    let clause = |number, one, many| (number > 0).then(|| plural(number, one, many));
    [
        clause(
            stuck,
            "time a failover group did not do what it can",
            "times a failover group did not do what it can",
        ),
        clause(
            sum.counts.lost,
            "promised write was lost",
            "promised writes were lost",
        ),
        clause(
            sum.counts.reads_lost,
            "promised read returned a value that was lost",
            "promised reads returned values that were lost",
        ),
        clause(
            sum.counts.increments_lost,
            "promised increment was lost",
            "promised increments were lost",
        ),
        clause(
            sum.counts.once_twice,
            "promised increment was executed twice",
            "promised increments were executed twice",
        ),
        clause(
            sum.counts.histories_illegal,
            "history with a promise is not linearizable",
            "histories with a promise are not linearizable",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `a, b and c`.
fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Who made the promised writes: `with REPLICAS ALL`. Names only those whose writes are promised in
/// every round.
fn with(run: &Run, promised: u64) -> String {
    let mut acked = 0;
    let mut always: Vec<String> = Vec::new();
    for name in sums::names(run) {
        let sum = sums::sum(sums::conclusive(run), |one| one.name == name);
        if sum.promised == sum.rounds && sum.counts.acked > 0 {
            acked += sum.counts.acked;
            always.push(name.to_owned());
        }
    }
    match always.len() {
        0 | 4.. => "with a promise".to_owned(),
        _ if acked == promised => format!("with {}", join(&always)),
        _ => format!(
            "with a promise, {} of them with {}",
            count(acked),
            join(&always)
        ),
    }
}

/// What else a reader should know at once.
fn remarks(run: &Run) -> Vec<String> {
    let promised = sums::sum(sums::conclusive(run), |contender| contender.promised);
    let mut remarks = Vec::new();
    let checked: Vec<String> = [
        (promised.counts.reads, "durable read", "durable reads"),
        (promised.counts.increments, "increment", "increments"),
        (
            promised.counts.once,
            "increment by DURABLE.ONCE",
            "increments by DURABLE.ONCE",
        ),
        (
            promised.counts.histories,
            "history of a key",
            "histories of keys",
        ),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many)| plural(number, one, many))
    .collect();
    if !checked.is_empty() {
        remarks.push(format!(
            "With a promise, {} were checked too.",
            join(&checked)
        ));
    }
    if promised.counts.histories_undecided > 0 {
        let (gave_up, all) = (
            promised.counts.histories_undecided,
            promised.counts.histories,
        );
        remarks.push(format!(
            "The checker gave up on {} of the {} histories.",
            count(gave_up),
            count(all)
        ));
    }
    let lossy: Vec<String> = sums::names(run)
        .into_iter()
        .map(|name| {
            let chosen = sums::sum(sums::conclusive(run), |one| {
                !one.promised && one.name == name
            });
            (name, chosen)
        })
        .filter(|(_, sum)| sum.counts.lost > 0)
        .map(|(name, sum)| {
            let (lost, acked) = (sum.counts.lost, sum.counts.acked);
            format!(
                "{name}: {} of {} ({})",
                count(lost),
                count(acked),
                percent(lost, acked)
            )
        })
        .collect();
    if !lossy.is_empty() {
        remarks.push(format!(
            "Where nothing is promised, acknowledged writes were lost: {}.",
            lossy.join("; ")
        ));
    }
    remarks
}

pub fn head(run: &Run) -> Markup {
    let verdict = Verdict::of(run);
    html! {
        header {
            h1 { "redis-durable: fault lab" }
            p.lead {
                "Real servers run while a seeded schedule kills, freezes and cuts them off. Clients "
                "write all the time and record every answer. Afterwards an independent checker "
                "compares the answers with what the servers still hold."
            }
            div class={ "verdict " (verdict.outcome.class()) } {
                span.sign aria-hidden="true" { (verdict.outcome.sign()) }
                div {
                    p.sentence { (verdict.sentence) }
                    @for remark in remarks(run) { p { (remark) } }
                }
            }
            (inconclusive(run))
            dl.facts {
                dt { "Server" } dd { (run.server) }
                dt { "Module" } dd { (run.module) }
                dt { "Started" } dd { (utc(run.started)) }
                dt { "Seed" } dd { code { (run.seed) } }
                dt { "Repeat it" }
                dd.command {
                    code #command { (run.command) }
                    button type="button" data-copy="command" { "Copy" }
                }
            }
        }
    }
}

fn inconclusive(run: &Run) -> Markup {
    let rounds: Vec<_> = run
        .rounds
        .iter()
        .filter(|round| round.inconclusive.is_some())
        .collect();
    html! {
        @if !rounds.is_empty() {
            div.unsure {
                p {
                    strong {
                        (plural(rounds.len() as u64, "round is inconclusive", "rounds are inconclusive"))
                        " and not counted anywhere:"
                    }
                }
                ul {
                    @for round in rounds {
                        li {
                            a href={ "#round-" (round.number) } { "Round " (round.number) }
                            ", " code { (round.scenario) } ": "
                            @if let Some(why) = &round.inconclusive { (why) }
                            @if sums::sum([round].into_iter(), |one| one.promised).broken {
                                ". " strong { "In it, an answer with a promise is contradicted." }
                            }
                        }
                    }
                }
            }
        }
    }
}
