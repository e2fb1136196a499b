//! Uploads that end early, by volume: not a byte of them reaches the gateway, and its groups stay exactly as they were.
//!
//! `PUSHGUARD_VOLUME` sets how many random ones, `PUSHGUARD_SEED` which.

mod common;
mod volume;

use common::gateway::Gateway;
use common::guard::{EVERYTHING, Guard};
use common::http::Request;
use std::collections::BTreeMap;
use std::time::Instant;
use volume::bodies;
use volume::cut::{Cutter, End};
use volume::rng::Rng;
use volume::tap::Tap;
use volume::{Volume, coded, gateways, say};

/// Uploads between two looks at the gateway.
const BATCH: usize = 100;
/// Uploads for one guard: its log is held in memory.
const ROUND: usize = 5000;

struct Bench {
    gateway: Gateway,
    tap: Tap,
    guard: Guard,
    cutter: Cutter,
}

impl Bench {
    /// A gateway that holds some groups, and a guard that has sent nothing to it.
    fn new() -> Option<Self> {
        let gateway = gateways::installed()?;
        for (number, group) in GROUPS.iter().enumerate() {
            let body = format!("# TYPE m gauge\nm{{a=\"1\"}} {number}\nm{{a=\"2\"}} {number}\nn{number} 1\n");
            Request::put(format!("/metrics/{group}"), body).send(gateway.address).is(200, "", group);
        }
        let (tap, guard, cutter) = Self::before(&gateway);
        Some(Self { gateway, tap, guard, cutter })
    }

    fn before(gateway: &Gateway) -> (Tap, Guard, Cutter) {
        let tap = Tap::new(gateway.address);
        let guard = Guard::start(EVERYTHING, &tap.url());
        let cutter = Cutter::new(guard.address());
        (tap, guard, cutter)
    }

    /// Another guard: the log of one is held in memory.
    fn renew(&mut self) {
        (self.tap, self.guard, self.cutter) = Self::before(&self.gateway);
    }

    /// Waits until the guard is done with every connection.
    fn settle(&self) {
        // Connections are taken in order: when this one is answered, the earlier ones were taken.
        Request::get("/nothing").send(self.guard.address()).is(404, "target_unknown", "a page that is not there");
        // The one that asks is open.
        self.guard.await_metric("pushguard_connections", 1.0);
        let refused = self.guard.metric("pushguard_connections_refused_total");
        assert_eq!(refused, Some(0.0), "every connection was served");
    }

    /// How many requests came to which end, by the guard's own log.
    fn ends(&self, counts: &mut BTreeMap<String, usize>) {
        for line in self.guard.log.lines().iter().filter(|line| line.get("msg") == "request") {
            *counts.entry(line["reason"].to_owned()).or_default() += 1;
        }
    }

    #[track_caller]
    fn untouched(&self, before: &[common::gateway::Group], about: &str) {
        self.settle();
        assert_eq!(self.tap.contacts(), (0, 0), "{about}: connections and bytes to the gateway");
        assert_eq!(self.gateway.groups(), before, "{about}: the groups changed");
    }
}

const GROUPS: &[&str] = &[
    "job/a",
    "job/b",
    "job/ci/workflow/test",
    "job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k",
    "job/a/instance/i",
    "job/%C3%A9",
    "job/backup/path@base64/L3Zhci90bXA",
    "job/x/y@base64/PQ",
];

/// Every place in a short request, each way to end, each framing and method.
#[test]
fn cut_behind_every_byte_nothing_changes() {
    let Some(bench) = Bench::new() else { return };
    let before = bench.gateway.groups();
    let mut count = 0;
    for request in [
        Request::put("/metrics/job/a", "m 9\n"),
        Request::post("/metrics/job/a", "m 9\n"),
        Request::new("PUT", "/metrics/job/b").chunked("m 9\nx 1\n"),
        Request::new("POST", "/metrics/job/b").chunked("m 9\nx 1\n"),
        Request::new("PUT", "/metrics/job/a").body(""),
        Request::delete("/metrics/job/a"),
    ] {
        let bytes = request.bytes();
        for cut in 0..bytes.len() {
            for end in End::ALL {
                let answer = bench.cutter.send(&bytes[..cut], None, end);
                let head = request.head_bytes().len();
                let about = format!("{:?} {end:?}", bytes[..cut].escape_ascii().to_string());
                check_answer(&answer, end, cut < head, &about);
                count += 1;
            }
        }
        bench.untouched(&before, "cut behind every byte");
    }
    say(format!(
        "{count} uploads cut behind every byte: nothing sent to the gateway, {} groups as before",
        before.len()
    ));
}

/// A sender that still listens is told that nothing was stored, once there was a head to answer.
fn check_answer(answer: &[u8], end: End, in_head: bool, about: &str) {
    if end != End::HalfClose {
        return;
    }
    if in_head {
        assert_eq!(String::from_utf8_lossy(answer), "", "{about}: half a head is not answered");
    } else {
        let text = String::from_utf8_lossy(answer);
        assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("body_incomplete"), "{about}: {text}");
    }
}

#[test]
fn random_uploads_that_end_early_change_nothing() {
    let Some(mut bench) = Bench::new() else { return };
    let (whole, started) = (Volume::read(600), Instant::now());
    let (volume, seed) = (whole.count(), whole.seed);
    let mut rng = Rng::new(seed);
    let before = bench.gateway.groups();
    let (mut ends, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..volume {
        let upload = Upload::random(&mut rng);
        *kinds.entry(upload.kind).or_insert(0_usize) += 1;
        let answer = bench.cutter.send(&upload.bytes, upload.wait_at, upload.end);
        let text = String::from_utf8_lossy(&answer);
        let shown = || upload.bytes.escape_ascii().to_string().chars().take(600).collect::<String>();
        let refused = answer.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 100 ");
        assert!(refused && !text.contains("HTTP/1.1 2"), "seed {seed}, upload {number}: {}: {text}", shown());
        if number % BATCH == BATCH - 1 || number + 1 == volume {
            bench.untouched(&before, &format!("seed {seed}, the {BATCH} uploads up to {number}"));
        }
        if number % ROUND == ROUND - 1 || number + 1 == volume {
            bench.ends(&mut ends);
            bench.renew();
        }
    }
    let rate = f64::from(u32::try_from(volume).unwrap()) / started.elapsed().as_secs_f64();
    say(format!(
        "{volume} uploads that ended early, seed {seed}: 0 bytes sent to the gateway, {} groups as before; {kinds:?}; \
         recorded ends {ends:?}, the rest inside the head; {rate:.0} uploads/s",
        before.len()
    ));
    let whole = Request::put(format!("/metrics/{}", GROUPS[0]), "# TYPE m gauge\nm 9\n").send(bench.guard.address());
    whole.is(200, "", "an upload that does not end early");
    assert_ne!(bench.gateway.groups(), before);
}

/// Bytes that are no whole request, and how their sender ends.
struct Upload {
    kind: &'static str,
    bytes: Vec<u8>,
    wait_at: Option<usize>,
    end: End,
}

impl Upload {
    fn random(rng: &mut Rng) -> Self {
        let group = if rng.chance(80) { rng.pick(GROUPS) } else { "job/new/x/1" };
        let mut request = Request::new(if rng.chance(60) { "PUT" } else { "POST" }, format!("/metrics/{group}"));
        let (content_type, mut body) = match rng.below(10) {
            0..=3 => (None, b"# TYPE m gauge\nm{a=\"1\"} 77\n".to_vec()),
            4 => (None, "m{a=\"1\"} 1\n".repeat(1 + rng.below(4000)).into_bytes()),
            5 => (None, b"#\n".repeat(1 + rng.below(20_000))),
            _ => bodies::body(rng),
        };
        if body.is_empty() {
            body = b"m 1\n".to_vec();
        }
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let coded = rng.chance(15).then(|| Coded::random(rng, &body));
        if let Some(coded) = &coded {
            request = request.header("Content-Encoding", coded.name);
            body.clone_from(&coded.bytes);
        }
        let expects = coded.is_none() && rng.chance(25);
        if expects {
            request = request.header("Expect", "100-continue");
        }
        let chunked = rng.chance(50);
        let request = if chunked { request.chunked(body) } else { request.body(body) };
        let (head, mut body) = (request.head_bytes(), request.body_bytes());
        let wait_at = expects.then_some(head.len());
        let end = End::ALL[rng.below(3)];
        let kind = match rng.below(10) {
            _ if coded.is_some() => coded.map_or("", |coded| coded.kind),
            0..=1 if chunked => {
                break_chunks(rng, &mut body);
                "broken chunks"
            }
            2 if chunked => {
                body.truncate(body.len() - b"0\r\n\r\n".len());
                "no last chunk"
            }
            3..=4 => {
                let cut = rng.below(head.len());
                return Self { kind: "cut in the head", bytes: head[..cut].to_vec(), wait_at: None, end };
            }
            // Near the end of the body, where a reader could take it for whole.
            5..=6 => {
                body.truncate(body.len() - 1 - rng.below(body.len().min(8)));
                "cut near the end"
            }
            _ => {
                body.truncate(rng.below(body.len()));
                "cut in the body"
            }
        };
        Self { kind, bytes: [head, body].concat(), wait_at, end }
    }
}

/// Makes the framing of a whole chunked body wrong, so that its end cannot be found.
fn break_chunks(rng: &mut Rng, body: &mut Vec<u8>) {
    let line = body.windows(2).position(|pair| pair == b"\r\n").expect("a chunk has a size");
    let size = String::from_utf8(body[..line].to_vec()).unwrap();
    let longer = format!("{:x}", usize::from_str_radix(&size, 16).unwrap() + 1 + rng.below(3));
    let (zeros, far) = (format!("000000000{size}"), format!("ffffffff{size}"));
    let spelled =
        ["", "-1", "+4", "0x4", "g", " 4", "4 ", "4;a=b", "4\t", "ffffffffffffffff", "7fffffff", &longer, &zeros, &far];
    match rng.below(8) {
        0 => drop(body.splice(line..line + 2, *b"\n")),
        1 => drop(body.splice(line..line + 2, *b"\r")),
        2 => {
            let at = body.len() - b"0\r\n\r\n".len();
            body.splice(at - 2..at, *b"xx");
        }
        3 => {
            let at = body.len() - 2;
            body.splice(at..at, *b"x: y\r\n");
        }
        4 => {
            let at = body.len() - 4;
            body.splice(at..at, *b";e");
        }
        _ => drop(body.splice(..line, rng.pick(&spelled).bytes())),
    }
}

/// A coded body that is not whole.
struct Coded {
    name: &'static str,
    kind: &'static str,
    bytes: Vec<u8>,
}

impl Coded {
    /// What some readers take all the same: they have the metrics before they see the end.
    fn random(rng: &mut Rng, body: &[u8]) -> Self {
        if rng.chance(50) {
            let mut bytes = coded::gzip(body);
            let tail = bytes.len() - 8;
            match rng.below(4) {
                0 => bytes.truncate(bytes.len() - 1 - rng.below(8)),
                1 => bytes[tail + rng.below(4)] ^= 1 + u8::try_from(rng.below(255)).unwrap(),
                2 => bytes[tail + 4 + rng.below(4)] ^= 1 + u8::try_from(rng.below(255)).unwrap(),
                _ => bytes.extend(rng.pick(&[
                    &b"x"[..],
                    b"\x1f",
                    b"\x1f\x8b",
                    b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
                    b"m 1\n",
                ])),
            }
            return Self { name: "gzip", kind: "wrong gzip tail", bytes };
        }
        let mut bytes = coded::snappy(body);
        match rng.below(4) {
            // A chunk has at least eight bytes, so that no whole one is left.
            0 => bytes.truncate(bytes.len() - 1 - rng.below(4)),
            // Behind the ten bytes that name the format and the four of a chunk's head stands its checksum.
            1 => bytes[14 + rng.below(4)] ^= 1 + u8::try_from(rng.below(255)).unwrap(),
            2 => bytes.truncate(1 + rng.below(9)),
            _ => bytes.extend(rng.pick(&[&b"x"[..], b"\0", b"\0\x05\0\0", b"\xff\x06\0\0", b"\x02\0\0\0", b"m 1\n"])),
        }
        Self { name: "snappy", kind: "wrong snappy tail", bytes }
    }
}

/// A whole upload whose sender is gone before the answer is stored whole or not at all.
#[test]
fn whole_uploads_without_a_reader_are_stored_whole_or_not_at_all() {
    let Some(bench) = Bench::new() else { return };
    let lines: String = (0..50).map(|n| format!("m{{n=\"{n}\"}} VALUE\n")).collect();
    let target = format!("/metrics/{}", GROUPS[0]);
    for value in 0..60 {
        let body = lines.replace("VALUE", &value.to_string());
        let request = Request::new("PUT", &target);
        let request = if value % 2 == 0 { request.body(body) } else { request.chunked(body) };
        bench.cutter.send(&request.bytes(), None, if value % 3 == 0 { End::Close } else { End::Reset });
        bench.settle();
        let groups = bench.gateway.groups();
        let group = groups.iter().find(|group| group.labels.len() == 1 && group.labels["job"] == "a").unwrap();
        let values: Vec<&str> =
            group.content["m"]["metrics"].as_array().unwrap().iter().map(|m| m["value"].as_str().unwrap()).collect();
        let whole = (values.len() == 50 || values.len() == 2) && values.iter().all(|v| *v == values[0]);
        assert!(whole, "upload {value}: {values:?}");
    }
}
