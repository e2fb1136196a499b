//! Too many at once: who is turned away, with which words, and that it passes.

mod common;

use common::guard::{EVERYTHING, Guard, Start};
use common::http::{Connection, Request, Response};
use common::upstream::{Reaction, Upstream, ok};
use common::wait_for;

fn push(job: impl std::fmt::Display) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

fn overloaded(answer: Response) -> Response {
    let answer = answer.is(503, "overloaded", "too many");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    assert_eq!(answer.header("RateLimit"), None, "no rule stands behind it");
    assert!(answer.text().contains("not applied"), "{}", answer.text());
    answer
}

/// The value of a sample of the admin page without labels.
fn sample(guard: &Guard, name: &str) -> u32 {
    let page = Request::get("/metrics").send(guard.admin()).is(200, "", name).text();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// A connection from one of the loopback addresses, as from another machine.
fn open_from(guard: &Guard, source: u8) -> Connection {
    Connection::open_from([127, 0, 0, source].into(), guard.address())
}

/// 128 connections from one source are served; a further one is closed without a byte and counted, and others are
/// served.
#[test]
fn one_source_cannot_take_all_connections() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let mut open: Vec<Connection> = (0..128).map(|_| open_from(&guard, 2)).collect();
    open[127].exchange(&push("a")).is(200, "", "the last that has room");
    open_from(&guard, 2).is_closed("one too many");
    push("a").send(guard.address()).is(200, "", "another source");
    assert_eq!(sample(&guard, "pushguard_connections_refused_total"), 1);
}

/// 512 connections are served; a further one is closed without a byte and counted.
#[test]
fn connections_beyond_the_limit_are_closed_and_counted() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let mut open: Vec<Connection> = (0..512u16).map(|n| open_from(&guard, 2 + (n / 128) as u8)).collect();
    // Connections are accepted in order: the last one answered means that all are in.
    open[511].exchange(&push("a")).is(200, "", "the last that has room");
    wait_for("512 connections", || (sample(&guard, "pushguard_connections") >= 512).then_some(()));
    for _ in 0..3 {
        Connection::open(guard.address()).is_closed("one too many");
    }
    assert_eq!(sample(&guard, "pushguard_connections_refused_total"), 3);
    Request::get("/-/healthy").send(guard.admin()).is(200, "", "the admin listener has room of its own");
    open[0].exchange(&push("a")).is(200, "", "who has a connection is served");
    drop(open);
    wait_for("room", || {
        let mut connection = Connection::open(guard.address());
        connection.send(push("a").bytes());
        connection.try_receive("POST").ok().filter(|answer| answer.status == 200)
    });
}

/// Bodies take what they declare out of 24 MiB; who finds no room within 2 s is told to come back.
#[test]
fn bodies_wait_for_room_and_not_for_ever() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    const MIB: usize = 1024 * 1024;
    // A comment in each line, so that the body is long and its series few.
    let body = format!("{}m 1\n", "# 34567\n".repeat(MIB / 8 - 1) + "# 4\n");
    let large = Request::post("/metrics/job/large", body).header("Expect", "100-continue");
    let mut holding: Vec<Connection> = (0..24)
        .map(|_| {
            let mut connection = Connection::open(guard.address());
            connection.send(large.head_bytes());
            assert_eq!(connection.receive("POST").status, 100, "there is room");
            connection
        })
        .collect();
    overloaded(push("a").send(guard.address()));
    Request::get("/metrics").send(guard.address()).is(200, "", "reads need no room");
    // One body less, and a small one fits.
    let mut first = holding.remove(0);
    first.send(large.body_bytes());
    first.receive("POST").is(200, "", "a large body");
    push("a").send(guard.address()).is(200, "", "with room again");
    // A client that goes away gives its room back.
    drop(holding);
    let answers: Vec<u16> = (0..4).map(|_| large.send(guard.address()).status).collect();
    assert_eq!(answers, [100; 4]);
}

/// Eight writes are at the gateway and 64 wait; the next is told to come back.
#[test]
fn writes_that_find_no_place_in_the_queue_are_told() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "GET /metrics" => ok(),
        _ => Reaction::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let mut waiting: Vec<Connection> = (0..72)
        .map(|n| {
            let mut connection = Connection::open(guard.address());
            connection.send(push(n).bytes());
            connection
        })
        .collect();
    upstream.wait_seen(8);
    // Those on their way take the last places; from then on nobody gets one.
    let turned_away = wait_for("a full queue", || {
        let mut connection = Connection::open(guard.address());
        connection.send(push("more").bytes());
        let answered = sample_after(&mut connection, &guard);
        if answered.is_none() {
            waiting.push(connection);
        }
        answered
    });
    overloaded(turned_away);
    assert_eq!(upstream.seen().len(), 8, "at most eight at the gateway");
    Request::get("/metrics").send(guard.address()).is(200, "", "a scrape passes by");
    upstream.release();
    let answers: Vec<u16> = waiting.iter_mut().map(|connection| connection.receive("POST").status).collect();
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 72, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 503].contains(status)), "{answers:?}");
}

/// The answer, if it came before those to some requests that were sent later.
fn sample_after(connection: &mut Connection, guard: &Guard) -> Option<Response> {
    for _ in 0..5 {
        Request::get("/nope").send(guard.address()).is(404, "target_unknown", "meanwhile");
    }
    connection.poll("POST")
}

/// A client that does not read its scrape holds up nobody else.
#[test]
fn a_reader_that_does_not_read_holds_up_nobody() {
    let page = "m 1\n".repeat(2_000_000);
    let upstream = Upstream::start(move |seen| match seen.line() {
        "GET /metrics" => common::upstream::answer("200 OK", "", &page),
        _ => ok(),
    });
    let guard = Start::new(EVERYTHING, &upstream.url()).run();
    let lazy: Vec<Connection> = (0..20)
        .map(|_| {
            let mut connection = Connection::open(guard.address());
            connection.send(Request::get("/metrics").bytes());
            connection
        })
        .collect();
    upstream.wait_seen(20);
    push("a").send(guard.address()).is(200, "", "a push");
    Request::get("/status").send(guard.address()).is(200, "", "another page");
    drop(lazy);
}
