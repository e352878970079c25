//! The differences between servers that tests see. One constant per difference: what differs, from
//! which version, and why. No test compares versions itself.
//!
//! The module has a table of its own in `core/`. The two are separate on purpose: a wrong row in
//! the module's table makes tests fail on the servers for which it is wrong, if the difference is
//! here too. The module corrects rows about optional calls at load.

use crate::server::Server;
use crate::version::{Product, Version};

/// A property that some servers have, with the first version of each product that has it.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    redis: Since,
    valkey: Since,
}

/// The first version of a product that has a property.
#[derive(Clone, Copy, Debug)]
enum Since {
    Always,
    Never,
    Version(u32, u32, u32),
}

use Since::{Always, Never};

const fn since(major: u32, minor: u32, patch: u32) -> Since {
    Since::Version(major, minor, patch)
}

/// Replicas report the offset that they have fsynced (`REPLCONF ACK … FACK …`). Older servers
/// cannot answer FSYNC, and the module refuses the option there.
pub const REPORTS_FSYNCS: Difference = Difference {
    redis: since(7, 2, 0),
    valkey: Always,
};

/// A module can put its commands into the server's ACL categories. On older servers `+@write` does
/// not cover a module's commands.
pub const PUTS_MODULE_COMMANDS_INTO_CATEGORIES: Difference = Difference {
    redis: since(7, 2, 0),
    valkey: Always,
};

/// A module can add an ACL category, here `@durable`.
pub const ADDS_MODULE_CATEGORIES: Difference = Difference {
    redis: since(7, 4, 0),
    valkey: since(8, 0, 0),
};

/// After MODULE UNLOAD the server applies the rules of all ACL users again, and aborts when one of
/// them names a command that is gone. The module refuses to be unloaded while a rule names one.
pub const REPEATS_ACL_RULES_AFTER_UNLOAD: Difference = Difference {
    redis: since(7, 2, 0),
    valkey: Always,
};

/// The server looks up all commands of a pipeline before it executes the first. It keeps pointers
/// to them, so the module refuses to be unloaded.
pub const LOOKS_UP_PIPELINES_AHEAD: Difference = Difference {
    redis: since(8, 4, 0),
    valkey: since(9, 0, 0),
};

/// I/O threads look up the commands that they read. With I/O threads on, the module refuses to be
/// unloaded.
pub const LOOKS_UP_COMMANDS_IN_IO_THREADS: Difference = Difference {
    redis: since(8, 0, 0),
    valkey: Always,
};

/// A client belongs to one of the I/O threads. While it has to wait, and while tracking is on for
/// it, it belongs to the main thread instead. CLIENT INFO shows the thread (`io-thread=0` is the
/// main thread).
pub const CLIENTS_BELONG_TO_IO_THREADS: Difference = Difference {
    redis: since(8, 0, 0),
    valkey: Never,
};

/// SET has the option IFEQ. Older servers answer it with a syntax error.
pub const SET_HAS_IFEQ: Difference = Difference {
    redis: since(8, 4, 0),
    valkey: since(8, 1, 0),
};

/// The server comes with the module of vector sets: VADD, VCARD and others.
pub const HAS_VECTOR_SETS: Difference = Difference {
    redis: since(8, 0, 0),
    valkey: Never,
};

/// The module refuses a command that would wait, if its client is subscribed to channels (RESP3).
/// From 8.1.1 on the server refuses to block such a client. On earlier versions the module refuses
/// as well.
pub const BLOCKS_NO_SUBSCRIBERS: Difference = Difference {
    redis: Never,
    valkey: Always,
};

/// Clients can accept redirections by CLIENT CAPA REDIRECT. A primary that becomes a replica does
/// not disconnect such clients.
pub const HAS_CLIENT_CAPA: Difference = Difference {
    redis: Never,
    valkey: since(8, 0, 0),
};

/// After FAILOVER the module ends the waits of blocked clients, because the server does so late.
/// The connections stay open; other servers close them.
pub const UNBLOCKS_LATE_AFTER_FAILOVER: Difference = Difference {
    redis: Never,
    valkey: since(9, 0, 0),
};

/// When a cluster fails, the server answers every blocked client with CLUSTERDOWN. Other servers
/// answer only clients that wait for keys.
pub const UNBLOCKS_ALL_WHEN_THE_CLUSTER_FAILS: Difference = Difference {
    redis: Always,
    valkey: Never,
};

/// A node of a cluster without `tls-cluster` knows the TLS ports of the others. Older servers do
/// not, and tell clients on TLS connections the plain ports.
pub const KNOWS_TLS_PORTS_WITHOUT_TLS_CLUSTER: Difference = Difference {
    redis: since(7, 2, 0),
    valkey: Always,
};

/// A node can announce one address to IPv4 clients and another to IPv6 clients
/// (`cluster-announce-client-ipv4` and `-ipv6`).
pub const ANNOUNCES_AN_ADDRESS_PER_FAMILY: Difference = Difference {
    redis: Never,
    valkey: since(8, 0, 0),
};

/// The server caches its answer to CLUSTER SLOTS and does not renew it when `cluster-announce-ip`
/// changes. Its MOVED names the new address.
pub const CACHES_CLUSTER_SLOTS: Difference = Difference {
    redis: Never,
    valkey: Always,
};

/// The server moves whole slots by itself (CLUSTER MIGRATESLOTS).
pub const MIGRATES_SLOTS: Difference = Difference {
    redis: Never,
    valkey: since(9, 0, 0),
};

impl Server {
    /// Whether this server has a property of [`crate::differences`].
    pub fn has(&self, difference: Difference) -> bool {
        difference.applies_to(self.version())
    }

    /// The server's own version, from INFO. On Valkey this is not `redis_version`, which is the
    /// Redis version that Valkey is compatible with.
    #[track_caller]
    pub fn version_in_info(&self) -> String {
        let field = match self.version().product {
            Product::Redis => "redis_version",
            Product::Valkey => "valkey_version",
        };
        self.info("server")[field].clone()
    }
}

impl Difference {
    fn applies_to(self, version: Version) -> bool {
        let since = match version.product {
            Product::Redis => self.redis,
            Product::Valkey => self.valkey,
        };
        match since {
            Always => true,
            Never => false,
            Since::Version(major, minor, patch) => {
                version.at_least(version.product, (major, minor, patch))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applies(difference: Difference, line: &str) -> bool {
        difference.applies_to(Version::parse(line).expect("a version line"))
    }

    #[test]
    fn a_difference_begins_with_its_version_and_each_product_has_its_own() {
        let difference = Difference {
            redis: since(8, 4, 0),
            valkey: since(8, 1, 1),
        };
        assert!(!applies(difference, "Redis server v=8.2.9"));
        assert!(applies(difference, "Redis server v=8.4.0"));
        assert!(!applies(difference, "Valkey server v=8.1.0"));
        assert!(applies(difference, "Valkey server v=8.1.1"));
        // A release candidate counts as its release.
        assert!(applies(difference, "Valkey server v=9.0.0-rc1"));
    }

    #[test]
    fn one_product_may_have_it_always_and_the_other_never() {
        let difference = Difference {
            redis: Always,
            valkey: Never,
        };
        assert!(applies(difference, "Redis server v=7.0.15"));
        assert!(!applies(difference, "Valkey server v=9.1.2"));
    }
}
