//! A gateway behind TLS: its certificate is verified, and nothing is sent to one that does not prove itself.

use crate::common::authority::{Authority, Pair, days};
use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Guard, Start, path};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, ok};
use crate::common::wait_for;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn push() -> Request {
    Request::post("/metrics/job/ci", "m 1\n")
}

/// A server with TLS in front of `upstream`: another pushguard.
fn sealed(upstream: &Upstream, pair: &Pair) -> Guard {
    let start = Start::new(EVERYTHING, &upstream.url());
    let files = pair.write(start.folder.path());
    start.flag("--web.tls-cert-file", &path(&files.certificate)).flag("--web.tls-key-file", &path(&files.key)).run()
}

/// Trusts that authority, and asks for `name` at that address.
fn trusting(authority: &Authority, address: SocketAddr) -> (TempDir, Start) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let start = Start::new(EVERYTHING, &format!("https://localhost:{}", address.port()));
    (folder, start.flag("--upstream.ca-file", &path(&file)))
}

#[test]
fn a_real_gateway_is_pushed_to_and_scraped_through_tls() {
    if Gateway::start().is_none() {
        return;
    }
    let authority = Authority::new("an authority");
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start_with_tls(&authority.issue_for("localhost", days(90)).write(folder.path()));
    let (_ca, start) = trusting(&authority, gateway.address);
    let guard = start.run();
    for value in 0..3 {
        push().body(format!("m {value}\n")).send(guard.address()).is(200, "", "a push");
    }
    let page = Request::get("/metrics").send(guard.address()).is(200, "", "a scrape").text();
    assert!(page.contains("m{instance=\"\",job=\"ci\"} 2\n"), "{page}");
    Request::delete("/metrics/job/ci").send(guard.address()).is(202, "", "a delete");
}

#[test]
fn connections_are_kept_inside_tls_and_given_up_when_the_gateway_ends_them() {
    let authority = Authority::new("an authority");
    let upstream = Upstream::start(|_| ok());
    let mut first = sealed(&upstream, &authority.issue_for("localhost", days(90)));
    let (_ca, start) = trusting(&authority, first.address());
    let guard = start.run();
    for _ in 0..20 {
        push().send(guard.address()).is(200, "", "over one connection");
    }
    let open = first.metric("pushguard_connections").unwrap();
    // One is kept for pushes; who asks what the gateway is has its own, now and then.
    assert!((1.0..15.0).contains(&open), "{open} for 20 pushes");
    first.stop();
    push().send(guard.address()).is(503, "upstream_unavailable", "the gateway is away");
    let pushes = upstream.seen().iter().filter(|seen| seen.line().starts_with("POST")).count();
    assert_eq!(pushes, 20);
}

#[test]
fn a_gateway_that_does_not_prove_itself_is_not_spoken_to() {
    let (authority, other) = (Authority::new("an authority"), Authority::new("another"));
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let now = SystemTime::now();
    let upstream = Upstream::start(|_| ok());
    let cases = [
        ("another authority", other.issue_for("localhost", days(90)), "UnknownIssuer"),
        ("another name", authority.issue_for("elsewhere.test", days(90)), "not valid for name"),
        ("expired", authority.issue_for("localhost", now - hours(48)..now - hours(24)), "certificate expired"),
    ];
    for (case, pair, said) in cases {
        let server = sealed(&upstream, &pair);
        let (_ca, start) = trusting(&authority, server.address());
        let guard = start.run();
        let answer = push().send(guard.address()).is(503, "upstream_unavailable", case);
        let detail = guard.record(&answer)["detail"].to_owned();
        assert!(detail.contains(said), "{case}: {detail}");
        assert!(!answer.text().contains(said), "{case}: {}", answer.text());
    }
    let (_ca, start) = trusting(&authority, upstream.address);
    let guard = start.run();
    push().send(guard.address()).is(503, "upstream_unavailable", "a gateway without TLS");
    assert_eq!(upstream.seen().len(), 0, "no request reached a gateway");
    let page = Request::get("/metrics").send(guard.address()).is(503, "upstream_unavailable", "a scrape").text();
    assert!(page.contains("was not applied"), "{page}");
}

#[test]
fn changed_authorities_are_trusted_from_then_on_and_broken_ones_are_not_taken() {
    let (authority, other) = (Authority::new("an authority"), Authority::new("another"));
    let upstream = Upstream::start(|_| ok());
    let server = sealed(&upstream, &authority.issue_for("localhost", days(90)));
    let (ca, start) = trusting(&authority, server.address());
    let guard = start.flag("--policy.watch-interval", "0s").run();
    push().send(guard.address()).is(200, "", "at the start");
    let change = |text: &str, msg: &str| {
        let count = || guard.log.lines().iter().filter(|line| line.get("msg") == msg).count();
        let before = count();
        std::fs::write(ca.path().join("ca.pem"), text).unwrap();
        guard.signal("HUP");
        wait_for(msg, || (count() > before).then_some(()));
    };
    for broken in ["", "no PEM", &other.pem()[..200]] {
        change(broken, "gateway authorities not reloaded");
        push().send(guard.address()).is(200, "", format!("{broken:?}: those in use stay"));
    }
    // Also where a connection stands that the old ones vouched for.
    change(&other.pem(), "gateway authorities reloaded");
    push().send(guard.address()).is(503, "upstream_unavailable", "another authority");
    change(&format!("{}{}", other.pem(), authority.pem()), "gateway authorities reloaded");
    push().send(guard.address()).is(200, "", "both");
}

#[test]
fn without_a_file_the_authorities_of_the_system_are_asked() {
    let authority = Authority::new("an authority");
    let upstream = Upstream::start(|_| ok());
    let server = sealed(&upstream, &authority.issue_for("localhost", days(90)));
    let ca = server.folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let url = format!("https://localhost:{}", server.address().port());
    // What a system trusts can be said by this variable.
    let guard = Start::new(EVERYTHING, &url).env("SSL_CERT_FILE", &path(&ca)).run();
    push().send(guard.address()).is(200, "", "trusted by the system");
    drop(guard);
    let guard = Start::new(EVERYTHING, &url);
    match guard.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nonexistent").fail() {
        (status, text) if status.code() == Some(2) => {
            assert!(text.contains("no certificates of authorities") && text.lines().count() == 1, "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn authorities_that_cannot_be_used_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "nothing\n").unwrap();
    let start = |url: &str, file: &str| Start::new(EVERYTHING, url).flag("--upstream.ca-file", file).fail();
    for (url, file, said) in [
        ("https://localhost:1", path(&file), "no certificate in it"),
        ("https://localhost:1", "/nonexistent.pem".to_owned(), "No such file"),
        ("http://localhost:1", path(&file), "is for an https://"),
    ] {
        let (status, text) = start(url, &file);
        assert_eq!(status.code(), Some(2), "{text}");
        assert!(text.starts_with("pushguard: --upstream.ca-file") && text.contains(said), "{text}");
    }
}
