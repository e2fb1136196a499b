//! The one line that the log has for each request.

use crate::common::guard::{Guard, PASSWORD, Start};
use crate::common::http::{Connection, Request, Response};
use crate::common::log::Line;
use crate::common::upstream::{Upstream, answer, ok};

const POLICY: &str = r#"
version: 1
principals:
  ci:
    basic: { username: ci, password_hash_file: ci.phc }
    from: anywhere
    grants: [{ operations: [push, replace, delete], job: "c*", labels: { "workflow?": "*" } }]
    quotas: [{ per: group, burst: 1, period: 1h }]
  prometheus:
    anonymous: true
    from: anywhere
    grants: [{ operations: [scrape] }]
"#;

/// In the order in which they stand in the line.
const KEYS: &str = "time level msg request_id verdict reason detail would_deny would_deny_rule status method operation job labels \
    principal rule source peer listener bytes_in bytes_out duration_seconds upstream_seconds generation trace_id";

fn ci(request: Request) -> Request {
    request.basic("ci", PASSWORD)
}

/// `key=value` pairs, apart by two blanks.
fn check(guard: &Guard, case: &str, answer: &Response, expected: &str) {
    let record = guard.record(answer);
    for pair in expected.split("  ") {
        let (key, value) = pair.split_once('=').unwrap();
        assert_eq!(&record[key], value, "{case}: {key} in {record:?}");
    }
}

fn records(format: &str) {
    let upstream = Upstream::start(|seen| match seen.line() {
        "GET /metrics" => answer("200 OK", "", "m 1\n"),
        "POST /metrics/job/cbad" => answer("400 Bad Request", "", "text format parsing error in line 1\n"),
        "POST /metrics/job/cdown" => answer("500 Oh", "", "out of memory\n"),
        _ => ok(),
    });
    let start = Start::new(POLICY, &upstream.url()).flag("--log.format", format);
    let mut guard = start.run();
    let address = guard.address();
    let label = "/metrics/job/ci/workflow@base64/RWxpeGlyIOKArm9rIFwiPSc";
    let pushed = ci(Request::put(label, "m 1\n")).send(address).is(200, "", "a push");
    let again = ci(Request::put(label, "m 1\n")).send(address).is(429, "quota_exhausted", "again");
    let cases = [
        (
            "a push",
            pushed,
            "level=info  verdict=allow  reason=  detail=  would_deny=  status=200  method=PUT  operation=replace  job=ci  \
             principal=ci  rule=ci.grants[0]  source=127.0.0.1  peer=127.0.0.1  listener=default  bytes_in=4  \
             bytes_out=0  generation=1  labels={workflow=\"Elixir \\u{202e}ok \\\\\\\"='\"}",
        ),
        ("again", again, "verdict=deny  reason=quota_exhausted  status=429  principal=ci  rule=ci.quotas[0]  job=ci"),
        (
            "a delete",
            ci(Request::new("PUT", "/metrics/job/cdel")).send(address),
            "verdict=allow  status=200  method=PUT  operation=delete  job=cdel  labels=  bytes_in=0",
        ),
        (
            "a scrape",
            Request::get("/metrics").send(address),
            "verdict=allow  status=200  operation=scrape  job=  labels=  principal=prometheus  \
             rule=prometheus.grants[0]  bytes_in=0  bytes_out=4",
        ),
        (
            "a wrong password",
            Request::put(label, "m 1\n").basic("ci", "wrong").send(address),
            "verdict=deny  reason=credential_rejected  detail=password_wrong: wrong password  status=401  principal=none  rule=  job=ci",
        ),
        (
            "a body that is no metrics",
            ci(Request::post("/metrics/job/cbad", "?\n")).send(address),
            "verdict=deny  reason=payload_invalid  status=400  operation=push  detail=line 1, column 1 of \"?\": a line is a comment (#) or begins with a metric name",
        ),
        (
            "a gateway that fails",
            ci(Request::post("/metrics/job/cdown", "m 1\n")).send(address),
            "verdict=error  reason=upstream_failed  status=502  operation=push  principal=ci  rule=ci.grants[0]",
        ),
        (
            "nothing there",
            Request::get("/nope?password=1").send(address),
            "verdict=deny  reason=target_unknown  status=404  operation=none  principal=none  method=GET",
        ),
        (
            "no such method",
            Request::new("BREW", "/metrics").send(address),
            "verdict=deny  reason=method_not_allowed  status=405  operation=none  source=  peer=127.0.0.1",
        ),
    ];
    for (case, answer, expected) in &cases {
        check(&guard, case, answer, expected);
    }
    guard.stop();
    let raw = guard.log.raw();
    let lines: Vec<Line> =
        raw.iter().map(|line| Line::read(line).unwrap_or_else(|e| panic!("{format}: {line}: {e}"))).collect();
    assert!(raw.iter().all(|line| line.starts_with('{') == (format == "json")), "{raw:#?}");
    assert!(raw.iter().all(|line| line.bytes().all(|b| b != 0x1b) && !line.contains('\u{202e}')), "{raw:#?}");
    let requests: Vec<(&String, &Line)> = raw.iter().zip(&lines).filter(|(_, l)| l.get("msg") == "request").collect();
    assert_eq!(requests.len(), cases.len(), "one line for each request");
    for (text, line) in requests {
        let mut from = 0;
        for key in KEYS.split_whitespace() {
            let spelled = if format == "json" { format!("\"{key}\":") } else { format!("{key}=") };
            let at = text[from..].find(&spelled).unwrap_or_else(|| panic!("{key} is missing or out of order: {text}"));
            from += at + spelled.len();
        }
        let (duration, upstream) = (seconds(line, "duration_seconds"), seconds(line, "upstream_seconds"));
        assert!(duration > 0.0 && duration < 30.0 && upstream <= duration, "{text}");
        assert_eq!(upstream > 0.0, ["200", "502"].contains(&&line["status"]), "{text}");
        let time = &line["time"];
        assert!(time.len() == "2026-01-02T03:04:05.678Z".len() && time.ends_with('Z'), "{time}");
    }
}

fn seconds(line: &Line, key: &str) -> f64 {
    line[key].parse().unwrap_or_else(|e| panic!("{key}: {e} in {line:?}"))
}

#[test]
fn every_request_is_one_line_of_logfmt() {
    records("logfmt");
}

#[test]
fn every_request_is_one_line_of_json() {
    records("json");
}

/// Numbers are numbers for whoever reads the JSON.
#[test]
fn json_has_numbers() {
    let upstream = Upstream::start(|_| ok());
    let guard = Start::new(POLICY, &upstream.url()).flag("--log.format", "json").run();
    let answer = Request::get("/metrics").send(guard.address());
    guard.record(&answer);
    let raw = guard.log.raw();
    let line = raw.iter().find(|line| line.contains("\"msg\":\"request\"")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    for key in ["status", "bytes_in", "bytes_out", "duration_seconds", "upstream_seconds", "generation"] {
        assert!(line[key].is_number(), "{key} in {line}");
    }
}

/// A client that goes away before the answer leaves its line all the same.
#[test]
fn a_client_that_goes_away_leaves_its_line() {
    let page = "m 1\n".repeat(4_000_000);
    let upstream = Upstream::start(move |_| answer("200 OK", "", &page));
    let guard = Guard::start(POLICY, &upstream.url());
    let mut connection = Connection::open(guard.address());
    connection.send(Request::get("/metrics").bytes());
    upstream.wait_seen(1);
    drop(connection);
    let line = guard.log.line("of the scrape", |line| line.get("msg") == "request");
    assert!(line["detail"].contains("the client is gone"), "{line:?}");
}
