//! The lanes of a timeline: what each node of the shard was over time.

use maud::{html, Markup};

use super::text::{px, seconds};
use super::timeline::Axis;
use crate::record::{Round, Span, State};

pub const HEIGHT: f64 = 22.0;
const BAR: f64 = 17.0;
/// The width of a character of the texts in the bars, roughly.
const CHARACTER: f64 = 6.4;

/// The nodes that have spans, in the round's order.
pub fn names(round: &Round) -> Vec<&str> {
    let has_spans = |name: &&str| round.spans.iter().any(|span| span.node == *name);
    let mut names: Vec<&str> = round
        .nodes
        .iter()
        .map(String::as_str)
        .filter(has_spans)
        .collect();
    for span in &round.spans {
        if !names.contains(&span.node.as_str()) {
            names.push(&span.node);
        }
    }
    names
}

pub fn bars(round: &Round, nodes: &[&str], axis: &Axis, y: f64) -> Markup {
    each(round, nodes, y, |span, y| {
        let (from, to) = (axis.x(span.from_ms as f64), axis.x(span.to_ms as f64));
        let state = class(span.state);
        html! {
            rect class={ "lane " (state) } x=(px(from)) y=(px(y)) height=(px(BAR))
                width=(px((to - from).max(1.0))) {
                title {
                    (span.node) ": " (state) ", "
                    (seconds(span.from_ms as f64)) " to " (seconds(span.to_ms as f64))
                }
            }
        }
    })
}

/// The names of the nodes, and the states in those bars that are wide enough.
pub fn texts(round: &Round, nodes: &[&str], axis: &Axis, y: f64) -> Markup {
    html! {
        @for (row, name) in nodes.iter().enumerate() {
            text.node x=(px(axis.left() - 8.0)) y=(px(y + row as f64 * HEIGHT + 13.0))
                text-anchor="end" { (name) }
        }
        (each(round, nodes, y, |span, y| {
            let (from, to) = (axis.x(span.from_ms as f64), axis.x(span.to_ms as f64));
            let state = class(span.state);
            let fits = to - from > state.len() as f64 * CHARACTER + 14.0;
            html! {
                @if fits {
                    text class={ "state " (state) } x=(px(from + 7.0)) y=(px(y + 12.5)) { (state) }
                }
            }
        }))
    }
}

fn each(round: &Round, nodes: &[&str], y: f64, draw: impl Fn(&Span, f64) -> Markup) -> Markup {
    html! {
        @for (row, name) in nodes.iter().enumerate() {
            @for span in round.spans.iter().filter(|span| span.node == *name) {
                (draw(span, y + row as f64 * HEIGHT))
            }
        }
    }
}

fn class(state: State) -> &'static str {
    match state {
        State::Primary => "primary",
        State::Replica => "replica",
        State::Closed => "closed",
        State::Silent => "silent",
    }
}
