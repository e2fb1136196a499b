//! One pushguard takes the place of another while requests go on, behind something that learns late who is ready.
//!
//! `PUSHGUARD_VOLUME` is the number of restarts.

mod common;
mod volume;

use common::balancer::{Balancer, Endpoint};
use common::guard::{EVERYTHING, Guard, Start};
use common::http::{Connection, Request};
use common::upstream::{Upstream, ok};
use common::wait_for;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use volume::{Volume, say};

/// What a balancer takes to act on what it learns.
const LAG: Duration = Duration::from_millis(100);
/// The time between two pushes of a client.
const PACE: Duration = Duration::from_millis(20);

fn endpoint(guard: &Guard) -> Endpoint {
    Endpoint { serves: guard.address(), admin: guard.admin() }
}

/// Pushes over kept connections until told to end; answers how often.
fn client(address: SocketAddr, job: &str, keeps: bool, over: &AtomicBool) -> usize {
    let mut connection: Option<Connection> = None;
    let mut pushes = 0;
    while !over.load(Ordering::SeqCst) {
        // As every client does: a connection that has ended while it was idle is not used again.
        let mut open = connection.take().filter(Connection::is_open).unwrap_or_else(|| Connection::open(address));
        let answer = open.exchange(&Request::post(format!("/metrics/job/{job}"), "m 1\n"));
        assert_eq!(answer.status, 200, "push {pushes} of {job}: {answer:?}");
        pushes += 1;
        connection = Some(open).filter(|_| keeps && answer.header("Connection") == Some("keep-alive"));
        std::thread::sleep(PACE);
    }
    pushes
}

#[test]
fn no_request_fails_when_one_takes_the_place_of_another() {
    let restarts = Volume::read(10).cases;
    let upstream = Upstream::start(|seen| {
        if seen.line().ends_with("slow") {
            std::thread::sleep(Duration::from_millis(300));
        }
        ok()
    });
    let start = || Start::new(EVERYTHING, &upstream.url()).flag("--web.drain-delay", "1s").run();
    let balancer = Balancer::start(LAG);
    let mut running = start();
    let join = |guard: &Guard| {
        balancer.add(endpoint(guard));
        wait_for("the balancer to send to it", || balancer.sends_to(endpoint(guard)).then_some(()));
    };
    join(&running);
    let (over, began) = (AtomicBool::new(false), Instant::now());
    let (pushes, slowest) = std::thread::scope(|scope| {
        let (over, address) = (&over, balancer.address);
        // One in three opens a connection for each push, one takes long.
        let jobs = ["a", "b", "c", "d", "e", "slow"];
        let push = |(n, job): (usize, &'static str)| scope.spawn(move || client(address, job, n % 3 != 2, over));
        let clients: Vec<_> = jobs.into_iter().enumerate().map(push).collect();
        let mut slowest = Duration::ZERO;
        for restart in 0..restarts {
            let mut old = std::mem::replace(&mut running, start());
            join(&running);
            let told = Instant::now();
            assert_eq!(old.stop().code(), Some(0), "restart {restart}");
            slowest = slowest.max(told.elapsed());
            balancer.forget(endpoint(&old));
            let ends: Vec<String> = old.log.lines().iter().map(|line| line.get("msg").to_owned()).collect();
            assert!(ends.contains(&"stopped".to_owned()), "restart {restart}: {ends:?}");
        }
        over.store(true, Ordering::SeqCst);
        (clients.into_iter().map(|client| client.join().expect("no push fails")).sum::<usize>(), slowest)
    });
    assert_eq!(upstream.seen().len(), pushes, "each push came through once");
    let rate = pushes as f64 / began.elapsed().as_secs_f64();
    say(format!("{restarts} restarts, {pushes} pushes ({rate:.0} a second), 0 failed; slowest end {slowest:?}"));
}

/// What is asked while it ends is answered, and each answer says that the connection ends.
#[test]
fn readiness_falls_first_and_listeners_stay_for_the_delay() {
    let upstream = Upstream::start(|_| ok());
    let mut guard = Start::new(EVERYTHING, &upstream.url()).flag("--web.drain-delay", "1h").run();
    let push = Request::post("/metrics/job/ci", "m 1\n");
    let mut kept = Connection::open(guard.address());
    assert_eq!(kept.exchange(&push).header("Connection"), Some("keep-alive"));
    guard.signal("TERM");
    let stopping = guard.log.line("that it stops", |line| line.get("msg") == "stopping");
    assert_eq!(&stopping["drain_seconds"], "3600.000000");
    Request::get("/-/ready").send(guard.admin()).is(503, "", "readiness");
    Request::get("/-/healthy").send(guard.admin()).is(200, "", "liveness");
    let answer = kept.exchange(&push).is(200, "", "a kept connection");
    assert_eq!(answer.header("Connection"), Some("close"));
    kept.is_closed("after its answer");
    let answer = push.send(guard.address()).is(200, "", "a new connection");
    assert_eq!(answer.header("Connection"), Some("close"));
    guard.signal("TERM");
    // Long before the hour is over.
    assert_eq!(guard.ended().code(), Some(0));
}

#[test]
fn an_interrupt_waits_for_no_delay() {
    let mut guard = Start::new(EVERYTHING, "http://127.0.0.1:1").flag("--web.drain-delay", "1h").run();
    guard.signal("INT");
    assert_eq!(guard.ended().code(), Some(0));
}

/// A client that has gone does not take its push with it: the gateway gets the whole of it before the process ends.
#[test]
fn a_push_on_its_way_is_finished_though_nobody_waits_for_it() {
    let finished = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = finished.clone();
    let upstream = Upstream::start(move |_| {
        std::thread::sleep(Duration::from_millis(700));
        counted.fetch_add(1, Ordering::SeqCst);
        ok()
    });
    let start = Start::new(EVERYTHING, &upstream.url()).flag("--upstream.timeout", "400ms");
    let mut guard = start.flag("--upstream.first-byte-timeout", "2s").run();
    Request::post("/metrics/job/ci", "m 1\n").send(guard.address()).is(504, "upstream_timeout", "nobody waits");
    guard.stop();
    assert_eq!(finished.load(Ordering::SeqCst), 1);
}

#[test]
fn requests_are_cut_after_the_time_to_stop() {
    let upstream = Upstream::start(|_| common::upstream::Reaction::Hang);
    let mut guard = Start::new(EVERYTHING, &upstream.url()).flag("--web.shutdown-timeout", "300ms").run();
    let mut connection = Connection::open(guard.address());
    connection.send(Request::post("/metrics/job/ci", "m 1\n").bytes());
    upstream.wait_seen(1);
    assert_eq!(guard.stop().code(), Some(0));
    assert!(guard.log.lines().iter().any(|line| line.get("msg") == "requests cut after the time to stop"));
    connection.is_closed("a cut request");
}
