//! `github: [actions]`: the address list is fetched, kept, and served from disk; while it is not there, nobody whom only
//! it could admit is let in.

use crate::common::guard::{Guard, PASSWORD, Start, path};
use crate::common::http::{Request, Response};
use crate::common::upstream::{Reaction, Upstream, answer, ok};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;

const POLICY: &str = r#"
version: 1
sources:
  runners: { github: [actions], extra: [127.0.0.3/32], allow_private: true, listeners: [default] }
principals:
  ci:
    basic: { username: ci, password_hash_file: ci.phc }
    from: { require: [runners] }
    grants: [{ operations: [push], job: ci }]
"#;

/// A document of GitHub's form: what is not asked for may be anything.
const META: &str = r#"{
  "verifiable_password_authentication": false,
  "ssh_keys": ["ssh-ed25519 AAAA"],
  "hooks": ["127.0.0.2/32"],
  "actions": ["127.0.0.1/32", "203.0.113.0/24", "2001:db8::/32"],
  "domains": { "website": ["*.test"] }
}"#;

fn github(document: &'static str) -> Upstream {
    Upstream::start(move |_| answer("200 OK", "Content-Type: application/json\r\n", document))
}

fn start(upstream: &Upstream, url: &str) -> Start {
    Start::new(POLICY, &upstream.url()).flag("--ranges.github-url", url).flag("--ranges.ready-timeout", "0s")
}

fn push(guard: &Guard, from: &str) -> Response {
    let from: IpAddr = from.parse().unwrap();
    let request = Request::post("/metrics/job/ci", "m 1\n").basic("ci", PASSWORD);
    // Where the machine is busy, a login may wait longer for its hash than the guard lets it.
    crate::common::wait_for("a turn to log in", || {
        Some(request.clone().send_from(from, guard.address())).filter(|answer| answer.reason() != "verifier_busy")
    })
}

/// Waits until the list has been published, just behind its line in the log; answers what a listed source gets then.
fn listed(guard: &Guard, msg: &str) -> Response {
    wait(guard, msg);
    crate::common::wait_for("the list to hold", || {
        Some(push(guard, "127.0.0.1")).filter(|answer| answer.reason() != "ranges_unavailable")
    })
}

fn wait(guard: &Guard, msg: &str) {
    guard.log.line(msg, |line| line.get("msg") == msg);
}

#[test]
fn nobody_passes_by_a_list_that_is_not_there_yet() {
    let upstream = Upstream::start(|_| ok());
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{META}", META.len());
    let slow = Upstream::start(move |_| Reaction::Hold(whole.clone().into_bytes()));
    let guard = start(&upstream, &format!("{}/meta", slow.url())).run();
    slow.wait_seen(1);
    let early = push(&guard, "127.0.0.1").is(403, "ranges_unavailable", "before the list");
    assert_eq!(&guard.record(&early)["generation"], "1");
    push(&guard, "127.0.0.3").is(200, "", "an extra address needs no list");
    slow.release();
    let later = listed(&guard, "ranges updated").is(200, "", "in the list");
    assert_eq!(&guard.record(&later)["generation"], "2");
    push(&guard, "127.0.0.2").is(403, "source_not_allowed", "in a set that the policy does not name");
    let seen = slow.seen();
    let [request] = seen.as_slice() else { panic!("fetched once: {seen:#?}") };
    assert_eq!(request.line(), "GET /meta");
    assert_eq!(request.header("user-agent"), [format!("pushguard/{}", env!("CARGO_PKG_VERSION"))]);
    // Without a state folder it is said that the list will not outlive the process; and what a list is not, always.
    wait(&guard, "no state folder");
    wait(&guard, "an address list is no identity");
}

#[test]
fn the_list_is_kept_and_serves_a_restart_without_the_network() {
    let upstream = Upstream::start(|_| ok());
    let github = github(META);
    let url = format!("{}/meta", github.url());
    let state = tempfile::tempdir().unwrap();
    let kept = state.path().join("deep/state");
    let run = || start(&upstream, &url).flag("--state.dir", &path(&kept)).run();

    let mut guard = run();
    wait(&guard, "no stored ranges");
    listed(&guard, "ranges updated").is(200, "", "fetched");
    // The list is published before it is written.
    let file = kept.join("ranges/good-actions.json");
    crate::common::wait_for("the kept list", || file.exists().then_some(()));
    guard.stop();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(guard.log.lines().iter().all(|line| line.get("msg") != "no state folder"));
    drop(github);

    let mut guard = run();
    listed(&guard, "ranges loaded").is(200, "", "from disk");
    push(&guard, "127.0.0.2").is(403, "source_not_allowed", "from disk");
    let failed = guard.log.line("of the failed refresh", |line| line.get("msg") == "ranges refresh failed");
    assert_eq!((&failed["kept"], &failed["level"]), ("true", "warn"));
    push(&guard, "127.0.0.1").is(200, "", "a failed refresh changes nothing");
    guard.stop();

    // A damaged file is never a shorter list.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("203.0.113.0/24", "203.0.112.0/24")).unwrap();
    let guard = run();
    wait(&guard, "stored ranges not used");
    wait(&guard, "ranges refresh failed");
    push(&guard, "127.0.0.1").is(403, "ranges_unavailable", "a damaged file");
}

#[test]
fn a_bad_list_admits_nobody() {
    let upstream = Upstream::start(|_| ok());
    let json = |body: &str| answer("200 OK", "Content-Type: application/json\r\n", body);
    let cases = [
        ("empty", json("")),
        ("an empty object", json("{}")),
        ("an empty list", json(r#"{"actions": []}"#)),
        ("no list", json(r#"{"actions": "127.0.0.1/32"}"#)),
        ("everybody", json(r#"{"actions": ["127.0.0.1/32", "0.0.0.0/0"]}"#)),
        ("one bad entry", json(r#"{"actions": ["127.0.0.1/32", "127.0.0.1/8"]}"#)),
        (
            "cut",
            Reaction::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"actions\":[\"127.0.0.1/32\"]}".to_vec()),
        ),
        ("an error page", answer("500 Oh", "", META)),
        ("rate limited", answer("403 Forbidden", "Retry-After: 60\r\n", META)),
        ("a redirect", answer("302 Found", "Location: http://127.0.0.1:1/\r\n", META)),
    ];
    for (case, reaction) in cases {
        let github = Upstream::start(move |_| reaction.clone());
        let guard = start(&upstream, &github.url()).run();
        let bad =
            |line: &crate::common::log::Line| ["ranges refresh failed", "ranges refused"].contains(&line.get("msg"));
        let failed = guard.log.line("of the bad list", bad);
        assert_eq!(&failed["kept"], "false", "{case}");
        push(&guard, "127.0.0.1").is(403, "ranges_unavailable", case);
        push(&guard, "127.0.0.3").is(200, "", case);
    }
}

#[test]
fn plain_http_is_only_for_this_machine() {
    let upstream = Upstream::start(|_| ok());
    for url in ["http://192.0.2.1/meta", "ftp://127.0.0.1/meta", "http://a:b@127.0.0.1/meta", "meta"] {
        let (status, text) = start(&upstream, url).fail();
        assert_eq!(status.code(), Some(64), "{url}: {text}");
        assert!(text.contains("--ranges.github-url"), "{url}: {text}");
    }
}

#[test]
fn readiness_waits_for_a_list_but_not_for_ever() {
    let upstream = Upstream::start(|_| ok());
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{META}", META.len());
    let slow = Upstream::start(move |_| Reaction::Hold(whole.clone().into_bytes()));
    let begin = |timeout: &str| {
        Start::new(POLICY, &upstream.url())
            .flag("--ranges.github-url", &slow.url())
            .flag("--ranges.ready-timeout", timeout)
            .run_until("listening", 2)
    };
    let ready = |guard: &Guard| Request::get("/-/ready").send(guard.admin()).status;
    let impatient = begin("1s");
    wait(&impatient, "ready without address lists");
    wait(&impatient, "ready");
    assert_eq!(ready(&impatient), 200);
    push(&impatient, "127.0.0.1").is(403, "ranges_unavailable", "it serves without");
    let patient = begin("60s");
    slow.wait_seen(2);
    assert_eq!(ready(&patient), 503, "the list is still on its way");
    slow.release();
    wait(&patient, "ready");
    assert_eq!(ready(&patient), 200);
    push(&patient, "127.0.0.1").is(200, "", "in the list");
    assert!(patient.log.lines().iter().all(|line| line.get("msg") != "ready without address lists"));
}

#[test]
fn an_approval_is_taken_by_a_running_guard() {
    let upstream = Upstream::start(|_| ok());
    let shrunk = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (now, big, small) = (shrunk.clone(), r#"{"actions":["127.0.0.0/24"]}"#, r#"{"actions":["127.0.0.0/30"]}"#);
    let github = Upstream::start(move |_| {
        answer("200 OK", "", if now.load(std::sync::atomic::Ordering::SeqCst) { small } else { big })
    });
    let state = tempfile::tempdir().unwrap();
    let guard =
        start(&upstream, &github.url()).flag("--state.dir", &path(state.path())).flag("--ranges.interval", "1s").run();
    listed(&guard, "ranges updated").is(200, "", "fetched");
    shrunk.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = guard.log.line("of the refusal", |line| line.get("msg") == "ranges refused");
    assert_eq!((&refused["reason"], &refused["approvable"]), ("loss", "true"));
    let counted = guard.metric("pushguard_ranges_refused_total{set=\"actions\",reason=\"loss\"}");
    assert!(counted.is_some_and(|count| count > 0.0), "{counted:?}");
    let approve = std::process::Command::new(env!("CARGO_BIN_EXE_pushguard"))
        .args([
            "ranges",
            "approve",
            "actions",
            "--state.dir",
            &path(state.path()),
            "--ranges.github-url",
            &github.url(),
        ])
        .output()
        .unwrap();
    assert!(approve.status.success(), "{approve:?}");
    // The next fetch is hours away.
    wait(&guard, "ranges approved");
}
