//! One look as text, for `--once`.

use std::fmt::Write as _;

use crate::facts::{self, Fact};
use crate::group::Group;
use crate::sample::Sample;

/// All lines, with a line end each.
pub fn render(address: &str, sample: &Sample) -> String {
    let mut text = String::new();
    line(
        &mut text,
        "server",
        &format!("{address}, {}", facts::server(sample)),
    );
    if let Some(build) = sample.words.get("durable_build") {
        line(&mut text, "module", build);
    }
    for shown in facts::headlines(sample) {
        fact(&mut text, &shown);
    }
    if sample.serves_writes() {
        for shown in facts::waits(sample, None) {
            fact(&mut text, &shown);
        }
        line(&mut text, "replicas", &facts::links_title(sample));
        if let Some(error) = &sample.links_error {
            line(&mut text, "", error);
        }
        let rows = facts::links(sample)
            .into_iter()
            .map(|(_, cells)| cells.to_vec());
        table(&mut text, &facts::LINK_COLUMNS, &rows.collect::<Vec<_>>());
    }
    if let Some(group) = sample.failover.as_ref().and_then(Group::from_status) {
        text.push_str("\nfailover group\n");
        for (name, words) in &group.facts {
            line(&mut text, name, words);
        }
        table(&mut text, &group.columns, &group.members);
    }
    text
}

fn fact(text: &mut String, fact: &Fact) {
    line(text, fact.label, &fact.words);
}

fn line(text: &mut String, label: &str, words: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{label:<12} {words}");
}

/// Columns as wide as their widest cell. Nothing without rows.
fn table(text: &mut String, columns: &[impl AsRef<str>], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    text.push('\n');
    let head: Vec<String> = columns
        .iter()
        .map(|name| name.as_ref().to_string())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&head].into_iter().chain(rows) {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use crate::sample::Link;

    use super::*;

    #[test]
    fn a_primary_is_shown_with_its_links_and_its_group() {
        let mut sample = Sample::from_info(
            "redis_version:7.0.15\nredis_mode:cluster\nrole:master\ndurable_version:0.1.0\n\
             durable_build:0.1.0 (abc)\ndurable_required_replicas:1\ndurable_replicas_online:1\n\
             durable_requirement_met:1\ndurable_waiters:3\ndurable_acked_total:12\n\
             durable_wait_usec_p50:1200\n",
        );
        sample.links = Some(vec![Link {
            host: "10.0.0.7".into(),
            port: 6379,
            counts: true,
            fsynced_offset: 55,
            ..Link::default()
        }]);
        sample.failover = Some(serde_json::json!({"state": "ready", "members": [{"id": "a"}]}));
        let wanted = "\
server       h:1, redis 7.0.15, cluster, primary
module       0.1.0 (abc)
requirement  met: 1 required, 1 count
waiting      3 clients, highest 0, oldest 0 ms
total        12 acknowledged, 0 given up, 0 interrupted, 0 refused
last minute  p50 1.2 ms, p99 0 µs, p99.9 0 µs, longest 0 µs
replicas     1 link, 1 count

replica        counts  lag  ack age  fsynced  why not
10.0.0.7:6379  yes     0 B  0 ms     55

failover group
state        ready

id
a
";
        assert_eq!(render("h:1", &sample), wanted);
    }

    #[test]
    fn without_the_module_only_the_server_is_shown() {
        let sample =
            Sample::from_info("redis_version:7.0.15\nredis_mode:standalone\nrole:master\n");
        let text = render("h:1", &sample);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("redis-durable is not loaded"), "{text}");
    }
}
