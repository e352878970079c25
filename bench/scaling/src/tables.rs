//! Formats the results as tables in Markdown, as they stand in docs/scaling.md.

use std::fmt::Write as _;

use anyhow::Result;

use crate::costs::{Call, Costs, MapCosts, Mode, ModeCosts};
use crate::simulate::map::{bill, Asked, Bill, Method, Occasion, CLIENTS, SHARDS};
use crate::simulate::writes::{simulate, Setup};
use crate::simulate::Point;

pub fn machine(costs: &Costs) -> String {
    let machine = &costs.machine;
    format!(
        "Measured on {}, {} cores, {}.\n",
        machine.server, machine.cores, machine.processor
    )
}

/// The measured costs.
pub fn costs(costs: &Costs) -> String {
    let writes = &costs.writes;
    let mut text = String::from(
        "| µs of the primary | one write | one release | a single write of a single client |\n|---|---|---|---|\n",
    );
    for mode in Mode::ALL {
        let ModeCosts {
            write_us,
            release_us,
            alone_us,
        } = writes.of(mode);
        row(
            &mut text,
            &[
                mode.name(),
                &short(*write_us),
                &short(*release_us),
                &short(*alone_us),
            ],
        );
    }
    text.push_str("\n| step | µs |\n|---|---|\n");
    for (step, us) in [
        ("a turn without commands", writes.turn_us()),
        ("a request and its answer", writes.request_us()),
        ("a look of the module at the replicas", writes.look_us()),
        ("WAIT: each waiting client, each turn", writes.wait_scan_us),
        (
            "DURABLE.SET: each waiting client, each turn",
            writes.durable_scan_us,
        ),
        ("replica: each write", writes.replica_write_us),
        ("replica: each turn with a request", writes.replica_turn_us),
        ("load generator: each write", writes.load_us),
        ("load generator: each turn", writes.load_turn_us),
        ("from one process to the next, on loopback", writes.hop_us),
    ] {
        row(&mut text, &[step, &short(us)]);
    }
    let map = &costs.map;
    text.push_str(
        "\n| call, 1,000 shards | µs of the server | bytes of the reply |\n|---|---|---|\n",
    );
    for (
        name,
        Call {
            cpu_us,
            reply_bytes,
        },
    ) in [
        ("CLUSTER SLOTS", map.cluster_slots),
        ("a command that gets MOVED", map.moved),
        ("SLOTHINT of 100 keys", map.hint_100),
        ("SLOTHINT.MAP", map.map),
        ("SLOTHINT.WATCH, when the map changes", map.watch),
    ] {
        row(&mut text, &[name, &short(cpu_us), &short(reply_bytes)]);
    }
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "\nOne look at the topology takes {} µs. A watched server is busy for {} ms more in each second.",
        short(map.look_us),
        short(map.watched_us_per_second / 1000.0)
    );
    text
}

/// Measured against simulated: the load generator and both servers share the cores. In each cell
/// the measured figure comes first.
pub fn comparison(costs: &Costs, seed: u64) -> Result<String> {
    let mut text = String::from(
        "| round trip to the replica, ms | clients | | writes/s | p50 ms | p99 ms | µs of the primary for each write |\n|---|---|---|---|---|---|---|\n",
    );
    let pair = |measured: String, simulated: String| format!("{measured} – {simulated}");
    for observed in &costs.observed {
        let setup = Setup {
            mode: observed.mode,
            clients: observed.clients,
            replica_us: observed.round_trip_us,
            client_us: 0.0,
            shared_cores: Some(costs.machine.cores),
            seed,
        };
        let simulated = simulate(&costs.writes, &setup)?;
        row(
            &mut text,
            &[
                &short(observed.round_trip_us / 1000.0),
                &short(f64::from(observed.clients)),
                observed.mode.name(),
                &pair(short(observed.per_second), short(simulated.per_second)),
                &pair(ms(observed.p50_us), ms(simulated.p50_us)),
                &pair(ms(observed.p99_us), ms(simulated.p99_us)),
                &pair(short(observed.cpu_us), short(simulated.cpu_us)),
            ],
        );
    }
    Ok(text)
}

/// The simulated writes. The points come in the order of [`Mode::ALL`] for each row.
pub fn writes(points: &[Point]) -> String {
    let mut text = String::from(
        "| round trip to the replica, ms | clients | SET | SET + WAIT 1 | DURABLE.SET | primary busy with DURABLE.SET | writes for each request |\n|---|---|---|---|---|---|---|\n",
    );
    for modes in points.chunks_exact(Mode::ALL.len()) {
        let Some(durable) = modes.iter().find(|point| point.mode == Mode::Durable) else {
            continue;
        };
        let mut cells = vec![short(durable.replica_ms), short(f64::from(durable.clients))];
        cells.extend(modes.iter().map(|point| {
            let figures = &point.figures;
            let rate = short(figures.per_second);
            format!(
                "{rate}/s, {} ms, p99 {}",
                ms(figures.p50_us),
                ms(figures.p99_us)
            )
        }));
        cells.push(format!("{:.0} %", durable.figures.load.min(1.0) * 100.0));
        cells.push(short(durable.figures.per_request));
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        row(&mut text, &cells);
    }
    text
}

/// The slot maps of all clients.
pub fn map(costs: &MapCosts, seed: u64) -> String {
    let shard = Occasion::Change {
        first: 0,
        count: 16,
    };
    let occasions = [
        ("First fill of all caches", Occasion::Fill),
        ("One slot moves", Occasion::Change { first: 0, count: 1 }),
        ("One shard fails over, 16 slots", shard),
    ];
    let mut text = String::new();
    for (title, occasion) in occasions {
        let _ = writeln!(
            text,
            "{title}, {} clients, {} shards:\n\n| | redirected commands | replies, MB | all servers busy | busiest server | busiest, if all clients ask the same |\n|---|---|---|---|---|---|",
            short(CLIENTS as f64),
            short(SHARDS as f64)
        );
        for method in Method::ALL {
            let of = |asked| -> Bill { bill(costs, method, occasion, asked, CLIENTS, seed) };
            let (spread, same) = (of(Asked::Any), of(Asked::TheSame));
            row(
                &mut text,
                &[
                    method.name(),
                    &short(spread.redirected as f64),
                    &short(spread.reply_bytes / 1e6),
                    &seconds(spread.all_us()),
                    &seconds(spread.busiest_us()),
                    &seconds(same.busiest_us()),
                ],
            );
        }
        text.push('\n');
    }
    text
}

fn row(text: &mut String, cells: &[&str]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn ms(us: f64) -> String {
    short(us / 1000.0)
}

fn seconds(us: f64) -> String {
    if us >= 1e6 {
        format!("{} s", short(us / 1e6))
    } else {
        format!("{} ms", short(us / 1e3))
    }
}

/// Three digits that matter: `0.0312`, `1.23`, `12`, `12,300`.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        let unit = 10_f64.powi(-digits);
        return grouped((value / unit).round() * unit);
    }
    let places = usize::try_from(digits).unwrap_or(0).min(4);
    let text = format!("{value:.places$}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let written = [0.0, 0.0312, 1.2345, 12.0, 123.4, 12_345.0, 1_234_567.0].map(short);
        assert_eq!(
            written,
            ["0", "0.0312", "1.23", "12", "123", "12,300", "1,230,000"]
        );
    }

    #[test]
    fn times_have_a_unit_that_suits_them() {
        assert_eq!([500.0, 2_500_000.0].map(seconds), ["0.5 ms", "2.5 s"]);
    }
}
