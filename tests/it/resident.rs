//! The sweeps of `serve`.

use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Guard, Start};
use crate::common::http::Request;
use std::path::Path;

fn policy(ttl: &str) -> String {
    format!("{EVERYTHING}ttl: [{{ job: keep, max_age: never }}, {ttl}]\n")
}

const SECONDS: &str = r#"{ job: "*", max_age: 1s }"#;

fn start(policy: &str, gateway: &Gateway, state: Option<&Path>) -> Guard {
    let start = Start::new(policy, &gateway.url()).flag("--sweep.interval", "1s");
    match state {
        Some(folder) => start.flag("--state.dir", folder.to_str().unwrap()).run(),
        None => start.run(),
    }
}

fn jobs(gateway: &Gateway) -> Vec<String> {
    gateway.groups().into_iter().map(|group| group.labels["job"].clone()).collect()
}

/// Whether each whole sweep so far only reported.
fn sweeps(guard: &Guard) -> Vec<bool> {
    let lines = guard.log.lines();
    lines.iter().filter(|line| line.get("msg") == "swept").map(|line| line.get("report_only") == "true").collect()
}

#[test]
fn the_first_sweep_under_a_rule_only_reports_and_the_state_remembers_it() {
    let Some(gateway) = Gateway::start() else { return };
    let state = tempfile::tempdir().unwrap();
    let mut guard = start(&policy(SECONDS), &gateway, Some(state.path()));
    for target in ["/metrics/job/keep", "/metrics/job@base64/RWxpeGlyL1Bob2VuaXggQ0k/x/1"] {
        Request::put(target, "m 1\n").send(gateway.address).is(200, "", "around the guard");
    }
    guard.log.line("a removal", |line| line.get("msg") == "group swept" && line.get("what") == "removed");
    crate::common::wait_for("the group to go", || (jobs(&gateway) == ["keep"]).then_some(()));
    let order = sweeps(&guard);
    assert!(order[0] && !order[1..].contains(&true), "{order:?}");
    guard.await_metric("pushguard_sweep_removed_groups_total", 1.0);
    guard.stop();

    let guard = start(&policy(SECONDS), &gateway, Some(state.path()));
    guard.log.line("a sweep", |line| line.get("msg") == "swept");
    assert!(!sweeps(&guard)[0], "the state remembers that these rules were reported");
    let file = guard.folder.path().join("policy.yaml");
    std::fs::write(file, policy(r#"{ job: "*", max_age: 2s }"#)).unwrap();
    guard.signal("HUP");
    guard.log.line("the new rules", |line| line.get("msg") == "policy reloaded");
    crate::common::wait_for("a report under the new rules", || sweeps(&guard).contains(&true).then_some(()));
}

#[test]
fn a_group_that_is_pushed_all_the_while_stays() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = start(&policy(r#"{ job: "*", max_age: 3s }"#), &gateway, None);
    Request::put("/metrics/job/stale", "m 1\n").send(guard.address()).is(200, "", "pushed once");
    crate::common::wait_for("the stale one to go", || {
        Request::put("/metrics/job/busy", "m 1\n").send(guard.address()).is(200, "", "pushed again and again");
        let jobs = jobs(&gateway);
        assert!(jobs.contains(&"busy".to_owned()), "{jobs:?}");
        (!jobs.contains(&"stale".to_owned())).then_some(())
    });
}

#[test]
fn more_than_may_go_at_once_stops_it_and_raises_the_metric() {
    let Some(gateway) = Gateway::start() else { return };
    for n in 0..12 {
        Request::put(format!("/metrics/job/j{n}"), "m 1\n").send(gateway.address).is(200, "", "around the guard");
    }
    let guard = start(&policy(SECONDS), &gateway, None);
    guard.log.line("the stop", |line| line.get("msg") == "sweep stopped" && line.get("due") == "12");
    guard.await_metric("pushguard_sweep_stopped", 1.0);
    crate::common::wait_for("a sweep that may remove", || sweeps(&guard).contains(&false).then_some(()));
    assert_eq!(jobs(&gateway).len(), 12);
}
