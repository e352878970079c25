//! Reads replies of the server: maps of RESP3, flat arrays of RESP2, and what is in them.

use redis::Value;
use serde_json::{Map, Value as Json};

/// The pairs of a map, or of a flat array of names and values. Empty for any other reply.
pub fn pairs(reply: &Value) -> Vec<(String, Value)> {
    match reply {
        Value::Map(pairs) => pairs
            .iter()
            .map(|(name, value)| (text(name), value.clone()))
            .collect(),
        Value::Array(items) => items
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [name, value] => Some((text(name), value.clone())),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The integer in a reply, also if it is written as text.
pub fn integer(reply: &Value) -> Option<i64> {
    match reply {
        Value::Int(number) => Some(*number),
        Value::Boolean(yes) => Some((*yes).into()),
        _ => text(reply).parse().ok(),
    }
}

/// The text in a reply. Empty for nil and for what is neither text nor a number.
///
/// Control characters become `?`. A replica may announce any bytes as its host, and they would
/// otherwise steer the terminal.
pub fn text(reply: &Value) -> String {
    let text = match reply {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::VerbatimString { text, .. } => text.clone(),
        Value::Okay => "OK".into(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        _ => String::new(),
    };
    without_controls(&text)
}

pub fn without_controls(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() {
            '?'
        } else {
            character
        }
    };
    text.chars().map(shown).collect()
}

/// A reply of any shape as JSON. An array that alternates names and values is a map of RESP2.
pub fn json(reply: &Value) -> Json {
    match reply {
        Value::Nil => Json::Null,
        Value::Int(number) => (*number).into(),
        Value::Double(number) => (*number).into(),
        Value::Boolean(yes) => (*yes).into(),
        Value::Map(_) => object(reply),
        Value::Array(items) if is_flat_map(items) => object(reply),
        Value::Array(items) | Value::Set(items) => items.iter().map(json).collect(),
        _ => text(reply).into(),
    }
}

fn object(reply: &Value) -> Json {
    let pairs = pairs(reply).into_iter();
    Json::Object(
        pairs
            .map(|(name, value)| (name, json(&value)))
            .collect::<Map<_, _>>(),
    )
}

/// Whether every second item is a name, and some value is no text. A list of an even number of
/// texts remains a list.
fn is_flat_map(items: &[Value]) -> bool {
    let is_text = |item: &Value| matches!(item, Value::BulkString(_) | Value::SimpleString(_));
    let (names, values): (Vec<_>, Vec<_>) = items
        .chunks_exact(2)
        .map(|pair| (&pair[0], &pair[1]))
        .unzip();
    items.len().is_multiple_of(2)
        && names.iter().all(|name| is_text(name))
        && values.iter().any(|value| !is_text(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn maps_of_both_protocols_become_the_same_json() {
        let member = |name: &str| {
            Value::Map(vec![
                (bulk("id"), bulk(name)),
                (bulk("voter"), Value::Int(1)),
            ])
        };
        let flat =
            |name: &str| Value::Array(vec![bulk("id"), bulk(name), bulk("voter"), Value::Int(1)]);
        let resp3 = Value::Map(vec![
            (bulk("state"), bulk("ready")),
            (
                bulk("members"),
                Value::Array(vec![member("a"), member("b")]),
            ),
        ]);
        let resp2 = Value::Array(vec![
            bulk("state"),
            bulk("ready"),
            bulk("members"),
            Value::Array(vec![flat("a"), flat("b")]),
        ]);
        let wanted = serde_json::json!({
            "state": "ready",
            "members": [{"id": "a", "voter": 1}, {"id": "b", "voter": 1}],
        });
        assert_eq!(json(&resp3), wanted);
        assert_eq!(json(&resp2), wanted);
    }

    #[test]
    fn a_list_of_texts_remains_a_list() {
        let list = Value::Array(vec![bulk("a"), bulk("b")]);
        assert_eq!(json(&list), serde_json::json!(["a", "b"]));
    }

    #[test]
    fn bytes_that_would_steer_a_terminal_are_replaced() {
        assert_eq!(text(&bulk("a\x1b[2Jb\r\n")), "a?[2Jb??");
    }

    #[test]
    fn integers_are_read_from_text_too() {
        assert_eq!(integer(&bulk("-1")), Some(-1));
        assert_eq!(integer(&Value::Int(7)), Some(7));
        assert_eq!(integer(&bulk("seven")), None);
    }
}
