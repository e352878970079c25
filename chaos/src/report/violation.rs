//! One violation: its sentence, and the operations that show it, with the faults between them.

use maud::{html, Markup};

use super::text::{px, seconds};
use super::timeline;
use crate::record::{Event, Operation, Round, Violation};

const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 18.0;
/// Room for the marks of the first and the last moment.
const EDGE: f64 = 6.0;

enum Line<'a> {
    Operation(&'a Operation),
    Event(&'a Event),
}

impl Line<'_> {
    fn at_ms(&self) -> f64 {
        match self {
            Line::Operation(operation) => operation.called_ms,
            Line::Event(event) => event.at_ms as f64,
        }
    }
}

/// Every call, return and event takes one step to the right. In true proportions a call of a
/// millisecond would be invisible beside a failover of seconds.
struct Moments(Vec<f64>);

impl Moments {
    fn of(lines: &[Line]) -> Moments {
        let returns = lines.iter().filter_map(|line| match line {
            Line::Operation(operation) => operation.returned_ms,
            Line::Event(_) => None,
        });
        let mut all: Vec<f64> = lines.iter().map(Line::at_ms).chain(returns).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        Moments(all)
    }

    fn x(&self, ms: f64) -> f64 {
        let rank = self.0.partition_point(|moment| *moment < ms);
        // One step is left at the end, for operations without a return.
        EDGE + rank as f64 / self.0.len().max(1) as f64 * (WIDTH - 2.0 * EDGE)
    }
}

pub fn violation(violation: &Violation, round: &Round) -> Markup {
    let lines = lines(violation, round);
    let moments = Moments::of(&lines);
    html! {
        div.violation {
            p.what { (violation.what) }
            @if !lines.is_empty() {
                div.scroll {
                    table.operations {
                        thead {
                            tr {
                                th scope="col" { "Client" }
                                th.number scope="col" { "Called" }
                                th.number scope="col" { "Took" }
                                th scope="col" { "Operation" }
                                th.gantt scope="col" { "Order of calls and returns, not to scale" }
                            }
                        }
                        tbody {
                            @for line in &lines { (row(line, &moments)) }
                        }
                    }
                }
            }
            @if let Some(picture) = &violation.picture {
                p { a href=(picture) { "The checker's page of this history" } }
            }
        }
    }
}

/// The operations and, between them, the events. A fault often explains what follows.
fn lines<'a>(violation: &'a Violation, round: &'a Round) -> Vec<Line<'a>> {
    let operations = &violation.operations;
    let first = operations
        .iter()
        .map(|one| one.called_ms)
        .fold(f64::INFINITY, f64::min);
    let last = operations
        .iter()
        .map(|one| one.returned_ms.unwrap_or(one.called_ms))
        .fold(f64::NEG_INFINITY, f64::max);
    let between = |event: &&Event| (first..=last).contains(&(event.at_ms as f64));
    let events = round.events.iter().filter(between).map(Line::Event);
    let mut lines: Vec<Line> = operations
        .iter()
        .map(Line::Operation)
        .chain(events)
        .collect();
    lines.sort_by(|one, other| one.at_ms().total_cmp(&other.at_ms()));
    lines
}

fn row(line: &Line, moments: &Moments) -> Markup {
    match line {
        Line::Operation(operation) => html! {
            tr {
                td { (operation.client) }
                td.number { (seconds(operation.called_ms)) }
                td.number {
                    @match operation.returned_ms {
                        Some(returned) => { (took(returned - operation.called_ms)) }
                        None => "no answer",
                    }
                }
                td.text { code { (operation.text) } }
                td.gantt { (bar(operation, moments)) }
            }
        },
        Line::Event(event) => html! {
            tr class={ "event " (timeline::class(event.kind)) } {
                td {}
                td.number { (seconds(event.at_ms as f64)) }
                td {}
                td.text { (timeline::class(event.kind)) ": " code { (event.what) } }
                td.gantt { (tick(event, moments)) }
            }
        },
    }
}

fn took(ms: f64) -> String {
    match ms {
        _ if ms < 10.0 => format!("{ms:.1} ms"),
        _ if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => seconds(ms),
    }
}

fn bar(operation: &Operation, moments: &Moments) -> Markup {
    let from = moments.x(operation.called_ms);
    let to = operation
        .returned_ms
        .map_or(WIDTH, |ms| moments.x(ms).max(from + 3.0));
    let (upper, lower) = (4.0, HEIGHT - 4.0);
    picture(html! {
        @if operation.returned_ms.is_some() {
            rect.call x=(px(from)) y=(px(upper)) width=(px(to - from)) height=(px(lower - upper)) {}
        } @else {
            // Open at its right end.
            path.call.open
                d={ "M" (px(to)) " " (px(upper)) "H" (px(from)) "V" (px(lower)) "H" (px(to)) } {}
        }
        title {
            "called at " (seconds(operation.called_ms)) ", "
            @match operation.returned_ms {
                Some(ms) => { "returned at " (seconds(ms)) }
                None => "no answer",
            }
        }
    })
}

fn tick(event: &Event, moments: &Moments) -> Markup {
    let x = px(moments.x(event.at_ms as f64));
    picture(html! {
        line class={ "event " (timeline::class(event.kind)) } x1=(x) x2=(x) y1="0" y2=(px(HEIGHT)) {}
    })
}

fn picture(inner: Markup) -> Markup {
    html! {
        svg.gantt viewBox={ "0 0 " (px(WIDTH)) " " (px(HEIGHT)) } width=(px(WIDTH)) height=(px(HEIGHT)) {
            (inner)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(called_ms: f64, returned_ms: Option<f64>) -> Operation {
        Operation {
            client: 1,
            called_ms,
            returned_ms,
            text: String::new(),
        }
    }

    #[test]
    fn moments_keep_their_order_and_stay_inside() {
        let operations = [
            operation(1.0, Some(2.0)),
            operation(1.5, None),
            operation(5_000.0, Some(5_000.4)),
        ];
        let lines: Vec<Line> = operations.iter().map(Line::Operation).collect();
        let moments = Moments::of(&lines);
        let places: Vec<f64> = [1.0, 1.5, 2.0, 5_000.0, 5_000.4]
            .into_iter()
            .map(|ms| moments.x(ms))
            .collect();
        assert!(places.windows(2).all(|pair| pair[0] + 20.0 < pair[1]));
        assert!(places.iter().all(|x| (0.0..WIDTH).contains(x)));
    }
}
