//! Every limit of the process: its flag sets it, it ends what it must end, and the metric counts that under its name.

use crate::common::guard::{EVERYTHING, Start};
use crate::common::http::{Connection, Request, Response};
use crate::common::upstream::{Reaction, Upstream, answer, ok};
use crate::common::wait_for;
use pushguard::policy::Limit;
use std::net::SocketAddr;

/// Meets a limit.
struct Case {
    limit: Limit,
    flags: &'static [(&'static str, &'static str)],
    upstream: fn() -> Upstream,
    meet: fn(SocketAddr, &Upstream) -> Option<Response>,
    /// What the client is told; nothing where the connection just ends.
    told: Option<(u16, &'static str)>,
}

fn taking() -> Upstream {
    Upstream::start(|_| ok())
}

fn hanging() -> Upstream {
    Upstream::start(|_| Reaction::Hang)
}

/// Begins an answer and does not end it.
fn stopping() -> Upstream {
    Upstream::start(|_| Reaction::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nm".to_vec()))
}

fn wordy() -> Upstream {
    Upstream::start(|_| answer("200 OK", "", &"#\n".repeat(600)))
}

fn push(job: &str) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

fn waiting(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Connection {
    let mut connection = Connection::open(address);
    connection.send(bytes);
    connection
}

/// A body that does not come.
fn slow_body(address: SocketAddr) -> Connection {
    let head = "POST /metrics/job/slow HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let mut connection = waiting(address, head);
    assert_eq!(connection.receive("POST").status, 100);
    connection
}

fn closed_beside_a_body(address: SocketAddr) -> Option<Response> {
    let _busy = slow_body(address);
    Connection::open(address).is_closed("one too many");
    None
}

/// Writes to these groups, one after the other, while the gateway says nothing; the answer to the last.
fn writes(address: SocketAddr, upstream: &Upstream, jobs: [&str; 3]) -> Option<Response> {
    let first = waiting(address, push(jobs[0]).bytes());
    upstream.wait_seen(1);
    // The second and the third meet in the queue; which of them is turned away is chance.
    let mut others = [jobs[1], jobs[2]].map(|job| waiting(address, push(job).bytes()));
    let told = wait_for("an answer", || others.iter_mut().find_map(|connection| connection.poll("POST")));
    drop(first);
    Some(told)
}

fn second_read(address: SocketAddr, upstream: &Upstream, page: &str) -> Option<Response> {
    let _first = waiting(address, Request::get(page).bytes());
    upstream.wait_seen(1);
    Some(Request::get(page).send(address))
}

/// Sends requests and takes no answers until the other side gives up.
fn answers_not_taken(address: SocketAddr, _: &Upstream) -> Option<Response> {
    let mut connection = Connection::open(address);
    let many = Request::get("/nope").header("Accept", "application/json").bytes().repeat(500);
    let sent = (0..200).find(|_| !connection.try_send(&many));
    assert!(sent.is_some(), "100,000 answers were written to nobody");
    None
}

/// Nobody takes connections there: those that its queue has room for are waiting in it.
fn full() -> Upstream {
    Upstream::not_accepting()
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let case = |limit, flags, upstream, meet, told| Case { limit, flags, upstream, meet, told };
    let overloaded = Some((503, "overloaded"));
    let (slow, gateway_slow) = (Some((408, "request_timeout")), Some((504, "upstream_timeout")));
    vec![
        case(Limit::Connections, &[("--web.max-connections", "1")], taking, |a, _| closed_beside_a_body(a), None),
        case(Limit::SourceConnections, &[("--web.max-connections-per-source", "1")], taking,
            |a, _| closed_beside_a_body(a), None),
        case(Limit::Idle, &[("--web.idle-timeout", "200ms")], taking, |a, _| {
            Connection::open(a).is_closed("idle");
            None
        }, None),
        case(Limit::HeadTime, &[("--web.head-timeout", "200ms")], taking,
            |a, _| Some(waiting(a, "POST / HTTP/1.1\r\nHost:").receive("POST")), slow),
        case(Limit::HeadBytes, &[("--web.max-head-bytes", "512")], taking,
            |a, _| Some(push("a").header("X", &"x".repeat(500)).send(a)), Some((431, "head_too_large"))),
        case(Limit::HeadFields, &[("--web.max-header-fields", "3")], taking,
            |a, _| Some(push("a").header("X", "1").header("Y", "2").send(a)), Some((431, "head_too_large"))),
        case(Limit::TargetBytes, &[("--web.max-target-bytes", "256")], taking,
            |a, _| Some(push(&"x".repeat(250)).send(a)), Some((414, "target_too_long"))),
        case(Limit::BodyTime, &[("--web.body-timeout", "200ms")], taking,
            |a, _| Some(slow_body(a).receive("POST")), slow),
        case(Limit::BodyRate, &[("--web.body-min-rate", "100000")], taking,
            |a, _| Some(slow_body(a).receive("POST")), slow),
        case(Limit::BodyBytes, &[], taking, |a, _| {
            let head = "POST /metrics/job/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n";
            Some(waiting(a, head).receive("POST"))
        }, Some((413, "payload_too_large"))),
        case(Limit::BodyMemory, &[("--web.max-body-memory", "1MiB"), ("--web.room-timeout", "100ms")], taking, |a, _| {
            let _room = slow_body(a);
            Some(Request::new("POST", "/metrics/job/a").chunked("m 1\n").send(a))
        }, overloaded),
        case(Limit::RequestTime, &[("--web.request-timeout", "300ms")], hanging,
            |a, _| Some(push("a").send(a)), gateway_slow),
        case(Limit::RequestTime, &[("--web.request-timeout", "300ms")], hanging,
            |a, _| Some(Request::get("/metrics").send(a)), gateway_slow),
        case(Limit::RequestTime, &[("--web.request-timeout", "300ms")], taking,
            |a, _| Some(slow_body(a).receive("POST")), slow),
        case(Limit::WriteTime, &[("--web.write-timeout", "200ms")], taking, answers_not_taken, None),
        case(Limit::WriteQueue, &[("--upstream.max-writes", "1"), ("--upstream.max-queue", "1")], hanging,
            |a, u| writes(a, u, ["a", "b", "c"]), overloaded),
        case(Limit::GroupQueue, &[("--upstream.max-group-queue", "1")], hanging,
            |a, u| writes(a, u, ["a", "a", "a"]), overloaded),
        case(Limit::Scrapes, &[("--upstream.max-scrapes", "1"), ("--web.room-timeout", "100ms")], hanging,
            |a, u| second_read(a, u, "/metrics"), overloaded),
        case(Limit::Reads, &[("--upstream.max-reads", "1"), ("--web.room-timeout", "100ms")], hanging,
            |a, u| second_read(a, u, "/status"), overloaded),
        case(Limit::ConnectTime, &[("--upstream.connect-timeout", "200ms")], full,
            |a, _| Some(push("a").send(a)), Some((503, "upstream_unavailable"))),
        case(Limit::FirstByteTime, &[("--upstream.first-byte-timeout", "200ms")], hanging,
            |a, _| Some(push("a").send(a)), gateway_slow),
        case(Limit::ExchangeTime, &[("--upstream.timeout", "200ms")], stopping,
            |a, _| Some(push("a").send(a)), gateway_slow),
        case(Limit::ExchangeTime, &[("--upstream.timeout", "200ms")], hanging,
            |a, _| Some(Request::get("/metrics").send(a)), gateway_slow),
        case(Limit::AnswerBytes, &[("--upstream.max-answer", "1KiB")], wordy,
            |a, _| Some(push("a").send(a)), Some((502, "upstream_failed"))),
        case(Limit::PageBytes, &[("--upstream.max-page", "1KiB")], wordy,
            |a, _| Some(Request::get("/metrics").send(a)), Some((502, "upstream_failed"))),
    ]
}

fn reached(limit: Limit) -> String {
    format!("pushguard_limits_reached_total{{limit=\"{}\"}}", limit.name())
}

#[test]
fn each_limit_ends_what_it_must_and_is_counted() {
    let cases = cases();
    for limit in Limit::ALL {
        assert!(cases.iter().any(|case| case.limit == *limit), "no case meets {}", limit.name());
    }
    std::thread::scope(|scope| {
        for case in &cases {
            scope.spawn(move || meet(case));
        }
    });
}

fn meet(case: &Case) {
    let about = format!("{} with {:?}", case.limit.name(), case.flags);
    let upstream = (case.upstream)();
    let start = case.flags.iter().fold(Start::new(EVERYTHING, &upstream.url()), |start, (n, v)| start.flag(n, v));
    let guard = start.run();
    assert_eq!(guard.metric(&reached(case.limit)), Some(0.0), "{about}: it is there from the start");
    let told = (case.meet)(guard.address(), &upstream);
    assert_eq!(told.as_ref().map(|t| (t.status, t.reason())), case.told, "{about}");
    guard.await_metric(&reached(case.limit), 1.0);
    let others =
        Limit::ALL.iter().filter(|limit| **limit != case.limit && guard.metric(&reached(**limit)) != Some(0.0));
    let others: Vec<&str> = others.map(|limit| limit.name()).collect();
    assert!(others.is_empty(), "{about}: also counted {others:?}");
}

/// A page that turns out too long, or stops, when its head is through: the client sees that it is cut.
#[test]
fn a_page_that_meets_its_limit_on_the_way_is_broken_off() {
    for (flag, value, limit) in
        [("--upstream.max-page", "1KiB", Limit::PageBytes), ("--upstream.timeout", "500ms", Limit::ExchangeTime)]
    {
        let page = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", "4\r\nm 1\n\r\n".repeat(300));
        let upstream = Upstream::start(move |_| Reaction::Answer(page.clone().into_bytes()));
        let guard = Start::new(EVERYTHING, &upstream.url()).flag(flag, value).run();
        let mut connection = waiting(guard.address(), Request::get("/metrics").bytes());
        let page = connection.rest().unwrap();
        let text = String::from_utf8_lossy(&page);
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("m 1\n") && !text.contains("\r\n0\r\n"), "{flag}");
        guard.await_metric(&reached(limit), 1.0);
        let record = guard.log.line("of the scrape", |line| line.get("msg") == "request");
        assert_ne!(&record["detail"], "", "{flag}: {record:?}");
    }
}
