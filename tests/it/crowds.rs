//! Too many at once: who is turned away, with which words, and that it passes.

use crate::common::guard::{EVERYTHING, Guard, PASSWORD, Start};
use crate::common::http::{Connection, Request, Response};
use crate::common::upstream::{Reaction, Upstream, ok};
use crate::common::wait_for;

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

/// A connection from one of the loopback addresses, as from another machine.
fn open_from(guard: &Guard, source: u8) -> Connection {
    Connection::open_from([127, 0, 0, source].into(), guard.address())
}

const REFUSED: &str = "pushguard_connections_refused_total";

/// The series that counts how often that limit ended something.
fn reached(limit: &str) -> String {
    format!("pushguard_limits_reached_total{{limit=\"{limit}\"}}")
}

/// Whether a push over that connection goes well; it may be closed without an answer.
fn answered(mut connection: Connection) -> Option<()> {
    connection.send(push("a").bytes());
    connection.try_receive("POST").ok().filter(|answer| answer.status == 200).map(drop)
}

/// Takes a place for as long as a body may take.
fn occupied(guard: &Guard, source: u8) -> Connection {
    let mut connection = open_from(guard, source);
    let request = Request::post("/metrics/job/slow", vec![b'#'; 1000]).header("Expect", "100-continue");
    connection.send(request.head_bytes());
    assert_eq!(connection.receive("POST").status, 100, "its body is waited for");
    connection
}

/// A source that has all its connections gives up its own that waits longest; others notice nothing.
#[test]
fn one_source_cannot_take_all_connections() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let mut open: Vec<Connection> = (0..128).map(|_| open_from(&guard, 2)).collect();
    open[127].exchange(&push("a")).is(200, "", "the last that has room");
    let mut more = open_from(&guard, 2);
    more.exchange(&push("a")).is(200, "", "one more");
    let closed = open.iter_mut().filter_map(|connection| connection.has_ended().then_some(())).count();
    assert_eq!(closed, 1, "one of its own gave way");
    push("a").send(guard.address()).is(200, "", "another source");
    guard.await_metric(&reached("web.max-connections-per-source"), 1.0);
    guard.await_metric(REFUSED, 0.0);
}

/// Where none of a source's connections waits, a further one is closed without a byte, and counted.
#[test]
fn a_source_that_is_busy_gets_no_more_connections() {
    let upstream = Upstream::start(|_| ok());
    let guard = Start::new(EVERYTHING, &upstream.url()).flag("--web.max-connections-per-source", "3").run();
    let busy: Vec<Connection> = (0..3).map(|_| occupied(&guard, 2)).collect();
    open_from(&guard, 2).is_closed("one too many");
    open_from(&guard, 3).exchange(&push("a")).is(200, "", "another source");
    guard.await_metric(&reached("web.max-connections-per-source"), 1.0);
    guard.await_metric(REFUSED, 1.0);
    drop(busy);
    wait_for("room", || answered(open_from(&guard, 2)));
}

/// All places are taken by requests; a further connection is closed without a byte and counted.
#[test]
fn connections_beyond_the_limit_are_closed_and_counted() {
    let upstream = Upstream::start(|_| ok());
    let guard = Start::new(EVERYTHING, &upstream.url()).flag("--web.max-connections", "8").run();
    let mut busy: Vec<Connection> = (0..8).map(|n| occupied(&guard, 2 + n)).collect();
    for _ in 0..3 {
        Connection::open(guard.address()).is_closed("one too many");
    }
    guard.await_metric(REFUSED, 3.0);
    guard.await_metric(&reached("web.max-connections"), 3.0);
    Request::get("/-/healthy").send(guard.admin()).is(200, "", "the admin listener has room of its own");
    busy[0].send([b"#\n".repeat(498), b"m 1\n".to_vec()].concat());
    busy[0].receive("POST").is(200, "", "who has a connection is served");
    // It waits for its next request now, or will in a moment, and gives way.
    wait_for("room", || answered(Connection::open(guard.address())));
    busy[0].is_closed("the only one that waited");
    drop(busy);
}

/// Silent connections from many addresses, as many as each may have, keep nobody out: neither those that never say a
/// word, nor idle ones, nor those that stop in the middle of a head.
#[test]
fn silent_connections_from_many_addresses_keep_nobody_out() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for (kind, part) in [("silent", ""), ("half a head", "POST /metrics/job/a HTTP/1.1\r\nHost: a\r\nX: ")] {
        let mut open = Vec::new();
        for source in 2..12 {
            for _ in 0..128 {
                let mut connection = open_from(&guard, source);
                connection.send(part);
                open.push(connection);
            }
        }
        // Connections are taken in order: when this one is answered, all the others were.
        push("last").send(guard.address()).is(200, "", kind);
        assert!(guard.metric("pushguard_connections").unwrap() > 500.0, "{kind}: all places are taken");
        for honest in 0..100 {
            let source = [127, 0, 1, honest].into();
            push(honest).send_from(source, guard.address()).is(200, "", format!("{kind}: push {honest}"));
        }
        let mut kept = Connection::open(guard.address());
        for honest in 0..100 {
            kept.exchange(&push(honest)).is(200, "", format!("{kind}: push {honest} over one connection"));
        }
    }
}

/// Bodies take what they declare out of 24 MiB. A source gets a third of what there is and a principal half; who finds
/// no room within 2 s is told to come back.
#[test]
fn bodies_wait_for_room_and_not_for_ever() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    const MIB: usize = 1024 * 1024;
    // A comment in each line, so that the body is long and its series few.
    let body = format!("{}m 1\n", "# 34567\n".repeat(MIB / 8 - 1) + "# 4\n");
    let large = Request::post("/metrics/job/large", body).header("Expect", "100-continue");
    let hold = |source| {
        let mut connection = open_from(&guard, source);
        connection.send(large.head_bytes());
        (connection.receive("POST").status, connection)
    };
    let mut holding: Vec<_> = (0..8).map(|_| hold(2)).chain((0..4).map(|n| hold(3 + n))).collect();
    assert!(holding.iter().all(|(status, _)| *status == 100), "there is room");
    let refused = |source| overloaded(large.send_from([127, 0, 0, source].into(), guard.address()));
    refused(2);
    refused(20);
    guard.await_metric(&reached("web.max-body-memory"), 2.0);
    Request::get("/metrics").send(guard.address()).is(200, "", "reads need no room");
    // One body less, and another fits.
    let (_, first) = &mut holding[0];
    first.send(large.body_bytes());
    first.receive("POST").is(200, "", "a large body");
    assert_eq!(large.send_from([127, 0, 0, 20].into(), guard.address()).status, 100, "with room again");
    // A client that goes away gives its room back.
    drop(holding);
    let answers: Vec<u16> = (0..4).map(|_| large.send(guard.address()).status).collect();
    assert_eq!(answers, [100; 4]);
}

/// Two principals, one of which holds as much room as it gets with bodies that come just fast enough.
#[test]
fn trickling_bodies_leave_room_for_other_principals_and_sources() {
    let policy = r#"
version: 1
principals:
  hostile:
    basic: { username: hostile, password_hash_file: ci.phc }
    from: anywhere
    grants: [{ operations: [push], job: "*" }]
    quotas: [{ per: principal, burst: 100000, period: 1s }]
  honest:
    anonymous: true
    from: anywhere
    grants: [{ operations: [push], job: "*" }]
    quotas: [{ per: principal, burst: 100000, period: 1s }]
"#;
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(policy, &upstream.url());
    // Chunked bodies reserve the most that a body may have.
    let trickling: Vec<Connection> = (0..25)
        .map(|_| {
            let mut connection = open_from(&guard, 2);
            connection
                .send(Request::new("POST", "/metrics/job/slow").basic("hostile", PASSWORD).chunked("").head_bytes());
            connection.send("2000\r\n");
            connection.send([b'#'; 4096]);
            connection
        })
        .collect();
    wait_for("all room that the source gets", || {
        (guard.metric(&reached("web.max-body-memory"))? >= 17.0).then_some(())
    });
    for number in 0..200 {
        let request = push("honest");
        let request =
            if number % 2 == 0 { request } else { Request::new("POST", "/metrics/job/honest").chunked("m 1\n") };
        request.send(guard.address()).is(200, "", format!("push {number}"));
    }
    let own = push("own").basic("hostile", PASSWORD).send_from([127, 0, 0, 3].into(), guard.address());
    own.is(200, "", "the same principal from another source");
    drop(trickling);
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

/// Clients that do not read their scrape hold up nobody else, and of one source few get so far.
#[test]
fn readers_that_do_not_read_hold_up_nobody() {
    let page = "m 1\n".repeat(2_000_000);
    let upstream = Upstream::start(move |seen| match seen.line() {
        "GET /metrics" => crate::common::upstream::answer("200 OK", "", &page),
        _ => ok(),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let lazy = |source| {
        let mut connection = open_from(&guard, source);
        connection.send(Request::get("/metrics").bytes());
        connection
    };
    let of_one: Vec<Connection> = (0..10).map(|_| lazy(2)).collect();
    upstream.wait_seen(2);
    let of_others: Vec<Connection> = (3..8).map(lazy).collect();
    upstream.wait_seen(7);
    push("a").send(guard.address()).is(200, "", "a push");
    Request::get("/status").send(guard.address()).is(200, "", "another page");
    let mut scrape = Connection::open(guard.address());
    scrape.send(Request::get("/metrics").bytes());
    assert_eq!(scrape.receive("GET").body.len(), 8_000_000, "another source's scrape");
    wait_for("the rest of one source", || (guard.metric(&reached("upstream.max-scrapes"))? >= 8.0).then_some(()));
    drop((of_one, of_others));
    assert_eq!(upstream.seen().iter().filter(|seen| seen.line() == "GET /metrics").count(), 8);
}

/// Reads of pages and of the API do not keep a scrape waiting, nor do pushes.
#[test]
fn a_scrape_passes_by_all_others() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "GET /metrics" => crate::common::upstream::answer("200 OK", "", "m 1\n"),
        _ => Reaction::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let waiting = |request: Request, source| {
        let mut connection = open_from(&guard, source);
        connection.send(request.bytes());
        connection
    };
    let pages = ["/", "/status", "/api/v1/metrics", "/api/v1/status", "/static/a", "/-/ready", "/-/healthy", "/"];
    let mut reads: Vec<Connection> = (2..10).zip(pages).map(|(n, page)| waiting(Request::get(page), n)).collect();
    let mut writes: Vec<Connection> = (0..8).map(|n| waiting(push(n), 2)).collect();
    // Groups may share a lock, so not every push needs to be there.
    wait_for("the reads at the gateway", || {
        let seen = upstream.seen();
        let reads = seen.iter().filter(|seen| seen.line().starts_with("GET")).count();
        (reads == 8 && seen.len() > 10).then_some(())
    });
    Request::get("/metrics").send(guard.address()).is(200, "", "a scrape");
    let refused = overloaded(Request::get("/status").send(guard.address()));
    assert_eq!(&guard.record(&refused)["detail"], "too many reads are at the gateway");
    guard.await_metric(&reached("upstream.max-reads"), 1.0);
    upstream.release();
    for read in &mut reads {
        read.receive("GET").is(200, "", "a read that waited for the gateway");
    }
    for write in &mut writes {
        write.receive("POST").is(200, "", "a push that waited for the gateway");
    }
    Request::get("/status").send(guard.address()).is(200, "", "with places again");
}
