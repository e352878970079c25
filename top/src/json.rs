//! One look as JSON. The fields are documented in `docs/monitoring.md`, and a test compares.

use serde::Serialize;

use crate::rates::Rates;
use crate::sample::Sample;

#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    time_ms: u64,
    connected: bool,
    error: Option<&'a str>,
    rates: Option<Rates>,
    #[serde(flatten)]
    sample: Option<&'a Sample>,
}

/// One line without its end. `time_ms` is the time of the look, since 1970.
pub fn render(server: &str, time_ms: u64, look: Result<(&Sample, Option<Rates>), &str>) -> String {
    let report = Report {
        server,
        time_ms,
        connected: look.is_ok(),
        error: look.err(),
        rates: look.ok().and_then(|(_, rates)| rates),
        sample: look.ok().map(|(sample, _)| sample),
    };
    // Names are text and numbers are finite, so this does not fail.
    serde_json::to_string(&report).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use crate::sample::Link;

    use super::*;

    fn full() -> Sample {
        let mut sample = Sample::from_info(
            "redis_version:7.0.15\nredis_mode:standalone\nrole:slave\nmaster_host:h\nmaster_port:1\n\
             loading:1\ndurable_version:0.1.0\ndurable_waiters:3\n",
        );
        sample.links = Some(vec![Link::default()]);
        sample.failover = Some(json!({"state": "ready"}));
        sample
    }

    #[test]
    fn a_look_is_one_object() {
        let line = render("h:1", 5, Ok((&full(), Some(Rates::default()))));
        let value: Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(value["server"], "h:1");
        assert_eq!(value["connected"], true);
        assert_eq!(value["role"], "replica");
        assert_eq!(value["info"]["durable_waiters"], 3);
        assert_eq!(value["rates"]["given_up"], 0.0);
        assert_eq!(value["links"][0]["counts"], false);
        assert_eq!(value["failover"]["state"], "ready");
    }

    #[test]
    fn a_failed_look_says_why() {
        let line = render("h:1", 5, Err("Connection refused"));
        let wanted = json!({
            "server": "h:1", "time_ms": 5, "connected": false, "error": "Connection refused",
            "rates": null,
        });
        assert_eq!(
            serde_json::from_str::<Value>(&line).expect("it is JSON"),
            wanted
        );
    }

    #[test]
    fn every_field_is_documented() {
        let page = include_str!("../../docs/monitoring.md");
        let line = render("h:1", 5, Ok((&full(), Some(Rates::default()))));
        let value: Value = serde_json::from_str(&line).expect("it is JSON");
        let mut names = Vec::new();
        collect(&value, "", &mut names);
        for name in names {
            let free = ["info.", "words.", "failover."];
            if !free.iter().any(|prefix| name.starts_with(prefix)) {
                assert!(
                    page.contains(&format!("`{name}`")),
                    "{name} is not in docs/monitoring.md"
                );
            }
        }
    }

    fn collect(value: &Value, above: &str, names: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let name = format!("{above}{name}");
                    names.push(name.clone());
                    collect(value, &format!("{name}."), names);
                }
            }
            Value::Array(items) => {
                let above = format!("{}[].", above.trim_end_matches('.'));
                items.iter().for_each(|item| collect(item, &above, names));
            }
            _ => {}
        }
    }
}
