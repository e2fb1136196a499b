//! A gateway that is broken or means harm: whatever it does, each client gets the right status in time, nothing of the
//! harm, and in the end no task and no descriptor is left over.
//!
//! `PUSHGUARD_VOLUME` is how often each behaviour is met.

use crate::common::guard::{EVERYTHING, Guard, Start};
use crate::common::http::{Connection, Request};
use crate::common::upstream::Upstream;
use crate::common::wait_for;
use crate::volume::{Volume, say};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    /// An answer.
    Is(u16, &'static str),
    /// A page that is broken off, and the connection with it.
    Cut,
}

use Told::{Cut, Is};

const FAILED: Told = Is(502, "upstream_failed");
const SLOW: Told = Is(504, "upstream_timeout");
const AWAY: Told = Is(503, "upstream_unavailable");
const FINE: Told = Is(200, "");

/// How a gateway behaves on each of its connections, and what follows for who writes and who reads.
struct Behaviour {
    name: &'static str,
    each: fn(&TcpStream),
    write: Told,
    read: Told,
}

/// The head of a request, byte by byte; what follows it is left unread.
fn head(mut stream: &TcpStream) -> Option<String> {
    // A connection that is kept and not used again ends.
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// A whole request.
fn request(mut stream: &TcpStream) -> Option<()> {
    let head = head(stream)?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
    stream.read_exact(&mut vec![0; length]).ok()
}

fn write(mut stream: &TcpStream, bytes: impl AsRef<[u8]>) -> bool {
    stream.write_all(bytes.as_ref()).is_ok()
}

/// Reads a request and answers with these bytes, then ends its side.
fn answer(stream: &TcpStream, bytes: impl AsRef<[u8]>) {
    if request(stream).is_some() {
        write(stream, bytes);
        let _ = stream.shutdown(Shutdown::Write);
        gone(stream);
    }
}

/// Waits until the other side is gone, and takes nothing.
fn gone(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(crate::common::DEADLINE)).unwrap();
    while let Ok(1..) = stream.read(&mut [0; 1024]) {}
}

/// Answers with these bytes and resets: a byte of the request was never read.
fn reset_behind(mut stream: &TcpStream, bytes: &str) {
    stream.set_nodelay(true).unwrap();
    // All but the end of the head, which is there.
    let _ = stream.read_exact(&mut [0; 16]);
    write(stream, bytes);
    // What was written must be there before the reset, which overtakes it.
    std::thread::sleep(Duration::from_millis(30));
}

/// Writes a part again and again.
fn repeat(stream: &TcpStream, start: &str, part: impl AsRef<[u8]>, pause: Duration) {
    if request(stream).is_some() && write(stream, start) {
        while write(stream, part.as_ref()) {
            std::thread::sleep(pause);
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[rustfmt::skip]
fn behaviours() -> Vec<Behaviour> {
    let be = |name, each, write, read| Behaviour { name, each, write, read };
    const DRIP: Duration = Duration::from_millis(50);
    vec![
        // Before an answer.
        be("closes as soon as a request comes", |s| { let _ = s.shutdown(Shutdown::Both); }, FAILED, FAILED),
        be("resets as soon as a request comes", |_| {}, FAILED, FAILED),
        be("never reads", |s| while still_there(s) {}, SLOW, SLOW),
        be("resets behind the head", |s| { head(s); write(s, ""); }, FAILED, FAILED),
        be("reads all and closes", |s| { request(s); }, FAILED, FAILED),
        be("reads all and says nothing", |s| { request(s); gone(s); }, SLOW, SLOW),
        // Something that is no head.
        be("speaks SSH", |s| answer(s, "SSH-2.0-OpenSSH_9.2\r\n"), FAILED, FAILED),
        be("speaks HTTP/2", |s| answer(s, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"), FAILED, FAILED),
        be("speaks HTTP/0.9", |s| answer(s, "m 1\n"), FAILED, FAILED),
        be("sends noise", |s| answer(s, (0..=255).cycle().take(5000).collect::<Vec<u8>>()), FAILED, FAILED),
        be("sends half a head and closes", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Le"), FAILED, FAILED),
        be("sends half a head and stops", |s| { request(s); write(s, "HTTP/1.1 200 OK\r\nContent-Le"); gone(s); }, SLOW, SLOW),
        be("sends a head byte by byte", |s| repeat(s, "HTTP/1.1 200 OK\r\nX: ", "x", DRIP), SLOW, SLOW),
        be("sends a head without end", |s| repeat(s, OK, format!("X: {}\r\n", "x".repeat(5000)), Duration::ZERO), FAILED, FAILED),
        be("sends ten thousand fields", |s| answer(s, format!("{OK}{}\r\n", "X: 1\r\n".repeat(10_000))), FAILED, FAILED),
        be("sends a status that is none", |s| answer(s, "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"), FAILED, FAILED),
        be("sends a folded field", |s| answer(s, "HTTP/1.1 200 OK\r\nX: 1\r\n evil: 1\r\nContent-Length: 0\r\n\r\n"), FINE, FINE),
        be("sends a NUL in a field", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Type: a\0evil\r\nContent-Length: 0\r\n\r\n"), FAILED, FAILED),
        be("splits the answer", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Type: a\rSet-Cookie: evil\r\nContent-Length: 0\r\n\r\n"), FAILED, FAILED),
        be("sends two lengths", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\nevil"), FAILED, FAILED),
        be("sends a length that is none", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nevil"), FAILED, FAILED),
        // Statuses.
        be("says continue a hundred times", |s| answer(s, "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)), FAILED, FAILED),
        be("says continue without end", |s| repeat(s, "", "HTTP/1.1 100 Continue\r\n\r\n", Duration::ZERO), FAILED, FAILED),
        be("switches protocols", |s| answer(s, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\nevil"), FAILED, FAILED),
        be("redirects, 301", |s| answer(s, "HTTP/1.1 301 X\r\nLocation: http://evil.test/\r\nContent-Length: 4\r\n\r\nevil"), FAILED, FAILED),
        be("redirects, 307", |s| answer(s, "HTTP/1.1 307 X\r\nLocation: http://evil.test/\r\nContent-Length: 4\r\n\r\nevil"), FAILED, FAILED),
        be("answers 204", |s| answer(s, "HTTP/1.1 204 No Content\r\n\r\n"), FAILED, FAILED),
        be("answers 206", |s| answer(s, "HTTP/1.1 206 X\r\nContent-Length: 4\r\n\r\nevil"), FAILED, FAILED),
        be("answers 304", |s| answer(s, "HTTP/1.1 304 X\r\n\r\n"), FAILED, FAILED),
        be("answers 401", |s| answer(s, "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=evil\r\nContent-Length: 4\r\n\r\nevil"), FAILED, FAILED),
        be("answers 500", |s| answer(s, "HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\nevil"), FAILED, FAILED),
        be("answers 503", |s| answer(s, "HTTP/1.1 503 X\r\nRetry-After: 86400\r\nContent-Length: 4\r\n\r\nevil"), FAILED, FAILED),
        // Bodies.
        be("stops behind the head", |s| { request(s); write(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"); gone(s); }, SLOW, SLOW),
        be("resets behind its head", |s| reset_behind(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), FAILED, FAILED),
        be("resets in its body", |s| reset_behind(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nm 1\n"), FAILED, Cut),
        be("closes in its body", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nm 1\n"), FAILED, Cut),
        be("sends its body byte by byte", |s| repeat(s, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", "#", DRIP), SLOW, Cut),
        be("sends chunks byte by byte", |s| repeat(s, CHUNKED, "1\r\n#\r\n", DRIP), SLOW, Cut),
        be("announces 1 GB", |s| repeat(s, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", [b'#'; 65536], Duration::ZERO), FAILED, FAILED),
        be("sends chunks without end", |s| repeat(s, CHUNKED, format!("4000\r\n{}\r\n", "#".repeat(0x4000)), Duration::ZERO), FAILED, Cut),
        be("sends a body without end", |s| repeat(s, "HTTP/1.1 200 OK\r\n\r\n", [b'#'; 65536], Duration::ZERO), FAILED, Cut),
        be("sends no chunk size", |s| answer(s, format!("{CHUNKED}x\r\nevil\r\n0\r\n\r\n")), FAILED, FAILED),
        be("sends a chunk size that overflows", |s| answer(s, format!("{CHUNKED}fffffffffffffffff\r\nevil\r\n0\r\n\r\n")), FAILED, FAILED),
        be("breaks its second chunk", |s| answer(s, format!("{CHUNKED}4\r\nm 1\n\r\nxx\r\nevil")), FAILED, Cut),
        be("leaves out the last chunk", |s| answer(s, format!("{CHUNKED}4\r\nm 1\n\r\n")), FAILED, Cut),
        // More than one answer.
        be("sends more than it announced", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nm 1\nevil"), FINE, FINE),
        be("answers twice", |s| answer(s, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nm 1\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), FINE, FINE),
        be("sends a trailer", |s| answer(s, format!("{CHUNKED}4\r\nm 1\n\r\n0\r\nSet-Cookie: evil\r\n\r\n")), FINE, FINE),
        be("sends fields of its own", |s| answer(s, "HTTP/1.1 200 OK\r\nSet-Cookie: evil\r\nLocation: evil\r\nContent-Length: 4\r\n\r\nm 1\n"), FINE, FINE),
        // A kept connection that ends when it is used again.
        be("closes when used again", |s| {
            if request(s).is_some() && write(s, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nm 1\n") {
                request(s);
            }
        }, FINE, FINE),
    ]
}

/// Whether the other side still waits; it does not read a byte.
fn still_there(stream: &TcpStream) -> bool {
    std::thread::sleep(Duration::from_millis(20));
    let mut state = String::new();
    let port = stream.peer_addr().unwrap().port();
    let _ = std::fs::File::open("/proc/net/tcp").and_then(|mut file| file.read_to_string(&mut state));
    let local = format!(":{:04X} ", stream.local_addr().unwrap().port());
    let peer = format!(":{port:04X} 01");
    state.lines().any(|line| line.contains(&local) && line.contains(&peer))
}

fn requests(number: u64) -> Vec<(&'static str, Request)> {
    let large = format!("{}m 1\n", "# 34567\n".repeat(100_000));
    vec![
        ("push", Request::post(format!("/metrics/job/a{number}"), "m 1\n")),
        ("large push", Request::put(format!("/metrics/job/b{number}"), large)),
        ("delete", Request::delete(format!("/metrics/job/c{number}"))),
        ("scrape", Request::get("/metrics")),
        ("page", Request::get("/status")),
    ]
}

/// Sends it over a connection of its own; what the client is told, and all of it.
fn ask(guard: &Guard, request: &Request, method: &str) -> (Told, String) {
    let mut connection = Connection::open(guard.address());
    connection.send(request.bytes());
    let Ok(answer) = connection.try_receive(method) else { return (Cut, String::new()) };
    let shown = format!("{:?} {}", answer.headers, answer.text());
    let reason = ["upstream_failed", "upstream_timeout", "upstream_unavailable", "overloaded"];
    let reason = reason.into_iter().find(|reason| *reason == answer.reason()).unwrap_or("");
    (Is(answer.status, reason), shown)
}

fn meet(guard: &Guard, number: u64, behaviour: &Behaviour) -> Vec<String> {
    let requests = requests(number);
    std::thread::scope(|scope| {
        let met = requests.iter().map(|(kind, request)| {
            let reads = ["scrape", "page"].contains(kind);
            let method = if reads { "GET" } else { "POST" };
            let expected = if reads { behaviour.read } else { behaviour.write };
            scope.spawn(move || {
                let started = Instant::now();
                let (told, shown) = ask(guard, request, method);
                let late = started.elapsed() > Duration::from_secs(30);
                let harm = shown.to_lowercase().contains("evil");
                let fault = told != expected || late || harm;
                fault.then(|| format!("{}, {kind}: {told:?} after {:?}: {shown}", behaviour.name, started.elapsed()))
            })
        });
        let met: Vec<_> = met.collect();
        met.into_iter().filter_map(|met| met.join().unwrap()).collect()
    })
}

fn tasks(guard: &Guard) -> usize {
    guard.metric("pushguard_tasks").expect("a number of tasks") as usize
}

/// What the guard does for itself now and then; each behaviour would leave five.
const OWN: usize = 2;

fn start(url: &str) -> Guard {
    let start = Start::new(EVERYTHING, url).flag("--upstream.connect-timeout", "1s");
    let start = start.flag("--upstream.first-byte-timeout", "2s").flag("--upstream.timeout", "4s");
    start.flag("--upstream.max-page", "1MiB").run()
}

#[test]
fn whatever_the_gateway_does_clients_are_told_and_nothing_is_left_over() {
    let rounds = Volume::read(1);
    let behaviours = Arc::new(behaviours());
    let current = Arc::new(AtomicUsize::new(0));
    let upstream = {
        let (behaviours, current) = (behaviours.clone(), current.clone());
        Upstream::raw(move |stream| (behaviours[current.load(Ordering::SeqCst)].each)(stream))
    };
    let guard = start(&upstream.url());
    let (files, before) = (guard.open_files(), tasks(&guard));
    let mut faults = Vec::new();
    for round in 0..rounds.cases {
        for (index, behaviour) in behaviours.iter().enumerate() {
            current.store(index, Ordering::SeqCst);
            faults.extend(meet(&guard, round, behaviour));
        }
    }
    assert!(faults.is_empty(), "{} faults, {rounds}\n{}", faults.len(), faults.join("\n"));
    // Connections that the gateway has closed are let go with the next one that is kept.
    let last = behaviours.iter().position(|behaviour| behaviour.name == "sends fields of its own").unwrap();
    current.store(last, Ordering::SeqCst);
    wait_for("the descriptors of the start", || {
        ask(&guard, &Request::get("/metrics"), "GET");
        (guard.open_files() <= files + OWN).then_some(())
    });
    wait_for("the tasks of the start", || (tasks(&guard) <= before + OWN).then_some(()));
    say(format!(
        "hostile gateway: {} behaviours, {} times five requests each: all told rightly, {before} tasks and {files} files \
         as at the start",
        behaviours.len(),
        rounds.cases
    ));
}

#[test]
fn a_gateway_that_cannot_be_reached_leaves_nothing_over() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let full = Upstream::not_accepting();
    for (name, url) in [("refuses", format!("http://{nobody}")), ("takes no connection", full.url())] {
        let guard = start(&url);
        let (files, before) = (guard.open_files(), tasks(&guard));
        let behaviour = Behaviour { name, each: |_| {}, write: AWAY, read: AWAY };
        let faults: Vec<String> =
            (0..Volume::read(1).cases).flat_map(|round| meet(&guard, round, &behaviour)).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        wait_for("the descriptors of the start", || (guard.open_files() <= files + OWN).then_some(()));
        wait_for("the tasks of the start", || (tasks(&guard) <= before + OWN).then_some(()));
    }
}
