//! `pushguard sweep` at real gateways and at one that answers as it is told.

use crate::common::gateway::Gateway;
use crate::common::http::Request;
use crate::common::upstream::{Reaction, Seen, Upstream, answer};
use crate::volume::gateways;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;
use std::process::{Command, Output};
use std::sync::Mutex;

const POLICY: &str = "version: 1\nprincipals: {}\nttl:\n  - { job: \"keep*\", max_age: never }\n  \
                      - { job: \"*\", max_age: 1s }\n";

/// Runs it with a policy.
fn sweep(policy: &str, url: &str, flags: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, policy).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushguard"));
    command.args(["sweep", "--upstream.url", url, "--policy.file", file.to_str().unwrap()]).args(flags);
    command.output().expect("pushguard can be run")
}

#[track_caller]
fn exit(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

fn due(url: &str) -> usize {
    let (out, _) = exit(&sweep(POLICY, url, &["--dry-run", "--json"]), 0);
    let document: Value = serde_json::from_str(&out).unwrap();
    document["due"].as_array().unwrap().len()
}

/// The path of a group whose values are as odd as they like.
fn path(labels: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| match BASE64.encode(value) {
        empty if empty.is_empty() => format!("/{name}@base64/="),
        coded => format!("/{name}@base64/{coded}"),
    };
    format!("/metrics{}", labels.iter().map(part).collect::<String>())
}

const ODD: &[&[(&str, &str)]] = &[
    &[("job", "plain")],
    &[("job", "Elixir/Phoenix CI"), ("workflow", "a/b/../c"), ("path", "/")],
    &[("job", "empty"), ("x", ""), ("instance", "i")],
    &[("job", "ünï 名"), ("emoji", "🦀 e\u{301} \u{202e}")],
    &[("job", "a=b"), ("x", "==="), ("y", "{z=\"1\"}")],
    &[("job", "x@base64"), ("y", "@base64"), ("z", "%2F%252F+?#;")],
    &[("job", ".."), ("y", "."), ("z", "line\nend\0\u{7f}\\\"")],
];

fn odd_groups_go(gateway: &Gateway) {
    let version = gateways::version(gateway);
    for labels in ODD {
        Request::put(path(labels), "m 1\n").send(gateway.address).is(200, "", format!("{version}: {labels:?}"));
    }
    Request::put("/metrics/job/keep-me", "m 1\n").send(gateway.address).is(200, "", "a protected job");
    crate::common::wait_for("all of them to be due", || (due(&gateway.url()) == ODD.len()).then_some(()));
    assert_eq!(gateway.groups().len(), ODD.len() + 1, "a dry run removes nothing");
    let (out, err) = exit(&sweep(POLICY, &gateway.url(), &[]), 0);
    assert!(out.contains("8 groups: 7 removed, 1 protected"), "{out}");
    assert!(err.contains("a push that came less than"), "it says what window remains: {err}");
    let left: Vec<_> = gateway.groups().into_iter().map(|group| group.labels["job"].clone()).collect();
    assert_eq!(left, ["keep-me"], "{version}");
}

#[test]
fn every_odd_group_goes_from_the_installed_gateway() {
    let Some(gateway) = gateways::installed() else { return };
    odd_groups_go(&gateway);
}

#[test]
fn every_odd_group_goes_from_newer_gateways() {
    for gateway in [gateways::newer_own_routing(), gateways::newer_new_routing()].into_iter().flatten() {
        odd_groups_go(&gateway);
    }
}

#[test]
fn a_group_whose_key_a_metric_hides_goes_too() {
    let Some(gateway) = Gateway::start() else { return };
    for target in ["/metrics/job/a", "/metrics/job/b/instance/i"] {
        let hidden = Request::put(target, "labels 1\nlast_push_successful 2\n").send(gateway.address);
        hidden.is(200, "", "the gateway takes it");
    }
    crate::common::wait_for("both to be due", || (due(&gateway.url()) == 2).then_some(()));
    let (out, _) = exit(&sweep(POLICY, &gateway.url(), &[]), 0);
    assert!(out.contains("2 groups: 2 removed"), "{out}");
    assert!(gateway.groups().is_empty());
}

const DATE: &str = "Date: Tue, 24 Nov 2026 06:00:00 GMT\r\n";

/// One group as the gateway lists it.
fn group(job: &str, pushed: u64) -> String {
    let family =
        |value: u64| format!(r#"{{"type":"GAUGE","metrics":[{{"labels":{{"job":"{job}"}},"value":"{value}"}}]}}"#);
    format!(
        r#"{{"labels":{{"job":"{job}"}},"last_push_successful":true,"push_failure_time_seconds":{},"push_time_seconds":{},
        "m":{{"type":"GAUGE","metrics":[{{}},{{}}]}}}}"#,
        family(0),
        family(pushed)
    )
}

fn list(groups: &[String]) -> Reaction {
    let body = format!(r#"{{"status":"success","data":[{}]}}"#, groups.join(","));
    answer("200 OK", DATE, &body)
}

fn deletes(upstream: &Upstream) -> Vec<String> {
    let lines = upstream.seen().iter().map(|seen| seen.line().to_owned()).collect::<Vec<_>>();
    lines.into_iter().filter(|line| line.starts_with("DELETE")).collect()
}

fn is_delete(seen: &Seen) -> bool {
    seen.line().starts_with("DELETE")
}

const OLD: u64 = 1_790_000_000;

#[test]
fn a_group_that_is_pushed_in_between_stays() {
    let readings = Mutex::new(0);
    let upstream = Upstream::start(move |seen| {
        if is_delete(seen) {
            return answer("202 Accepted", "", "");
        }
        let mut count = readings.lock().unwrap();
        *count += 1;
        let b = if *count == 1 { OLD } else { 1_795_499_999 };
        let a = (*count < 3).then(|| group("a", OLD));
        list(&a.into_iter().chain([group("b", b)]).collect::<Vec<_>>())
    });
    let (out, _) = exit(&sweep(POLICY, &upstream.url(), &[]), 0);
    assert_eq!(deletes(&upstream), ["DELETE /metrics/job/a"]);
    let expected = "\
LAST PUSH             AGE      KEPT FOR  RULE    SERIES  WHAT          GROUP
2026-09-21T14:13:20Z  63d 15h  1s        ttl[1]  2       removed       {job=\"a\"}
2026-09-21T14:13:20Z  63d 15h  1s        ttl[1]  2       pushed again  {job=\"b\"}
2 groups: 1 removed, 1 pushed again
";
    assert_eq!(out, expected);
}

#[test]
fn what_cannot_be_read_whole_removes_nothing() {
    let whole = format!(r#"{{"status":"success","data":[{}]}}"#, group("a", OLD));
    let cut = format!("HTTP/1.1 200 OK\r\n{DATE}Content-Length: {}\r\n\r\n{}", whole.len() + 9, whole);
    let no_date = answer("200 OK", "", &whole);
    let half = answer("200 OK", DATE, &whole[..whole.len() - 2]);
    let cases = [
        (Reaction::Close(cut.into_bytes()), ""),
        (no_date, "no Date"),
        (half, "cannot be read"),
        (answer("500 Internal Server Error", DATE, &whole), "answered 500"),
        (answer("401 Unauthorized", DATE, &whole), "name the gateway itself, not pushguard"),
        (answer("301 Moved", DATE, ""), "answered 301"),
        (answer("200 OK", "Date: yesterday\r\n", &whole), "no date"),
    ];
    for (reaction, says) in cases {
        let upstream = Upstream::start(move |_| reaction.clone());
        let (_, err) = exit(&sweep(POLICY, &upstream.url(), &[]), 2);
        assert!(err.contains(says), "{says}: {err}");
        assert_eq!(deletes(&upstream), Vec::<String>::new(), "{says}");
    }
    let (_, err) = exit(&sweep(POLICY, "http://127.0.0.1:1", &[]), 2);
    assert!(err.contains("127.0.0.1:1"), "{err}");
}

#[test]
fn more_than_may_go_at_once_needs_force() {
    let gone = Mutex::new(Vec::<String>::new());
    let upstream = Upstream::start(move |seen| {
        let mut gone = gone.lock().unwrap();
        if is_delete(seen) {
            gone.push(seen.line().replace("DELETE /metrics/job/", ""));
            return answer("202 Accepted", "", "");
        }
        let left = (10..22).map(|n| format!("j{n}")).filter(|job| !gone.contains(job));
        list(&left.map(|job| group(&job, OLD)).collect::<Vec<_>>())
    });
    let (out, err) = exit(&sweep(POLICY, &upstream.url(), &[]), 1);
    assert!(err.contains("stopped, nothing was removed: 12 groups are due, one sweep removes at most 10"), "{err}");
    assert!(out.contains("12 groups: 12 due"), "{out}");
    let (_, err) = exit(&sweep(POLICY, &upstream.url(), &["--dry-run"]), 0);
    assert!(err.contains("a sweep would stop"), "{err}");
    assert!(deletes(&upstream).is_empty());
    let (out, _) = exit(&sweep(POLICY, &upstream.url(), &["--force"]), 0);
    assert!(out.contains("12 groups: 12 removed"), "{out}");
    assert_eq!(deletes(&upstream).len(), 12);
}

#[test]
fn a_delete_that_is_not_taken_is_said() {
    let upstream = Upstream::start(|seen| match is_delete(seen) {
        true => answer("403 Forbidden", "", "no"),
        false => list(&[group("a", OLD)]),
    });
    let (out, _) = exit(&sweep(POLICY, &upstream.url(), &["--json"]), 2);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&document["due"][0]["what"], &document["due"][0]["error"]),
        (&Value::from("failed"), &Value::from("the gateway answered 403: no"))
    );
    let upstream = Upstream::start(|seen| match is_delete(seen) {
        true => answer("202 Accepted", "", ""),
        false => list(&[group("a", OLD)]),
    });
    let (out, _) = exit(&sweep(POLICY, &upstream.url(), &[]), 2);
    assert!(out.contains("failed: the gateway took the DELETE, but the group is still there"), "{out}");
}

#[test]
fn a_policy_that_lets_nothing_go_is_an_error() {
    let nothing = "version: 1\nprincipals: {}\nttl: [{ job: \"*\", max_age: never }]\n";
    let (_, err) = exit(&sweep(nothing, "http://127.0.0.1:1", &[]), 1);
    assert!(err.contains("no rule of ttl lets a group go"), "{err}");
    let (_, err) =
        exit(&sweep("version: 1\nprincipals: {}\nttl: [{ job: ci, max_age: 30 }]\n", "http://127.0.0.1:1", &[]), 1);
    assert!(err.contains("ttl[0].max_age"), "{err}");
}
