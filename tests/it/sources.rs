//! Which address a request is judged by: the peer, or the client that a trusted proxy names.

use crate::common::guard::{Guard, Start, with};
use crate::common::http::{Connection, Request};
use crate::common::upstream::{Upstream, ok};
use std::net::IpAddr;

/// On `public` the peers 127.0.0.1 and 10.0.0.0/8 are proxies; nobody is trusted on `internal`.
const POLICY: &str = r#"
version: 1
listeners:
  public: { trusted_proxies: [127.0.0.1/32, 10.0.0.0/8, "fd00::/8"] }
  internal: {}
sources:
  runners: { cidrs: [203.0.113.0/24, "2001:db8:1::/48"], listeners: [public] }
  cluster: { cidrs: [127.0.0.0/8], listeners: [internal] }
principals:
  ci:
    anonymous: true
    from: { require: [runners] }
    grants: [{ operations: [push], job: ci }]
  prometheus:
    anonymous: true
    from: { require: [cluster] }
    grants: [{ operations: [scrape] }]
"#;

fn start(upstream: &Upstream) -> Guard {
    start_with(POLICY, upstream)
}

fn start_with(policy: &str, upstream: &Upstream) -> Guard {
    let start = Start::with_policy(policy).flag("--upstream.url", &upstream.url());
    start.flag("--web.listen-address", "public=127.0.0.1:0").flag("--web.listen-address", "internal=127.0.0.1:0").run()
}

fn push(forwarded_for: &[&str]) -> Request {
    let push = Request::post("/metrics/job/ci", "m 1\n");
    forwarded_for.iter().fold(push, |push, value| push.header("X-Forwarded-For", value))
}

#[test]
fn behind_a_trusted_proxy_the_client_is_read_from_the_right() {
    let upstream = Upstream::start(|_| ok());
    let guard = start(&upstream);
    let cases: &[(&[&str], &str)] = &[
        (&["203.0.113.7"], "203.0.113.7"),
        (&["203.0.113.7:4711"], "203.0.113.7"),
        (&["2001:db8:1::7"], "2001:db8:1::7"),
        (&["[2001:db8:1::7]"], "2001:db8:1::7"),
        (&["[2001:db8:1::7]:4711"], "2001:db8:1::7"),
        (&["::ffff:203.0.113.7"], "203.0.113.7"),
        (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (&["198.51.100.1,203.0.113.7,10.1.2.3 ,\t127.0.0.1"], "203.0.113.7"),
        (&["198.51.100.1", "203.0.113.7", "10.1.2.3, fd00::1"], "203.0.113.7"),
        // What stands left of the client is the client's own invention, whatever it is.
        (&["not an address, 203.0.113.7"], "203.0.113.7"),
    ];
    for (forwarded_for, source) in cases {
        let answer = push(forwarded_for).send(guard.listener("public")).is(200, "", format!("{forwarded_for:?}"));
        let record = guard.record(&answer);
        assert_eq!((&record["source"], &record["peer"]), (*source, "127.0.0.1"), "{forwarded_for:?}");
        assert_eq!(&record["listener"], "public");
    }
    let outside: &[(&[&str], &str)] = &[
        (&["203.0.113.7, 198.51.100.1"], "198.51.100.1"),
        (&["203.0.113.7", "198.51.100.1"], "198.51.100.1"),
        (&["203.0.113.7, 192.168.1.1"], "192.168.1.1"),
    ];
    for (forwarded_for, source) in outside {
        let answer = push(forwarded_for).send(guard.listener("public"));
        let answer = answer.is(403, "source_not_allowed", format!("{forwarded_for:?}"));
        assert!(answer.text().contains(source), "{forwarded_for:?}: {}", answer.text());
        assert_eq!(answer.text().contains("trusted_proxies"), *source == "192.168.1.1", "{}", answer.text());
    }
}

#[test]
fn a_trusted_proxy_that_names_no_client_is_refused() {
    let upstream = Upstream::start(|_| ok());
    let guard = start(&upstream);
    let cases: &[&[&str]] = &[
        &[],
        &[""],
        &["unknown"],
        &["203.0.113.7, unknown"],
        &["203.0.113.7,"],
        &["203.0.113.7", ""],
        &["203.0.113.7;"],
        &["203.0.113"],
        &["203.0.113.07"],
        &["fe80::1%eth0"],
        &["10.1.2.3, 127.0.0.1"],
    ];
    for forwarded_for in cases {
        let answer = push(forwarded_for).send(guard.listener("public"));
        let answer = answer.is(403, "source_unknown", format!("{forwarded_for:?}"));
        let record = guard.record(&answer);
        assert_eq!((&record["source"], &record["peer"]), ("", "127.0.0.1"), "{forwarded_for:?}");
        assert_ne!(&record["detail"], "", "{forwarded_for:?}");
    }
    assert_eq!(upstream.contacts(), (0, 0));
}

#[test]
fn an_untrusted_peer_is_its_own_client_whatever_it_claims() {
    let upstream = Upstream::start(|_| ok());
    let guard = start(&upstream);
    let other: IpAddr = "127.0.0.2".parse().unwrap();
    let answer = push(&["203.0.113.7"]).send_from(other, guard.listener("public"));
    let answer = answer.is(403, "source_not_allowed", "a forged client");
    assert!(answer.text().contains("127.0.0.2"), "{}", answer.text());
    // On the listener without proxies not even their address is one.
    let answer = push(&["203.0.113.7"]).send(guard.listener("internal")).is(403, "operation_not_granted", "internal");
    assert_eq!(&guard.record(&answer)["source"], "127.0.0.1");
    let scrape = |listener: &str| Request::get("/metrics").send_from(other, guard.listener(listener));
    scrape("internal").is(200, "", "a scrape from the cluster");
    scrape("public").is(403, "source_not_allowed", "a scrape over the wrong listener");
    assert_eq!(upstream.seen().len(), 1);
}

/// Over a listener that demands the PROXY protocol every connection announces its client; headers say nothing then, and
/// nobody but a trusted proxy may connect.
#[test]
fn the_proxy_protocol_is_mandatory_where_it_is_switched_on() {
    let upstream = Upstream::start(|_| ok());
    let policy =
        with(POLICY, "public: { trusted_proxies: [", "public: { client_from: proxy-protocol, trusted_proxies: [");
    let guard = start_with(&policy, &upstream);
    let address = guard.listener("public");
    let push = Request::post("/metrics/job/ci", "m 1\n").header("X-Forwarded-For", "203.0.113.9");
    let ask = |announcement: &[u8]| {
        let mut connection = Connection::open(address);
        connection.send([announcement, &push.bytes()].concat());
        connection.receive("POST")
    };
    let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[198, 51, 100, 7, 127, 0, 0, 1, 0, 1, 0, 2]].concat();
    for (announcement, source) in [
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n".as_slice(), "198.51.100.7"),
        (&v2, "198.51.100.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n", "2001:db8::7"),
    ] {
        let answer = ask(announcement);
        assert_eq!(&guard.record(&answer)["source"], source);
        assert_eq!(&guard.record(&answer)["peer"], "127.0.0.1");
    }
    ask(b"PROXY UNKNOWN\r\n").is(403, "source_unknown", "a health check of the proxy is no client");
    for without in [push.bytes(), b"PROXY TCP4 x\r\n".to_vec(), b"\x16\x03\x01".to_vec()] {
        let mut connection = Connection::open(address);
        connection.send(&without);
        connection.is_closed("no announcement");
    }
    let mut stranger = Connection::open_from([127, 0, 0, 2].into(), address);
    stranger.send([b"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n".as_slice(), &push.bytes()].concat());
    stranger.is_closed("a stranger");
}

#[test]
fn a_listener_reads_forwarded_or_x_forwarded_for_and_never_both() {
    let upstream = Upstream::start(|_| ok());
    let policy = with(POLICY, "public: { trusted_proxies: [", "public: { client_from: forwarded, trusted_proxies: [");
    let guard = start_with(&policy, &upstream);
    let push = Request::post("/metrics/job/ci", "m 1\n").header("X-Forwarded-For", "203.0.113.9");
    let answer = push.clone().header("Forwarded", "for=\"198.51.100.7:80\";proto=https").send(guard.listener("public"));
    assert_eq!(&guard.record(&answer)["source"], "198.51.100.7");
    push.send(guard.listener("public")).is(403, "source_unknown", "only the other header");
}
