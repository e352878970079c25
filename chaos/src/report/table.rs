//! The table: a row for each scenario, a column for each contender.

use maud::{html, Markup};

use super::sums::{self, Outcome, Scenario, Sum};
use super::text::{count, percent, plural};
use crate::record::Run;

pub fn table(run: &Run) -> Markup {
    let names = sums::names(run);
    let rows = sums::scenarios(run);
    html! {
        section {
            h2 { "What was lost" }
            p {
                "A cell says how many writes were " strong { "lost / acknowledged" } ". "
                "Acknowledged means that the client got OK; lost means that the write is not in the "
                "final state."
            }
            (legend())
            div.scroll {
                table.results {
                    thead {
                        tr {
                            th.scenario scope="col" { "Scenario" }
                            th.number scope="col" { "Rounds" }
                            th.number scope="col" { "Failovers" }
                            @for name in &names { th scope="col" { (name) } }
                        }
                    }
                    tbody {
                        @for row in &rows { (scenario(row, &names)) }
                    }
                    tfoot { (totals(run, &names)) }
                }
            }
        }
    }
}

fn scenario(row: &Scenario, names: &[&str]) -> Markup {
    let left_out = row.rounds.len() - row.conclusive().count();
    html! {
        tr {
            th.scenario scope="row" {
                code { (row.name) } " " span.system { (row.system) }
                p.about { (row.about) }
                p.jump {
                    @if row.rounds.len() == 1 { "Round" } @else { "Rounds" }
                    @for round in &row.rounds {
                        " " a href={ "#round-" (round.number) } { (round.number) }
                    }
                }
            }
            td.number {
                (row.conclusive().count())
                @if left_out > 0 { p.also { "+ " (left_out) " inconclusive" } }
            }
            td.number { (count(row.failovers())) }
            @for name in names {
                @if row.conclusive().next().is_none() {
                    td.cell.nothing { p.also { "inconclusive" } }
                } @else {
                    (cell(&sums::sum(row.conclusive(), |one| one.name == *name)))
                }
            }
        }
    }
}

fn totals(run: &Run, names: &[&str]) -> Markup {
    let failovers = sums::conclusive(run)
        .map(|round| round.failovers as u64)
        .sum();
    html! {
        tr {
            th.scenario scope="row" { "Total" }
            td.number { (sums::conclusive(run).count()) }
            td.number { (count(failovers)) }
            @for name in names {
                (cell(&sums::sum(sums::conclusive(run), |one| one.name == *name)))
            }
        }
    }
}

fn cell(sum: &Sum) -> Markup {
    let outcome = sum.outcome();
    html! {
        @if sum.rounds == 0 {
            td.cell.nothing { p.also { "did not run" } }
        } @else {
            td class={ "cell " (outcome.class()) @if sum.promised == sum.rounds { " promised" } } {
                p.main {
                    span.sign aria-hidden="true" { (outcome.sign()) }
                    strong { (count(sum.counts.lost)) } " / " (count(sum.counts.acked))
                }
                p.also { (percent(sum.counts.lost, sum.counts.acked)) " lost" }
                p.also { (promise(sum)) }
                @for remark in others(sum) { p.also { strong { (remark) } } }
                @if sum.counts.histories_undecided > 0 {
                    p.also {
                        (plural(sum.counts.histories_undecided, "history", "histories")) " undecided"
                    }
                }
            }
        }
    }
}

fn promise(sum: &Sum) -> String {
    match sum.promised {
        0 => "not promised".to_owned(),
        all if all == sum.rounds => "promised".to_owned(),
        some => format!("promised in {some} of {} rounds", sum.rounds),
    }
}

/// What is wrong besides lost writes.
fn others(sum: &Sum) -> Vec<String> {
    let of = |part: u64, whole: u64, what: &str| {
        (part > 0).then(|| format!("{} of {} {what}", count(part), count(whole)))
    };
    [
        of(sum.counts.reads_lost, sum.counts.reads, "reads lost"),
        of(
            sum.counts.increments_lost,
            sum.counts.increments,
            "increments lost",
        ),
        of(sum.counts.once_twice, sum.counts.once, "executed twice"),
        of(
            sum.counts.histories_illegal,
            sum.counts.histories,
            "histories not linearizable",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn legend() -> Markup {
    html! {
        ul.legend {
            li { (key(Outcome::Kept)) " nothing lost" }
            li { (key(Outcome::Lossy)) " lost, but not promised" }
            li { (key(Outcome::Broken)) " lost although promised: a bug" }
            li { (key(Outcome::Nothing)) " nothing to check" }
            li { span.key.promised {} " a bar at the left: promised" }
        }
        p.small {
            strong { "Promised" } " means: by the documentation (docs/guarantee.md), this way to "
            "write loses no acknowledged write in this scenario. Where nothing is promised, a loss "
            "is the expected behaviour of Redis or of a weaker requirement. "
            strong { "Small lines" } " count what else is wrong: durable reads of a value that was "
            "lost, increments that are missing, increments by DURABLE.ONCE that were executed twice, "
            "and histories of keys that no order of their operations explains (not linearizable)."
        }
    }
}

fn key(outcome: Outcome) -> Markup {
    html! { span class={ "key " (outcome.class()) } aria-hidden="true" { (outcome.sign()) } }
}
