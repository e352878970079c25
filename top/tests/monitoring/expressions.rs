//! The expressions of the dashboard, and the metrics in an expression.

use serde_json::Value;

use crate::files::read;

/// The query behind the dashboard's choice of servers: `label_values(durable_primary, server)`.
pub const OF_THE_VARIABLE: &str = "count by (server) (durable_primary)";

/// Each `expr` in the dashboard, wherever it stands.
pub fn of_the_dashboard() -> Vec<String> {
    let text = read("dashboard.json");
    assert!(
        text.contains("label_values(durable_primary, server)"),
        "another variable"
    );
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(expression)) = fields.get("expr") {
                found.push(expression.clone());
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// The expression with Grafana's variables filled in, for one job.
pub fn of_one_job(expression: &str, job: &str) -> String {
    let matchers = r#"{server=~"$server"}"#;
    assert!(
        expression.contains(matchers),
        "{expression} shows servers that were not chosen"
    );
    let filled = expression
        .replace(matchers, &format!("{{server=~\".*\",job=\"{job}\"}}"))
        .replace("$__rate_interval", "5m");
    assert!(!filled.contains('$'), "{filled} has an unknown variable");
    filled
}

/// The names in it that begin with `durable_`.
pub fn metrics(expression: &str) -> Vec<String> {
    let mut names: Vec<String> = expression
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("durable_"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}
