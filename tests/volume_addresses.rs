//! Which address a request is judged by, in volume: whatever stands in `X-Forwarded-For` and its relatives, the decision
//! and the log are about the address that the design's words name.

mod common;
mod volume;

use common::guard::{Guard, Start};
use common::http::Connection;
use common::log::Line;
use common::upstream::{Upstream, ok};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use volume::{Chance, Volume, judge, say};

/// A prefix, matched by arithmetic of this test's own.
#[derive(Clone, Copy)]
struct Prefix {
    text: &'static str,
    first: u128,
    length: u32,
}

/// An address as a number: IPv4 where IPv4-mapped addresses lie.
const fn v4(a: u8, b: u8, c: u8, d: u8) -> u128 {
    0xffff_0000_0000 + ((a as u128) << 24) + ((b as u128) << 16) + ((c as u128) << 8) + d as u128
}

const fn v4_prefix(text: &'static str, first: u128, length: u32) -> Prefix {
    Prefix { text, first, length: length + 96 }
}

impl Prefix {
    fn holds(self, address: u128) -> bool {
        let rest = 128 - self.length;
        let above = |n: u128| if rest == 128 { 0 } else { n >> rest };
        above(address) == above(self.first)
    }
}

const fn v6(high: u128, low: u128) -> u128 {
    (high << 64) + low
}

/// What may be trusted; each listener takes some of them.
const TRUSTABLE: &[Prefix] = &[
    v4_prefix("127.0.0.1/32", v4(127, 0, 0, 1), 32),
    v4_prefix("127.0.0.2/31", v4(127, 0, 0, 2), 31),
    v4_prefix("127.0.0.4/30", v4(127, 0, 0, 4), 30),
    v4_prefix("10.0.0.0/8", v4(10, 0, 0, 0), 8),
    v4_prefix("10.42.0.0/16", v4(10, 42, 0, 0), 16),
    v4_prefix("192.168.1.1/32", v4(192, 168, 1, 1), 32),
    v4_prefix("198.51.100.128/25", v4(198, 51, 100, 128), 25),
    Prefix { text: "fd00::/8", first: v6(0xfd00 << 48, 0), length: 8 },
    Prefix { text: "2001:db8:ffff::/48", first: v6(0x2001_0db8_ffff << 16, 0), length: 48 },
];

/// Who may push.
const ADMITTED: &[Prefix] = &[
    v4_prefix("203.0.113.0/24", v4(203, 0, 113, 0), 24),
    v4_prefix("127.0.0.3/32", v4(127, 0, 0, 3), 32),
    v4_prefix("10.42.7.0/24", v4(10, 42, 7, 0), 24),
    Prefix { text: "2001:db8:1::/48", first: v6(0x2001_0db8_0001 << 16, 0), length: 48 },
    Prefix { text: "2001:db8:ffff:7::/64", first: v6(0x2001_0db8_ffff_0007, 0), length: 64 },
];

/// Addresses in and around all of these.
const ADDRESSES: &[u128] = &[
    v4(203, 0, 113, 0),
    v4(203, 0, 113, 7),
    v4(203, 0, 113, 255),
    v4(203, 0, 112, 255),
    v4(203, 0, 114, 0),
    v4(9, 255, 255, 255),
    v4(10, 0, 0, 0),
    v4(10, 41, 255, 255),
    v4(10, 42, 0, 1),
    v4(10, 42, 7, 9),
    v4(10, 43, 0, 0),
    v4(10, 255, 255, 255),
    v4(11, 0, 0, 0),
    v4(192, 168, 1, 0),
    v4(192, 168, 1, 1),
    v4(198, 51, 100, 127),
    v4(198, 51, 100, 128),
    v4(127, 0, 0, 1),
    v4(127, 0, 0, 3),
    v4(127, 0, 0, 7),
    v4(127, 0, 0, 8),
    v4(0, 0, 0, 0),
    v4(255, 255, 255, 255),
    v6(0, 0),
    v6(0, 1),
    // Not IPv4-mapped: IPv4-compatible, 6to4, NAT64.
    v6(0, 0xcb00_7107),
    v6(0x2002_cb00_7107 << 16, 1),
    v6(0x0064_ff9b << 32, 0xcb00_7107),
    v6(0xfcff_ffff_ffff_ffff, u64::MAX as u128),
    v6(0xfd00 << 48, 1),
    v6(0xfdff_ffff_ffff_ffff, u64::MAX as u128),
    v6(0xfe80 << 48, 1),
    v6(0x2001_0db8_0001 << 16, 7),
    v6(0x2001_0db8_0002 << 16, 0),
    v6(0x2001_0db8_ffff_0007, 7),
    v6(0x2001_0db8_fffe << 16, 7),
];

/// What is no address, though some reader somewhere takes it for one.
const GARBAGE: &[&[u8]] = &[
    b"",
    b" ",
    b"\t",
    b"unknown",
    b"_hidden",
    b"null",
    b"-",
    b"localhost",
    b"push.example.com",
    b"203.0.113",
    b"203.0.113.7.",
    b".203.0.113.7",
    b"203.0.113.7.1",
    b"203.0.113.07",
    b"203.0.113.007",
    b"203.0.113.256",
    b"203.0.113.-7",
    b"+203.0.113.7",
    b"203.0.113.7/32",
    b"203.0.113.7;",
    b"203.0.113.7 203.0.113.8",
    b"203.0.113.7\t",
    b"203.0.113.7:",
    b"203.0.113.7:http",
    b"203.0.113.7:65536",
    b"203.0.113.7:-1",
    b"203.0.113.7:80:80",
    b"\"203.0.113.7\"",
    b"for=203.0.113.7",
    b"http://203.0.113.7",
    b"0xcb.0.113.7",
    b"0313.0.113.7",
    b"3405803783",
    b"0xcb007107",
    b"203.113.7",
    b"127.1",
    b"203.0.113.7\xc2\xa0",
    b"\xef\xbc\x92\xef\xbc\x90\xef\xbc\x93.0.113.7",
    b"\xff",
    b"203.0.113.7\x85",
    b"fe80::1%eth0",
    b"fe80::1%1",
    b"fe80::1%25eth0",
    b"[fe80::1%eth0]",
    b"[fe80::1%1]:80",
    b"2001:db8:1::7%",
    b"[2001:db8:1::7",
    b"2001:db8:1::7]",
    b"[2001:db8:1::7]x",
    b"[2001:db8:1::7]:",
    b"[2001:db8:1::7]:65536",
    b"[[2001:db8:1::7]]",
    b"[203.0.113.7]",
    b"[203.0.113.7]:80",
    b"[203.0.113.7:80]",
    b"[]",
    b"[]:80",
    b"2001:db8:1:::7",
    b"2001:db8::1::7",
    b"2001:db8:1:0:0:0:0:0:7",
    b"2001:db8:1:7",
    b"2001:db8:10000::7",
    b"2001:db8:g::7",
    b"::ffff:203.0.113",
    b"::ffff:203.0.113.256",
    b"::ffff:203.0.113.07",
    b"::fffff:203.0.113.7",
    b"2001:db8:1::7/48",
];

/// Headers in which other servers look for the client.
const RELATIVES: &[&str] = &[
    "X-Real-IP",
    "Forwarded",
    "True-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "CF-Pseudo-IPv4",
    "Fastly-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-Forwarded-For",
    "X-Forwarded",
    "X-Forwarded-For-Original",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X_Forwarded_For",
    "X.Forwarded.For",
    "Forwarded-For",
    "Client-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "Remote-Addr",
    "X-Originating-IP",
    "X-Envoy-External-Address",
    "X-Azure-ClientIP",
    "X-ProxyUser-Ip",
    "WL-Proxy-Client-IP",
    "Via",
    "PROXY",
];

/// A listener and whom it trusts.
struct Door {
    name: String,
    address: SocketAddr,
    trusted: Vec<Prefix>,
}

/// An entry of a list, and the address that it is.
struct Entry {
    text: Vec<u8>,
    address: Option<u128>,
}

/// The design's words: the peer decides unless it is a trusted proxy of that listener; then the lines, joined in order,
/// are walked from the right past trusted proxies; an entry that is no address, or no client at all, is unknown.
fn oracle(peer: u128, trusted: &[Prefix], lines: &[Vec<Entry>]) -> Option<u128> {
    let trusts = |address: u128| trusted.iter().any(|prefix| prefix.holds(address));
    if !trusts(peer) {
        return Some(peer);
    }
    let joined: Vec<&Entry> = lines.iter().flatten().collect();
    for entry in joined.into_iter().rev() {
        match entry.address {
            None => return None,
            Some(address) if trusts(address) => {}
            Some(address) => return Some(address),
        }
    }
    None
}

fn canonical(number: u128) -> IpAddr {
    match u32::try_from(number ^ 0xffff_0000_0000) {
        Ok(bits) => Ipv4Addr::from_bits(bits).into(),
        Err(_) => Ipv6Addr::from_bits(number).into(),
    }
}

/// One of the spellings of an address.
fn spell(chance: &mut Chance, number: u128) -> String {
    let groups: Vec<u16> = (0..8).rev().map(|n| (number >> (16 * n)) as u16).collect();
    let colons = |text: fn(u16) -> String| groups.iter().map(|g| text(*g)).collect::<Vec<_>>().join(":");
    let port = [1, 80, 4711, 65535][chance.below(4)];
    let bare = match (canonical(number), chance.below(5)) {
        (IpAddr::V4(v4), 0..=2) => return if chance.once_in(3) { format!("{v4}:{port}") } else { v4.to_string() },
        (IpAddr::V4(v4), 3) => format!("::{}:{v4}", chance.any_case("ffff")),
        (IpAddr::V4(v4), _) => format!("0:0:0:0:0:ffff:{v4}"),
        (IpAddr::V6(v6), 0 | 1) => v6.to_string(),
        (IpAddr::V6(v6), 2) => v6.to_string().to_uppercase(),
        (_, 3) => colons(|group| format!("{group:x}")),
        (_, _) => colons(|group| format!("{group:04X}")),
    };
    match chance.below(4) {
        0 => format!("[{bare}]"),
        1 => format!("[{bare}]:{port}"),
        _ => bare,
    }
}

fn entry(chance: &mut Chance, trusted: &[Prefix]) -> Entry {
    if chance.once_in(7) {
        // Blanks at the ends of an entry are no part of it.
        let text = chance.pick(GARBAGE).to_vec();
        let address = text.strip_suffix(b"\t").filter(|rest| *rest == b"203.0.113.7").map(|_| v4(203, 0, 113, 7));
        return Entry { text, address };
    }
    let mut address = *chance.pick(ADDRESSES);
    // Chains of proxies would be rare otherwise.
    for _ in 0..chance.below(4) {
        if !trusted.iter().any(|prefix| prefix.holds(address)) {
            address = *chance.pick(ADDRESSES);
        }
    }
    Entry { text: spell(chance, address).into_bytes(), address: Some(address) }
}

fn head(chance: &mut Chance, lines: &[Vec<Entry>]) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        let mut field = chance.any_case("X-Forwarded-For").into_bytes();
        field.extend_from_slice(if chance.once_in(4) { b":" } else { b": " });
        for (at, entry) in line.iter().enumerate() {
            if at > 0 {
                field.extend_from_slice(chance.pick(&[",", ", ", " ,", " ,\t", ",  "]).as_bytes());
            }
            field.extend_from_slice(&entry.text);
        }
        fields.push(field);
    }
    for _ in 0..chance.below(4) {
        let number = *chance.pick(ADDRESSES);
        let value = format!("{}{}", chance.pick(&["", "", "for=", "by="]), spell(chance, number));
        let at = chance.below(fields.len() + 1);
        fields.insert(at, format!("{}: {value}", chance.pick(RELATIVES)).into_bytes());
    }
    fields.insert(0, b"POST /metrics/job/ci HTTP/1.1\r\nHost: push.test".to_vec());
    fields.push(b"Content-Length: 4\r\n\r\nm 1\n".to_vec());
    fields.join(&b"\r\n"[..])
}

/// A guard with listeners that trust different peers; one of them takes IPv4 over an IPv6 socket, where there is IPv6.
fn start(chance: &mut Chance, upstream: &Upstream) -> (Guard, Vec<Door>) {
    let mut doors = Vec::new();
    for number in 0..8 {
        let chosen = |_: &&Prefix| number > 0 && chance.once_in(3);
        let mut trusted: Vec<Prefix> = TRUSTABLE.iter().filter(chosen).copied().collect();
        if number > 1 {
            // Without a trusted peer nothing of a list is read.
            trusted.push(TRUSTABLE[chance.below(3)]);
        }
        doors.push(Door { name: format!("door-{number}"), address: ([127, 0, 0, 1], 0).into(), trusted });
    }
    let list = |prefixes: &[Prefix]| prefixes.iter().map(|p| format!("{:?}", p.text)).collect::<Vec<_>>().join(", ");
    let mut listeners = String::new();
    for door in &doors {
        let trusted =
            if door.trusted.is_empty() { String::new() } else { format!("trusted_proxies: [{}]", list(&door.trusted)) };
        let _ = writeln!(listeners, "  {}: {{ {trusted} }}", door.name);
    }
    let names = doors.iter().map(|door| door.name.as_str()).collect::<Vec<_>>().join(", ");
    let policy = format!(
        "version: 1\nlisteners:\n{listeners}sources:\n  some: {{ cidrs: [{}], listeners: [{names}] }}\nprincipals:\n  \
         ci:\n    anonymous: true\n    from: {{ require: [some] }}\n    grants: [{{ operations: [push], job: ci }}]\n    \
         quotas: [{{ per: job, burst: 100000, period: 1s }}]\n",
        list(ADMITTED)
    );
    let any = if TcpListener::bind("[::]:0").is_ok() { "[::]:0" } else { "127.0.0.1:0" };
    let mut start = Start::with_policy(&policy).flag("--upstream.url", &upstream.url());
    for (number, door) in doors.iter().enumerate() {
        let address = if number % 4 == 3 { any } else { "127.0.0.1:0" };
        start = start.flag("--web.listen-address", &format!("{}={address}", door.name));
    }
    let guard = start.run();
    for door in &mut doors {
        door.address.set_port(guard.listener(&door.name).port());
    }
    (guard, doors)
}

/// What became of a case.
struct Told {
    case: String,
    id: String,
    source: String,
    peer: String,
}

#[test]
fn the_source_is_the_address_that_the_design_names() {
    let volume = Volume::read(1000);
    let upstream = Upstream::start(|_| ok());
    let (mut guard, doors) = start(&mut volume.chance(u64::MAX), &upstream);
    let (mut told, mut failed, mut counts) = (Vec::new(), Vec::new(), HashMap::new());
    for number in 0..volume.cases {
        let chance = &mut volume.chance(number);
        let door = chance.pick(&doors);
        let mut peer_number = v4(127, 0, 0, 1 + chance.below(8) as u8);
        for _ in 0..3 {
            // Of an untrusted peer nothing is read, so most are trusted.
            if !door.trusted.iter().any(|prefix| prefix.holds(peer_number)) {
                peer_number = v4(127, 0, 0, 1 + chance.below(8) as u8);
            }
        }
        let peer = canonical(peer_number);
        let lines: Vec<Vec<Entry>> = (0..[0, 1, 1, 1, 2, 3][chance.below(6)])
            .map(|_| (0..1 + chance.below(4)).map(|_| entry(chance, &door.trusted)).collect())
            .collect();
        let bytes = head(chance, &lines);
        let source = oracle(peer_number, &door.trusted, &lines);
        let (status, reason) = match source {
            None => (403, "source_unknown"),
            Some(source) if ADMITTED.iter().any(|prefix| prefix.holds(source)) => {
                let trusted = door.trusted.iter().any(|prefix| prefix.holds(source));
                assert!(!trusted, "a trusted proxy is never a client");
                (200, "")
            }
            Some(_) => (403, "source_not_allowed"),
        };
        *counts.entry((status, reason)).or_insert(0) += 1;
        let mut connection = Connection::open_from(peer, door.address);
        connection.send(&bytes);
        let answer = connection.receive("POST");
        let case = format!(
            "case {number}: {peer} to {} that trusts {:?}\n{}expected {status} {reason} {source:?}",
            door.name,
            door.trusted.iter().map(|prefix| prefix.text).collect::<Vec<_>>(),
            bytes.escape_ascii().to_string().replace("\\r\\n", "\n"),
            source = source.map(canonical)
        );
        if (answer.status, answer.reason()) != (status, reason) {
            failed.push(format!("{case}\nfound {} {}", answer.status, answer.text()));
        }
        let source = source.map_or_else(String::new, |source| canonical(source).to_string());
        told.push(Told { case, id: answer.request_id().to_owned(), source, peer: peer.to_string() });
    }
    // Only now is the log whole.
    guard.stop();
    let lines = guard.log.lines();
    let requests = lines.iter().filter(|line| line.get("msg") == "request");
    let by_id: HashMap<&str, &Line> = requests.map(|line| (line.get("request_id"), line)).collect();
    for Told { case, id, source, peer } in told {
        let line = by_id.get(id.as_str());
        let found = line.map(|line| (line.get("source").to_owned(), line.get("peer").to_owned()));
        if found.as_ref() != Some(&(source, peer)) {
            failed.push(format!("{case}\nlogged as {found:?}"));
        }
    }
    judge(volume, &failed);
    for seen in upstream.seen() {
        let names = ["content-length", "content-type", "host", "x-request-id"];
        assert_eq!(seen.names(), names, "what names a client is not passed on");
    }
    let forwarded = counts.get(&(200, "")).copied().unwrap_or(0);
    assert_eq!(upstream.seen().len(), forwarded, "only what is admitted is forwarded");
    say(format!("X-Forwarded-For: {volume}, {counts:?}, 0 differ"));
}
