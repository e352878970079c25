//! One look in the text format of Prometheus.
//!
//! Metrics have the names of the fields of `INFO durable`. Each has the label `server`, because a
//! file for the textfile collector may hold several servers.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::sample::{Link, Role, Sample};

/// What is known of fields by name. A field of a newer module has no help, and is a counter if its
/// name ends in `_total`.
const HELP: [(&str, &str); 35] = [
    ("durable_waiters", "Clients that wait now."),
    (
        "durable_waiters_peak",
        "The highest number of clients that waited.",
    ),
    ("durable_replicas_online", "Replicas that count now."),
    (
        "durable_acknowledged_offset",
        "The offset up to which the configured requirement is met.",
    ),
    ("durable_acked_total", "Waits that were acknowledged."),
    ("durable_unacked_total", "Waits given up (UNACKED)."),
    (
        "durable_noreplicas_total",
        "Commands refused because replicas were missing.",
    ),
    (
        "durable_overloaded_total",
        "Commands refused because too many clients waited.",
    ),
    (
        "durable_disconnected_total",
        "Waits that ended because the client disconnected.",
    ),
    (
        "durable_demoted_total",
        "Waits that ended because the primary was demoted.",
    ),
    (
        "durable_ack_requests_total",
        "Acknowledgement requests sent.",
    ),
    (
        "durable_wait_usec_p50",
        "Median duration of acknowledged waits in the last minute.",
    ),
    (
        "durable_wait_usec_p99",
        "99th percentile of the duration of acknowledged waits.",
    ),
    (
        "durable_wait_usec_p999",
        "99.9th percentile of the duration of acknowledged waits.",
    ),
    (
        "durable_wait_usec_max",
        "Longest acknowledged wait in the last minute.",
    ),
    (
        "durable_required_replicas",
        "Replicas that the configured requirement needs.",
    ),
    (
        "durable_requirement_met",
        "1 if a write with the configured requirement is accepted now.",
    ),
    ("durable_links", "Links to replicas."),
    (
        "durable_links_not_counted",
        "Links to replicas that do not count.",
    ),
    (
        "durable_max_lag_bytes",
        "How far the slowest counting replica is behind.",
    ),
    (
        "durable_oldest_wait_ms",
        "How long the longest current wait has lasted.",
    ),
    ("durable_once_total", "DURABLE.ONCE: commands executed."),
    (
        "durable_once_repeated_total",
        "DURABLE.ONCE: commands answered from their record.",
    ),
    (
        "durable_slothint_requests_total",
        "Requests for slot hints.",
    ),
    (
        "durable_slothint_keys_total",
        "Keys in requests for slot hints.",
    ),
    (
        "durable_slothint_map_refreshes_total",
        "Refreshes of the slot map.",
    ),
    (
        "durable_failover_grants",
        "Members that have granted in this term.",
    ),
    ("durable_failover_term", "The term of the failover group."),
    (
        "durable_failover_guaranteed",
        "Acknowledgements that survive a failover.",
    ),
    (
        "durable_failover_voter",
        "1 if the vote of this member counts.",
    ),
    ("durable_failover_closed", "1 on a primary without a term."),
    (
        "durable_failover_promotions",
        "Promotions that this member has asked for.",
    ),
    (
        "durable_failover_messages_ignored",
        "Messages of another group or version.",
    ),
    (
        "durable_failover_messages_dropped",
        "Messages that were dropped.",
    ),
    (
        "durable_failover_ready",
        "1 if the failover group can promote a replica now.",
    ),
];

/// A hash without order: it makes no curve.
const NO_METRIC: &str = "durable_slothint_token";

pub fn render(server: &str, look: Result<&Sample, &str>) -> String {
    let mut text = String::new();
    let server = [("server", server)];
    let mut one = |name: &str, help: &str, value: i64| {
        head(&mut text, name, help);
        line(&mut text, name, &server, value);
    };
    one(
        "durable_up",
        "1 if the server answered.",
        look.is_ok().into(),
    );
    let Ok(sample) = look else {
        return text;
    };
    one(
        "durable_module_loaded",
        "1 if the module is loaded.",
        sample.has_module().into(),
    );
    if !sample.has_module() {
        return text;
    }
    one(
        "durable_primary",
        "1 if the server is a primary.",
        (sample.role == Role::Primary).into(),
    );
    for (name, value) in &sample.info {
        if name != NO_METRIC {
            let help = HELP.iter().find(|(known, _)| known == name);
            one(name, help.map_or("", |(_, help)| help), *value);
        }
    }
    build(&mut text, server, sample);
    links(
        &mut text,
        server,
        sample.links.as_deref().unwrap_or_default(),
    );
    text
}

fn build(text: &mut String, [server]: [(&str, &str); 1], sample: &Sample) {
    let word = |name: &str| {
        sample
            .words
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let (version, build) = (word("durable_version"), word("durable_build"));
    head(text, "durable_build_info", "The version of the module.");
    line(
        text,
        "durable_build_info",
        &[server, ("version", version), ("build", build)],
        1,
    );
}

fn links(text: &mut String, [server]: [(&str, &str); 1], links: &[Link]) {
    type Of = fn(&Link) -> i64;
    let metrics: [(&str, &str, Of); 4] = [
        (
            "durable_link_counts",
            "1 if the link counts. The label reason says why not.",
            |link| link.counts.into(),
        ),
        (
            "durable_link_lag_bytes",
            "How far the link is behind.",
            |link| link.lag_bytes,
        ),
        (
            "durable_link_ack_age_ms",
            "How long ago its acknowledged offset moved.",
            |link| link.ack_age_ms,
        ),
        (
            "durable_link_acked_offset",
            "The offset that it has acknowledged.",
            |link| link.acked_offset,
        ),
    ];
    let names = names(links);
    for (metric, help, of) in metrics {
        if !links.is_empty() {
            head(text, metric, help);
        }
        for (link, (address, number)) in links.iter().zip(&names) {
            let mut labels = vec![server, ("replica", address), ("link", number)];
            if metric == "durable_link_counts" {
                labels.push(("reason", &link.reason));
            }
            line(text, metric, &labels, of(link));
        }
    }
}

/// Several links may show one address. The label `link` counts them from 1, because Prometheus
/// refuses two equal series.
fn names(links: &[Link]) -> Vec<(String, String)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let name = |link: &Link| {
        let number = seen.entry(link.address()).or_default();
        *number += 1;
        (link.address(), number.to_string())
    };
    links.iter().map(name).collect()
}

fn head(text: &mut String, name: &str, help: &str) {
    let kind = if name.ends_with("_total") {
        "counter"
    } else {
        "gauge"
    };
    // Writing to a string does not fail.
    if !help.is_empty() {
        let _ = writeln!(text, "# HELP {name} {help}");
    }
    let _ = writeln!(text, "# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: i64) {
    let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
    let labels: Vec<String> = labels.iter().map(label).collect();
    let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_metrics_and_totals_become_counters() {
        let sample = Sample::from_info(
            "role:master\ndurable_version:0.1.0\ndurable_waiters:3\ndurable_acked_total:7\n\
             durable_slothint_token:9\ndurable_novel:1\n",
        );
        let text = render("h:1", Ok(&sample));
        for wanted in [
            "durable_up{server=\"h:1\"} 1",
            "durable_primary{server=\"h:1\"} 1",
            "# TYPE durable_acked_total counter",
            "durable_acked_total{server=\"h:1\"} 7",
            "# TYPE durable_waiters gauge",
            "durable_novel{server=\"h:1\"} 1",
        ] {
            assert!(
                text.lines().any(|line| line == wanted),
                "{wanted} is missing in\n{text}"
            );
        }
        assert!(!text.contains("token"), "{text}");
    }

    #[test]
    fn links_of_one_address_are_different_series() {
        let mut sample = Sample::from_info("role:master\ndurable_version:0.1.0\n");
        let link = |reason: &str| Link {
            host: "a\"b".into(),
            port: 1,
            reason: reason.into(),
            ..Link::default()
        };
        sample.links = Some(vec![link("loading"), link("")]);
        let text = render("h:1", Ok(&sample));
        let first =
            r#"durable_link_counts{server="h:1",replica="a\"b:1",link="1",reason="loading"} 0"#;
        let second = r#"durable_link_counts{server="h:1",replica="a\"b:1",link="2",reason=""} 0"#;
        assert!(text.contains(first) && text.contains(second), "{text}");
    }

    #[test]
    fn a_server_that_does_not_answer_is_down_and_nothing_else() {
        let text = render("h:1", Err("refused"));
        assert!(text.ends_with("durable_up{server=\"h:1\"} 0\n"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}
