//! Report mode: each kind of rule lets pass what it would refuse and says so; all else stays enforced.

use super::*;
use std::time::SystemTime;

const POLICY: &str = r#"
version: 1
sources:
  office: { cidrs: [203.0.113.0/24] }
principals:
  ci:
    basic:  { username: ci, password_hash_file: phc }
    from:   { require: [office] }
    grants: [{ operations: [push, replace], job: ci }]
    quotas: [{ per: job, burst: 10, period: 1m }, { per: principal, burst: 100, period: 1m }]
    payload: { max_bytes: 100, metrics: [up] }
  other:
    basic:  { username: other, password_hash_file: phc }
    from:   { require: [office] }
    grants: [{ operations: [delete], job: tmp }]
"#;

/// The policy with one text in place of another.
fn with(old: &str, new: &str) -> World {
    assert_eq!(POLICY.matches(old).count(), 1, "{old}");
    world(policy(&POLICY.replace(old, new)))
}

/// The outcome, and what would have been refused by which rule.
fn told(world: &World, line: &str) -> String {
    let outcome = outcome(world, line);
    match drive(world, &request(world, line)).1.would_deny {
        Some(would) => {
            format!("{outcome}, would {} by {}", would.denial.reason.code(), would.rule.as_deref().unwrap_or("-"))
        }
        None => outcome,
    }
}

#[track_caller]
fn check(world: &World, rows: &[(&str, &str)]) {
    for (line, expected) in rows {
        let line = format!("l {line} | Content-Length: 5");
        assert_eq!(told(world, &line), *expected, "{line}");
    }
}

const PUSHED: &str = "verify charge inspect allow push POST /metrics/job/ci";
const STRANGER: &str = "9.9.9.9 POST /metrics/job/ci | user ci:good";
const PUSH: &str = "203.0.113.9 POST /metrics/job/ci | user ci:good";

#[test]
fn a_source_that_reports_lets_every_address_in() {
    let enforced = world(policy(POLICY));
    check(&enforced, &[(STRANGER, "deny source_not_allowed"), (PUSH, PUSHED)]);
    let world = with("cidrs: [203.0.113.0/24]", "cidrs: [203.0.113.0/24], mode: report");
    check(
        &world,
        &[
            (STRANGER, &format!("{PUSHED}, would source_not_allowed by sources.office")),
            (PUSH, PUSHED),
            ("9.9.9.9 POST /metrics/job/ci", "deny credential_missing, would source_not_allowed by sources.office"),
            (
                "9.9.9.9 POST /metrics/job/ci | user ci:bad",
                "verify deny credential_rejected, would source_not_allowed by sources.office",
            ),
        ],
    );
}

/// An address that nobody else admits is as good as the one that a reporting source admits, and no better.
#[test]
fn those_who_are_admitted_come_before_those_who_are_reported() {
    let grants = "grants: [{ operations: [scrape] }]";
    let text = format!(
        "version: 1
sources: {{ a: {{ cidrs: [192.0.2.0/24], mode: report }}, b: {{ cidrs: [203.0.113.0/24] }} }}
principals:
  first:  {{ anonymous: true, from: {{ require: [a] }}, {grants} }}
  second: {{ anonymous: true, from: {{ require: [b] }}, {grants} }}
"
    );
    let world = world(policy(&text));
    for (source, principal, would) in
        [("192.0.2.1", "first", None), ("203.0.113.1", "second", None), ("9.9.9.9", "first", Some("sources.a"))]
    {
        let (_, decision) = drive(&world, &request(&world, &format!("l {source} GET /metrics")));
        assert_eq!(decision.identity.principal.as_deref(), Some(principal), "{source}");
        assert_eq!(decision.would_deny.and_then(|w| w.rule).as_deref(), would, "{source}");
    }
}

#[test]
fn a_credential_that_reports_needs_no_proof() {
    let world = with("username: ci,", "username: ci, mode: report,");
    check(
        &world,
        &[
            (PUSH, PUSHED),
            (
                "203.0.113.9 POST /metrics/job/ci | user ci:bad",
                &format!("{PUSHED}, would credential_rejected by ci.basic"),
            ),
            (
                "203.0.113.9 POST /metrics/job/ci | user ci:often",
                &format!("{PUSHED}, would login_throttled by ci.basic"),
            ),
            (
                "203.0.113.9 POST /metrics/job/ci",
                "charge inspect allow push POST /metrics/job/ci, would credential_missing by ci.basic",
            ),
            (
                "203.0.113.9 POST /metrics/job/ci | user nobody:x",
                &format!("{PUSHED}, would credential_rejected by ci.basic"),
            ),
            // Somebody else's password is not excused, and no further than its grants.
            ("203.0.113.9 POST /metrics/job/ci | user other:bad", "verify deny credential_rejected"),
            ("203.0.113.9 POST /metrics/job/tmp", "deny job_not_granted, would credential_missing by ci.basic"),
            (STRANGER, "deny source_not_allowed"),
        ],
    );
}

#[test]
fn a_grant_that_reports_lets_its_operations_through_for_every_job() {
    let world = with("job: ci }", "job: ci, mode: report }");
    check(
        &world,
        &[
            (PUSH, PUSHED),
            (
                "203.0.113.9 POST /metrics/job/x | user ci:good",
                "verify charge inspect allow push POST /metrics/job/x, would job_not_granted by ci.grants[0]",
            ),
            (
                "203.0.113.9 POST /metrics/job/ci/a/b | user ci:good",
                "verify charge inspect allow push POST /metrics/job/ci/a/b, would label_not_granted by ci.grants[0]",
            ),
            ("203.0.113.9 DELETE /metrics/job/ci | user ci:good", "verify deny operation_not_granted"),
        ],
    );
}

#[test]
fn a_quota_that_reports_refuses_nothing() {
    let world = with("period: 1m }, {", "period: 1m, mode: report }, {");
    check(
        &world,
        &[
            (PUSH, PUSHED),
            (&format!("{PUSH} | charge 0"), &format!("{PUSHED}, would quota_exhausted by ci.quotas[0]")),
            (&format!("{PUSH} | charge 1"), "verify charge deny quota_exhausted"),
        ],
    );
}

#[test]
fn rules_of_a_payload_that_report_let_names_pass_and_no_fault() {
    let world = with("payload: {", "payload: { mode: report, labels: { team: a },");
    let told = format!("{PUSHED}, would payload_invalid by -");
    check(
        &world,
        &[
            (&format!("{PUSH} | body up{{team=\"a\"}} 1\\n"), PUSHED),
            (&format!("{PUSH} | body up{{team=\"b\"}} 1\\n"), &told),
            (&format!("{PUSH} | body up 1\\n"), &told),
            (&format!("{PUSH} | body down{{team=\"a\"}} 1\\n"), &told),
            (&format!("{PUSH} | body down 1\\ndown 1\\n"), "verify charge inspect deny payload_invalid"),
            (&format!("{PUSH} | body go_x 1\\n"), "verify charge inspect deny payload_invalid"),
        ],
    );
}

#[test]
fn a_policy_that_reports_enforces_only_what_keeps_the_gateway_whole() {
    let world = with("version: 1", "version: 1\nmode: report\nlisteners: { l: { trusted_proxies: [10.0.0.0/8] } }");
    let nobody = "charge inspect allow push POST /metrics/job/ci";
    let nobody = nobody.replace("charge ", "");
    check(
        &world,
        &[
            (PUSH, PUSHED),
            (STRANGER, &format!("{nobody}, would source_not_allowed by -")),
            ("10.0.0.1 POST /metrics/job/ci", &format!("{nobody}, would source_unknown by -")),
            ("203.0.113.9 POST /metrics/job/ci", &format!("{nobody}, would credential_missing by -")),
            (
                "203.0.113.9 DELETE /metrics/job/x | user other:good",
                "verify deny request_malformed, would job_not_granted by other.grants[0]",
            ),
            (
                "203.0.113.9 POST /metrics/job/x | user ci:bad",
                "verify inspect allow push POST /metrics/job/x, would credential_rejected by -",
            ),
            (&format!("{PUSH} | charge 0"), &format!("{PUSHED}, would quota_exhausted by ci.quotas[0]")),
            (&format!("{PUSH} | body down 1\\n"), &format!("{PUSHED}, would payload_invalid by -")),
            // Never excused: target, origin, size, syntax.
            (&format!("{PUSH}%2F").replace(" | user ci:good%2F", "%2F | user ci:good"), "deny target_ambiguous"),
            (
                &format!("{STRANGER} | Sec-Fetch-Site: cross-site"),
                "deny origin_not_allowed, would source_not_allowed by -",
            ),
            (&format!("{PUSH} | body up 1\\nup 1\\n"), "verify charge inspect deny payload_invalid"),
            (&format!("{STRANGER} | body up"), "inspect deny payload_invalid, would source_not_allowed by -"),
        ],
    );
    let large = "l 203.0.113.9 POST /metrics/job/ci | user ci:good | Content-Length: 500";
    assert_eq!(told(&world, large), "verify deny payload_too_large");
}

#[test]
fn a_report_ends_at_its_time_and_needs_to_know_the_time() {
    let world = with("version: 1", "version: 1\nmode: report\nreport_until: 2030-01-31");
    let request = request(&world, "l 9.9.9.9 GET /metrics");
    let end = humantime::parse_rfc3339("2030-01-31T00:00:00Z").unwrap();
    let second = Duration::from_secs(1);
    let allowed = |now: Option<SystemTime>| {
        let facts = Facts { now, ..Facts::default() };
        matches!(decide(&world, &request.head, &facts), Step::Done(d) if d.denial().is_none())
    };
    assert!(allowed(Some(end - second)));
    assert!(!allowed(Some(end)));
    assert!(!allowed(None));
}
