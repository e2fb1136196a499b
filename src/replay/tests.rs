//! Replays of small logs: what is counted, and what is said of it.

use super::*;
use crate::access_log::{LineError, read_line};
use crate::config::{Secrets, read};
use crate::policy::World;
use crate::request::RoutePrefix;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

const POLICY: &str = r#"
version: 1
sources: { office: { cidrs: [203.0.113.0/24] }, runners: { github: [actions] } }
principals:
  ci:
    basic:  { username: ci, password_hash_file: phc }
    from:   { require: [office] }
    grants: [{ operations: [push, replace], job: "ci*", labels: { "workflow?": "*" } }]
    quotas: [{ per: job, burst: 2, period: 1m }]
  prometheus:
    anonymous: true
    from:   { require: [office] }
    grants: [{ operations: [scrape] }]
"#;

fn judge(text: &str, taken_for: Option<&str>) -> Judge {
    let (policy, _) = read(text, Path::new(""), Secrets::Optional, &mut || [7; 48]).unwrap();
    let world = World { policy: Arc::new(policy), ..World::default() };
    Judge::new(world, Some("default".into()), taken_for.map(str::to_owned), SystemTime::UNIX_EPOCH)
}

/// A line of our own log.
fn own(second: u32, rest: &str) -> String {
    let time = format!("2026-01-02T03:04:{second:02}.000Z");
    let mut line = serde_json::json!({
        "time": time, "msg": "request", "reason": "", "status": 200, "method": "POST", "operation": "push",
        "job": "ci", "labels": "", "principal": "ci", "source": "203.0.113.7", "listener": "default", "bytes_in": 9,
    });
    let changes: serde_json::Value = serde_json::from_str(rest).unwrap();
    line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    line.to_string()
}

fn replay(judge: &mut Judge, lines: &[String]) -> Report {
    let mut report = Report::default();
    for (index, line) in lines.iter().enumerate() {
        report.lines += 1;
        let place = || format!("log:{}", index + 1);
        match read_line(line, &RoutePrefix::default()) {
            Ok(recorded) => {
                let judged = judge.judge(&recorded);
                report.request(place, &recorded, &judged);
            }
            Err(error) => report.line(place, line, &error),
        }
    }
    report
}

fn combined(user: &str, request: &str, status: u16) -> String {
    format!(r#"203.0.113.7 - {user} [02/Jan/2026:03:04:05 +0000] "{request} HTTP/1.1" {status} 0 "-" "curl/8""#)
}

fn caddy(rest: &str) -> String {
    format!(
        r#"{{"level":"info","ts":1767323045.5,"msg":"handled request","request":{{"remote_ip":"203.0.113.7","method":"POST","uri":"/metrics/job/ci","headers":{{}}}},"bytes_read":9,"user_id":"","status":200{rest}}}"#
    )
}

fn log() -> Vec<String> {
    vec![
        own(1, "{}"),
        own(2, r#"{"method":"PUT","operation":"replace","labels":"{workflow=\"n\"}"}"#),
        own(3, "{}"),
        own(34, "{}"),
        own(35, r#"{"job":"billing"}"#),
        own(36, r#"{"source":"9.9.9.9"}"#),
        own(37, r#"{"principal":"none","reason":"credential_missing","status":401}"#),
        own(38, r#"{"principal":"none","reason":"credential_rejected","status":401}"#),
        own(39, r#"{"principal":"none","reason":"source_not_allowed","status":403}"#),
        own(40, r#"{"principal":"none","reason":"target_ambiguous","status":400,"job":"","operation":"none"}"#),
        own(41, r#"{"principal":"gone","job":"ci-x"}"#),
        own(42, r#"{"reason":"payload_invalid","status":400,"job":"ci-y"}"#),
        own(43, r#"{"method":"PUT","operation":"delete","job":"ci-z"}"#),
        own(44, r#"{"method":"GET","operation":"scrape","job":"","principal":"prometheus","bytes_in":0}"#),
        own(45, r#"{"source":"","reason":"request_malformed","status":400}"#),
        r#"{"time":"2026-01-02T03:04:05Z","msg":"ready"}"#.to_owned(),
        combined("ci", "POST /metrics/job/ci-a", 202),
        combined("-", "POST /metrics/job/ci-b", 202),
        combined("ci", "POST /metrics/job/ci-c", 401),
        combined("-", "GET /metrics", 200),
        combined("-", "POST /metrics/job/a%2Fb", 400),
        combined("-", "\\x16\\x03\\x01", 400),
        caddy(""),
        caddy(r#","user_id":"ci""#).replacen(r#""user_id":"","#, "", 1).replace("job/ci", "job/ci-d"),
        caddy("").replace(r#""headers":{}"#, r#""headers":{"Authorization":["REDACTED"]}"#),
        "nonsense".to_owned(),
        "{".to_owned(),
    ]
}

#[test]
fn a_report() {
    let report = replay(&mut judge(POLICY, None), &log());
    insta::assert_snapshot!(text(&report));
    let all = report.requests() + report.unread() + report.other_events;
    assert_eq!(all, report.lines, "every line is counted once");
    let value = json(&report);
    assert_eq!(value["denied"], report.denied());
    assert_eq!(value["requests"], report.requests());
}

/// The same requests as they would come from a client that has the credential.
#[test]
fn requests_without_a_credential_can_be_taken_for_somebody_s() {
    let lines = [combined("-", "POST /metrics/job/ci-b", 202)];
    assert_eq!(replay(&mut judge(POLICY, None), &lines).allowed, 0);
    assert_eq!(replay(&mut judge(POLICY, Some("ci")), &lines).allowed, 1);
}

#[test]
fn quotas_are_charged_by_the_time_of_the_lines() {
    let at = |second| own(second, "{}");
    let allowed = |lines: &[String]| replay(&mut judge(POLICY, None), lines).allowed;
    assert_eq!(allowed(&[at(0), at(0), at(0)]), 2);
    assert_eq!(allowed(&[at(0), at(0), at(29)]), 2);
    assert_eq!(allowed(&[at(0), at(0), at(30)]), 3);
}

#[test]
fn what_the_log_holds_cannot_become_markup() {
    let evil = r#"{"job":"<script>alert(1)</script>","principal":"ci"}"#;
    let report = replay(&mut judge(POLICY, None), &[own(1, evil), "<b>&'\"\u{7}".to_owned()]);
    let page = html(&report, "<policy>.yaml");
    assert!(!page.contains("<script") && !page.contains("<b>&") && !page.contains("<policy>"), "{page}");
    assert!(page.contains("&lt;script&gt;") && page.contains("&lt;b&gt;&amp;&#39;&quot;"), "{page}");
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside} in {page}");
    }
}

#[test]
fn suggested_grants_are_a_policy_that_covers_what_was_seen() {
    let lines: Vec<String> = (0..12)
        .map(|n| own(n, &format!(r#"{{"labels":"{{workflow=\"w{n}\",team=\"a*b\"}}"}}"#)))
        .chain([
            own(13, "{}"),
            own(14, r#"{"job":"on","method":"PUT","operation":"replace"}"#),
            own(15, r#"{"status":403}"#),
        ])
        .collect();
    let mut suggestion = Suggestion::default();
    for line in &lines {
        suggestion.note(&read_line(line, &RoutePrefix::default()).unwrap());
    }
    let yaml = suggestion.yaml();
    insta::assert_snapshot!(yaml);
    // With a credential and a source it compiles, and lets all of it through.
    let rest = "    anonymous: true\n    from: anywhere\n    quotas: [{ per: job, burst: 100, period: 1m }]\n";
    let policy = format!("version: 1\n{}", yaml.replacen("  ci:\n", &format!("  ci:\n{rest}"), 1));
    let report = replay(&mut judge(&policy, None), &lines[..lines.len() - 1]);
    assert_eq!(report.allowed, report.lines, "{policy}\n{}", text(&report));
}

#[test]
fn only_what_changes_is_told_newly_denied_first() {
    let narrowed = POLICY.replace("\"ci*\"", "ci").replace("[scrape]", "[scrape, probe]");
    let (mut old, mut new) = (judge(POLICY, None), judge(&narrowed, None));
    let mut differences = Differences::default();
    for (index, line) in log().iter().enumerate() {
        let Ok(recorded) = read_line(line, &RoutePrefix::default()) else { continue };
        let (before, after) = (old.judge(&recorded), new.judge(&recorded));
        differences.request(|| format!("log:{}", index + 1), &recorded, &before, &after);
    }
    assert!(differences.newly_denied() > 0);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        difference_text(&differences),
        github(&differences, "old.yaml", "new.yaml")
    ));
    assert_eq!(difference_json(&differences)["newly_denied"], differences.newly_denied());
}

#[test]
fn the_same_policy_changes_nothing() {
    let (mut old, mut new) = (judge(POLICY, None), judge(POLICY, None));
    let mut differences = Differences::default();
    for line in log() {
        let Ok(recorded) = read_line(&line, &RoutePrefix::default()) else { continue };
        let (before, after) = (old.judge(&recorded), new.judge(&recorded));
        differences.request(String::new, &recorded, &before, &after);
    }
    assert_eq!(
        difference_text(&differences),
        format!("0 of {} requests are decided otherwise\n", differences.requests)
    );
}

#[test]
fn memory_does_not_grow_with_the_log() {
    let mut report = Report::default();
    let mut judge = judge(POLICY, None);
    for n in 0..20_000 {
        let line = own(n % 60, &format!(r#"{{"job":"j{n}","source":"10.{}.{}.1"}}"#, n / 256, n % 256));
        let recorded = read_line(&line, &RoutePrefix::default()).unwrap();
        let judged = judge.judge(&recorded);
        report.request(String::new, &recorded, &judged);
        report.line(String::new, "x", &LineError::Form("x"));
    }
    assert!(report.jobs.first(usize::MAX).len() <= 2000 && report.sources.first(usize::MAX).len() <= 2000);
    assert!(report.jobs.error() > 0);
    assert!(report.denied.len() + report.unread.len() < 10);
    assert!(report.denied.values().all(|group| group.examples.len() <= 3));
}

/// Where a policy tells listeners apart and a line does not, nobody can say what would have become of it.
#[test]
fn a_line_without_a_listener_is_undecided_unless_one_is_meant() {
    let (policy, _) = read(POLICY, Path::new(""), Secrets::Optional, &mut || [7; 48]).unwrap();
    let world = World { policy: Arc::new(policy), ..World::default() };
    let mut judge = Judge::new(world, None, None, SystemTime::UNIX_EPOCH);
    let undecided = |judge: &mut Judge, line: &str| {
        let recorded = read_line(line, &RoutePrefix::default()).unwrap();
        matches!(judge.judge(&recorded), Judged::Undecided(why) if why.contains("--listener"))
    };
    assert!(undecided(&mut judge, &combined("ci", "POST /metrics/job/ci", 202)));
    assert!(!undecided(&mut judge, &own(1, "{}")), "our own log names it");
}
