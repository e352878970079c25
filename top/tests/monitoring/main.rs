//! The files in `monitoring/` against real programs: a server with the module, redis_exporter with
//! the script, `durable-top --prometheus`, and a Prometheus that scrapes both.
//!
//! Runs by `make monitoring-check`, which installs the programs. `DURABLE_TEST_EXPORTER` names
//! another redis_exporter than the one on PATH.

#![forbid(unsafe_code)]

mod expressions;
mod files;
mod stack;

use crate::files::{path, promtool};
use crate::stack::{Stack, EXPORTER_JOB, TOP_JOB};

/// Exist only with `durable.failover yes`.
const ONLY_WITH_FAILOVER: [&str; 3] = [
    "durable_failover_grants",
    "durable_failover_ready",
    "durable_failover_term",
];

#[test]
fn promtool_accepts_the_files_and_each_alert_fires_when_it_should() {
    promtool(&["check", "rules", &path("alerts.yaml")]);
    promtool(&["check", "config", &path("prometheus.yaml")]);
    promtool(&["test", "rules", &path("alerts_test.yaml")]);
}

#[test]
fn every_metric_of_the_alerts_and_the_dashboard_is_exported() {
    let stack = Stack::start();
    for query in stack.queries_of_the_alerts() {
        for metric in expressions::metrics(&query) {
            if !ONLY_WITH_FAILOVER.contains(&metric.as_str()) {
                stack.wait_for(&format!("{metric}{{job=\"{EXPORTER_JOB}\"}}"));
                stack.wait_for(&format!("{metric}{{job=\"{TOP_JOB}\"}}"));
            }
        }
    }
    let expressions = expressions::of_the_dashboard();
    assert!(expressions.len() > 20, "{expressions:?}");
    for expression in expressions {
        let metrics = expressions::metrics(&expression);
        assert!(!metrics.is_empty(), "{expression} names no metric");
        if metrics
            .iter()
            .any(|name| ONLY_WITH_FAILOVER.contains(&name.as_str()))
        {
            continue;
        }
        stack.wait_for(&expressions::of_one_job(&expression, TOP_JOB));
        // redis_exporter takes no labels from scripts.
        if !metrics.iter().any(|name| name.starts_with("durable_link_")) {
            stack.wait_for(&expressions::of_one_job(&expression, EXPORTER_JOB));
        }
    }
    stack.wait_for(expressions::OF_THE_VARIABLE);
}

#[test]
fn both_ways_give_the_same_metrics_with_the_same_labels() {
    let stack = Stack::start();
    let server = stack.server();
    for job in [EXPORTER_JOB, TOP_JOB] {
        stack.wait_for(&format!(
            "durable_primary{{job=\"{job}\",server=\"{server}\",key=\"\",filename=\"\"}} == 1"
        ));
        stack.wait_for(&format!(
            "durable_acked_total{{job=\"{job}\",server=\"{server}\"}} == 1"
        ));
    }
    let names = |job: &str| {
        let mut names = stack.metrics_of(job);
        let only_top = ["durable_up", "durable_module_loaded", "durable_build_info"];
        names.retain(|name| !only_top.contains(&name.as_str()) && !name.contains("_link_"));
        names
    };
    assert_eq!(names(EXPORTER_JOB), names(TOP_JOB));
    assert!(names(TOP_JOB).len() > 20, "{:?}", names(TOP_JOB));
}
