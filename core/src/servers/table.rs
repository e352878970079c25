//! The table of facts: one row for each difference between servers that the module decides by.
//!
//! The table covers Redis from 7.0 and Valkey from 8.0. Valkey 7.2 is not supported: no row was
//! checked on it, not even one that says `Always`.
//!
//! Rows about optional calls of the module API are corrected at load, by whether the call is there.
//! Other differences need no row, because the module finds them out while it runs:
//!
//! | difference | found out from | where |
//! |---|---|---|
//! | which commands exist; their arity, flags, keys and categories | `COMMAND INFO`, `COMMAND DOCS` | `src/server_command.rs` |
//! | the words about an unknown command without arguments | the error for one | `src/durable/call/execute.rs` |
//! | the words about a call that access control denies | the error | `src/durable/run.rs` |
//! | whether a demotion turns waiting clients away | waits left in the ledger | `src/durable/give_up.rs` |
//! | whether `CLUSTER SHARDS` lacks nodes or slots | `CLUSTER NODES` | `core/src/topology.rs` |

use super::Range::{self, Always, Before, Between, From, Never};
use super::{Server, Version};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub fact: Fact,
    /// The versions of Redis on which it holds.
    pub redis: Range,
    /// The versions of Valkey on which it holds.
    pub valkey: Range,
    /// What the server does, and why that matters.
    pub reason: &'static str,
    /// Where the server does it: function and file, or the versions that were tried.
    pub upstream: &'static str,
}

impl Row {
    /// Whether the fact holds on this server.
    pub fn holds_on(&self, server: Server) -> bool {
        match server {
            Server::Redis(version) => self.redis.contains(version),
            Server::Valkey(version) => self.valkey.contains(version),
        }
    }
}

/// Defines [`Fact`] and [`ROWS`], so that each fact has exactly one row. The reason is the fact's
/// documentation as well.
macro_rules! facts {
    ($($fact:ident {
        redis: $redis:expr,
        valkey: $valkey:expr,
        reason: $reason:literal,
        upstream: $upstream:literal,
    })*) => {
        /// A difference between servers. The [`ROWS`] say on which servers each holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fact {
            $(#[doc = $reason] $fact,)*
        }

        /// The table, in the order of [`Fact`].
        pub const ROWS: &[Row] = &[$(Row {
            fact: Fact::$fact,
            redis: $redis,
            valkey: $valkey,
            reason: $reason,
            upstream: $upstream,
        }),*];
    };
}

const fn v(major: u8, minor: u8, patch: u8) -> Version {
    Version::new(major, minor, patch)
}

facts! {
    // What the module API can do.

    CallsLackMemoryCheck {
        redis: Between(v(7, 0, 0), v(7, 0, 1)),
        valkey: Never,
        reason: "`RM_Call` does not know the flag `M`, which refuses writes past `maxmemory`. \
            DURABLE.CALL needs it, so the module is not loaded.",
        upstream: "`moduleCreateArgvFromUserFormat` in `module.c`: \
            REDISMODULE_ARGV_RESPECT_DENY_OOM came with 7.0.1",
    }

    TellsFsyncs {
        redis: From(v(7, 2, 0)),
        valkey: Always,
        reason: "A replica of such a version reports what it has fsynced, in `REPLCONF ACK <offset> \
            FACK <offset>`. A primary of such a version tells a command filter who sent that. FSYNC needs both.",
        upstream: "`replicationSendAck` in `replication.c`, \
            `RM_CommandFilterGetClientId` in `module.c`",
    }

    CategorizesModuleCommands {
        redis: From(v(7, 2, 0)),
        valkey: Always,
        reason: "A module can put its commands into ACL categories. Elsewhere rules such as \
            `-@dangerous` do not apply to them, and the module logs a warning.",
        upstream: "`RM_SetCommandACLCategories` in `module.c`",
    }

    AddsModuleCategories {
        redis: From(v(7, 4, 0)),
        valkey: From(v(8, 0, 0)),
        reason: "A module can add an ACL category of its own.",
        upstream: "`RM_AddACLCategory` in `module.c`",
    }

    MovesSlotsAtomically {
        redis: Never,
        valkey: From(v(9, 0, 0)),
        reason: "The server moves slots atomically. It refuses this while a module is loaded that \
            has not declared support for it.",
        upstream: "`VM_SetModuleOptions` in `module.c`: \
            VALKEYMODULE_OPTIONS_HANDLE_ATOMIC_SLOT_MIGRATION",
    }

    // Clients that wait.

    ServesUnblockedBeforeTurnEnd {
        redis: From(v(7, 2, 0)),
        valkey: Always,
        reason: "Unblocked clients are served right before modules get BEFORE_SLEEP, so the module \
            releases waits in a timer. Other servers serve them right after BEFORE_SLEEP, so the \
            module releases waits in that event.",
        upstream: "`beforeSleep` in `server.c`, `blockedBeforeSleep` in `blocked.c`",
    }

    UnblockAbortsOnUnserved {
        redis: Between(v(7, 2, 0), v(7, 3, 0)),
        valkey: Never,
        reason: "CLIENT UNBLOCK aborts the server if the client is unblocked and not yet served. \
            The module keeps the command away from such clients.",
        upstream: "`unblockClientOnTimeout` in `blocked.c`: since 7.4 it returns early if \
            `isModuleClientUnblocked`",
    }

    RefusesToBlockSubscribers {
        redis: Never,
        valkey: Always,
        reason: "No module can block a client that is subscribed to channels. The server would \
            refuse after the command was executed, so the module refuses before. It checks RESP3 \
            clients only: in RESP2 a subscribed client cannot send such a command.",
        upstream: "`moduleBlockClient` in `module.c`, since 8.1.1 (valkey-io/valkey#1819). \
            Earlier versions count as well, which is the safe side",
    }

    WakesAfterLastTimer {
        redis: Before(v(7, 2, 0)),
        valkey: Never,
        reason: "After the last timer of all modules has fired, the event loop does not sleep in \
            the next turn. A zero-delay timer in every turn would keep it awake, so the module \
            keeps another timer armed.",
        upstream: "`usUntilEarliestTimer` in `ae.c` counts timers that have been deleted",
    }

    // Calls into the server.

    CallsStayCrossSlot {
        redis: Never,
        valkey: From(v(9, 0, 0)),
        reason: "Clients for calls come from a pool and keep READ_FLAGS_CROSSSLOT. In a cluster, \
            one command of a script with keys in two slots makes every later call of a module \
            fail. If a filter replaces the name of a command, the server examines it again, so \
            the module's filter does that in the module's own calls.",
        upstream: "`moduleAllocTempClient` and `moduleCallCommandFilters` in `module.c`",
    }

    ClientInfoCrashesInCalls {
        redis: Never,
        valkey: From(v(9, 0, 0)),
        reason: "The server follows a null pointer when it is asked for the connection of another \
            module's call inside EXEC. No property of the context tells such a call from a \
            client, so the module notes each connection when it is made.",
        upstream: "`modulePopulateClientInfoStructure` in `module.c`",
    }

    TopologyCrashesCalls {
        redis: Never,
        valkey: Before(v(8, 0, 1)),
        reason: "The server crashes when a module asks for the cluster's topology: it looks at the \
            connection of the asking client, and a call has none. The module gives no slot hints.",
        upstream: "`isClientConnIpV6` in `networking.c`",
    }

    TellsMissingPortAsZero {
        redis: From(v(7, 2, 0)),
        valkey: Always,
        reason: "If a node has no port for the kind of the asking connection (plain or TLS), the \
            server shows port 0. Other servers show the port for the other kind.",
        upstream: "`clusterRedirectClient` and `getNodeClientPort` in `cluster.c`",
    }

    // The server asks a command for its keys before it executes it.

    AsksForKeysOnThreadsInClusters {
        redis: From(v(8, 2, 0)),
        valkey: Always,
        reason: "In a cluster, I/O threads ask a command with `getkeys-api` for its keys. The \
            context made for that is not safe on such a thread, and the server crashes.",
        upstream: "Redis: `getSlotFromCommand` in `db.c`. \
            Valkey: `ioThreadReadQueryFromClient` in `networking.c`",
    }

    AsksForKeysOnThreadsAnywhere {
        redis: From(v(8, 4, 0)),
        valkey: Never,
        reason: "As `AsksForKeysOnThreadsInClusters`, but outside of clusters as well.",
        upstream: "`preprocessCommand` in `server.c`",
    }

    // What forbids unloading: the server keeps pointers to commands that it has freed, or repeats
    // ACL rules.

    LooksUpPipelines {
        redis: From(v(8, 4, 0)),
        valkey: From(v(9, 0, 0)),
        reason: "The server looks up all commands of a pipeline before it executes the first, \
            which may block for long. The module cannot see what the server has looked up.",
        upstream: "`processInputBuffer` in `networking.c`. \
            Redis: `lookahead`. Valkey: the client's `cmd_queue`",
    }

    LooksUpOnThreads {
        redis: From(v(8, 0, 0)),
        valkey: Always,
        reason: "I/O threads look commands up. The module cannot see what they have looked up.",
        upstream: "`networking.c`. Redis: `processInputBuffer`. \
            Valkey: `ioThreadReadQueryFromClient`",
    }

    RepeatsAclRules {
        redis: From(v(7, 2, 0)),
        valkey: Always,
        reason: "When a module's commands are gone, the server repeats the rules of every user, and \
            aborts at a rule that names one of these commands.",
        upstream: "`ACLRecomputeCommandBitsFromCommandRulesAllUsers` in `acl.c`, \
            called from `moduleUnload` in `module.c`",
    }
}
