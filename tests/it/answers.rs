//! What a client is told, and what it never is: texts, problem JSON, headers of refusals, and what passes of the
//! gateway's own answers.

use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Guard, PASSWORD, Start};
use crate::common::http::{Connection, Request, Response};
use crate::common::upstream::{Reaction, Upstream, answer, ok};
use pushguard::decision::Reason;
use std::collections::BTreeSet;

/// A user who may push one job with one label, and a delete that nobody may.
const TEAM: &str = r#"
version: 1
sources: { here: { cidrs: [127.0.0.1/32], listeners: [default] } }
principals:
  ci:
    basic: { username: ci, password_hash_file: ci.phc }
    from: { require: [here] }
    grants: [{ operations: [push, replace], job: ci, labels: { "workflow?": "*", "team?": "a-*" } }]
    quotas: [{ per: job, burst: 1000, period: 1m }]
    payload: { max_bytes: 1KiB }
  prometheus:
    anonymous: true
    from: { require: [here] }
    grants: [{ operations: [scrape] }]
"#;

fn ci(request: Request) -> Request {
    request.basic("ci", PASSWORD)
}

/// Sent with the credential, over a connection of its own; the text of the refusal.
fn refusal(guard: &Guard, target: &str) -> String {
    let answer = ci(Request::post(target, "m 1\n")).send(guard.address());
    assert!(answer.status >= 400, "{target}: {}", answer.status);
    answer.text()
}

#[test]
fn every_refusal_says_the_same_in_text_and_in_json() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(TEAM, &upstream.url());
    let target = "/metrics/job/ci";
    let cases = [
        ("target_ambiguous", ci(Request::post("/metrics/job/ci/workflow", "m 1\n"))),
        ("payload_invalid", ci(Request::post(target, "x").header("Content-Type", "application/vnd.google.protobuf"))),
        ("credential_missing", Request::post(target, "m 1\n")),
        ("credential_rejected", Request::post(target, "m 1\n").basic("ci", "wrong")),
        ("credential_rejected", Request::post(target, "m 1\n").header("Authorization", "Bearer abc")),
        ("origin_not_allowed", ci(Request::post(target, "m 1\n").header("Sec-Fetch-Site", "cross-site"))),
        ("operation_not_granted", ci(Request::delete(target))),
        ("job_not_granted", ci(Request::post("/metrics/job/prod", "m 1\n"))),
        ("label_not_granted", ci(Request::post("/metrics/job/ci/team/b-1", "m 1\n"))),
        ("target_unknown", Request::get("/debug/pprof/heap")),
        ("method_not_allowed", Request::new("PATCH", target)),
        ("length_required", ci(Request::new("POST", target))),
        ("payload_too_large", ci(Request::post(target, vec![b'#'; 1025]))),
        ("encoding_unsupported", ci(Request::post(target, "m 1\n").header("Content-Encoding", "br"))),
    ];
    let mut ids = BTreeSet::new();
    for (code, request) in cases {
        let reason = Reason::ALL.iter().find(|reason| reason.code() == code).unwrap();
        let text = request.send(guard.address()).is(reason.status(), code, code);
        let json = request.header("Accept", "text/html;q=0.1, application/json").send(guard.address());
        let json = json.is(reason.status(), code, format!("{code} as JSON"));
        assert_eq!(text.header("Content-Type"), Some("text/plain; charset=utf-8"), "{code}");
        assert_eq!(json.header("Content-Type"), Some("application/problem+json"), "{code}");
        let line = text.text();
        let public = line.strip_prefix(&format!("{code}: ")).and_then(|rest| rest.strip_suffix('\n'));
        let public = public.unwrap_or_else(|| panic!("{code}: {line:?} is not CODE: TEXT"));
        assert!(!public.contains('\n') && public.starts_with(reason.title()), "{code}: {public:?}");
        let problem = serde_json::json!({
            "type": "about:blank", "title": reason.title(), "status": reason.status(), "detail": public,
            "reason": code, "request_id": json.request_id(),
        });
        assert_eq!(json.json(), problem, "{code}");
        for answer in [&text, &json] {
            assert!(ids.insert(answer.request_id().to_owned()), "{code}: the id was used before");
            assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{code}");
            assert_eq!(answer.header("Server"), None, "{code}");
        }
    }
    assert_eq!(upstream.contacts(), (0, 0), "nothing of a refused request reaches the gateway");
}

/// Wrong user, wrong password, a token: the client cannot tell which; the operator can.
#[test]
fn a_rejected_credential_is_told_apart_in_the_log_only() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(TEAM, &upstream.url());
    let push = |value: &str| Request::post("/metrics/job/ci", "m 1\n").header("Authorization", value);
    let cases = [
        ("wrong password", push("Basic Y2k6d3Jvbmc=")),
        ("unknown user name", push("Basic Y2Q6d3Jvbmc=")),
        ("token_not_taken: ", push("Bearer abc.def.ghi")),
        ("neither Basic nor Bearer", push("Digest abc")),
        ("not base64", push("Basic Y2k6d3Jvbmc")),
        ("not USER:PASSWORD", push("Basic Y2k=")),
    ];
    let mut texts = BTreeSet::new();
    for (detail, request) in cases {
        let answer = request.send(guard.address()).is(401, "credential_rejected", detail);
        texts.insert(answer.text());
        let record = guard.record(&answer);
        assert!(record["detail"].contains(detail), "{detail}: {record:?}");
        assert_eq!(record["principal"], *"none", "{detail}");
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[test]
fn a_cut_or_empty_value_is_answered_with_how_to_write_it() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(TEAM, &upstream.url());
    let targets = [
        "/metrics/job/ci/workflow/Elixir/Phoenix",
        "/metrics/job/ci/workflow/Elixir/Phoenix/CI",
        "/metrics/job/ci/workflow/",
        "/metrics/job/ci/workflow//team/a-1",
        "/metrics/job/",
        "/metrics/job/ci/instance@base64/=",
        "/metrics/job/ci/workflow/Elixir%2FPhoenix%20CI",
    ];
    let texts: Vec<String> = targets.iter().map(|t| format!("{t}\n  {}", refusal(&guard, t))).collect();
    insta::assert_snapshot!(texts.concat(), @r#"
    /metrics/job/ci/workflow/Elixir/Phoenix
      target_ambiguous: the path does not name exactly one group: the label "Phoenix" has no value, so the parts behind the job are not NAME/VALUE pairs; a value with "/" or a space must be sent as NAME@base64/..., and the shell may have cut yours; with the value in the variable VALUE write NAME@base64/$(printf %s "$VALUE" | base64 -w0 | tr '+/' '-_' | tr -d =)
    /metrics/job/ci/workflow/Elixir/Phoenix/CI
      label_not_granted: these grouping labels are not granted: the label "Phoenix" may not be in the path; a value with "/" or a space must be sent as NAME@base64/..., and the shell may have cut yours; with the value in the variable VALUE write NAME@base64/$(printf %s "$VALUE" | base64 -w0 | tr '+/' '-_' | tr -d =)
    /metrics/job/ci/workflow/
      target_ambiguous: the path does not name exactly one group: the label "workflow" is empty; is a variable empty? Give it a value or leave it out: to Prometheus an empty label is none
    /metrics/job/ci/workflow//team/a-1
      target_ambiguous: the path does not name exactly one group: the label "workflow" is empty; is a variable empty? Give it a value or leave it out: to Prometheus an empty label is none
    /metrics/job/
      target_ambiguous: the path does not name exactly one group: the job is empty; is a variable empty? Write /metrics/job/JOB
    /metrics/job/ci/instance@base64/=
      target_ambiguous: the path does not name exactly one group: the label "instance" is empty; is a variable empty? Give it a value or leave it out: to Prometheus an empty label is none
    /metrics/job/ci/workflow/Elixir%2FPhoenix%20CI
      target_ambiguous: the path does not name exactly one group: the path has an escaped slash; a value with "/" or a space must be sent as NAME@base64/..., and the shell may have cut yours; with the value in the variable VALUE write NAME@base64/$(printf %s "$VALUE" | base64 -w0 | tr '+/' '-_' | tr -d =)
    "#);
    assert_eq!(upstream.contacts(), (0, 0));
}

/// The line that a refusal prints, run by a shell as the reader would, makes the path that is accepted.
#[test]
fn the_printed_shell_line_encodes_any_value() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(TEAM, &upstream.url());
    let hint = refusal(&guard, "/metrics/job/ci/workflow/Elixir/Phoenix");
    let (_, line) = hint.trim_end().split_once("write NAME@base64/").expect("a line to write");
    for value in ["Elixir/Phoenix CI", "../..", "a?b#c%2F", "ÿÿÿ>>>???", "-n", &"long".repeat(60)] {
        let mut shell = std::process::Command::new("sh");
        let encoded = shell.args(["-c", &format!("printf %s {line}")]).env("VALUE", value).output().unwrap();
        let encoded = String::from_utf8(encoded.stdout).unwrap();
        let target = format!("/metrics/job/ci/workflow@base64/{encoded}");
        let answer = ci(Request::post(&target, "m 1\n")).send(guard.address()).is(200, "", &target);
        assert_eq!(guard.record(&answer)["labels"], *format!("{{workflow={value:?}}}"), "{target}");
    }
}

#[test]
fn a_conflict_with_another_group_is_told_without_quoting_it() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(EVERYTHING, &gateway.url());
    let post = |job: &str, body: &str| Request::post(format!("/metrics/job/{job}"), body).send(guard.address());
    // The guard has not seen it.
    let theirs = Request::post("/metrics/job/theirs", "# TYPE m counter\nm{tenant=\"someone-else\"} 4711\n");
    theirs.send(gateway.address).is(200, "", "theirs");
    let clash = post("ours", "# TYPE m gauge\nm 1\n").is(409, "group_conflict", "ours");
    assert!(clash.text().starts_with("group_conflict: the push clashes with metrics that are already stored: "));
    assert!(!clash.text().contains("someone-else"), "{}", clash.text());
    let detail = guard.record(&clash)["detail"].to_owned();
    assert!(detail.contains("inconsistent with existing metrics"), "{detail}");
    // What concerns the pusher's own body alone is said in full, and the gateway is not asked.
    let broken = post("ours", "m{ 1\n").is(400, "payload_invalid", "a body that cannot be parsed");
    assert!(broken.text().contains("line 1, column 4"), "{}", broken.text());
    assert_eq!(guard.record(&broken)["verdict"], *"deny");
}

#[test]
fn what_the_gateway_says_of_a_push_alone_passes_word_by_word() {
    const BODY: &str = "text format parsing error in line 1: of some later version\n";
    let upstream = Upstream::start(|_| answer("400 Bad Request", "Content-Type: text/plain\r\n", BODY));
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let refused = Request::post("/metrics/job/a", "m 1\n").send(guard.address()).is(400, "", "the gateway's own 400");
    assert_eq!(refused.text(), BODY);
    assert_eq!(guard.record(&refused)["verdict"], *"allow");
    assert!(guard.record(&refused)["detail"].contains("parsing error"));
}

#[test]
fn a_quoted_conflict_stays_in_the_log() {
    const BODY: &str = "pushed metrics are invalid or inconsistent with existing metrics: m{tenant=\"someone-else\"}\n";
    let upstream = Upstream::start(|_| answer("400 Bad Request", "Content-Type: text/plain\r\n", BODY));
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for accept in ["*/*", "application/json"] {
        let push = Request::post("/metrics/job/ours", "m 1\n").header("Accept", accept);
        let answer = push.send(guard.address()).is(409, "group_conflict", accept);
        assert!(!format!("{answer:?} {}", answer.text()).contains("someone-else"), "{}", answer.text());
        assert!(guard.record(&answer)["detail"].contains("someone-else"));
    }
}

/// Headers that a gateway, or whatever answers in its place, must not get through.
const FOREIGN: &str = "Pushguard-Reason: all_is_well\r\nPushguard-Request-Id: forged\r\nSet-Cookie: a=b\r\n\
    Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: DELETE\r\nLocation: http://evil.test/\r\n\
    WWW-Authenticate: Basic\r\nConnection: keep-alive\r\nX-Other: 1\r\n";

#[test]
fn nothing_of_the_gateway_passes_but_its_answer() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "GET /status" => answer("301 Moved Permanently", FOREIGN, "moved"),
        "POST /metrics/job/moved" => answer("307 Temporary Redirect", FOREIGN, "moved"),
        _ => answer("200 OK", &format!("Content-Type: text/plain\r\n{FOREIGN}"), "m 1\n"),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let cases = [
        ("a scrape", Request::get("/metrics"), 200, ""),
        ("the api", Request::get("/api/v1/metrics").header("Origin", "http://evil.test"), 200, ""),
        ("a push", Request::post("/metrics/job/a", "m 1\n"), 200, ""),
        ("a page that moved", Request::get("/status"), 502, "upstream_failed"),
        ("a push that moved", Request::post("/metrics/job/moved", "m 1\n"), 502, "upstream_failed"),
    ];
    for (case, request, status, reason) in cases {
        let answer = request.send(guard.address()).is(status, reason, case);
        if status == 200 {
            assert_eq!(
                (answer.text().as_str(), answer.header("Content-Type")),
                ("m 1\n", Some("text/plain")),
                "{case}"
            );
        }
        assert_ne!(answer.request_id(), "forged", "{case}");
        for name in ["Set-Cookie", "Location", "WWW-Authenticate", "X-Other"] {
            assert_eq!(answer.header(name), None, "{case}");
        }
        let cors = |(name, _): &&(String, String)| name.to_ascii_lowercase().starts_with("access-control");
        assert_eq!(answer.headers.iter().find(cors), None, "{case}");
    }
}

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What is no `traceparent` reaches nobody; what is one is passed on as it came, and its trace stands in the log.
#[test]
fn the_trace_of_a_request_goes_on() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(crate::common::guard::EVERYTHING, &upstream.url());
    let push = |traceparent: &str| Request::post("/metrics/job/ci", "m 1\n").header("traceparent", traceparent);
    let traced = push(TRACEPARENT).send(guard.address()).is(200, "", "traced");
    assert_eq!(&guard.record(&traced)["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    let invalid = push("00-1-2-03").send(guard.address()).is(200, "", "not traced");
    assert_eq!(&guard.record(&invalid)["trace_id"], "");
    let seen = upstream.seen();
    assert_eq!(seen[0].header("traceparent"), [TRACEPARENT]);
    assert!(seen[1].header("traceparent").is_empty(), "{:?}", seen[1]);
}

#[test]
fn credentials_reach_neither_the_gateway_nor_the_log() {
    let upstream = Upstream::start(|_| ok());
    // At the most talkative level.
    let mut guard = Start::new(TEAM, &upstream.url()).flag("--log.level", "trace").run();
    let token = "eyJhbGciOiJub25lIn0";
    let noisy = |request: Request| {
        let names = ["Cookie", "X-Forwarded-For", "Forwarded", "Proxy-Authorization", "X-Api-Key", "X-Request-Id"];
        let request = names.iter().fold(request, |request, name| request.header(name, "from-the-client"));
        request.header("User-Agent", "curl/8").header("Accept", "*/*").header("Traceparent", TRACEPARENT)
    };
    let push = noisy(Request::post("/metrics/job/ci/workflow/a%20b", "m 1\n"));
    let pushed = push.clone().basic("ci", PASSWORD).send(guard.address()).is(200, "", "a push");
    noisy(Request::get("/metrics")).header("Accept-Encoding", "gzip").send(guard.address()).is(200, "", "a scrape");
    push.clone().basic("ci", "a wrong guess").send(guard.address()).is(401, "credential_rejected", "a guess");
    push.header("Authorization", &format!("Bearer {token}")).send(guard.address()).is(401, "credential_rejected", "");
    let seen = upstream.seen();
    let [write, read] = seen.as_slice() else { panic!("two requests upstream: {seen:#?}") };
    assert_eq!(write.line(), "POST /metrics/job/ci/workflow@base64/YSBi");
    let expected = ["content-length", "content-type", "host", "traceparent", "user-agent", "x-request-id"];
    assert_eq!(write.names(), expected);
    assert_eq!(write.header("x-request-id"), [pushed.request_id()]);
    assert_eq!(write.header("host"), [upstream.address.to_string()]);
    assert_eq!(write.body, b"m 1\n");
    assert_eq!(read.line(), "GET /metrics");
    assert_eq!(read.names(), ["accept", "accept-encoding", "host", "traceparent", "user-agent", "x-request-id"]);
    guard.stop();
    let log = guard.log.raw().join("\n");
    for secret in [PASSWORD, "correct horse", "Y2k6Y29ycmVjd", "a wrong guess", "Y2k6YSB3cm9uZyB", token, "argon2id"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn a_browser_on_behalf_of_another_site_may_read_but_not_write() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let cases: &[(&[(&str, &str)], bool)] = &[
        (&[], true),
        (&[("Sec-Fetch-Site", "same-origin")], true),
        (&[("Sec-Fetch-Site", "none")], true),
        (&[("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "same-site")], false),
        (&[("Sec-Fetch-Site", "")], false),
        (&[("Origin", "http://push.test")], true),
        (&[("Origin", "https://PUSH.test")], true),
        (&[("Origin", "http://evil.test")], false),
        (&[("Origin", "http://push.test.evil.test")], false),
        (&[("Origin", "http://push.test:81")], false),
        (&[("Origin", "null")], false),
        (&[("Origin", "http://push.test"), ("Sec-Fetch-Site", "cross-site")], false),
    ];
    for (headers, own) in cases {
        let with = |request: Request| headers.iter().fold(request, |request, (n, v)| request.header(n, v));
        let target = "/metrics/job/a";
        for write in [Request::post(target, "m 1\n"), Request::put(target, "m 1\n"), Request::delete(target)] {
            let answer = with(write).send(guard.address());
            match own {
                true => drop(answer.is(200, "", format!("{headers:?}"))),
                false => drop(answer.is(403, "origin_not_allowed", format!("{headers:?}"))),
            }
        }
        with(Request::get("/metrics")).send(guard.address()).is(200, "", format!("a scrape, {headers:?}"));
    }
}

#[test]
fn a_query_is_refused_on_writes_and_dropped_on_reads() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let write = |method: &str, target: &str| Request::new(method, target).body("m 1\n");
    for target in ["/metrics/job/a?", "/metrics/job/a?x=1", "/metrics/job/a?x=/metrics/job/b"] {
        for request in [write("POST", target), write("PUT", target), Request::delete(target)] {
            request.send(guard.address()).is(400, "target_ambiguous", target);
        }
    }
    assert_eq!(upstream.contacts(), (0, 0));
    for target in ["/metrics?x=1", "/api/v1/metrics?", "/?a=%zz", "/static/a.js?v=2"] {
        Request::get(target).send(guard.address()).is(200, "", target);
    }
    let seen: Vec<String> = upstream.seen().iter().map(|seen| seen.line().to_owned()).collect();
    assert_eq!(seen, ["GET /metrics", "GET /api/v1/metrics", "GET /", "GET /static/a.js"]);
}

#[test]
fn the_gateway_may_live_under_a_path_or_a_name() {
    let upstream = Upstream::start(|_| ok());
    let port = upstream.address.port();
    let cases = [
        (format!("http://127.0.0.1:{port}/a/b-c"), "/a/b-c", format!("127.0.0.1:{port}")),
        (format!("http://127.0.0.1:{port}/a/"), "/a", format!("127.0.0.1:{port}")),
        (format!("http://localhost:{port}"), "", format!("localhost:{port}")),
    ];
    for (url, prefix, host) in cases {
        let guard = Guard::start(EVERYTHING, &url);
        Request::post("/metrics/job/a", "m 1\n").send(guard.address()).is(200, "", &url);
        Request::get("/-/ready").send(guard.address()).is(200, "", &url);
        let seen = upstream.seen();
        let lines: Vec<_> = seen.iter().rev().take(2).map(|seen| (seen.line(), seen.header("host"))).collect();
        let (write, read) = (format!("POST {prefix}/metrics/job/a"), format!("GET {prefix}/-/ready"));
        assert_eq!(lines, [(read.as_str(), vec![host.as_str()]), (write.as_str(), vec![host.as_str()])], "{url}");
    }
}

/// A large page is passed on as it comes, whatever its framing.
#[test]
fn pages_pass_whole_in_either_framing() {
    let page = "metric_with_a_name 1\n".repeat(20_000);
    let chunks = format!("{:x}\r\n{page}\r\n0\r\n\r\n", page.len());
    let exact = page.clone();
    let upstream = Upstream::start(move |seen| match seen.line() {
        "GET /metrics" => answer("200 OK", "", &exact),
        _ => Reaction::Answer(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes()),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for path in ["/metrics", "/status"] {
        let answer: Response = Request::get(path).send(guard.address()).is(200, "", path);
        assert!(answer.text() == page, "{path}: {} bytes of {}", answer.body.len(), page.len());
        assert_eq!(guard.record(&answer)["bytes_out"], *page.len().to_string(), "{path}");
        // HTTP/1.0 knows no chunks: without a length the page ends with the connection.
        let mut connection = Connection::open(guard.address());
        connection.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        let answer = connection.receive("GET").is(200, "", path);
        assert!(answer.text() == page && answer.header("Transfer-Encoding").is_none(), "{path} over HTTP/1.0");
        connection.is_closed(path);
    }
}
