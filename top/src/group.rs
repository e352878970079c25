//! The failover group as rows of text.
//!
//! Nothing is assumed about the reply but its shape: names and values, of which `members` is a list
//! of such. Names that this program does not know are shown as they are.

use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Names and values, the well-known ones first.
    pub facts: Vec<(String, String)>,
    pub columns: Vec<String>,
    /// One row for each member, in the order of `columns`.
    pub members: Vec<Vec<String>>,
}

const FIRST: [&str; 4] = ["state", "reason", "term", "guaranteed"];
const MEMBERS: &str = "members";

impl Group {
    /// `None` if the reply has nothing to show, as while `durable.failover` is off.
    pub fn from_status(status: &Value) -> Option<Group> {
        let status = status.as_object()?;
        if status.get("state").and_then(Value::as_str) == Some("off") {
            return None;
        }
        let known = FIRST.iter().filter_map(|name| status.get_key_value(*name));
        let others = status
            .iter()
            .filter(|(name, _)| *name != MEMBERS && !FIRST.contains(&name.as_str()));
        let facts = known
            .chain(others)
            .map(|(name, value)| (name.clone(), words(value)))
            .filter(|(_, words)| !words.is_empty())
            .collect();
        let mut group = Group {
            facts,
            ..Group::default()
        };
        match status.get(MEMBERS) {
            Some(Value::Array(members)) => group.add_members(members),
            Some(other) => group.facts.push((MEMBERS.into(), words(other))),
            None => {}
        }
        (group != Group::default()).then_some(group)
    }

    /// The facts, as many in a line as there is room for.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (name, words) in &self.facts {
            let fact = format!("{name} {words}");
            match lines.last_mut() {
                Some(line) if line.chars().count() + 3 + fact.chars().count() <= width => {
                    line.push_str(" · ");
                    line.push_str(&fact);
                }
                _ => lines.push(fact),
            }
        }
        lines
    }

    fn add_members(&mut self, members: &[Value]) {
        let plain = |member: &Value| {
            let mut row = Map::new();
            row.insert("member".into(), member.clone());
            row
        };
        let rows: Vec<Map<String, Value>> = members
            .iter()
            .map(|member| member.as_object().cloned().unwrap_or_else(|| plain(member)))
            .collect();
        for name in rows.iter().flat_map(Map::keys) {
            if !self.columns.contains(name) {
                self.columns.push(name.clone());
            }
        }
        let cell =
            |row: &Map<String, Value>, name: &String| row.get(name).map(words).unwrap_or_default();
        self.members = rows
            .iter()
            .map(|row| self.columns.iter().map(|name| cell(row, name)).collect())
            .collect();
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name} {}", words(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn well_known_names_come_first_and_unknown_ones_as_they_are() {
        let group = Group::from_status(&json!({
            "novel": [1, 2],
            "term": 7,
            "state": "ready",
            "reason": "",
            "members": [
                {"id": "a", "voter": 1},
                {"id": "b", "voter": 0, "why": "restarted"},
            ],
        }))
        .expect("there is something to show");
        let facts: Vec<String> = group
            .facts
            .iter()
            .map(|(name, words)| format!("{name}={words}"))
            .collect();
        assert_eq!(facts, ["state=ready", "term=7", "novel=1, 2"]);
        assert_eq!(group.columns, ["id", "voter", "why"]);
        assert_eq!(group.members, [["a", "1", ""], ["b", "0", "restarted"]]);
    }

    #[test]
    fn facts_share_lines_as_far_as_there_is_room() {
        let group = Group::from_status(&json!({"state": "replica", "term": 7, "ready": 0}));
        let group = group.expect("there is something to show");
        assert_eq!(group.lines(80), ["state replica · term 7 · ready 0"]);
        assert_eq!(group.lines(24), ["state replica · term 7", "ready 0"]);
        assert_eq!(group.lines(3).len(), 3);
    }

    #[test]
    fn replies_of_other_shapes_are_shown_as_far_as_they_go() {
        assert_eq!(Group::from_status(&json!("OK")), None);
        assert_eq!(Group::from_status(&json!({})), None);
        assert_eq!(
            Group::from_status(&json!({"state": "off", "term": 0})),
            None
        );
        let group = Group::from_status(&json!({"members": ["a", "b"]})).expect("members");
        assert_eq!(
            (group.columns, group.members),
            (
                vec!["member".to_string()],
                vec![vec!["a".to_string()], vec!["b".to_string()]]
            )
        );
        let group = Group::from_status(&json!({"members": 3})).expect("a number of members");
        assert_eq!(group.facts, [("members".to_string(), "3".to_string())]);
    }
}
