//! Clients that take their time: each is ended by its deadline, and nobody else notices.
//!
//! `PUSHGUARD_VOLUME` is the seconds of it. From 36 on it also shows how never-reading clients and bodies at the least
//! rate end, from 67 on how idle connections do.

mod common;
mod volume;

use common::guard::{EVERYTHING, Guard};
use common::http::{Connection, Request};
use common::upstream::{Upstream, answer, ok};
use common::wait_for;
use std::net::SocketAddr;
use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use volume::{Volume, say};

/// What stands in the README under "Default limits", seconds, and what a busy machine may add.
const HEAD: u64 = 10;
const BODY: u64 = 30;
const EXCHANGE: u64 = 30;
const IDLE: u64 = 60;
const LATE: u64 = 5;
/// A body may fall behind its least rate for that long.
const STALL: u64 = 5;
/// Connections of one source.
const OF_SOURCE: usize = 128;

const PAGE: usize = 8_000_000;

/// Each kind from an address of its own.
fn open(guard: SocketAddr, source: u8, count: usize) -> Vec<Connection> {
    (0..count).map(|_| Connection::open_from([127, 0, 0, source].into(), guard)).collect()
}

/// Sends `part` over each connection every half second until all are answered; when, and with what.
fn drip(mut connections: Vec<Connection>, part: &[u8], until: Duration) -> Vec<(Duration, u16)> {
    let started = Instant::now();
    let mut ended = Vec::new();
    while !connections.is_empty() && started.elapsed() < until {
        connections.retain_mut(|connection| {
            connection.send(part);
            let Some(answer) = connection.poll("POST") else { return true };
            ended.push((started.elapsed(), answer.status));
            connection.is_closed("behind the answer to a slow client");
            false
        });
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(connections.is_empty(), "{} slow clients are still served after {until:?}", connections.len());
    ended
}

fn all_timed_out(what: &str, ended: &[(Duration, u16)], seconds: Range<u64>) {
    let fits = |(after, status): &(Duration, u16)| *status == 408 && seconds.contains(&after.as_secs());
    assert!(ended.iter().all(fits), "{what} ends with 408 in {seconds:?} s: {ended:?}");
}

/// Pushes until it is over; how many went well, how many did not, and how long they took.
fn honest(guard: SocketAddr, over: &AtomicBool) -> (usize, usize, Vec<Duration>) {
    let (mut good, mut bad, mut took) = (0, 0, Vec::new());
    while !over.load(Ordering::Relaxed) {
        let started = Instant::now();
        // The client of the tests panics where it gets no answer.
        let answer = catch_unwind(|| Request::post(format!("/metrics/job/honest{}", good % 50), "m 1\n").send(guard));
        took.push(started.elapsed());
        if answer.is_ok_and(|answer| answer.status == 200) {
            good += 1
        } else {
            bad += 1
        }
        // A client that pushes without a pause is not honest.
        std::thread::sleep(Duration::from_millis(2));
    }
    (good, bad, took)
}

/// Ends the honest clients, however the test ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connections that the guard holds open beside the one that asks.
fn held(guard: &Guard) -> usize {
    guard.metric("pushguard_connections").expect("a count of connections") as usize - 1
}

#[test]
fn slow_clients_end_in_time_and_nobody_else_notices() {
    // Longer than all deadlines shows no more, and the volume of other tests is not meant as seconds.
    let seconds = Volume::read(14).cases.min(IDLE + 3 * LATE);
    let page = "m 1\n".repeat(PAGE / 4);
    let upstream = Upstream::start(move |seen| match seen.line() {
        "GET /metrics" => answer("200 OK", "", &page),
        _ => ok(),
    });
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let address = guard.address();
    let started = Instant::now();
    let left = |until: u64| Duration::from_secs(until).saturating_sub(started.elapsed());

    // All idle, as many as one source may have, from two; then the others.
    let mut idle = open(address, 5, OF_SOURCE);
    idle.extend(open(address, 6, OF_SOURCE));
    for connection in &mut idle {
        connection.exchange(&Request::post("/metrics/job/idle", "m 1\n")).is(200, "", "before it idles");
    }
    let idle_since = started.elapsed().as_secs();
    // Of one source few get to the gateway at once.
    let mut readers: Vec<Connection> = [4, 8, 9, 10].into_iter().flat_map(|source| open(address, source, 1)).collect();
    for reader in &mut readers {
        reader.send(Request::get("/metrics").bytes());
    }
    upstream.wait_seen(idle.len() + readers.len());

    let over = AtomicBool::new(false);
    let (good, bad, mut took) = std::thread::scope(|scope| {
        let ends = Over(&over);
        let honest: Vec<_> = (0..3).map(|_| scope.spawn(|| honest(address, &over))).collect();
        let heads = scope.spawn(move || {
            let mut heads = open(address, 2, 40);
            heads.iter_mut().for_each(|c| c.send("POST /metrics/job/slow HTTP/1.1\r\nHost: a\r\nX: "));
            drip(heads, b"x", Duration::from_secs(HEAD + LATE))
        });
        let bodies = scope.spawn(move || {
            let mut bodies = open(address, 3, 40);
            for (number, connection) in bodies.iter_mut().enumerate() {
                // Chunked ones count for the most that a body may have: more of them would find no room.
                let chunked = number % 8 == 1;
                let framing = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 9999" };
                connection.send(format!("POST /metrics/job/slow HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
                if chunked {
                    connection.send("270f\r\n");
                }
            }
            drip(bodies, b"#", Duration::from_secs(STALL + LATE))
        });
        // Just above 1024 bytes a second.
        let least = (seconds > BODY + LATE).then(|| {
            scope.spawn(move || {
                let mut bodies = open(address, 7, 5);
                let head = "POST /metrics/job/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
                bodies.iter_mut().for_each(|c| c.send(head));
                drip(bodies, &[b'#'; 600], Duration::from_secs(BODY + LATE))
            })
        });
        all_timed_out("a body of two bytes a second", &bodies.join().unwrap(), STALL - 2..STALL + LATE);
        all_timed_out("a head of two bytes a second", &heads.join().unwrap(), HEAD - 2..HEAD + LATE);
        if let Some(least) = least {
            all_timed_out("a body at the least rate", &least.join().unwrap(), BODY - 2..BODY + LATE);
        }
        if seconds > EXCHANGE + LATE {
            std::thread::sleep(left(EXCHANGE + LATE));
            let most = idle.len() + honest.len();
            assert!(held(&guard) <= most, "{} connections: those that never read are still held", held(&guard));
        } else {
            assert!(idle.iter_mut().all(|c| c.poll("POST").is_none()), "an idle connection is kept for {IDLE} s");
        }
        if seconds > IDLE + LATE {
            std::thread::sleep(left(idle_since + IDLE + LATE));
            assert!(held(&guard) <= honest.len(), "{} connections: idle ones are still held", held(&guard));
        }
        std::thread::sleep(left(seconds));
        drop(ends);
        honest.into_iter().map(|pushes| pushes.join().unwrap()).fold((0, 0, Vec::new()), |mut all, one| {
            all.2.extend(one.2);
            (all.0 + one.0, all.1 + one.1, all.2)
        })
    });

    if seconds > EXCHANGE + LATE {
        for reader in &mut readers {
            let rest = reader.rest().expect("it has ended");
            assert!(rest.len() < PAGE, "a client that never reads got the whole page");
        }
    }
    drop((idle, readers));
    wait_for("the end of all connections", || (held(&guard) == 0).then_some(()));
    took.sort_unstable();
    let at = |part: usize| took[(took.len() * part / 1000).min(took.len() - 1)].as_micros() as f64 / 1000.0;
    say(format!(
        "slow clients: {seconds} s, 40 heads, 40 bodies, 4 readers, 256 idle; honest pushes {good} good, {bad} bad, p50 \
         {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
        at(500),
        at(990),
        at(1000)
    ));
    assert!(good > 200, "{good} honest pushes are too few to say anything");
    assert!(bad * 1000 <= good + bad, "{bad} of {} honest pushes failed", good + bad);
    assert!(upstream.seen().iter().all(|seen| !seen.line().ends_with("/slow")), "nothing of a slow push went upstream");
}
