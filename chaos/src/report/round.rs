//! The section of one round.

use maud::{html, Markup};

use super::sums::Outcome;
use super::text::{count, plural, seconds};
use super::{timeline, violation};
use crate::record::{Contender, Round};

/// `open`: whether the section is unfolded when the page opens.
pub fn round(round: &Round, open: bool) -> Markup {
    let outcome = Outcome::of_round(round);
    let failovers = plural(round.failovers as u64, "failover", "failovers");
    html! {
        details.round #{ "round-" (round.number) } open[open] {
            summary {
                span class={ "badge " (outcome.class()) } { (outcome.sign()) " " (badge(round)) }
                span.name { "Round " (round.number) ": " code { (round.scenario) } }
                span.small { (round.system) " · " (failovers) " · " (seconds(round.duration_ms as f64)) }
            }
            @if let Some(why) = &round.inconclusive {
                div.unsure {
                    p {
                        strong { "This round is inconclusive and not counted: " } (why)
                    }
                }
            }
            @if let Some(what) = &round.stuck {
                div.unsure { p { strong { "The group did not do what it can: " } (what) } }
            }
            @for what in &round.operator {
                div.unsure { p { strong { "An operator was needed: " } (what) } }
            }
            p { (round.about) }
            (place(round))
            h3 { "What happened" }
            (timeline::legend())
            (timeline::timeline(round))
            (events(round))
            h3 { "Numbers" }
            (numbers(round))
            (violations(round))
        }
    }
}

fn badge(round: &Round) -> &'static str {
    match Outcome::of_round(round) {
        Outcome::Broken if round.stuck.is_some() => "got stuck",
        Outcome::Broken => "promise broken",
        Outcome::Lossy => "lost, not promised",
        Outcome::Kept => "nothing lost",
        Outcome::Nothing if round.inconclusive.is_some() => "inconclusive",
        Outcome::Nothing => "nothing to check",
    }
}

fn place(round: &Round) -> Markup {
    html! {
        p.small {
            "System: " (round.system) ". "
            @if !round.nodes.is_empty() { "Nodes: " (round.nodes.join(", ")) ". " }
            "Seed of this round: " code { (round.seed) } "."
        }
    }
}

fn events(round: &Round) -> Markup {
    html! {
        @if !round.events.is_empty() {
            details.events {
                summary { "The events as a list" }
                table {
                    @for event in &round.events {
                        tr class={ "event " (timeline::class(event.kind)) } {
                            td.number { (seconds(event.at_ms as f64)) }
                            td { (timeline::class(event.kind)) }
                            td { code { (event.what) } }
                        }
                    }
                }
            }
        }
    }
}

fn numbers(round: &Round) -> Markup {
    html! {
        div.scroll {
            table.numbers {
                thead {
                    tr {
                        th scope="col" { "Contender" }
                        th scope="col" { "Promised" }
                        th.number scope="col" title="answered OK" { "Acknowledged" }
                        th.number scope="col" title="acknowledged, but not in the final state" { "Lost" }
                        th.number scope="col" title="answered UNACKED: may be lost" { "UNACKED" }
                        th.number scope="col" title="an error: nothing was executed" { "Refused" }
                        th.number scope="col" title="no answer: a broken connection, say" { "Unknown" }
                        th.number scope="col" title="durable reads" { "Reads" }
                        th.number scope="col" title="acknowledged increments" { "Increments" }
                        th.number scope="col" title="increments by DURABLE.ONCE" { "ONCE" }
                        th.number scope="col" title="histories of keys that were checked" { "Histories" }
                    }
                }
                tbody {
                    @for contender in &round.contenders { (contender_row(contender)) }
                }
            }
        }
        p.small {
            "Refused: an error that says that nothing was executed. Unknown: no answer, as when the "
            "connection broke. Reads, increments and ONCE have keys of their own."
        }
    }
}

fn contender_row(contender: &Contender) -> Markup {
    let class = Outcome::of(contender).class();
    html! {
        tr {
            th scope="row" { (contender.name) }
            td { @if contender.promised { "yes" } @else { "no" } }
            td.number { (count(contender.counts.acked)) }
            @if contender.counts.lost > 0 {
                td class={ "number cell " (class) } { strong { (count(contender.counts.lost)) } }
            } @else {
                td.number { "0" }
            }
            td.number { (count(contender.counts.unacked)) }
            td.number { (count(contender.counts.refused)) }
            td.number { (count(contender.counts.unknown)) }
            (checked(class, contender.counts.reads, &[(contender.counts.reads_lost, "lost")]))
            (checked(class, contender.counts.increments, &[(contender.counts.increments_lost, "lost")]))
            (checked(class, contender.counts.once, &[(contender.counts.once_twice, "twice")]))
            (checked(class, contender.counts.histories, &[
                (contender.counts.histories_illegal, "illegal"),
                (contender.counts.histories_undecided, "undecided"),
            ]))
        }
    }
}

/// A number, and under it those of them that are wrong.
fn checked(class: &str, all: u64, wrong: &[(u64, &str)]) -> Markup {
    let marked = |what: &str| what != "undecided";
    let bad = wrong
        .iter()
        .any(|(number, what)| *number > 0 && marked(what));
    html! {
        td class={ "number " @if bad { "cell " (class) } } {
            (count(all))
            @for (number, what) in wrong {
                @if *number > 0 { p.also { (count(*number)) " " (what) } }
            }
        }
    }
}

fn violations(round: &Round) -> Markup {
    let mut contenders: Vec<&Contender> = round
        .contenders
        .iter()
        .filter(|one| !one.violations.is_empty())
        .collect();
    contenders.sort_by_key(|one| !one.promised);
    html! {
        @if !contenders.is_empty() {
            h3 { "Examples of what is wrong" }
            @for contender in contenders {
                h4 {
                    (contender.name) " "
                    @if contender.promised {
                        span.badge.broken { "✕ promised" }
                    } @else {
                        span.badge.lossy { "▲ not promised" }
                    }
                }
                @for one in &contender.violations { (violation::violation(one, round)) }
            }
        }
    }
}
