//! What a member of a failover group says of itself, in INFO.

use anyhow::Result;

use crate::node::{Node, SILENCE};
use crate::system::System;

#[derive(Clone, Debug, Default)]
pub struct Member {
    /// `primary`: holds a term. `closed`: a primary without a term. `replica`, `no group` …
    pub state: String,
    pub term: u64,
    pub is_voter: bool,
    pub is_ready: bool,
    /// Why it is not ready.
    pub reason: String,
}

impl Member {
    /// `None` if the node does not answer in time, or knows nothing of groups.
    pub fn of(node: &Node) -> Option<Member> {
        if !node.is_running() {
            return None;
        }
        let info: String = node.run_within(&["INFO", "durable"], SILENCE).ok()?;
        Member::from_info(&info)
    }

    fn from_info(info: &str) -> Option<Member> {
        let mut member = Member::default();
        for line in info.lines() {
            let Some((name, value)) = line
                .strip_prefix("durable_failover_")
                .and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let value = value.trim_end();
            match name {
                "state" => member.state = value.to_owned(),
                "term" => member.term = value.parse().unwrap_or(0),
                "voter" => member.is_voter = value == "1",
                "ready" => member.is_ready = value == "1",
                "reason" => member.reason = value.to_owned(),
                _ => {}
            }
        }
        (!member.state.is_empty()).then_some(member)
    }

    pub fn holds_a_term(&self) -> bool {
        self.state == "primary"
    }
}

/// The size of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// R.
    pub replicas: usize,
    /// K: a write that so many replicas have survives every failover.
    pub guaranteed: usize,
}

/// Sends a write that K replicas have to acknowledge. Whether they did.
pub fn acknowledges(system: &System, node: &Node) -> bool {
    let Some(size) = system.group else {
        return false;
    };
    let needed = size.guaranteed.to_string();
    let key = format!("{}:probe", crate::client::TAG);
    let words = [
        "DURABLE.SET",
        &key,
        "1",
        "REPLICAS",
        &needed,
        "TIMEOUT",
        "300",
    ];
    let answer: Result<redis::Value> = node.run_within(&words, SILENCE);
    answer.is_ok()
}

/// What each member of the shard says, for a report: `P: primary, term 3, ready; A: silent`.
pub fn told(system: &System) -> String {
    let each = system.shard().iter().map(|node| match Member::of(node) {
        None => format!("{}: silent", node.name),
        Some(one) => {
            let voter = if one.is_voter { "voter" } else { "no voter" };
            let ready = match one.is_ready {
                true => "ready".to_owned(),
                false => format!("not ready: {}", one.reason),
            };
            format!(
                "{}: {}, term {}, {voter}, {ready}",
                node.name, one.state, one.term
            )
        }
    });
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_info_are_read() {
        let info = "# durable\r\ndurable_failover_state:closed\r\ndurable_failover_term:7\r\n\
                    durable_failover_voter:1\r\ndurable_failover_ready:0\r\n\
                    durable_failover_reason:1 of 2 voters; 10.0.0.3:6379 is no voter\r\n";
        let member = Member::from_info(info).unwrap();
        assert_eq!((member.state.as_str(), member.term), ("closed", 7));
        assert!(member.is_voter && !member.is_ready && !member.holds_a_term());
        assert_eq!(member.reason, "1 of 2 voters; 10.0.0.3:6379 is no voter");
        assert!(Member::from_info("durable_replicas_online:2\r\n").is_none());
    }
}
