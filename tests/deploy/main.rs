//! What stands in `deploy/`: it agrees with the program, with the tools that read it, and with what is told of it. One
//! binary, since each one more is linked anew with every change.

#[path = "../common/mod.rs"]
mod common;
#[path = "../volume/prometheus.rs"]
#[allow(dead_code, reason = "other tests use other parts of it")]
mod prometheus;

mod checklist;
mod dashboards;
mod end_to_end;
mod manifests;
mod overlays;
mod parts;
mod promql;
mod rules;
