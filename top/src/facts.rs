//! What is shown, in words: the text of `--once` and the screen say the same.

use crate::rates::Rates;
use crate::sample::{Link, Role, Sample};
use crate::units::{bytes, counted, micros, millis, rate, UNKNOWN};

/// How a fact is coloured. What it says is in its words too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Plain,
    Good,
    Warning,
    Bad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub label: &'static str,
    pub words: String,
    pub mood: Mood,
}

fn fact(label: &'static str, mood: Mood, words: String) -> Fact {
    Fact { label, words, mood }
}

/// `redis 7.0.15, standalone, primary`.
pub fn server(sample: &Sample) -> String {
    if sample.is_sentinel() {
        // It has no role.
        return format!("{} {}, {}", sample.product, sample.version, sample.mode);
    }
    let role = match sample.role {
        Role::Primary => "primary",
        Role::Replica => "replica",
        Role::Unknown => "unknown role",
    };
    format!(
        "{} {}, {}, {role}",
        sample.product, sample.version, sample.mode
    )
}

/// What matters most about the server. Fits a screen of 80 columns.
pub fn headlines(sample: &Sample) -> Vec<Fact> {
    if let Some(loading) = &sample.loading {
        let words = format!(
            "the server loads its data: {:.0} %, about {} s left",
            loading.percent, loading.seconds_left
        );
        return vec![fact("loading", Mood::Warning, words)];
    }
    if sample.is_sentinel() {
        let words = "this is a Sentinel: look at the server that it names on";
        let how = "SENTINEL GET-MASTER-ADDR-BY-NAME <name>";
        return vec![
            fact("sentinel", Mood::Bad, words.into()),
            fact("", Mood::Plain, how.into()),
        ];
    }
    if !sample.has_module() {
        let words = "redis-durable is not loaded: there is nothing to show";
        return vec![fact("module", Mood::Bad, words.into())];
    }
    if sample.role == Role::Replica {
        return replica(sample);
    }
    let required = sample.field("required_replicas").unwrap_or(0);
    let online = sample.field("replicas_online").unwrap_or(0);
    let (mood, words) = match sample.field("requirement_met") {
        Some(1) => (
            Mood::Good,
            format!("met: {required} required, {online} count"),
        ),
        _ => (
            Mood::Bad,
            format!(
                "NOT MET: {required} required, {online} count; writes that need it are refused"
            ),
        ),
    };
    vec![fact("requirement", mood, words)]
}

fn replica(sample: &Sample) -> Vec<Fact> {
    let primary = sample.primary.as_ref();
    let address = primary.map_or_else(|| UNKNOWN.into(), |primary| primary.address());
    let (mood, link) = match primary.is_some_and(|primary| primary.link_up) {
        true => (Mood::Plain, "up"),
        false => (Mood::Bad, "DOWN"),
    };
    vec![
        fact(
            "role",
            mood,
            format!("this is a replica of {address}, its link is {link}"),
        ),
        fact(
            "",
            Mood::Plain,
            "look at the primary for its durable writes".into(),
        ),
    ]
}

/// The waits: how many, how long, how they ended. Without rates the totals are shown.
pub fn waits(sample: &Sample, rates: Option<&Rates>) -> Vec<Fact> {
    let count = |name: &str| sample.field(name).unwrap_or(0);
    let mut facts = vec![fact(
        "waiting",
        Mood::Plain,
        format!(
            "{}, highest {}, oldest {}",
            counted(count("waiters"), "client"),
            count("waiters_peak"),
            millis(count("oldest_wait_ms"))
        ),
    )];
    if let Some(rates) = rates {
        facts.push(fact(
            "per second",
            mood(rates.given_up + rates.interrupted + rates.refused > 0.0),
            format!(
                "{} acknowledged, {} given up, {} interrupted, {} refused",
                rate(rates.acknowledged),
                rate(rates.given_up),
                rate(rates.interrupted),
                rate(rates.refused)
            ),
        ));
    }
    facts.push(fact(
        "total",
        Mood::Plain,
        format!(
            "{} acknowledged, {} given up, {} interrupted, {} refused",
            count("acked_total"),
            count("unacked_total"),
            count("disconnected_total") + count("demoted_total"),
            count("noreplicas_total") + count("overloaded_total")
        ),
    ));
    facts.push(fact(
        "last minute",
        Mood::Plain,
        format!(
            "p50 {}, p99 {}, p99.9 {}, longest {}",
            micros(count("wait_usec_p50")),
            micros(count("wait_usec_p99")),
            micros(count("wait_usec_p999")),
            micros(count("wait_usec_max"))
        ),
    ));
    facts
}

fn mood(trouble: bool) -> Mood {
    if trouble {
        Mood::Warning
    } else {
        Mood::Plain
    }
}

/// `3 links, 2 count`.
pub fn links_title(sample: &Sample) -> String {
    match &sample.links {
        Some(links) => {
            let links = counted(links.len() as i64, "link");
            format!("{links}, {} count", sample.counting())
        }
        None => "unknown".into(),
    }
}

pub const LINK_COLUMNS: [&str; 6] = ["replica", "counts", "lag", "ack age", "fsynced", "why not"];

/// The links in the order of [`LINK_COLUMNS`]: first those that do not count, then by lag.
pub fn links(sample: &Sample) -> Vec<(Mood, [String; 6])> {
    let mut links: Vec<&Link> = sample.links.iter().flatten().collect();
    links.sort_by_key(|link| (link.counts, std::cmp::Reverse(link.lag_bytes)));
    links.into_iter().map(link).collect()
}

fn link(link: &Link) -> (Mood, [String; 6]) {
    let fsynced = match link.fsynced_offset {
        ..=-1 => UNKNOWN.into(),
        offset => offset.to_string(),
    };
    let (mood, counts) = match link.counts {
        true => (Mood::Plain, "yes"),
        false => (Mood::Bad, "NO"),
    };
    let cells = [
        link.address(),
        counts.into(),
        bytes(link.lag_bytes),
        millis(link.ack_age_ms),
        fsynced,
        link.reason.clone(),
    ];
    (mood, cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(fields: &[(&str, i64)]) -> Sample {
        let mut sample = Sample::from_info("role:master\ndurable_version:0.1.0\n");
        for (name, value) in fields {
            sample.info.insert(format!("durable_{name}"), *value);
        }
        sample
    }

    #[test]
    fn a_requirement_that_is_not_met_says_what_follows() {
        let sample = primary(&[
            ("required_replicas", 2),
            ("replicas_online", 1),
            ("requirement_met", 0),
        ]);
        let fact = &headlines(&sample)[0];
        assert_eq!(
            fact.words,
            "NOT MET: 2 required, 1 count; writes that need it are refused"
        );
        assert_eq!(fact.mood, Mood::Bad);
    }

    #[test]
    fn a_replica_and_a_server_without_the_module_say_so() {
        let replica = "role:slave\nmaster_host:10.0.0.1\nmaster_port:6379\nmaster_link_status:up\n";
        let with_module = Sample::from_info(&format!("{replica}durable_version:0.1.0\n"));
        assert!(headlines(&with_module)[0]
            .words
            .starts_with("this is a replica of 10.0.0.1:6379, its link is up"));
        assert!(headlines(&Sample::from_info(replica))[0]
            .words
            .contains("is not loaded"));
    }

    #[test]
    fn a_sentinel_says_where_to_look() {
        let sample = Sample::from_info("redis_version:7.0.15\nredis_mode:sentinel\n");
        assert_eq!(server(&sample), "redis 7.0.15, sentinel");
        let facts = headlines(&sample);
        assert!(facts[0].words.starts_with("this is a Sentinel"));
        assert!(facts.iter().all(|fact| !fact.words.contains("not loaded")));
    }

    #[test]
    fn links_that_do_not_count_come_first_with_their_reason() {
        let mut sample = primary(&[]);
        let link = |port, counts, lag_bytes, reason: &str| Link {
            host: "10.0.0.7".into(),
            port,
            lag_bytes,
            counts,
            reason: reason.into(),
            fsynced_offset: -1,
            ..Link::default()
        };
        sample.links = Some(vec![
            link(1, true, 10, ""),
            link(2, true, 2_000, ""),
            link(0, false, 0, "no listening port"),
        ]);
        let shown: Vec<String> = links(&sample)
            .iter()
            .map(|(_, cells)| cells.join("|"))
            .collect();
        assert_eq!(shown[0], "10.0.0.7:0|NO|0 B|0 ms|-|no listening port");
        assert!(
            shown[1].starts_with("10.0.0.7:2|yes|2.0 kB"),
            "{}",
            shown[1]
        );
        assert_eq!(links_title(&sample), "3 links, 2 count");
    }

    #[test]
    fn rates_are_shown_only_where_they_are_known() {
        let sample = primary(&[("acked_total", 7)]);
        let labels = |rates| {
            waits(&sample, rates)
                .iter()
                .map(|fact| fact.label)
                .collect::<Vec<_>>()
        };
        assert_eq!(labels(None), ["waiting", "total", "last minute"]);
        assert_eq!(
            labels(Some(&Rates::default())),
            ["waiting", "per second", "total", "last minute"]
        );
    }
}
