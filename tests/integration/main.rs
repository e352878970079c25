//! The module on real servers. The list below shows which folder tests which behaviour.

#![forbid(unsafe_code)]

/// Helpers for the tests.
mod support;

/// When a durable command is answered, and what its answer shows.
mod acknowledgement {
    mod fence;
    mod group_commit;
    mod hearing;
    mod lone;
    mod multi_and_scripts;
    mod pipelines;
    mod reads_and_no_ops;
    mod unacked_and_noreplicas;
    mod writes;
}

/// The requirement of a command: its options, the numbers that it resolves to, its limits.
mod requirements {
    mod arguments;
    mod errors;
    mod majority;
    mod max_waiters;
}

/// Which links count as replicas.
mod replicas {
    mod counting;
    mod listing;
    mod shared_address;
    mod stale_links;
}

/// The option FSYNC, and the reports of replicas about it.
mod fsync {
    mod identity;
    mod option;
    mod requests;
}

/// The family: DURABLE.SET and the other durable forms of plain commands.
mod family {
    mod declaration;
    mod documentation;
    mod help;
    mod options;
    mod random_arguments;
    mod same_replies;
    mod server_refusals;
    mod set;
}

/// DURABLE.CALL.
mod call {
    mod blocking;
    mod keys;
    mod keys_in_a_cluster;
    mod names;
    mod options;
    mod random_redirections;
    mod refusals;
}

/// DURABLE.ONCE.
mod once {
    mod kills;
    mod permissions;
    mod records;
    mod repeats;
    mod routing;
}

/// Scripts inside DURABLE.CALL and DURABLE.ONCE.
mod scripts {
    mod before_the_run;
    mod busy;
    mod cluster;
    mod once;
    mod refusals_of_the_server;
    mod replies;
    mod turns;
}

/// Clients that leave, pause, track keys, share I/O threads, or are unblocked by an operator.
mod clients {
    mod io_threads;
    mod leaving;
    mod memory;
    mod pause;
    mod quiet;
    mod sleeping;
    mod states;
    mod timing_out_together;
    mod unblock_storms;
}

/// Changes of the primary's role, planned or by a failure.
mod roles {
    mod acknowledged_writes_survive;
    mod changes;
    mod demotion;
    mod failover;
    mod shutdown;
}

/// Durable commands in a cluster.
mod cluster {
    mod failure;
    mod redirection;
    mod replica_reads;
}

/// Failover groups: `durable.failover`.
mod failover {
    mod forming;
    mod networks;
    mod promotion;
    mod replacing;
    mod versions;
}

/// SLOTHINT, SLOTHINT.MAP, SLOTHINT.SLOTS and SLOTHINT.WATCH.
mod slothint {
    mod endpoints;
    mod failures;
    mod hint;
    mod map;
    mod moves;
    mod pairs;
    mod slots;
    mod storms;
    mod tls;
    mod topology_reads;
    mod tracking;
    mod upgrade;
    mod watch;
}

/// What an operator works with: INFO, the log, settings, loading, unloading, ACL, data files.
mod operations {
    mod acl;
    mod acl_categories;
    mod acl_recipes;
    mod data_files;
    mod disturbances;
    mod info;
    mod loading;
    mod loading_twice;
    mod log_lines;
    mod resetstat;
    mod settings;
    mod unloading;
}
