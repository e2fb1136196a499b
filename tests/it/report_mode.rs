//! Report mode, seen from outside: what would be refused passes, and the answer, the log and the metrics say so.

use crate::common::guard::{Guard, PASSWORD, with};
use crate::common::http::{Request, Response};
use crate::common::upstream::{Upstream, ok};

const POLICY: &str = r#"
version: 1
principals:
  ci:
    basic:  { username: ci, password_hash_file: ci.phc }
    from:   anywhere
    grants: [{ operations: [push], job: ci }, { operations: [scrape] }]
    quotas: [{ per: job, burst: 2, period: 1h }, { per: principal, burst: 3, period: 1h }]
"#;

fn push(job: &str) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

fn would_deny(answer: &Response) -> Option<&str> {
    answer.header("Pushguard-Would-Deny")
}

/// The samples of the admin page whose series begin with `name`.
fn samples(guard: &Guard, name: &str) -> Vec<String> {
    guard.metrics().lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

/// What reached the gateway, apart from what the guard asks it itself.
fn forwarded(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| !seen.line().contains("/api/v1/")).count()
}

#[test]
fn a_policy_that_reports_lets_pass_and_tells() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(
        &with(POLICY, "version: 1", "version: 1\nmode: report\nreport_until: 2100-01-01"),
        &upstream.url(),
    );
    let said = guard.log.line("of report mode", |line| line.get("msg") == "report mode");
    assert_eq!(&said["rules"], "policy");
    let requests = [
        (push("ci").basic("ci", PASSWORD), None, ""),
        (push("other").basic("ci", PASSWORD), Some("job_not_granted"), "ci.grants[0]"),
        (push("ci").basic("ci", "wrong"), Some("credential_rejected"), ""),
        (push("ci"), Some("credential_missing"), ""),
        (Request::get("/metrics"), Some("credential_missing"), ""),
        (Request::delete("/metrics/job/ci"), Some("credential_missing"), ""),
    ];
    for (request, reason, rule) in &requests {
        let answer = request.send(guard.address());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(would_deny(&answer), *reason);
        let record = guard.record(&answer);
        assert_eq!((&record["verdict"], &record["would_deny"]), ("allow", reason.unwrap_or("")));
        assert_eq!(&record["would_deny_rule"], *rule);
    }
    assert_eq!(forwarded(&upstream), requests.len());
    // What would harm the gateway is refused all the same, and tells both.
    let answer = Request::post("/metrics/job/ci", "?\n").send(guard.address()).is(400, "payload_invalid", "no metrics");
    assert_eq!(would_deny(&answer), Some("credential_missing"));
    Request::post("/metrics/job/a%2Fb", "m 1\n").send(guard.address()).is(400, "target_ambiguous", "two readings");
    assert_eq!(forwarded(&upstream), requests.len());
    guard.await_metric("pushguard_would_deny_total{reason=\"credential_missing\"}", 4.0);
    let counted = samples(&guard, "pushguard_would_deny_total");
    assert_eq!(counted.len(), 3, "{counted:?}");
    guard.await_metric("pushguard_report_mode{scope=\"policy\"}", 1.0);
    let modes = samples(&guard, "pushguard_report_mode");
    assert_eq!(modes.len(), 2, "{modes:?}");
}

#[test]
fn after_its_end_it_enforces() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(
        &with(POLICY, "version: 1", "version: 1\nmode: report\nreport_until: 2020-01-01"),
        &upstream.url(),
    );
    let answer = push("ci").send(guard.address()).is(401, "credential_missing", "no credential");
    assert_eq!(would_deny(&answer), None);
    assert_eq!(samples(&guard, "pushguard_would_deny_total"), [""; 0]);
    assert!(samples(&guard, "pushguard_report_mode").iter().all(|line| line.ends_with(" 0")));
}

/// A quota that reports spends nothing of those that enforce, and they are spent whatever it says.
#[test]
fn quotas_that_report_and_quotas_that_enforce_are_charged_apart() {
    let upstream = Upstream::start(|_| ok());
    let guard =
        Guard::start(&with(POLICY, "burst: 2, period: 1h", "burst: 2, period: 1h, mode: report"), &upstream.url());
    let one = || push("ci").basic("ci", PASSWORD).send(guard.address());
    for expected in [None, None, Some("quota_exhausted")] {
        assert_eq!(would_deny(&one().is(200, "", "within the enforced quota")), expected);
    }
    one().is(429, "quota_exhausted", "beyond it");
    guard.await_metric("pushguard_report_mode{scope=\"rules\"}", 1.0);
}

/// Rules for names and labels may report; what harms the gateway is refused with them as without.
#[test]
fn rules_for_bodies_report_and_faults_of_bodies_do_not() {
    let upstream = Upstream::start(|_| ok());
    let rules =
        |mode: &str| format!("from:   anywhere\n    payload: {{ metrics: [tests_*], labels: {{ team: a }}{mode} }}");
    let policy =
        with(POLICY, "quotas: [{ per: job, burst: 2, period: 1h }, { per: principal, burst: 3, period: 1h }]", "");
    let start = |mode: &str| Guard::start(&with(&policy, "from:   anywhere", &rules(mode)), &upstream.url());
    let (reporting, enforcing) = (start(", mode: report, report_until: 2100-01-01"), start(""));
    let send =
        |guard: &Guard, body: &str| Request::post("/metrics/job/ci", body).basic("ci", PASSWORD).send(guard.address());
    let foreign = "tests_total{team=\"a\"} 1\nbilling_total{team=\"a\"} 1\n";
    let answer = send(&reporting, foreign).is(200, "", "a foreign name");
    assert_eq!(would_deny(&answer), Some("payload_invalid"));
    assert_eq!(&reporting.record(&answer)["would_deny"], "payload_invalid");
    let counted = samples(&reporting, "pushguard_would_deny_total");
    assert_eq!(counted, ["pushguard_would_deny_total{reason=\"payload_invalid\"} 1"]);
    assert_eq!(would_deny(&send(&reporting, "tests_total{team=\"a\"} 1\n").is(200, "", "a good body")), None);
    assert_eq!(forwarded(&upstream), 2);
    // A timestamp beside a foreign name: the gateway would refuse it, and so does the guard.
    send(&reporting, "billing_total 1 1700000000000\n").is(400, "payload_invalid", "a timestamp");
    send(&enforcing, foreign).is(400, "payload_invalid", "a foreign name");
    send(&enforcing, "tests_total 1\n").is(400, "payload_invalid", "a label is missing");
    assert_eq!(forwarded(&upstream), 2);
    send(&enforcing, "tests_total{team=\"a\"} 1\n").is(200, "", "a good body");
    assert_eq!(forwarded(&upstream), 3);
}
