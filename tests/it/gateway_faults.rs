//! A gateway that misbehaves: what the client is told about it, and how often the gateway is asked.

use crate::common::guard::{EVERYTHING, Guard};
use crate::common::http::{Connection, Request, Response};
use crate::common::upstream::{Reaction, Upstream, answer, ok};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

fn push() -> Request {
    Request::post("/metrics/job/a", "m 1\n")
}

/// A write that changes a group, of each kind, and a read.
fn requests() -> Vec<(&'static str, Request)> {
    let target = "/metrics/job/a";
    vec![
        ("push", push()),
        ("replace", Request::put(target, "m 1\n")),
        ("empty", Request::put(target, "#\n")),
        ("delete", Request::delete(target)),
        ("scrape", Request::get("/metrics")),
    ]
}

/// What a guard in front of the upstream answers, over a connection of its own.
#[track_caller]
fn failed(guard: &Guard, request: &Request, status: u16, reason: &str, case: &str) -> Response {
    let answer = request.send(guard.address()).is(status, reason, case);
    let record = guard.record(&answer);
    assert_eq!((&record["verdict"], &record["reason"]), ("error", reason), "{case}");
    assert_eq!(&record["principal"], "all", "{case}");
    let unknown = if status == 503 { "was not applied" } else { "unknown whether" };
    assert!(answer.text().contains(unknown), "{case}: {}", answer.text());
    assert_eq!(answer.header("Retry-After").is_some(), status == 503, "{case}: {answer:?}");
    answer
}

#[test]
fn an_answer_that_is_none_is_502() {
    let close = |bytes: &str| Reaction::Close(bytes.as_bytes().to_vec());
    let cases = [
        ("closed without an answer", close("")),
        ("not HTTP", close("SSH-2.0-OpenSSH_9.2\r\n\r\n")),
        ("half a head", close("HTTP/1.1 200 OK\r\nContent-")),
        ("500", answer("500 Internal Server Error", "", "broken")),
        ("405", answer("405 Method Not Allowed", "Allow: GET\r\n", "")),
        ("413", answer("413 Payload Too Large", "", "")),
        ("401", answer("401 Unauthorized", "WWW-Authenticate: Basic\r\n", "")),
        ("302", answer("302 Found", "Location: http://evil.test/\r\n", "")),
    ];
    for (case, reaction) in cases {
        let upstream = Upstream::start(move |_| reaction.clone());
        let guard = Guard::start(EVERYTHING, &upstream.url());
        for (index, (kind, request)) in requests().iter().enumerate() {
            let case = format!("{case}, {kind}");
            let answer = failed(&guard, request, 502, "upstream_failed", &case);
            for name in ["Allow", "Location", "WWW-Authenticate"] {
                assert_eq!(answer.header(name), None, "{case}");
            }
            assert_eq!(upstream.seen().len(), index + 1, "{case}: asked once and never again");
        }
    }
}

#[test]
fn a_page_of_the_gateway_that_is_not_there_is_404() {
    let upstream = Upstream::start(|_| answer("404 Not Found", "", "404 page not found\n"));
    let guard = Guard::start(EVERYTHING, &upstream.url());
    Request::get("/static/no.js").send(guard.address()).is(404, "target_unknown", "a page");
    // A gateway that does not know the path of a push is the wrong one.
    failed(&guard, &push(), 502, "upstream_failed", "a push");
}

#[test]
fn a_reset_is_502() {
    let upstream = Upstream::resetting();
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for (index, (kind, request)) in requests().iter().enumerate() {
        failed(&guard, request, 502, "upstream_failed", kind);
        assert_eq!(upstream.contacts().0, index + 1, "{kind}: connected once");
    }
}

#[test]
fn nobody_there_is_503_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let guard = Guard::start(EVERYTHING, &format!("http://{address}"));
    for (kind, request) in requests() {
        let answer = failed(&guard, &request, 503, "upstream_unavailable", kind);
        assert_eq!(answer.header("Retry-After"), Some("1"), "{kind}");
    }
}

/// A connection that was kept may have been closed by the other side before the request came: then one more attempt is
/// made over a new one, and not another.
#[test]
fn a_kept_connection_that_ends_unanswered_is_tried_once_more() {
    // The pool may pass over a connection that came back a moment ago; such a round shows nothing.
    let shown = (0..20).any(|_| {
        let count = AtomicUsize::new(0);
        // Answers the first, closes on the second, answers the third; then closes on everything.
        let upstream = Upstream::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 | 2 => ok(),
            _ => Reaction::Close(Vec::new()),
        });
        let guard = Guard::start(EVERYTHING, &upstream.url());
        push().send(guard.address()).is(200, "", "the first");
        let second = push().send(guard.address());
        let third = push().send(guard.address());
        let (connections, requests) = (upstream.contacts().0, upstream.seen().len());
        assert!(requests <= 5, "one more attempt and not another: {requests}");
        (second.status, third.status, connections, requests) == (200, 502, 3, 5)
    });
    assert!(shown, "a kept connection was never tried again");
}

/// What stands behind an answer would otherwise be read as the answer to somebody else's next request.
#[test]
fn bytes_behind_an_answer_are_nobodys_answer() {
    let once = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| match once.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => {
            let two = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 400 Bad\r\nContent-Length: 6\r\n\r\nforged";
            Reaction::Answer(two.as_bytes().to_vec())
        }
        _ => ok(),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for round in 0..6 {
        for (kind, request) in [("push", push()), ("scrape", Request::get("/metrics"))] {
            let answer = request.send(guard.address()).is(200, "", format!("{kind}, round {round}"));
            assert_eq!(answer.text(), "", "{kind}, round {round}");
        }
    }
}

#[test]
fn informational_answers_are_passed_over_and_endless_ones_given_up() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let few = format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let upstream = Upstream::start(move |_| Reaction::Answer(few.clone().into_bytes()));
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for (kind, request) in requests() {
        request.send(guard.address()).is(200, "", kind);
    }
    let upstream = Upstream::start(move |_| Reaction::Answer(interim.repeat(100).into_bytes()));
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for (kind, request) in requests() {
        failed(&guard, &request, 502, "upstream_failed", kind);
    }
}

#[test]
fn an_endless_answer_to_a_push_is_given_up() {
    let upstream = Upstream::start(|_| answer("400 Bad Request", "", &"x".repeat(1024 * 1024)));
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let answer = failed(&guard, &push(), 502, "upstream_failed", "1 MiB of excuses");
    assert!(!answer.text().contains("xxx"));
}

#[test]
fn a_page_cut_in_the_middle_is_cut_for_the_client() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nm 1\n";
    let upstream = Upstream::start(move |_| Reaction::Close(cut.as_bytes().to_vec()));
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let mut connection = Connection::open(guard.address());
    connection.send(Request::get("/metrics").bytes());
    let answer = connection.try_receive("GET");
    assert!(answer.is_err(), "a whole answer was made of a cut one: {answer:?}");
    let record = guard.log.line("of the scrape", |line| line.get("msg") == "request");
    assert_ne!(&record["detail"], "", "{record:?}");
}

#[test]
fn writes_to_one_group_keep_their_order_and_others_pass_by() {
    let upstream = Upstream::start(|seen| match seen.body.as_slice() {
        b"m 0\n" => Reaction::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => ok(),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let mut waiting = Vec::new();
    for value in 0..5 {
        let mut connection = Connection::open(guard.address());
        let target = if value % 2 == 0 { "/metrics/job/a/b/c/d/e" } else { "/metrics/job@base64/YQ/d/e/b/c" };
        connection.send(Request::put(target, format!("m {value}\n")).bytes());
        waiting.push(connection);
        // The first is at the gateway and holds its group; each of the others must have been admitted before the next.
        upstream.wait_seen(1);
        settle(&guard);
    }
    push().send(guard.address()).is(200, "", "another group passes by");
    assert_eq!(upstream.seen().len(), 2, "the held one and the other group's");
    upstream.release();
    for connection in &mut waiting {
        connection.receive("PUT").is(200, "", "in turn");
    }
    let bodies: Vec<Vec<u8>> = upstream.seen().iter().map(|seen| seen.body.clone()).collect();
    assert_eq!(bodies.concat(), b"m 0\nm 1\nm 1\nm 2\nm 3\nm 4\n");
}

/// A request that was sent before has been taken in once one that was sent later is answered.
fn settle(guard: &Guard) {
    for _ in 0..5 {
        Request::get("/nope").send(guard.address()).is(404, "target_unknown", "settling");
    }
}
