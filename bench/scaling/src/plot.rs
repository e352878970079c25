//! Draws the simulated writes: throughput and latency by number of clients, a line for each
//! distance.

use std::path::Path;

use anyhow::{anyhow, ensure, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::costs::Mode;
use crate::simulate::Point;

const SIZE: (u32, u32) = (1100, 460);
/// From near to far. They differ in brightness too, for readers who cannot tell colours apart.
const COLORS: [RGBColor; 5] = [
    RGBColor(150, 200, 245),
    RGBColor(60, 140, 220),
    RGBColor(20, 70, 140),
    RGBColor(225, 135, 40),
    RGBColor(120, 60, 20),
];
const GREY: RGBColor = RGBColor(160, 160, 160);

/// One line: its name, its colour, its points.
type Line = (String, RGBColor, Vec<(f64, f64)>);

pub fn draw(points: &[Point], path: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| anyhow!("drawing {}: {error}", path.display());
    ensure!(points.len() > 1, "there is nothing to draw");
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let caption = "Simulated: DURABLE.SET … REPLICAS 1 by the round trip to the replica";
    let area = area
        .titled(caption, ("sans-serif", 16))
        .map_err(|error| failed(&error))?;
    let (left, right) = area.split_horizontally((50).percent_width());
    panel(
        &left,
        "writes a second",
        SeriesLabelPosition::LowerRight,
        &lines(points, |point| point.figures.per_second),
    )?;
    panel(
        &right,
        "99th percentile, ms",
        SeriesLabelPosition::UpperLeft,
        &lines(points, |point| point.figures.p99_us / 1e3),
    )?;
    area.present().map_err(|error| failed(&error))
}

fn lines(points: &[Point], value: impl Fn(&Point) -> f64) -> Vec<Line> {
    let mut distances: Vec<f64> = points.iter().map(|point| point.replica_ms).collect();
    distances.dedup();
    let line = |mode: Mode, distance: f64| {
        points
            .iter()
            .filter(|point| point.mode == mode && point.replica_ms == distance)
            .map(|point| (f64::from(point.clients), value(point)))
            .collect()
    };
    // A plain SET does not depend on the distance.
    let plain = distances.first().map(|&nearest| {
        let name = "SET, nobody waits".to_string();
        (name, GREY, line(Mode::Plain, nearest))
    });
    let durable = distances.iter().zip(COLORS.iter().cycle());
    let durable = durable.map(|(&distance, &color)| {
        (
            format!("{distance} ms"),
            color,
            line(Mode::Durable, distance),
        )
    });
    plain.into_iter().chain(durable).collect()
}

/// `legend`: where no line passes.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    legend: SeriesLabelPosition,
    lines: &[Line],
) -> Result<()> {
    let all = || {
        lines
            .iter()
            .flat_map(|(_, _, points)| points.iter().copied())
    };
    let range = |of: fn((f64, f64)) -> f64| {
        let (low, high) = (f64::INFINITY, 0.0_f64);
        all().map(of).fold((low, high), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let ((left, right), (bottom, top)) = (range(|point| point.0), range(|point| point.1));
    let x = (left * 0.8..right * 1.25).log_scale();
    let y = (bottom * 0.7..top * 1.5).log_scale();
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("clients")
        .draw()?;
    for (name, color, points) in lines {
        let color = *color;
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                color.stroke_width(2),
            ))?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], color.filled()));
        let dots = points
            .iter()
            .map(|&point| Circle::new(point, 3, color.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(legend)
        .background_style(WHITE.mix(0.9))
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::writes::Figures;

    #[test]
    fn every_distance_is_named() -> Result<()> {
        let figures = Figures {
            per_second: 1000.0,
            p50_us: 100.0,
            p99_us: 200.0,
            cpu_us: 10.0,
            load: 0.5,
            per_request: 1.0,
        };
        let of = |mode, clients, replica_ms| Point {
            mode,
            clients,
            replica_ms,
            figures,
        };
        let points: Vec<Point> = [0.1, 50.0]
            .into_iter()
            .flat_map(|distance| [1, 100].map(|clients| (distance, clients)))
            .flat_map(|(distance, clients)| Mode::ALL.map(|mode| of(mode, clients, distance)))
            .collect();
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("plot.svg");
        draw(&points, &path)?;
        let svg = std::fs::read_to_string(&path)?;
        for word in ["SET, nobody waits", "0.1 ms", "50 ms", "clients"] {
            assert!(svg.contains(word), "{word} is not in the picture");
        }
        Ok(())
    }
}
