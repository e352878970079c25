//! The state of a server by its own commands: INFO, role, offset, replicas.

use std::collections::HashMap;

use redis::Value;

use crate::server::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Primary,
    Replica,
}

/// An online replica as the primary's ROLE lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaLink {
    pub host: String,
    pub port: u16,
    pub acked_offset: u64,
}

impl Server {
    /// A section of INFO, field → value. All sections for an empty name.
    #[track_caller]
    pub fn info(&self, section: &str) -> HashMap<String, String> {
        let command = if section.is_empty() {
            vec!["INFO", "everything"]
        } else {
            vec!["INFO", section]
        };
        let text: String = self.run(&command);
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(field, value)| (field.to_string(), value.to_string()))
            .collect()
    }

    /// One field of INFO as a number.
    #[track_caller]
    pub fn info_number(&self, section: &str, field: &str) -> i64 {
        let fields = self.info(section);
        let value = fields.get(field);
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("INFO {section} has no number in {field} but {value:?}"))
    }

    #[track_caller]
    pub fn role(&self) -> Role {
        let role: Vec<Value> = self.run(&["ROLE"]);
        match redis::from_redis_value_ref::<String>(&role[0]).as_deref() {
            Ok("master") => Role::Primary,
            Ok("slave") => Role::Replica,
            other => panic!("{} has the role {other:?}", self.name()),
        }
    }

    /// The replication offset. On a primary it is the end of the stream, on a replica the end of
    /// what the replica has processed.
    #[track_caller]
    pub fn offset(&self) -> u64 {
        self.info_number("replication", "master_repl_offset") as u64
    }

    /// The online replicas, in the order of ROLE. After a cut one replica may be listed twice.
    #[track_caller]
    pub fn replica_links(&self) -> Vec<ReplicaLink> {
        let (role, _, links): (String, u64, Vec<(String, u16, u64)>) = self.run(&["ROLE"]);
        assert_eq!(role, "master", "{} is not a primary", self.name());
        links
            .into_iter()
            .map(|(host, port, acked_offset)| ReplicaLink {
                host,
                port,
                acked_offset,
            })
            .collect()
    }
}
