//! The log under attack: it never holds up the proxy, every line can be read, a flood is cut, and no secret is in it.
//!
//! `PUSHGUARD_VOLUME` is the number of hostile requests.

use crate::common::guard::{EVERYTHING, Guard, PASSWORD, Start, quickstart};
use crate::common::http::{Connection, Request};
use crate::common::log::Line;
use crate::common::upstream::{Upstream, ok};
use crate::volume::{Chance, Volume};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;

fn push(job: &str) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

fn lost(admin: SocketAddr, cause: &str) -> u64 {
    let page = Request::get("/metrics").send(admin).is(200, "", "metrics").text();
    let series = format!("pushguard_log_lines_lost_total{{cause=\"{cause}\"}} ");
    let value =
        page.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or_else(|| panic!("{series} in {page}"));
    value.parse().unwrap()
}

/// Whoever reads standard error has stopped to; the pipe is full, and requests are answered all the same.
#[test]
fn a_log_that_nobody_reads_holds_up_no_request() {
    let upstream = Upstream::start(|_| ok());
    let mut start = Start::new(EVERYTHING, &upstream.url());
    let mut child = start.command.spawn().unwrap();
    let mut log = BufReader::with_capacity(16, child.stderr.take().unwrap());
    let (mut addresses, mut line) = (Vec::<SocketAddr>::new(), String::new());
    loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
        let read = Line::logfmt(line.trim_end()).unwrap_or_else(|e| panic!("{line}: {e}"));
        match read.get("msg") {
            "listening" => addresses.push(read["address"].parse().unwrap()),
            "ready" => break,
            _ => {}
        }
    }
    let [address, admin] = addresses[..] else { panic!("two listeners: {addresses:?}") };
    let mut connection = Connection::open(address);
    let mut sent = 0;
    // The pipe and the queue take some; then lines are lost.
    while lost(admin, "stalled") < 1000 {
        for _ in 0..200 {
            connection.exchange(&push("ci")).is(200, "", format!("push {sent}"));
            sent += 1;
        }
        assert!(sent < 20_000, "no line was lost");
    }
    // With nobody to read, the end comes as well.
    let _ = std::process::Command::new("sh").args(["-c", &format!("kill {}", child.id())]).status();
    assert_eq!(crate::common::wait_exit(&mut child).code(), Some(0));
    drop(log);
}

/// Job names and paths that try to forge a line, to move the cursor, or to break a reader.
fn hostile(chance: &mut Chance) -> Request {
    const PARTS: &[&str] = &[
        "\n",
        "\r\n",
        "\" msg=\"ready",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{2028}",
        "\\",
        "=",
        " ",
        "{\"a\":1}",
        "\0",
        "\u{7f}",
        "\u{9b}31m",
        "a",
        "é",
        "😀",
        "\\u000a",
        "'",
        "`",
        "\u{feff}",
        "null",
        "\t",
        "x",
    ];
    let name: String = (0..1 + chance.below(12)).map(|_| *chance.pick(PARTS)).collect();
    let coded = URL_SAFE_NO_PAD.encode(&name);
    let header = name.replace(['\r', '\n', '\0'], "_");
    match chance.below(5) {
        0 => push(&format!("a/b@base64/{coded}")),
        1 => push("ci").header("Authorization", &format!("Basic {header}")),
        2 => push("ci").header("Origin", &header).header("User-Agent", &header),
        3 => Request::get(format!("/{}", header.replace(' ', "%20"))),
        _ => Request::post(format!("/metrics/job@base64/{coded}"), "m 1\n"),
    }
}

#[test]
fn every_line_can_be_read_whatever_clients_send() {
    let whole = Volume::read(400);
    for format in ["json", "logfmt"] {
        let upstream = Upstream::start(|_| ok());
        let start = Start::new(EVERYTHING, &upstream.url()).flag("--log.format", format);
        let mut guard = start.run();
        let mut answered = 0;
        for case in 0..whole.cases {
            let mut connection = Connection::open(guard.address());
            connection.send(hostile(&mut whole.chance(case)).bytes());
            answered += usize::from(connection.try_receive("POST").is_ok());
        }
        guard.stop();
        let raw = guard.log.raw();
        let read = |line: &String| if format == "json" { Line::json(line) } else { Line::logfmt(line) };
        let lines: Vec<Line> = raw.iter().map(|line| read(line).unwrap_or_else(|e| panic!("{line:?}: {e}"))).collect();
        let requests = lines.iter().filter(|line| line.get("msg") == "request").count();
        assert_eq!(requests, answered, "{format}: one line for each");
        assert!(raw.iter().all(|line| line.chars().all(|c| !c.is_control())), "{format}");
        assert_eq!(lines.iter().filter(|line| line.get("msg") == "ready").count(), 1, "{format}: none is forged");
        crate::volume::say(format!("{answered} hostile requests, {} lines of {format}, each readable", raw.len()));
    }
}

#[test]
fn a_flood_of_refusals_is_cut_and_what_is_missing_is_told() {
    let upstream = Upstream::start(|_| ok());
    let mut guard = Start::new(EVERYTHING, &upstream.url()).flag("--log.max-refusals", "5").run();
    let mut connection = Connection::open(guard.address());
    for _ in 0..500 {
        connection.exchange(&Request::get("/nope")).is(404, "target_unknown", "a refusal");
        connection.exchange(&push("ci")).is(200, "", "allowed");
    }
    let sampled = lost(guard.admin(), "sampled");
    guard.stop();
    let lines = guard.log.lines();
    let of = |reason: &str| lines.iter().filter(|l| l.get("msg") == "request" && l.get("reason") == reason).count();
    assert_eq!(of(""), 500, "what is allowed is told each time");
    let refused = of("target_unknown");
    assert!((5..250).contains(&refused), "{refused} of 500");
    assert_eq!(u64::try_from(500 - refused).unwrap(), sampled);
}

/// A secret that is sent in every place where one may stand, at the most talkative level.
#[test]
fn a_secret_is_in_no_log_metric_or_answer() {
    const CANARY: &str = "canary-7f3a9c51";
    let coded = base64::engine::general_purpose::STANDARD.encode(format!("ci:{CANARY}"));
    let upstream = Upstream::start(|_| ok());
    let mut guard: Guard = Start::new(&quickstart(), &upstream.url()).flag("--log.level", "trace").run();
    let with = |value: String| push("ci").header("Authorization", &value).bytes();
    let requests = [
        with(format!("Basic {coded}")),
        with(format!("Basic {coded}{CANARY}")),
        with(format!("Basic {CANARY}")),
        with(format!("Bearer {CANARY}")),
        with(format!("Bearer {CANARY}.{CANARY}.{CANARY}")),
        with(format!("Digest {CANARY}")),
        with(CANARY.to_owned()),
        format!("POST /metrics/job/ci HTTP/1.1\r\nHost: a\r\nAuthorization : {CANARY}\r\n\r\n").into_bytes(),
        format!("POST /metrics/job/ci HTTP/1.1\r\nHost: a\r\nAuthorization: {CANARY}\nX: a\r\n\r\n").into_bytes(),
        format!("POST /metrics/job/ci HTTP/1.1\r\nAuthorization: Basic {coded}\r\nAuthorization: {CANARY}\r\n\r\n")
            .into_bytes(),
        push("ci").header("Cookie", CANARY).header("Proxy-Authorization", CANARY).bytes(),
    ];
    for bytes in requests {
        let mut connection = Connection::open(guard.address());
        connection.send(&bytes);
        let answer = String::from_utf8_lossy(&connection.try_receive("POST").unwrap().bytes()).into_owned();
        assert!(!answer.contains(CANARY), "{answer}");
    }
    push("ci").basic("ci", PASSWORD).send(guard.address()).is(200, "", "the right one");
    let page = guard.metrics();
    let status = Request::get("/").host("localhost").send(guard.admin()).is(200, "", "the status page").text();
    // Whoever may list processes sees these.
    let [arguments, environment] = ["cmdline", "environ"].map(|file| {
        String::from_utf8_lossy(&std::fs::read(format!("/proc/{}/{file}", guard.pid())).unwrap()).into_owned()
    });
    let hash = std::fs::read_to_string(guard.folder.path().join("ci.phc")).unwrap();
    guard.stop();
    let log = guard.log.raw().join("\n");
    for secret in [CANARY, &coded, PASSWORD, hash.trim()] {
        for (place, text) in [
            ("the log", &log),
            ("the metrics", &page),
            ("the status page", &status),
            ("the arguments", &arguments),
            ("the environment", &environment),
        ] {
            assert!(!text.contains(secret), "{secret} in {place}:\n{text}");
        }
    }
}
