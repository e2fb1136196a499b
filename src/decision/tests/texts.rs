//! What refusals say, all of it in one place to read.

use super::*;
use crate::decision::whole_seconds;

const POLICY: &str = r#"
version: 1
sources:
  office: { cidrs: [203.0.113.0/24] }
principals:
  secret-principal:
    basic: { username: secret-user, password_hash_file: phc }
    from: { require: [office] }
    grants: [{ operations: [push, replace], job: granted, labels: { needed: "1", "fixed?": "secret-value" } }]
    quotas: [{ per: job, burst: 8, period: 1m }]
    payload: { max_bytes: 1KiB }
"#;

const REFUSED: &[&str] = &[
    "l 9.9.9.9 GET /metrics",
    "l 10.0.0.1 GET /metrics",
    "l 2001:db8::1 GET /metrics",
    "l 203.0.113.1 GET /nowhere",
    "l 203.0.113.1 POST /metrics/job",
    "l 203.0.113.1 POST /metrics/job//instance/x",
    "l 203.0.113.1 POST /metrics/job/granted/workflow/Elixir/Phoenix",
    "l 203.0.113.1 POST /metrics/job/granted/workflow/",
    "l 203.0.113.1 POST /metrics/job/granted/instance@base64/=",
    "l 203.0.113.1 POST /metrics/job/granted/instance/",
    "l 203.0.113.1 POST /metrics/job/granted/workflow//x/y",
    "l 203.0.113.1 POST /metrics/job/a%2Fb",
    "l 203.0.113.1 POST /metrics/job/granted/%2e%2e/b",
    "l 203.0.113.1 POST /metrics/job/granted/path/..",
    "l 203.0.113.1 POST /metrics/job/50%",
    "l 203.0.113.1 POST /metrics/job@base64/a+b",
    "l 203.0.113.1 POST /metrics/job/granted/my-label/x",
    "l 203.0.113.1 POST /metrics/job/granted/x/%FF",
    "l 203.0.113.1 POST /metrics/job/granted/x/%1b",
    "l 203.0.113.1 POST /metrics/job/granted/le/1",
    "l 203.0.113.1 POST /metrics/job/granted/x/1/x/2",
    "l 203.0.113.1 POST /metrics/job/granted?needed=1",
    "l 203.0.113.1 PATCH /metrics/job/granted",
    "l 203.0.113.1 POST /metrics",
    "l 203.0.113.1 POST /metrics/job/granted | Origin: https://evil.example",
    "l 203.0.113.1 POST /metrics/job/granted",
    "l 203.0.113.1 POST /metrics/job/granted | Authorization: Bearer x",
    "l 203.0.113.1 POST /metrics/job/granted | Authorization: Basic x",
    "l 203.0.113.1 POST /metrics/job/granted | user nobody:good",
    "l 203.0.113.1 POST /metrics/job/granted | user secret-user:bad",
    "l 203.0.113.1 POST /metrics/job/granted | user secret-user:often",
    "l 203.0.113.1 POST /metrics/job/granted | user secret-user:busy",
    "l 203.0.113.1 DELETE /metrics/job/granted | user secret-user:good",
    "l 203.0.113.1 GET /metrics | user secret-user:good",
    "l 203.0.113.1 POST /metrics/job/other/needed/1 | user secret-user:good",
    "l 203.0.113.1 POST /metrics/job/granted | user secret-user:good",
    "l 203.0.113.1 POST /metrics/job/granted/needed/2 | user secret-user:good",
    "l 203.0.113.1 POST /metrics/job/granted/needed/1/workflow/Elixir/Phoenix/CI | user secret-user:good",
    "l 203.0.113.1 POST /metrics/job/granted/needed/1/fixed/x | user secret-user:good",
    "l 203.0.113.1 POST /metrics/job/granted/needed/1 | user secret-user:good",
    "l 203.0.113.1 POST /metrics/job/granted/needed/1 | user secret-user:good | Content-Length: 1025",
    "l 203.0.113.1 POST /metrics/job/granted/needed/1 | user secret-user:good | Content-Encoding: zstd",
    "l 203.0.113.1 DELETE /metrics/job/granted/needed/1 | user secret-user:good | Content-Length: 3",
    "l 203.0.113.1 POST /metrics/job/granted/needed/1 | user secret-user:good | Content-Length: 3 | charge 0",
    "l 203.0.113.1 PUT /metrics/job/granted/needed/1 | user secret-user:good | Content-Length: 3 | body #\\n",
];

#[test]
fn texts_of_refusals() {
    let world = world(policy(POLICY));
    let shown = |line: &&str| {
        let denial = denial(&world, line);
        let (reason, detail) = (denial.reason.code(), &denial.detail);
        format!("{line}\n  public: {reason}: {}\n  detail: {detail}\n", denial.public_text())
    };
    insta::assert_snapshot!(REFUSED.iter().map(shown).collect::<String>());
}

/// The client reads one line, which names nothing of the policy that it did not send itself.
#[test]
fn public_texts_tell_no_secrets() {
    let world = world(policy(POLICY));
    for line in REFUSED {
        let text = denial(&world, line).public_text();
        assert!(!text.contains("secret-"), "{line}\n{text}");
        assert!(!text.chars().any(char::is_control), "{line}\n{text}");
    }
}

/// Unknown user, wrong password and another source's user are one answer.
#[test]
fn rejected_credentials_look_alike() {
    let world = world(policy(POLICY));
    let public = |rest: &str| {
        let denial = denial(&world, &format!("l 203.0.113.1 POST /metrics/job/granted | {rest}"));
        (denial.reason, denial.public_text(), denial.retry, denial.allow)
    };
    let wrong = public("user secret-user:bad");
    for other in ["user nobody:good", "user nobody:bad", "Authorization: Bearer x", "Authorization: Basic x"] {
        assert_eq!(public(other), wrong, "{other}");
    }
}

#[test]
fn waits_are_rounded_up_to_whole_seconds() {
    for (millis, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (5400, 6), (6000, 6), (60_000, 60)] {
        assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis} ms");
    }
    assert_eq!(whole_seconds(Duration::from_nanos(1)), 1);
}
