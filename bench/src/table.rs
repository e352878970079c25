//! Formats the results as plain text.

use std::fmt::Write as _;

use crate::report::Report;
use crate::results::{Comparison, Goal, Group, Metric};
use crate::stats::Summary;

pub fn text(report: &Report) -> String {
    let machine = &report.machine;
    let load = machine.load_average.map_or_else(String::new, |load| {
        format!(", load average {load:.1} before")
    });
    let mut text = format!(
        "{}, {}; {} cores, {}, Linux {}{load}\n\
         {} rounds of {} s, contenders take turns; median (lowest–highest) of the rounds\n\
         to repeat: {}\n",
        machine.server,
        machine.module,
        machine.cores,
        machine.processor,
        machine.kernel,
        report.rounds,
        report.seconds,
        report.command,
    );
    for group in &report.groups {
        text.push_str(&group_text(group));
    }
    text
}

fn group_text(group: &Group) -> String {
    let mut rows = vec![heading(group)];
    for contender in &group.contenders {
        let mut row = vec![contender.name.clone()];
        let rate = contender.summary(Metric::OperationsPerSecond);
        row.push(rate.map_or_else(|| "–".into(), with_range));
        for &column in &group.columns {
            let value = contender.summary(column);
            row.push(value.map_or_else(|| "–".into(), |value| number(value.median)));
        }
        rows.push(row);
    }
    let mut text = format!("\n{}\n", group.title);
    text.push_str(&aligned(&rows));
    for comparison in &group.comparisons {
        text.push_str(&comparison_line(comparison));
    }
    text
}

fn heading(group: &Group) -> Vec<String> {
    let labels = group
        .columns
        .iter()
        .map(|column| column.label().to_string());
    [String::new(), Metric::OperationsPerSecond.label().into()]
        .into_iter()
        .chain(labels)
        .collect()
}

fn comparison_line(comparison: &Comparison) -> String {
    let Comparison {
        name, over, metric, ..
    } = comparison;
    let Some(ratio) = comparison.ratio else {
        return format!(
            "  {}: {name} / {over}: not reported by the server\n",
            metric.label()
        );
    };
    let goal = comparison.goal.map_or_else(String::new, |goal| {
        let verdict = if goal.is_met_by(ratio.median) {
            "met"
        } else {
            "MISSED"
        };
        match goal {
            Goal::AtLeast(bound) => format!("  goal: at least {bound}: {verdict}"),
            Goal::AtMost(bound) => format!("  goal: at most {bound}: {verdict}"),
        }
    });
    format!(
        "  {}: {name} / {over} = {:.3} ({:.3}–{:.3}){goal}\n",
        metric.label(),
        ratio.median,
        ratio.min,
        ratio.max
    )
}

fn with_range(value: Summary) -> String {
    format!(
        "{} ({}–{})",
        number(value.median),
        number(value.min),
        number(value.max)
    )
}

/// About three digits at any size: `0.031`, `12.3`, `1,235`.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 {
        grouped(value.round() as i64)
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

/// With a comma between groups of three digits.
fn grouped(value: i64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0
            && digit != '-'
            && (digits.len() - position).is_multiple_of(3)
            && !text.ends_with('-')
        {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Aligns the first column to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string does not fail.
            let _ = if column == 0 {
                write!(text, "  {cell:<width$}")
            } else {
                write!(text, "  {cell:>width$}")
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let written: Vec<String> = [
            0.0312,
            1.234,
            12.34,
            123.4,
            1234.5,
            1_234_567.0,
            -1234.0,
            -123.0,
        ]
        .into_iter()
        .map(number)
        .collect();
        let expected = [
            "0.031",
            "1.23",
            "12.3",
            "123",
            "1,235",
            "1,234,567",
            "-1,234",
            "-123",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows =
            [["", "µs"], ["a…", "1"], ["abc", "100"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(aligned(&rows), "        µs\n  a…     1\n  abc  100\n");
    }

    #[test]
    fn a_missed_goal_says_so() {
        let comparison = |median| Comparison {
            name: "a".into(),
            over: "b".into(),
            metric: Metric::Executed,
            goal: Some(Goal::AtMost(0.2)),
            ratio: Some(Summary {
                median,
                min: 0.1,
                max: 9.0,
            }),
        };
        assert!(comparison_line(&comparison(0.2)).ends_with("goal: at most 0.2: met\n"));
        assert!(comparison_line(&comparison(7.0)).ends_with("goal: at most 0.2: MISSED\n"));
    }
}
