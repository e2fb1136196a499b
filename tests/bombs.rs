//! Bodies made to cost: each is refused, the gateway never hears of it, and the guard's memory stays where it was.
//!
//! `PUSHGUARD_BOMBS=64` sets how many at once the last part sends. CPU and memory of each family are printed, and
//! held to what a bomb may cost.

mod common;
mod volume;

use common::guard::{EVERYTHING, Guard};
use common::http::Request;
use common::upstream::{Upstream, ok};
use std::fs;
use volume::bodies::{GAUGE, PROTOBUF, bytes, delimited, family, label, metric, varint};
use volume::coded::{gzip, snappy};

const MIB: usize = 1024 * 1024;
/// Milliseconds of CPU, not of the clock, that a bomb may cost; none takes a tenth of it.
const MOST_CPU: u64 = 200;

struct Bomb {
    name: &'static str,
    request: Request,
    status: u16,
    words: &'static str,
}

fn text(body: impl Into<Vec<u8>>) -> Request {
    Request::post("/metrics/job/bomb", body)
}

fn coded(coding: &str, body: Vec<u8>) -> Request {
    text(body).header("Content-Encoding", coding)
}

fn wire(body: Vec<u8>) -> Request {
    text(body).header("Content-Type", PROTOBUF)
}

fn bombs() -> Vec<Bomb> {
    let bomb = |name, request, status, words| Bomb { name, request, status, words };
    let comment = |length: usize| [b"# ".to_vec(), vec![b'x'; length], b"\n".to_vec()].concat();
    let value = |length: usize| format!("m{{a=\"{}\"}} 1\n", "v".repeat(length)).into_bytes();
    let tiny: Vec<u8> = (0..400_000).flat_map(|n| format!("m{{n=\"{n}\"}} 1\n").into_bytes()).collect();
    let few: Vec<u8> = (0..40_000).flat_map(|n| format!("m{{n=\"{n}\"}} 1\n").into_bytes()).collect();
    let labels: String = (0..16_000).map(|n| format!("l{n}=\"\",")).collect();
    let labels = format!("m{{{labels}}} 1\n").into_bytes();
    let wire_labels: Vec<Vec<u8>> = (0..16_000).map(|n| label(format!("l{n}"), "v")).collect();
    let claims: Vec<u8> = (0..64).flat_map(|power| [varint((1 << power) | 1), b"x".to_vec()].concat()).collect();
    // Messages that hold each other, from the innermost out and therefore backwards.
    let mut nested = Vec::new();
    for _ in 0..150_000 {
        let head = [vec![0x9a, 0x06], varint(nested.len() as u64)].concat();
        nested.extend(head.iter().rev());
    }
    nested.reverse();
    let known = metric(&[], GAUGE, 1.0);
    let unknown = bytes(99, vec![b'u'; 900_000]);
    vec![
        bomb("gzip", coded("gzip", gzip(&comment(24 * MIB))), 413, "times its bytes"),
        bomb("gzip, one value", coded("gzip", gzip(&value(24 * MIB))), 413, "times its bytes"),
        bomb("snappy", coded("snappy", snappy(&comment(15 * MIB))), 413, "more than 4194304 bytes"),
        bomb("nested gzip", coded("gzip", gzip(&gzip(&comment(24 * MIB)))), 400, "the body is gzip"),
        bomb("members", coded("gzip", gzip(b"").repeat(40_000)), 400, "more than 16 members"),
        bomb("huge comment", text(comment(MIB - 100)), 400, "a line has more than 65536 bytes"),
        bomb("one huge value", text(value(60_000)), 400, "a label value has more than 1024 bytes"),
        bomb("tiny series beyond number", coded("gzip", gzip(&tiny)), 413, "more than 4194304 bytes"),
        bomb("forty thousand tiny series", text(few), 400, "more than 5000 series"),
        bomb("16,000 labels", text(labels.clone()), 400, "more than 65536 bytes"),
        bomb(
            "16,000 labels in protobuf",
            wire(family("m", b"", GAUGE, &[metric(&wire_labels, GAUGE, 1.0)])),
            400,
            "more than 32 labels",
        ),
        bomb("lengths up to 2^63", wire(claims), 400, "longer than the body"),
        bomb("2^63", wire([varint(1 << 63), b"x".to_vec()].concat()), 400, "longer than the body"),
        bomb(
            "unknown fields",
            wire(delimited(&[bytes(1, "m"), bytes(4, &known), unknown].concat())),
            400,
            "does not know",
        ),
        bomb(
            "deep nesting",
            wire(delimited(&[bytes(1, "m"), bytes(4, &known), bytes(99, nested)].concat())),
            400,
            "does not know",
        ),
        bomb("groups inside groups", wire(delimited(&vec![0x0b; 500_000])), 400, "not protobuf"),
        bomb("invalid UTF-8", text([b"m 1\n".to_vec(), vec![0xff; MIB - 100]].concat()), 400, "not UTF-8"),
        bomb("NUL", text([vec![0; MIB - 100], b"\n".to_vec()].concat()), 400, "payload_invalid"),
        bomb("a million faults", text("?\n".repeat(MIB / 2 - 100)), 400, "line 5"),
        bomb(
            "many families",
            text((0..60_000).map(|n| format!("m{n} 1\n")).collect::<String>()),
            400,
            "more than 1000 metric families",
        ),
    ]
}

/// Begins to look for the highest resident memory anew.
fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// User and system time, milliseconds, and the resident memory at its highest, KiB.
fn spent(pid: u32) -> (u64, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // A hundredth of a second each, as Linux counts for programs.
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    (ticks * 10, peak.split_whitespace().nth(1).unwrap().parse().unwrap())
}

#[test]
fn every_bomb_is_refused_and_costs_little() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    Request::post("/metrics/job/warm", "m 1\n").send(guard.address()).is(200, "", "a first push");
    let contacts = upstream.contacts();
    let mut lines = Vec::new();
    for bomb in bombs() {
        forget_peak(guard.pid());
        let before = spent(guard.pid());
        let answer = bomb.request.send(guard.address());
        assert_eq!(answer.status, bomb.status, "{}: {}", bomb.name, answer.text());
        assert!(answer.text().contains(bomb.words), "{}: {}", bomb.name, answer.text());
        let after = spent(guard.pid());
        let (cpu, grown) = (after.0 - before.0, after.1.saturating_sub(before.1));
        lines.push(format!("  {:28} {cpu:4} ms CPU, {grown:6} KiB more at the highest", bomb.name));
        assert!(cpu < MOST_CPU, "{}: {cpu} ms of CPU", bomb.name);
        assert!(grown < 16 * 1024, "{}: {grown} KiB more memory", bomb.name);
    }
    assert_eq!(upstream.contacts(), contacts, "a bomb reached the gateway");
    volume::say(format_args!("bombs, one after the other:\n{}", lines.join("\n")));
}

/// All at once: the room for bodies holds them back, and whoever pushes honestly afterwards is served.
#[test]
fn bombs_at_once_stay_within_the_limit() {
    let count = std::env::var("PUSHGUARD_BOMBS").map_or(64, |n| n.parse().expect("a number"));
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let address = guard.address();
    let bombs = bombs();
    let sent: Vec<_> = (0..count)
        .map(|n| {
            let request = bombs[n % bombs.len()].request.clone();
            std::thread::spawn(move || request.send(address).status)
        })
        .collect();
    for status in sent {
        let status = status.join().expect("an answer");
        assert!([400, 408, 413, 503].contains(&status), "{status}");
    }
    Request::post("/metrics/job/honest", "m 1\n").send(address).is(200, "", "an honest push");
    let (_, peak) = spent(guard.pid());
    volume::say(format_args!("{count} bombs at once: {peak} KiB resident at the highest"));
    assert!(peak < 96 * 1024, "{peak} KiB");
}
