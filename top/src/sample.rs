//! What one look at a server found. Made from its replies, without I/O and without a clock.
//!
//! | reply | gives |
//! |---|---|
//! | `INFO` | the server, its role, whether it is loading, and every `durable_` field |
//! | `DURABLE.REPLICAS` | one [`Link`] for each replica link |
//! | `DURABLE.FAILOVER STATUS` | the failover group as it is, because newer modules may add to it |

use std::collections::BTreeMap;

use redis::Value;
use serde::Serialize;

use crate::reply;

/// One look at a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// `redis` or `valkey`.
    pub product: String,
    pub version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    pub role: Role,
    /// The primary of a replica.
    pub primary: Option<Primary>,
    /// Present while the server reads its data.
    pub loading: Option<Loading>,
    /// Every field of `INFO durable` that is a number. Empty without the module.
    pub info: BTreeMap<String, i64>,
    /// The fields of `INFO durable` that are not numbers: the versions, a state.
    pub words: BTreeMap<String, String>,
    /// The replica links, or `None` if they could not be read.
    pub links: Option<Vec<Link>>,
    /// Why `links` is `None`, in the server's words.
    pub links_error: Option<String>,
    /// The reply to `DURABLE.FAILOVER STATUS`, where the module has that command.
    pub failover: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Primary,
    Replica,
    /// INFO was refused or has no role, as on a Sentinel.
    #[default]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Primary {
    pub host: String,
    pub port: u16,
    pub link_up: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loading {
    pub percent: f64,
    pub seconds_left: i64,
}

/// One entry of `DURABLE.REPLICAS`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    pub host: String,
    pub port: i64,
    pub acked_offset: i64,
    pub lag_bytes: i64,
    pub ack_age_ms: i64,
    /// -1 where it is unknown.
    pub fsynced_offset: i64,
    pub counts: bool,
    /// Empty if it counts.
    pub reason: String,
}

impl Sample {
    /// `info` is the text of all sections together, in any order.
    pub fn from_info(info: &str) -> Sample {
        let fields: BTreeMap<&str, &str> = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .collect();
        let text = |name: &str| fields.get(name).map(|value| value.to_string());
        let number = |name: &str| fields.get(name).and_then(|value| value.parse().ok());
        let valkey = fields.contains_key("valkey_version");
        let mut sample = Sample {
            product: if valkey { "valkey" } else { "redis" }.into(),
            version: text(if valkey {
                "valkey_version"
            } else {
                "redis_version"
            })
            .unwrap_or_default(),
            mode: text("redis_mode")
                .or_else(|| text("server_mode"))
                .unwrap_or_default(),
            role: match fields.get("role") {
                Some(&"master") => Role::Primary,
                Some(&"slave") => Role::Replica,
                _ => Role::Unknown,
            },
            ..Sample::default()
        };
        if let (Role::Replica, Some(host)) = (sample.role, text("master_host")) {
            sample.primary = Some(Primary {
                host,
                port: number("master_port").unwrap_or_default(),
                link_up: fields.get("master_link_status") == Some(&"up"),
            });
        }
        if fields.get("loading") == Some(&"1") {
            let percent = fields.get("loading_loaded_perc");
            let left = fields.get("loading_eta_seconds");
            sample.loading = Some(Loading {
                percent: percent.and_then(|text| text.parse().ok()).unwrap_or(0.0),
                seconds_left: left.and_then(|text| text.parse().ok()).unwrap_or(0),
            });
        }
        for (name, value) in fields.range("durable_"..) {
            if !name.starts_with("durable_") {
                break;
            }
            match value.parse() {
                Ok(number) => sample.info.insert(name.to_string(), number).is_some(),
                Err(_) => sample
                    .words
                    .insert(name.to_string(), value.to_string())
                    .is_some(),
            };
        }
        sample
    }

    /// Adds the reply to `DURABLE.REPLICAS`, or the server's error.
    pub fn add_links(&mut self, reply: Result<Value, String>) {
        match reply {
            Ok(Value::Array(entries)) => {
                self.links = Some(entries.iter().map(Link::from_reply).collect());
            }
            Ok(_) => self.links_error = Some("the reply is not an array".into()),
            Err(error) => self.links_error = Some(error),
        }
    }

    /// A Sentinel answers INFO, but takes no modules and has no replicas.
    pub fn is_sentinel(&self) -> bool {
        self.mode == "sentinel"
    }

    pub fn has_module(&self) -> bool {
        self.words.contains_key("durable_version")
    }

    /// Whether it accepts durable writes by its role, so that waits and links mean something.
    pub fn serves_writes(&self) -> bool {
        self.has_module() && self.role == Role::Primary && self.loading.is_none()
    }

    /// A field of `INFO durable`, by its name without `durable_`.
    pub fn field(&self, name: &str) -> Option<i64> {
        self.info.get(&format!("durable_{name}")).copied()
    }

    /// How many of the listed links count.
    pub fn counting(&self) -> usize {
        let links = self.links.as_deref().unwrap_or_default();
        links.iter().filter(|link| link.counts).count()
    }
}

impl Link {
    fn from_reply(entry: &Value) -> Link {
        let mut link = Link {
            fsynced_offset: -1,
            ..Link::default()
        };
        for (name, value) in reply::pairs(entry) {
            let number = reply::integer(&value).unwrap_or(-1);
            match name.as_str() {
                "host" => link.host = reply::text(&value),
                "port" => link.port = number,
                "acked-offset" => link.acked_offset = number,
                "lag-bytes" => link.lag_bytes = number,
                "ack-age-ms" => link.ack_age_ms = number,
                "fsynced-offset" => link.fsynced_offset = number,
                "counts" => link.counts = number == 1,
                "reason" => link.reason = reply::text(&value),
                _ => {}
            }
        }
        link
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }
}

impl Primary {
    pub fn address(&self) -> String {
        address(&self.host, self.port.into())
    }
}

fn address(host: &str, port: i64) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\
        # Replication\r\nrole:master\r\n# Persistence\r\nloading:0\r\n\
        # durable\r\ndurable_version:0.1.0\r\ndurable_build:0.1.0 (abc)\r\ndurable_waiters:3\r\n";

    #[test]
    fn numbers_and_words_of_the_module_are_kept_apart() {
        let sample = Sample::from_info(PRIMARY);
        assert_eq!(sample.role, Role::Primary);
        assert_eq!(
            (sample.product.as_str(), sample.version.as_str()),
            ("redis", "7.0.15")
        );
        assert_eq!(sample.field("waiters"), Some(3));
        assert_eq!(sample.words["durable_build"], "0.1.0 (abc)");
        assert!(sample.has_module() && sample.loading.is_none());
    }

    #[test]
    fn a_replica_names_its_primary_and_its_link() {
        let sample = Sample::from_info(
            "redis_version:7.2.4\nvalkey_version:8.1.1\nrole:slave\nmaster_host:fd00::7\n\
             master_port:6379\nmaster_link_status:down\n",
        );
        assert_eq!(
            (sample.product.as_str(), sample.version.as_str()),
            ("valkey", "8.1.1")
        );
        let primary = sample.primary.expect("it has a primary");
        assert_eq!(primary.address(), "[fd00::7]:6379");
        assert!(!primary.link_up);
    }

    #[test]
    fn without_the_module_there_are_no_fields() {
        let sample = Sample::from_info("redis_version:7.0.15\r\nrole:master\r\n");
        assert!(!sample.has_module() && sample.info.is_empty());
    }

    #[test]
    fn a_loading_server_says_how_far_it_is() {
        let sample = Sample::from_info(
            "loading:1\r\nloading_loaded_perc:42.50\r\nloading_eta_seconds:7\r\n",
        );
        let loading = sample.loading.expect("it loads");
        assert_eq!((loading.percent, loading.seconds_left), (42.5, 7));
    }

    #[test]
    fn links_are_read_from_maps_and_from_flat_arrays_and_unknown_fields_are_skipped() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let fields = [
            (text("host"), text("10.0.0.7")),
            (text("port"), Value::Int(6379)),
            (text("novel"), Value::Int(9)),
            (text("counts"), Value::Int(0)),
            (text("reason"), text("loading")),
        ];
        let flat = fields
            .iter()
            .flat_map(|(name, value)| [name.clone(), value.clone()]);
        for entry in [Value::Map(fields.to_vec()), Value::Array(flat.collect())] {
            let mut sample = Sample::default();
            sample.add_links(Ok(Value::Array(vec![entry])));
            let links = sample.links.expect("they were read");
            assert_eq!(links[0].address(), "10.0.0.7:6379");
            assert_eq!(
                (links[0].counts, links[0].reason.as_str()),
                (false, "loading")
            );
        }
    }

    #[test]
    fn an_error_in_place_of_the_links_is_kept() {
        let mut sample = Sample::default();
        sample.add_links(Err("NOPERM".into()));
        assert_eq!(
            (sample.links, sample.links_error.as_deref()),
            (None, Some("NOPERM"))
        );
    }
}
