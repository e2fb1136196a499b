//! What takes its time by design. The slowest tests here wait 10 s; the others run beside them.

use crate::common::guard::{EVERYTHING, Guard};
use crate::common::http::{Connection, Request};
use crate::common::upstream::{Reaction, Upstream, ok};
use std::time::{Duration, Instant};

fn push(job: &str) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

/// Costs the 5 s that a body may fall behind its least rate; one connection that trickles, one that says nothing.
#[test]
fn a_slow_body_is_answered_408_and_stores_nothing() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let heads = ["Content-Length: 10000", "Transfer-Encoding: chunked"];
    let mut connections = heads.map(|framing| {
        let mut connection = Connection::open(guard.address());
        connection.send(format!("POST /metrics/job/a HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        connection
    });
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        connections[0].send("m");
        std::thread::sleep(Duration::from_millis(500));
    }
    for (framing, connection) in heads.iter().zip(&mut connections) {
        let answer = connection.receive("POST").is(408, "request_timeout", framing);
        connection.is_closed(framing);
        assert_eq!(&guard.record(&answer)["operation"], "push", "{framing}");
    }
    let took = started.elapsed();
    assert!(took.as_secs() >= 5, "{took:?}");
    assert_eq!(upstream.contacts(), (0, 0));
}

/// Costs the 10 s that a head may take; one connection that trickles, one that stops.
#[test]
fn a_slow_head_is_answered_408() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let mut stopped = Connection::open(guard.address());
    stopped.send("POST /metrics/job/a HTTP/1.1\r\nHost: a\r\n");
    let mut trickling = Connection::open(guard.address());
    trickling.send("POST /metrics/job/a HTTP/1.1\r\nHost: a\r\nX: ");
    push("b").send(guard.address()).is(200, "", "others are served meanwhile");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(7) {
        trickling.send("a");
        std::thread::sleep(Duration::from_millis(100));
    }
    for (case, connection) in [("stopped", &mut stopped), ("trickling", &mut trickling)] {
        connection.receive("POST").is(408, "request_timeout", case);
        connection.is_closed(case);
    }
    let took = started.elapsed();
    assert!(took.as_secs() >= 9, "{took:?}");
}

/// Costs the 10 s that the gateway has for its first byte; all kinds wait at once.
#[test]
fn no_answer_in_time_is_504_and_is_not_asked_for_again() {
    let upstream = Upstream::start(|_| Reaction::Hang);
    let guard = Guard::start(EVERYTHING, &upstream.url());
    // Writes to one group wait for each other, so each gets its own.
    let requests = [
        push("a"),
        Request::put("/metrics/job/b", "m 1\n"),
        Request::put("/metrics/job/c", "#\n"),
        Request::delete("/metrics/job/d"),
        Request::get("/metrics"),
    ];
    let started = Instant::now();
    std::thread::scope(|scope| {
        for request in &requests {
            scope.spawn(|| {
                let case = String::from_utf8(request.head_bytes()).unwrap();
                let answer = request.send(guard.address()).is(504, "upstream_timeout", &case);
                assert!(answer.text().contains("unknown whether"), "{case}: {}", answer.text());
                assert_eq!(answer.header("Retry-After"), None, "{case}");
                assert_eq!(&guard.record(&answer)["verdict"], "error", "{case}");
            });
        }
    });
    let took = started.elapsed();
    assert!(took.as_secs() >= 10, "{took:?}");
    assert_eq!(upstream.seen().len(), requests.len(), "asked once each");
}

/// Who waits as long as `Retry-After` says passes, and who comes a little earlier does not.
#[test]
fn retry_after_is_true() {
    let upstream = Upstream::start(|_| ok());
    let policy = r#"
version: 1
principals:
  ci:
    anonymous: true
    from: anywhere
    grants: [{ operations: [push], job: "*" }]
    quotas: [{ per: job, burst: 2, period: 6s }]
"#;
    let guard = Guard::start(policy, &upstream.url());
    let rounds = (0..10).map(|round| given_back(&guard, &format!("a{round}")));
    assert!(rounds.flatten().next().is_some(), "the machine was never on time");
}

/// One round with a job of its own; none where the machine was so late that another push was given back meanwhile.
fn given_back(guard: &Guard, job: &str) -> Option<()> {
    let began = Instant::now();
    let later_than = |seconds: u64| began.elapsed() >= Duration::from_secs(seconds);
    for count in 1..=2 {
        push(job).send(guard.address()).is(200, "", count);
    }
    let emptied = Instant::now();
    let answer = push(job).send(guard.address());
    if later_than(1) {
        return None;
    }
    let answer = answer.is(429, "quota_exhausted", "the third");
    let wait = Duration::from_secs(answer.header("Retry-After").unwrap().parse().unwrap());
    assert_eq!(wait, Duration::from_secs(3));
    std::thread::sleep(Duration::from_secs(2).saturating_sub(emptied.elapsed()));
    let answer = push(job).send(guard.address());
    if later_than(3) {
        return None;
    }
    let answer = answer.is(429, "quota_exhausted", "a second early");
    assert_eq!(answer.header("RateLimit"), Some("\"ci.quotas[0]\";r=0;t=1"));
    std::thread::sleep(wait.saturating_sub(emptied.elapsed()));
    push(job).send(guard.address()).is(200, "", "after the wait");
    let answer = push(job).send(guard.address());
    if later_than(6) {
        return None;
    }
    answer.is(429, "quota_exhausted", "one was given back and no more");
    Some(())
}
