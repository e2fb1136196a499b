//! The wire: which bytes are a request, what becomes of the connection, and in which order things are answered.

use crate::common::guard::{EVERYTHING, Guard, PASSWORD, quickstart};
use crate::common::http::{Connection, Request};
use crate::common::upstream::{Upstream, ok};
use std::fmt::Write as _;

const TARGET: &str = "/metrics/job/a";

fn everything() -> (Upstream, Guard) {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    (upstream, guard)
}

fn push(job: &str) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

/// All that the connection has to say, then its end.
fn rest(guard: &Guard, bytes: impl AsRef<[u8]>) -> String {
    let mut connection = Connection::open(guard.address());
    connection.send(bytes);
    connection.finish();
    String::from_utf8(connection.rest().unwrap()).unwrap()
}

#[test]
fn what_is_not_served_does_not_exist() {
    let (upstream, guard) = everything();
    let cases = [
        ("GET", "/nope", 404, ""),
        ("GET", "/debug/pprof/", 404, ""),
        ("GET", "/metrics/", 404, ""),
        ("PUT", "/metrics/Job/a", 404, ""),
        ("PUT", "/metrics/%6aob/a", 404, ""),
        ("PUT", "/-/quit", 404, ""),
        ("PUT", "/api/v1/admin/wipe", 404, ""),
        ("PUT", "/api/v1/admin%2Fwipe", 404, ""),
        ("GET", "/static/../metrics", 404, ""),
        ("PUT", "/metrics", 405, "GET"),
        ("POST", "/-/ready", 405, "GET"),
        ("DELETE", "/api/v1/metrics", 405, "GET"),
        ("HEAD", "/metrics", 405, "GET"),
        ("OPTIONS", "/api/v1/metrics", 405, "GET"),
        ("GET", TARGET, 405, "PUT, POST, DELETE"),
        ("HEAD", TARGET, 405, "PUT, POST, DELETE"),
        ("OPTIONS", TARGET, 405, "PUT, POST, DELETE"),
        ("PATCH", TARGET, 405, "PUT, POST, DELETE"),
        ("TRACE", TARGET, 405, "GET, PUT, POST, DELETE"),
        ("CONNECT", "push.test:80", 405, "GET, PUT, POST, DELETE"),
        ("put", TARGET, 405, "GET, PUT, POST, DELETE"),
        ("PROPFIND", TARGET, 405, "GET, PUT, POST, DELETE"),
        ("OPTIONS", "*", 400, ""),
        ("GET", "http://push.test/metrics", 400, ""),
    ];
    for (method, target, status, allow) in cases {
        let case = format!("{method} {target}");
        let reason = match status {
            404 => "target_unknown",
            405 => "method_not_allowed",
            _ => "request_malformed",
        };
        let answer = Request::new(method, target).send(guard.address()).is(status, reason, &case);
        assert_eq!(answer.header("Allow").unwrap_or(""), allow, "{case}");
    }
    assert_eq!(upstream.contacts(), (0, 0));
}

#[test]
fn what_is_not_strict_http_is_refused_and_the_connection_ends() {
    let (upstream, guard) = everything();
    let host = "Host: a\r\n";
    let cases = [
        ("a bare LF", format!("GET /metrics HTTP/1.1\n{host}\r\n")),
        ("a space in the target", format!("GET /metrics /x HTTP/1.1\r\n{host}\r\n")),
        ("a # in the target", format!("PUT /metrics/job/a#b HTTP/1.1\r\n{host}\r\n")),
        ("a control in the target", format!("PUT /metrics/job/a\x01b HTTP/1.1\r\n{host}\r\n")),
        ("no Host", "GET /metrics HTTP/1.1\r\n\r\n".to_owned()),
        ("two Hosts", format!("GET /metrics HTTP/1.1\r\n{host}{host}\r\n")),
        ("a Host that is none", "GET /metrics HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned()),
        ("HTTP/2.0", format!("GET /metrics HTTP/2.0\r\n{host}\r\n")),
        ("the preface of h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("no version", "GET /metrics\r\n\r\n".to_owned()),
        ("a space before the colon", format!("GET /metrics HTTP/1.1\r\n{host}A : b\r\n\r\n")),
        ("a folded line", format!("GET /metrics HTTP/1.1\r\n{host}A: b\r\n c\r\n\r\n")),
        ("two lengths", put(&format!("{host}Content-Length: 4\r\nContent-Length: 5\r\n"))),
        ("the same length twice", put(&format!("{host}Content-Length: 4\r\nContent-Length: 4\r\n"))),
        ("a list of lengths", put(&format!("{host}Content-Length: 4, 4\r\n"))),
        ("a signed length", put(&format!("{host}Content-Length: +4\r\n"))),
        ("an empty length", put(&format!("{host}Content-Length:\r\n"))),
        ("length and chunks", put(&format!("{host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"))),
        ("gzip, chunked", put(&format!("{host}Transfer-Encoding: gzip, chunked\r\n"))),
        ("identity", put(&format!("{host}Transfer-Encoding: identity\r\n"))),
        ("two encodings", put(&format!("{host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"))),
        ("an upgrade", format!("GET /metrics HTTP/1.1\r\n{host}Upgrade: h2c\r\n\r\n")),
        ("two credentials", put(&format!("{host}Authorization: Basic YTpi\r\nAuthorization: Basic YTpj\r\n"))),
        ("another expectation", put(&format!("{host}Expect: 200-ok\r\n"))),
        ("a hop-by-hop list", put(&format!("{host}Connection: close, content-length\r\n"))),
        ("an empty line first", format!("\r\nGET /metrics HTTP/1.1\r\n{host}\r\n")),
    ];
    for (case, bytes) in cases {
        // What follows must not be read as a request of its own.
        let mut connection = Connection::open(guard.address());
        connection.send(format!("{bytes}m 1\nDELETE /metrics/job/a HTTP/1.1\r\n{host}\r\n"));
        let answer = connection.receive("GET").is(400, "request_malformed", case);
        assert_eq!(answer.header("Connection"), Some("close"), "{case}");
        connection.is_closed(case);
        let record = guard.record(&answer);
        assert_eq!((&record["verdict"], &record["peer"]), ("deny", "127.0.0.1"), "{case}");
    }
    assert_eq!(upstream.contacts(), (0, 0));
}

fn put(fields: &str) -> String {
    format!("PUT {TARGET} HTTP/1.1\r\n{fields}\r\n")
}

#[test]
fn heads_have_limits() {
    let (upstream, guard) = everything();
    let fill = |bytes: usize| "a".repeat(bytes);
    // No label value is longer than it may be.
    let labels: String = (0..7).map(|label| format!("/a{label}/{}", fill(1020))).collect();
    let target = |bytes: usize| {
        let front = format!("{TARGET}{labels}/b/");
        format!("{front}{}", fill(bytes - front.len()))
    };
    let fields = |count: usize| (1..count).fold(push("a"), |push, n| push.header(&format!("X-{n}"), "1"));
    Request::post(target(8192), "m 1\n").send(guard.address()).is(200, "", "the longest target");
    fields(63).send(guard.address()).is(200, "", "64 fields");
    push("a").header("X-Large", &fill(15 * 1024)).send(guard.address()).is(200, "", "15 KiB of head");
    assert_eq!(upstream.seen().len(), 3);
    let cases = [
        ("a target of 8193 bytes", Request::post(target(8193), "m 1\n"), 414, "target_too_long"),
        ("a target of 20000 bytes", Request::post(target(20_000), "m 1\n"), 414, "target_too_long"),
        ("65 fields", fields(64), 431, "head_too_large"),
        ("a head of 17 KiB", push("a").header("X-Large", &fill(17 * 1024)), 431, "head_too_large"),
        ("a head of 1 MiB", push("a").header("X-Large", &fill(1024 * 1024 - 200)), 431, "head_too_large"),
    ];
    for (case, request, status, reason) in cases {
        let mut connection = Connection::open(guard.address());
        connection.exchange(&request).is(status, reason, case);
        connection.is_closed(case);
    }
    assert_eq!(upstream.seen().len(), 3, "nothing of these went upstream");
}

#[test]
fn a_connection_survives_refusals() {
    let (upstream, guard) = everything();
    let mut connection = Connection::open(guard.address());
    let cases = [
        (push("a"), 200, ""),
        (Request::get("/nope"), 404, "target_unknown"),
        (Request::post("/metrics/job/", "m 1\n"), 400, "target_ambiguous"),
        (push("a").header("Content-Encoding", "br"), 415, "encoding_unsupported"),
        (Request::new("POST", "/metrics/job/a/b").chunked("m 1\n"), 400, "target_ambiguous"),
        (Request::new("POST", TARGET), 411, "length_required"),
        (Request::new("HEAD", "/metrics"), 405, "method_not_allowed"),
        (Request::delete(TARGET).body("m 1\n"), 400, "request_malformed"),
        (Request::new("PATCH", TARGET).body("x".repeat(40_000)), 405, "method_not_allowed"),
        (Request::post("/metrics/job/a?", "x".repeat(40_000)), 400, "target_ambiguous"),
        (Request::get("/metrics"), 200, ""),
        (push("b"), 200, ""),
    ];
    for (request, status, reason) in cases {
        let case = String::from_utf8_lossy(&request.head_bytes()).into_owned();
        connection.exchange(&request).is(status, reason, case);
    }
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(upstream.contacts().0, 1, "one connection upstream serves all");
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let (upstream, guard) = everything();
    let requests = [
        (push("one"), 200),
        (Request::get("/nope"), 404),
        (Request::new("PUT", "/metrics/job/two").chunked("m 2\n"), 200),
        (Request::post("/metrics/job/x/y", "m 1\n"), 400),
        (Request::new("HEAD", TARGET), 405),
        (Request::delete("/metrics/job/three"), 200),
        (Request::get("/metrics"), 200),
    ];
    let all: Vec<u8> = requests.iter().flat_map(|(request, _)| request.bytes()).collect();
    // At once, and in parts that cut heads, bodies and chunks anywhere.
    for part in [all.len(), 1, 7, 50] {
        let mut connection = Connection::open(guard.address());
        for bytes in all.chunks(part) {
            connection.send(bytes);
        }
        for (request, status) in &requests {
            let method = String::from_utf8(request.head_bytes()).unwrap();
            let answer = connection.receive(method.split(' ').next().unwrap());
            assert_eq!(answer.status, *status, "parts of {part}: {method}");
        }
    }
    let lines: Vec<String> = upstream.seen().iter().map(|seen| seen.line().to_owned()).collect();
    let order = ["POST /metrics/job/one", "PUT /metrics/job/two", "DELETE /metrics/job/three", "GET /metrics"];
    assert_eq!(lines, order.repeat(4));
    assert_eq!(upstream.seen()[1].body, b"m 2\n");
}

#[test]
fn a_client_is_told_to_continue_only_once_its_head_is_admitted() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(&quickstart(), &upstream.url());
    let waiting = |request: Request| request.header("Expect", "100-continue");
    let ci = |target: &str| Request::put(target, "m 1\n").basic("ci", PASSWORD);
    let refused = [
        (waiting(Request::put("/metrics/job/ci", "m 1\n")), 401, "credential_missing"),
        (waiting(ci("/metrics/job/prod")), 403, "job_not_granted"),
        (waiting(ci("/metrics/job/ci").body("x".repeat(300_000))), 413, "payload_too_large"),
        (waiting(ci("/metrics/job/ci").header("Content-Encoding", "br")), 415, "encoding_unsupported"),
    ];
    for (request, status, reason) in refused {
        let mut connection = Connection::open(guard.address());
        connection.send(request.head_bytes());
        // The first thing that comes is the refusal; and since the body never came, the connection ends.
        connection.receive("PUT").is(status, reason, "before the body");
        connection.is_closed(reason);
    }
    assert_eq!(upstream.contacts(), (0, 0));
    let mut connection = Connection::open(guard.address());
    for request in [waiting(ci("/metrics/job/ci")), waiting(ci("/metrics/job/nightly").chunked("m 1\n"))] {
        connection.send(request.head_bytes());
        let interim = connection.receive("PUT");
        assert_eq!(interim.status, 100);
        connection.send(request.body_bytes());
        connection.receive("PUT").is(200, "", "after the body");
    }
    // A client that does not wait is served all the same.
    connection.exchange(&waiting(ci("/metrics/job/ci")));
    assert_eq!(connection.receive("PUT").status, 200, "behind the interim answer");
    assert!(upstream.seen().iter().all(|seen| seen.header("expect").is_empty()));
}

#[test]
fn chunked_bodies_reach_the_gateway_with_their_length() {
    let (upstream, guard) = everything();
    let chunks = |body: &str| format!("{}{body}", put("Host: a\r\nTransfer-Encoding: chunked\r\n"));
    let long = (0..5000).map(|n| format!("m{{n=\"{n}\"}} 1\n")).collect::<String>();
    let mut parts = String::new();
    for part in long.as_bytes().chunks(777) {
        let _ = write!(parts, "{:X}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part));
    }
    let good = [("4\r\nm 1\n\r\n0\r\n\r\n".to_owned(), "m 1\n".to_owned()), (format!("{parts}0\r\n\r\n"), long)];
    for (body, whole) in &good {
        assert!(rest(&guard, chunks(body)).starts_with("HTTP/1.1 200 "));
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.header("content-length"), [whole.len().to_string()]);
        assert!(seen.body == whole.as_bytes());
    }
    let before = upstream.contacts();
    let cut = ["4\r\nm 1\n", "4\r\nm 1\n\r\n", "0\r\n", "ffff\r\nm 1\n", "0000000000004\r\nm 1\n"];
    let wrong = ["5\r\nm 1\n\r\n", "4\r\nm 1\nab", "x\r\n", "-4\r\nm 1\n\r\n", "+4\r\nm 1\n\r\n", "0x4\r\nm 1\n\r\n"];
    let odd = ["4\nm 1\n\n", "\r\n4\r\nm 1\n\r\n", "ffffffffffffffff\r\nm 1\n", "10000000000000004\r\nm 1\n\r\n"];
    let ended = |body: &&str| format!("{body}0\r\n\r\n");
    let broken = wrong.iter().chain(&odd).map(ended).chain(cut.map(str::to_owned));
    for body in broken {
        let answer = rest(&guard, chunks(&body));
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("body_incomplete"), "{body:?}: {answer}");
        assert_eq!(upstream.contacts(), before, "{body:?} went upstream");
    }
}

/// What a sender garbled or a proxy in front reads otherwise must not pass for the end of a body.
#[test]
fn only_a_chunk_of_size_zero_ends_a_body() {
    let (upstream, guard) = everything();
    let cases = [
        ("an empty line", "4\r\nm 1\n\r\n\r\n\r\n"),
        ("an empty line first", "\r\n\r\n"),
        ("an extension without a size", "4\r\nm 1\n\r\n;a\r\n\r\n"),
        ("what follows read as trailers", "4\r\nm 1\n\r\n\r\n4\r\nm: 2\r\n0\r\n\r\n"),
        ("a bare LF in an extension", "4;a\nb\r\nm 1\n\r\n0\r\n\r\n"),
    ];
    let mut taken = Vec::new();
    for (case, body) in cases {
        let answer = rest(&guard, put("Host: a\r\nTransfer-Encoding: chunked\r\n") + body);
        if !answer.starts_with("HTTP/1.1 400 ") || upstream.contacts() != (0, 0) {
            taken.push(format!("{case} {body:?}: {}", answer.lines().next().unwrap_or("nothing")));
        }
    }
    assert!(taken.is_empty(), "{taken:#?} and upstream: {:#?}", upstream.seen());
}

#[test]
fn a_body_that_ends_early_stores_nothing() {
    let (upstream, guard) = everything();
    for body in ["", "m 1\n", "m 1\nm 2\n"] {
        let answer = rest(&guard, put("Host: a\r\nContent-Length: 100\r\n") + body);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("body_incomplete"), "{body:?}: {answer}");
    }
    // A head that ends early is no request at all.
    assert_eq!(rest(&guard, "PUT /metrics/job/a HTTP/1.1\r\nHost: a\r\n"), "");
    assert_eq!(upstream.contacts(), (0, 0));
}

#[test]
fn http_1_0_and_close_end_the_connection() {
    let (_upstream, guard) = everything();
    let cases = [
        "GET /metrics HTTP/1.0\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST /metrics/job/a HTTP/1.0\r\nContent-Length: 4\r\n\r\nm 1\n",
        "GET /nope HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive, Close\r\n\r\n",
    ];
    for case in cases {
        let mut connection = Connection::open(guard.address());
        connection.send(format!("{case}GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = connection.receive("GET");
        assert_eq!(answer.header("Connection"), Some("close"), "{case:?}");
        connection.is_closed(case);
    }
}
