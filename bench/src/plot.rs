//! Draws the durable writes: throughput and 99th percentile, by number of connections.

use std::path::Path;

use anyhow::{anyhow, ensure, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::report::Report;
use crate::results::Metric;
use crate::stats::Summary;
use crate::writes::{DURABLE_ONE, DURABLE_TWO, PLAIN, WAIT_ONE, WAIT_TWICE, WAIT_TWO};

const SIZE: (u32, u32) = (1100, 460);
/// The colours can be told apart by readers who cannot tell red from green.
const CONTENDERS: [(&str, RGBColor); 6] = [
    (PLAIN, RGBColor(170, 170, 170)),
    (WAIT_TWICE, RGBColor(240, 190, 110)),
    (WAIT_ONE, RGBColor(225, 135, 40)),
    (WAIT_TWO, RGBColor(160, 90, 20)),
    (DURABLE_ONE, RGBColor(60, 140, 220)),
    (DURABLE_TWO, RGBColor(20, 70, 140)),
];

pub fn draw(report: &Report, path: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| anyhow!("drawing {}: {error}", path.display());
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let caption = format!(
        "{}, two replicas, 64-byte values, {} cores shared by servers and load",
        report.machine.server, report.machine.cores
    );
    let area = area
        .titled(&caption, ("sans-serif", 16))
        .map_err(|error| failed(&error))?;
    let (left, right) = area.split_horizontally((50).percent_width());
    panel(
        &left,
        report,
        "thousand writes a second",
        Metric::OperationsPerSecond,
        1e-3,
    )?;
    panel(&right, report, "99th percentile, ms", Metric::P99, 1e-3)?;
    area.present().map_err(|error| failed(&error))
}

/// Draws bars in clusters, one cluster for each number of connections. A line on each bar shows the
/// range of the rounds.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    report: &Report,
    caption: &str,
    metric: Metric,
    scale: f64,
) -> Result<()> {
    let series: Vec<Vec<(usize, Summary)>> = CONTENDERS
        .iter()
        .map(|(name, _)| report.series(name, metric))
        .collect();
    let counts: Vec<usize> = series[0].iter().map(|(count, _)| *count).collect();
    ensure!(!counts.is_empty(), "there are no durable writes to draw");
    let highest = series.iter().flatten().map(|(_, value)| value.max * scale);
    let top = highest.fold(0.0, f64::max) * 1.35;
    let last = counts.len() as f64 - 0.5;
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(-0.5..last, 0.0..top)?;
    // Clusters are at whole numbers. Other marks of the axis get no label.
    let label = |position: &f64| {
        let whole = (position.fract() == 0.0 && *position >= 0.0).then_some(*position as usize);
        let count = whole.and_then(|number| counts.get(number));
        count.map_or_else(String::new, usize::to_string)
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .x_desc("connections")
        .x_labels(2 * counts.len())
        .x_label_formatter(&label)
        .draw()?;
    let width = 0.84 / CONTENDERS.len() as f64;
    for (position, ((name, color), values)) in CONTENDERS.iter().zip(&series).enumerate() {
        let left = |cluster: usize| cluster as f64 - 0.42 + width * position as f64;
        let bars = values.iter().enumerate().map(|(cluster, (_, value))| {
            let corners = [
                (left(cluster), 0.0),
                (left(cluster) + width * 0.9, value.median * scale),
            ];
            Rectangle::new(corners, color.filled())
        });
        let color = *color;
        chart
            .draw_series(bars)?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], color.filled()));
        let ranges = values.iter().enumerate().map(|(cluster, (_, value))| {
            let middle = left(cluster) + width * 0.45;
            let ends = vec![(middle, value.min * scale), (middle, value.max * scale)];
            PathElement::new(ends, BLACK)
        });
        chart.draw_series(ranges)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Contender, Group, Sample};

    #[test]
    fn every_contender_and_number_of_connections_is_named() -> Result<()> {
        let sample = |rate: f64| Sample {
            operations_per_second: rate,
            p50_us: 10.0,
            p99_us: 100.0,
            p999_us: 200.0,
            worst_us: 300.0,
            cpu_us: None,
            executed_us: None,
            reply_bytes: 5.0,
        };
        let group = |connections| Group {
            title: String::new(),
            connections,
            contenders: CONTENDERS
                .map(|(name, _)| Contender {
                    name: name.into(),
                    samples: vec![sample(1e4), sample(2e4)],
                })
                .into(),
            comparisons: Vec::new(),
            columns: Vec::new(),
        };
        let report = Report {
            machine: Machine {
                cores: 2,
                processor: String::new(),
                kernel: String::new(),
                load_average: None,
                server: "Redis 7.0.15".into(),
                module: String::new(),
            },
            command: String::new(),
            rounds: 2,
            seconds: 1.0,
            groups: vec![group(1), group(777)],
        };
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("plot.svg");
        draw(&report, &path)?;
        let svg = std::fs::read_to_string(&path)?;
        for word in CONTENDERS
            .map(|(name, _)| name)
            .iter()
            .chain(&["777", "Redis 7.0.15"])
        {
            assert!(svg.contains(word), "{word} is not in the picture");
        }
        Ok(())
    }
}
