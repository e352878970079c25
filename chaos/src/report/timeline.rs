//! One round as a picture: the events, what each node was, and what the contenders got, all on one
//! axis of time.

use maud::{html, Markup};

use super::labels::{self, Place, GAP};
use super::text::{px, seconds, step};
use super::{chart, lanes};
use crate::record::{Event, EventKind, Round};

const WIDTH: f64 = 1160.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const ROW: f64 = 17.0;
const AXIS: f64 = 24.0;

/// Maps times to positions.
pub struct Axis {
    end_ms: f64,
}

impl Axis {
    fn of(round: &Round) -> Axis {
        let spans = round.spans.iter().map(|span| span.to_ms);
        let events = round.events.iter().map(|event| event.at_ms);
        let charts = round
            .contenders
            .iter()
            .map(|one| one.tenths.len() as u64 * 100);
        let all = spans
            .chain(events)
            .chain(charts)
            .chain([round.duration_ms, 1]);
        Axis {
            end_ms: all.max().unwrap_or(1) as f64,
        }
    }

    pub fn left(&self) -> f64 {
        LEFT
    }

    pub fn right(&self) -> f64 {
        WIDTH - RIGHT
    }

    pub fn x(&self, ms: f64) -> f64 {
        LEFT + ms / self.end_ms * (self.right() - LEFT)
    }

    /// About a dozen round times.
    fn ticks(&self) -> Vec<f64> {
        let step = step(self.end_ms / 1000.0 / 14.0) * 1000.0;
        let number = (self.end_ms / step + 1e-9).floor() as u32;
        (0..=number).map(|at| f64::from(at) * step).collect()
    }
}

/// What stands where, from top to bottom.
struct Layout {
    lanes: f64,
    upper_axis: f64,
    charts: f64,
    lower_axis: f64,
    height: f64,
}

impl Layout {
    fn of(rows: usize, lanes: usize, charts: usize) -> Layout {
        let top = rows as f64 * ROW + 8.0;
        let upper_axis = top + lanes as f64 * lanes::HEIGHT;
        let charts_from = upper_axis + AXIS;
        let lower_axis = charts_from + charts as f64 * chart::HEIGHT;
        let height = lower_axis + if charts > 0 { AXIS } else { 0.0 };
        Layout {
            lanes: top,
            upper_axis,
            charts: charts_from,
            lower_axis,
            height,
        }
    }
}

pub fn timeline(round: &Round) -> Markup {
    let axis = Axis::of(round);
    // Of many turns only the names: the list below the picture has all events.
    let is_shown = |event: &&Event| round.turns.len() < 2 || event.what.starts_with("turn: ");
    let mut events: Vec<&Event> = round.events.iter().filter(is_shown).collect();
    events.sort_by_key(|event| event.at_ms);
    let texts: Vec<(f64, String)> = events
        .iter()
        .map(|event| (axis.x(event.at_ms as f64), labels::shorten(&event.what)))
        .collect();
    let places = labels::place(&texts, WIDTH);
    let rows = places.iter().map(|place| place.row + 1).max().unwrap_or(0);
    let nodes = lanes::names(round);
    let layout = Layout::of(rows, nodes.len(), round.contenders.len());
    let chart_y = |at: usize| layout.charts + at as f64 * chart::HEIGHT;
    html! {
        div.scroll {
            svg.timeline viewBox={ "0 0 " (px(WIDTH)) " " (px(layout.height)) } role="img"
                aria-label={ "Timeline of round " (round.number) } {
                (grid(&axis, &layout))
                (lanes::bars(round, &nodes, &axis, layout.lanes))
                @for (at, contender) in round.contenders.iter().enumerate() {
                    (chart::chart(contender, &axis, chart_y(at)))
                }
                @for (event, place) in events.iter().zip(&places) {
                    (line(event, place, layout.lower_axis))
                }
                // Texts and hover titles lie over the lines.
                (lanes::texts(round, &nodes, &axis, layout.lanes))
                (times(&axis, layout.upper_axis))
                @for (at, contender) in round.contenders.iter().enumerate() {
                    (chart::hover(contender, &axis, chart_y(at)))
                    (chart::title(contender, &axis, chart_y(at)))
                }
                @if !round.contenders.is_empty() { (times(&axis, layout.lower_axis)) }
                @for ((event, place), (_, text)) in events.iter().zip(&places).zip(&texts) {
                    (label(event, place, text))
                }
            }
        }
    }
}

fn grid(axis: &Axis, layout: &Layout) -> Markup {
    html! {
        @for ms in axis.ticks() {
            @let x = px(axis.x(ms));
            line.grid x1=(x) x2=(x) y1=(px(layout.lanes)) y2=(px(layout.lower_axis)) {}
        }
    }
}

fn times(axis: &Axis, y: f64) -> Markup {
    html! {
        @for ms in axis.ticks() {
            text.tick.time x=(px(axis.x(ms))) y=(px(y + 14.0)) text-anchor="middle" {
                (px(ms / 1000.0)) " s"
            }
        }
    }
}

fn line(event: &Event, place: &Place, bottom: f64) -> Markup {
    let x = px(place.x);
    let (top, bottom) = (px(place.row as f64 * ROW + 3.0), px(bottom));
    html! {
        // So that a red line is seen on a red area.
        @if event.kind != EventKind::Note {
            line.halo x1=(x) x2=(x) y1=(top) y2=(bottom) {}
        }
        line class={ "event " (class(event.kind)) } x1=(x) x2=(x) y1=(top) y2=(bottom) {}
    }
}

fn label(event: &Event, place: &Place, text: &str) -> Markup {
    let y = place.row as f64 * ROW;
    let (x, anchor) = match place.flipped {
        true => (place.x - GAP, "end"),
        false => (place.x + GAP, "start"),
    };
    html! {
        g class={ "label " (class(event.kind)) } {
            title { (seconds(event.at_ms as f64)) ", " (class(event.kind)) ": " (event.what) }
            rect.paper x=(px(place.from + 1.0)) y=(px(y)) width=(px(place.to - place.from - 2.0))
                height=(px(ROW)) {}
            circle cx=(px(place.x)) cy=(px(y + ROW / 2.0)) r="3.2" {}
            text x=(px(x)) y=(px(y + 12.5)) text-anchor=(anchor) { (text) }
        }
    }
}

pub fn class(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Fault => "fault",
        EventKind::Heal => "heal",
        EventKind::Note => "note",
    }
}

/// What the colours and lines mean.
pub fn legend() -> Markup {
    let mark = |classes: &str| {
        html! {
            svg.mark viewBox="0 0 18 12" aria-hidden="true" {
                rect class=(classes) x="0" y="0" width="18" height="12" {}
            }
        }
    };
    let stroke = |kind: EventKind| {
        html! {
            svg.mark viewBox="0 0 18 12" aria-hidden="true" {
                line class={ "event " (class(kind)) } x1="0" x2="18" y1="6" y2="6" {}
            }
        }
    };
    html! {
        ul.legend.small {
            li { (stroke(EventKind::Fault)) " fault" }
            li { (stroke(EventKind::Heal)) " heal" }
            li { (stroke(EventKind::Note)) " note" }
            li { (mark("lane primary")) " primary" }
            li { (mark("lane replica")) " replica" }
            li { (mark("lane closed")) " primary without a term" }
            li { (mark("lane silent")) " silent" }
            li { (mark("kept")) " acknowledged and kept" }
            li { (mark("lost")) " acknowledged and lost" }
            li { (mark("unacked")) " answered UNACKED" }
        }
    }
}
