//! The layout on screens of several sizes, without a terminal.

use std::time::Duration;

use ratatui::backend::TestBackend;
use ratatui::Terminal;

use crate::rates::Rates;
use crate::sample::Link;

use super::*;

/// The lines of a screen of this size.
fn lines(shown: &Shown, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test backend");
    let draw = |frame: &mut Frame| super::draw(frame, shown, Instant::now());
    terminal.draw(draw).expect("it draws");
    let cells = terminal.backend().buffer().content().iter();
    let text: Vec<&str> = cells.map(|cell| cell.symbol()).collect();
    text.chunks(width.into())
        .map(|line| line.concat().trim_end().to_string())
        .collect()
}

fn shown(links: usize, failover: Option<serde_json::Value>) -> Shown {
    let mut sample = Sample::from_info(
        "redis_version:7.0.15\nredis_mode:cluster\nrole:master\ndurable_version:0.1.0\n\
         durable_required_replicas:1\ndurable_replicas_online:1\ndurable_requirement_met:1\n",
    );
    let link = |number| Link {
        host: "10.0.0.7".into(),
        port: number,
        counts: number > 0,
        reason: if number > 0 { "" } else { "no listening port" }.into(),
        ..Link::default()
    };
    sample.links = Some((0..links as i64).map(link).collect());
    sample.failover = failover;
    let mut shown = Shown::new("h:1", Duration::from_secs(1));
    shown.take(Ok((sample, Some(Rates::default()))), Instant::now());
    shown
}

fn position(lines: &[String], text: &str) -> usize {
    let found = lines.iter().position(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("no {text:?} in\n{}", lines.join("\n")))
}

#[test]
fn the_panels_stand_in_order_and_the_curve_only_on_a_tall_screen() {
    let status = serde_json::json!({"state": "ready", "members": [{"id": "a", "novel": 7}]});
    let shown = shown(2, Some(status));
    let small = lines(&shown, 80, 24);
    assert!(
        small[0].contains("h:1") && small[0].contains("cluster, primary"),
        "{small:?}"
    );
    let order = [
        "requirement",
        "failover group",
        "novel",
        "replicas: 2 links",
        "q quit",
    ];
    let places = order.map(|text| position(&small, text));
    assert!(places.is_sorted(), "{}", small.join("\n"));
    assert!(!small.iter().any(|line| line.contains("highest 0 \u{2500}")));
    position(
        &lines(&shown, 120, 40),
        "acknowledged per second, highest 0",
    );
}

#[test]
fn nothing_that_fits_the_small_screen_is_cut() {
    let mut shown = shown(2, None);
    let rates = shown.rates.as_mut().expect("rates");
    rates.acknowledged = 123_456.0;
    rates.refused = 9.9;
    let small = lines(&shown, 80, 24);
    position(
        &small,
        "123456 acknowledged, 0 given up, 0 interrupted, 9.9 refused",
    );
    position(&small, "p50 0 µs, p99 0 µs, p99.9 0 µs, longest 0 µs");
    position(&small, "no listening port");
}

#[test]
fn no_headline_is_cut_on_the_small_screen() {
    let replica = "role:slave\nmaster_host:255.255.255.255\nmaster_port:65535\ndurable_version:1\n";
    let refusing = "role:master\ndurable_version:1\ndurable_required_replicas:10\n";
    for info in [
        replica,
        refusing,
        "role:master\n",
        "loading:1\nloading_eta_seconds:9999\n",
    ] {
        let sample = Sample::from_info(info);
        let wanted = facts::headlines(&sample);
        let mut shown = Shown::new("h:1", Duration::from_secs(1));
        shown.take(Ok((sample, None)), Instant::now());
        let small = lines(&shown, 80, 24);
        wanted.iter().for_each(|fact| {
            position(&small, &fact.words);
        });
    }
}

#[test]
fn a_group_leaves_room_for_two_replicas_and_counts_what_does_not_fit() {
    let members = vec![serde_json::json!({"id": "a"}); 40];
    let status = serde_json::json!({"state": "ready", "members": members});
    let small = lines(&shown(2, Some(status)), 80, 24);
    position(&small, "10.0.0.7:1");
    position(&small, "no listening port");
    // 44 lines with borders, and 10 are free.
    position(&small, "34 more do not fit");
}

#[test]
fn links_that_do_not_fit_are_counted() {
    let small = lines(&shown(30, None), 80, 24);
    position(&small, "no listening port");
    // 24 lines less title, keys, the first panel of seven, and three of the table's own.
    position(&small, "18 more do not fit");
}

#[test]
fn no_screen_is_too_small_to_draw() {
    let status = serde_json::json!({"state": "ready", "members": ["a", "b", "c"]});
    let mut shown = shown(9, Some(status));
    shown.help = true;
    for (width, height) in [(1, 1), (5, 3), (20, 6), (80, 10), (300, 100)] {
        lines(&shown, width, height);
    }
}
