//! The writes of one contender over time, as stacked areas: kept, lost and UNACKED per second.

use std::fmt::Write;

use maud::{html, Markup};

use super::sums::Outcome;
use super::text::{count, px, seconds, top};
use super::timeline::Axis;
use crate::record::{Contender, Tenth};

const TITLE: f64 = 20.0;
const PLOT: f64 = 54.0;
/// Marks under the base line, so that one lost write among thousands is seen.
const MARKS: f64 = 6.0;
/// The width of a character of the title, roughly.
const CHARACTER: f64 = 7.0;
pub const HEIGHT: f64 = TITLE + PLOT + MARKS + 8.0;
/// A longer round is drawn with wider columns.
const MOST_COLUMNS: usize = 240;

/// Some tenths of a second together.
struct Column {
    from_ms: f64,
    to_ms: f64,
    kept: u64,
    lost: u64,
    unacked: u64,
}

impl Column {
    fn per_second(&self, writes: u64) -> f64 {
        writes as f64 * 1000.0 / (self.to_ms - self.from_ms)
    }
}

fn columns(tenths: &[Tenth]) -> Vec<Column> {
    let each = tenths.len().div_ceil(MOST_COLUMNS).max(1);
    let column = |(at, some): (usize, &[Tenth])| {
        let sum = |field: fn(&Tenth) -> u32| some.iter().map(|one| u64::from(field(one))).sum();
        let (acked, lost): (u64, u64) = (sum(|one| one.acked), sum(|one| one.lost));
        let from_ms = (at * each * 100) as f64;
        Column {
            from_ms,
            to_ms: from_ms + (some.len() * 100) as f64,
            kept: acked.saturating_sub(lost),
            lost,
            unacked: sum(|one| one.unacked),
        }
    };
    tenths.chunks(each).enumerate().map(column).collect()
}

/// Draws from `y` downwards.
pub fn chart(contender: &Contender, axis: &Axis, y: f64) -> Markup {
    let columns = columns(&contender.tenths);
    let peak = |column: &Column| column.per_second(column.kept + column.lost + column.unacked);
    let scale = top(columns.iter().map(peak).fold(0.0, f64::max));
    let ceiling = y + TITLE;
    let base = ceiling + PLOT;
    let height = |per_second: f64| base - per_second / scale * PLOT;
    let area = |low: fn(&Column) -> u64, high: fn(&Column) -> u64| {
        outline(&columns, axis, |column, upper| {
            height(column.per_second(if upper { high(column) } else { low(column) }))
        })
    };
    let has = |field: fn(&Column) -> u64| columns.iter().any(|column| field(column) > 0);
    html! {
        @for share in [0.0, 0.5, 1.0] {
            @let at = px(height(scale * share));
            line.grid x1=(px(axis.left())) x2=(px(axis.right())) y1=(at) y2=(at) {}
        }
        @for share in [0.0, 1.0] {
            text.tick x=(px(axis.left() - 6.0)) y=(px(height(scale * share) + 4.0))
                text-anchor="end" { (rate(scale * share)) }
        }
        path.kept d=(area(|_| 0, |column| column.kept)) {}
        @if has(|column| column.lost) {
            path.lost d=(area(|column| column.kept, |column| column.kept + column.lost)) {}
        }
        @if has(|column| column.unacked) {
            path.unacked d=(area(
                |column| column.kept + column.lost,
                |column| column.kept + column.lost + column.unacked,
            )) {}
        }
        @for column in &columns {
            @let (from, to) = (axis.x(column.from_ms), axis.x(column.to_ms));
            @if column.lost > 0 {
                rect.lost x=(px(from)) y=(px(base + 2.0)) width=(px((to - from).max(2.0)))
                    height=(px(MARKS - 1.0)) {}
            }
        }
    }
}

/// The transparent columns that carry the hover titles. They lie over everything else.
pub fn hover(contender: &Contender, axis: &Axis, y: f64) -> Markup {
    html! {
        @for column in &columns(&contender.tenths) {
            @let (from, to) = (axis.x(column.from_ms), axis.x(column.to_ms));
            @if column.kept + column.lost + column.unacked > 0 {
                rect.hover x=(px(from)) y=(px(y + TITLE)) width=(px(to - from))
                    height=(px(PLOT + MARKS)) {
                    title {
                        (seconds(column.from_ms)) " to " (seconds(column.to_ms)) ": "
                        (count(column.kept + column.lost)) " acknowledged, "
                        (count(column.lost)) " of them lost, " (count(column.unacked)) " UNACKED"
                    }
                }
            }
        }
    }
}

/// The line of text above the chart.
pub fn title(contender: &Contender, axis: &Axis, y: f64) -> Markup {
    let promise = if contender.promised {
        "promised"
    } else {
        "not promised"
    };
    let before = format!(
        "{promise} · {} acknowledged · ",
        count(contender.counts.acked)
    );
    let lost = format!("{} lost", count(contender.counts.lost));
    let after = format!(" · {} UNACKED", count(contender.counts.unacked));
    let characters = [&contender.name, &before, &lost, &after].map(|text| text.chars().count());
    let width = characters.iter().sum::<usize>() as f64 * CHARACTER + 14.0;
    html! {
        // Interrupts the lines of the events.
        rect.paper x=(px(axis.left())) y=(px(y + 2.0)) width=(px(width)) height=(px(TITLE - 3.0)) {}
        text.title x=(px(axis.left())) y=(px(y + TITLE - 6.0)) {
            tspan.name { (contender.name) }
            tspan dx="10" { (before) }
            tspan class={ "outcome " (Outcome::of(contender).class()) } { (lost) }
            tspan { (after) }
        }
    }
}

fn rate(per_second: f64) -> String {
    if per_second == 0.0 {
        return "0".to_owned();
    }
    if per_second.fract() == 0.0 {
        return format!("{}/s", count(per_second as u64));
    }
    format!("{per_second:.1}/s")
}

/// A stepped band: forth along its upper edge, back along its lower edge.
fn outline(columns: &[Column], axis: &Axis, y: impl Fn(&Column, bool) -> f64) -> String {
    let mut path = String::new();
    let mut letter = 'M';
    let mut point = |x: f64, y: f64| {
        // Writing to a string does not fail.
        let _ = write!(path, "{letter}{} {}", px(x), px(y));
        letter = 'L';
    };
    for column in columns {
        point(axis.x(column.from_ms), y(column, true));
        point(axis.x(column.to_ms), y(column, true));
    }
    for column in columns.iter().rev() {
        point(axis.x(column.to_ms), y(column, false));
        point(axis.x(column.from_ms), y(column, false));
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_round_is_drawn_with_fewer_columns_and_the_same_sums() {
        let tenth = Tenth {
            acked: 3,
            unacked: 1,
            lost: 1,
        };
        let columns = columns(&vec![tenth; 1_001]);
        assert!(columns.len() <= MOST_COLUMNS);
        assert_eq!(columns.iter().map(|column| column.kept).sum::<u64>(), 2_002);
        assert_eq!(columns.iter().map(|column| column.lost).sum::<u64>(), 1_001);
        assert_eq!(columns.last().map(|column| column.to_ms), Some(100_100.0));
    }

    #[test]
    fn more_lost_than_acknowledged_does_not_panic() {
        let columns = columns(&[Tenth {
            acked: 1,
            unacked: 0,
            lost: 2,
        }]);
        assert_eq!(columns.first().map(|column| column.kept), Some(0));
    }
}
