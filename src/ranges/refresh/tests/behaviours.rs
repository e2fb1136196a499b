//! A server of addresses that does everything wrong that servers do. What is served is never empty, and never wider than
//! the guard allows.

use super::*;
use crate::fetch::fake::{Tls, drip};
use crate::ranges::guard::{BROADEST, MOST, special_purpose};
use std::io::Write as _;

/// What becomes of a set when its source behaves so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    /// It stays what it was: absent, or the last good list.
    Stays,
    /// The new list is taken, with or without an old one.
    Taken,
    /// A list that would be a first one, but not one after the old.
    OnlyFirst,
    /// The source says that the old one is right.
    Confirmed,
}

use Then::{Confirmed, OnlyFirst, Stays, Taken};

fn ok(body: impl AsRef<[u8]>) -> Reply {
    http("200 OK", "content-type: application/json\r\n", body)
}

/// The good list with these entries besides.
fn with(entries: &[&str]) -> Reply {
    let mut list = list(100);
    list.extend(entries.iter().map(|entry| (*entry).to_owned()));
    ok(meta(&list))
}

fn raw(text: &str) -> Reply {
    Reply::Close(text.as_bytes().to_vec())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zipped(bytes: &[u8]) -> Reply {
    http("200 OK", "content-encoding: gzip\r\n", gzip(bytes))
}

fn moved(status: &str, to: &str) -> Reply {
    http(status, &format!("location: {to}\r\n"), meta(&["9.9.9.9/32".to_owned()]))
}

fn bodies() -> Vec<(&'static str, Reply, Then)> {
    let good = meta(&list(100));
    let blocks = |count: u32| ok(meta(&list(count)));
    let hosts: Vec<String> =
        (0..50_000u32).map(|n| format!("5.{}.{}.{}/32", n >> 15, n >> 7 & 255, n << 1 & 255)).collect();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("an empty body", ok(""), Stays),
        ("an empty object", ok("{}"), Stays),
        ("an empty array", ok("[]"), Stays),
        ("null", ok("null"), Stays),
        ("an error page", ok("<html><body><h1>504 Gateway Time-out</h1></body></html>"), Stays),
        ("a rate limit as a good answer", ok(r#"{"message":"API rate limit exceeded for 192.0.2.1"}"#), Stays),
        ("a cut document", ok(&good[..good.len() - 2]), Stays),
        ("more behind the document", ok(format!("{good}x")), Stays),
        ("two documents", ok(format!("{good}{good}")), Stays),
        ("a byte order mark", ok(format!("\u{feff}{good}")), Stays),
        ("another encoding", ok(utf16), Stays),
        ("deep nesting", ok("[".repeat(1 << 20)), Stays),
        ("the key is missing", ok(r#"{"hooks":["4.0.0.0/24"]}"#), Stays),
        ("the key is null", ok(r#"{"actions":null,"hooks":null}"#), Stays),
        ("the list is empty", ok(r#"{"actions":[]}"#), Stays),
        ("a text", ok(r#"{"actions":"4.0.0.0/24"}"#), Stays),
        ("an object", ok(r#"{"actions":{"a":"4.0.0.0/24"}}"#), Stays),
        ("numbers", ok(r#"{"actions":[4,0,0,0]}"#), Stays),
        ("the key twice", ok(format!(r#"{{"actions":["4.0.0.0/24"],{}"#, &good[1..])), Stays),
        ("a PGP key among the prefixes", with(&["-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxsBNBF"]), Stays),
        ("a host name", with(&["runner.example.com"]), Stays),
        ("an empty entry", with(&[""]), Stays),
        ("host bits", with(&["5.0.0.1/24"]), Stays),
        ("everything", with(&["0.0.0.0/0"]), Stays),
        ("everything of IPv6", with(&["::/0"]), Stays),
        ("everything in IPv6 spelling", with(&["::ffff:0.0.0.0/96"]), Stays),
        ("half of everything", with(&["128.0.0.0/1"]), Stays),
        ("a /11", with(&["20.32.0.0/11"]), Stays),
        ("a /28 of IPv6", with(&["2a00::/28"]), Stays),
        ("private addresses", with(&["10.0.0.0/8"]), Stays),
        ("this machine", with(&["127.0.0.1/32"]), Stays),
        ("link-local addresses", with(&["169.254.169.254/32"]), Stays),
        ("documentation", with(&["2001:db8::/32"]), Stays),
        ("unique local addresses", with(&["fd00::/48"]), Stays),
        ("cut to three", ok(meta(&list(1))), OnlyFirst),
        ("a quarter gone", blocks(75), OnlyFirst),
        ("twice as much and one", blocks(201), OnlyFirst),
        (
            "a thousand times as much",
            ok(meta(&(16..32).map(|n| format!("{n}.0.0.0/12")).collect::<Vec<_>>())),
            OnlyFirst,
        ),
        ("50,000 more that are too many addresses", ok(meta(&[list(100), hosts.clone()].concat())), OnlyFirst),
        ("more entries than a list has", ok(meta(&[list(100), hosts.clone(), hosts].concat())), Stays),
        ("only IPv6", ok(meta(&list(0))), OnlyFirst),
        ("only IPv4", ok(meta(&list(100)[..100])), OnlyFirst),
        ("the same twice", ok(meta(&[list(100), list(100)].concat())), Taken),
        ("overlapping", with(&["4.0.0.0/24", "4.0.0.0/25", "4.0.5.7/32"]), Taken),
        ("backwards", ok(meta(&list(100).into_iter().rev().collect::<Vec<_>>())), Taken),
        (
            "in other pieces",
            ok(meta(
                &[
                    "4.0.0.0/18",
                    "4.0.64.0/19",
                    "4.0.96.0/22",
                    "2603:1030::/49",
                    "2603:1030:0:8000::/49",
                    "2603:1031::/48",
                ]
                .map(str::to_owned),
            )),
            Taken,
        ),
        ("a bare address", with(&["5.0.0.1"]), Taken),
        ("a little more", blocks(110), Taken),
        ("a little less", blocks(90), Taken),
        ("unknown keys", ok(good.replacen('{', r#"{"new":[{"x":null}],"#, 1)), Taken),
        (
            "pretty",
            ok(serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&good).unwrap()).unwrap()),
            Taken,
        ),
        ("another media type", http("200 OK", "content-type: text/html\r\n", &good), Taken),
        (
            "a clock that is wrong",
            http("200 OK", "date: Thu, 01 Jan 1970 00:00:00 GMT\r\nage: 99999999\r\n", &good),
            Taken,
        ),
    ]
}

fn answers() -> Vec<(&'static str, Reply, Then)> {
    let good = meta(&list(100));
    let evil = meta(&["9.9.9.9/32".to_owned()]);
    let chunk = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{good}");
    vec![
        (
            "50 MB",
            raw(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 50 << 20, " ".repeat(3 << 20))),
            Stays,
        ),
        ("a gzip bomb", zipped(&vec![b' '; 16 << 20]), Stays),
        ("broken gzip", http("200 OK", "content-encoding: gzip\r\n", &good), Stays),
        ("gzip", zipped(good.as_bytes()), Taken),
        ("gzip that nobody can read twice", http("200 OK", "content-encoding: br\r\n", gzip(good.as_bytes())), Stays),
        ("nothing at all", Reply::Hold(Vec::new()), Stays),
        ("a head and nothing more", Reply::Hold(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec()), Stays),
        (
            "a byte now and then",
            drip(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{good}", good.len())),
            Stays,
        ),
        ("a connection that closes at once", raw(""), Stays),
        ("no HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n"), Stays),
        ("a body that ends early", raw(&format!("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{good}")), Stays),
        (
            "a body of unknown length that ends early",
            raw(&format!("HTTP/1.0 200 OK\r\n\r\n{}", &good[..good.len() - 9])),
            Stays,
        ),
        ("a broken chunk", raw(&chunk), Stays),
        ("headers without end", raw(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: b\r\n".repeat(100_000))), Stays),
        ("304 to nobody's question", http("304 Not Modified", "", ""), Stays),
        ("204", http("204 No Content", "", ""), Stays),
        ("206", http("206 Partial Content", "", &evil), Stays),
        ("301 to another port", moved("301 Moved Permanently", "http://127.0.0.1:9/meta"), Stays),
        ("302 to the metadata service", moved("302 Found", "http://169.254.169.254/latest/"), Stays),
        ("307 to TLS elsewhere", moved("307 Temporary Redirect", "https://evil.invalid/"), Stays),
        ("308 to a file", moved("308 Permanent Redirect", "file:///etc/passwd"), Stays),
        ("a redirect to nowhere", http("302 Found", "", &evil), Stays),
        ("401", http("401 Unauthorized", "", &evil), Stays),
        ("403, rate limited", http("403 Forbidden", "retry-after: 60\r\nx-ratelimit-remaining: 0\r\n", &evil), Stays),
        ("403 until a time", http("403 Forbidden", "x-ratelimit-reset: 1700000100\r\n", &evil), Stays),
        ("404", http("404 Not Found", "", &evil), Stays),
        ("429", http("429 Too Many Requests", "", &evil), Stays),
        ("500", http("500 Internal Server Error", "", &evil), Stays),
        ("502", http("502 Bad Gateway", "", &evil), Stays),
        ("503", http("503 Service Unavailable", "retry-after: 5\r\n", &evil), Stays),
        ("504", http("504 Gateway Timeout", "", &evil), Stays),
    ]
}

/// That what is served could have been let in.
fn check(house: &House, case: &str) {
    for sets in &house.published {
        assert!(!sets.is_empty() && sets.values().all(|set| !set.is_empty()), "{case}: an empty set is published");
        let (v4, v6) = sets["actions"].coverage();
        assert!(v4 <= MOST.0 && v6 <= MOST.1, "{case}");
    }
    let keeper = house.refresher.keeper.lock();
    for set in keeper.sets().filter_map(|set| set.held()) {
        for prefix in set.listed.keys().map(|prefix| prefix.net()) {
            let least = if prefix.addr().is_ipv4() { BROADEST.0 } else { BROADEST.1 };
            assert!(prefix.prefix_len() >= least && special_purpose(prefix).is_none(), "{case}: {prefix}");
        }
    }
}

async fn play(name: &str, reply: Reply, then: Then) {
    // As the first thing that is ever heard of the source.
    let fake = Fake::serve(vec![reply.clone()]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    assert_eq!(house.served("actions").is_some(), matches!(then, Taken | OnlyFirst), "{name}, first");
    check(&house, name);
    // After a good list.
    let fake = Fake::serve(vec![good(100), reply]).await;
    let feed = github(&fake.url);
    let mut house = House::open(vec![feed.clone()]).await;
    house.settle().await;
    let before = house.published.clone();
    house.after(7 * HOUR).await;
    check(&house, name);
    assert_eq!(fake.requests().len(), 2, "{name}");
    if then == Taken {
        assert_eq!(house.gauge(&house.metrics.age), 0, "{name}: taken");
    } else {
        assert_eq!(house.published, before, "{name}: the set stays");
        assert_eq!(house.gauge(&house.metrics.age), 7 * 3600, "{name}: and its age goes on");
    }
    let served = house.served("actions");
    // A restart in the outage that follows.
    drop(fake);
    let mut house = house.restart(vec![feed]).await;
    house.settle().await;
    assert_eq!(house.served("actions"), served, "{name}: after a restart");
}

#[tokio::test]
async fn no_body_does_harm() {
    let cases = bodies();
    assert!(cases.len() >= 40, "{}", cases.len());
    for (name, reply, then) in cases {
        play(name, reply, then).await;
    }
}

#[tokio::test]
async fn no_answer_does_harm() {
    for (name, reply, then) in answers() {
        play(name, reply, then).await;
    }
}

#[tokio::test]
async fn a_304_for_ever_confirms_what_is_held_and_nothing_else() {
    let tagged = http("200 OK", "etag: \"a\"\r\n", meta(&list(100)));
    let forever = (0..9).map(|_| http("304 Not Modified", "", ""));
    let fake = Fake::serve(std::iter::once(tagged).chain(forever).collect()).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    for _ in 0..9 {
        house.after(7 * HOUR).await;
        assert_eq!(house.gauge(&house.metrics.age), 0, "{Confirmed:?}");
    }
    assert_eq!(house.published.len(), 1);
    // A restart holds the list but no tag: it asks for the whole.
    let mut house = house.restart(vec![github(&fake.url)]).await;
    house.settle().await;
    house.serves_exactly(&list(100), "from disk");
}

#[tokio::test]
async fn two_answers_in_turn_change_nothing() {
    let good = meta(&list(100));
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&good).unwrap()).unwrap();
    let turns = (0..8).map(|turn| {
        let tag = format!("etag: W/\"{}\"\r\n", turn % 2);
        http("200 OK", &tag, if turn % 2 == 0 { &good } else { &pretty })
    });
    let fake = Fake::serve(turns.collect()).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    let file = house.folder.path().join("ranges/good-actions.json");
    for _ in 0..7 {
        house.after(7 * HOUR).await;
    }
    assert_eq!((fake.requests().len(), house.published.len()), (8, 1));
    let added = house.metrics.added.get_or_create(&SetLabels { set: "actions".to_owned() }).get();
    assert_eq!(added, 102, "only once");
    assert!(std::fs::read_to_string(file).unwrap().contains("\"changed\":1700000000"));
}

#[tokio::test]
async fn nobody_who_cannot_prove_himself_is_heard() {
    let tls = Tls::new();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\n{\"actions\":[\"9.9.9.0/24\"]}  ";
    let mut urls: Vec<String> = ["good", "expired", "other name"]
        .iter()
        .map(|leaf| format!("https://localhost:{}/meta", tls.serve(leaf, answer)))
        .collect();
    urls.push("https://no-such-host.invalid/meta".to_owned());
    urls.push("https://127.0.0.1:9/meta".to_owned());
    for url in urls {
        let mut house = House::open(vec![github(&url.parse().unwrap())]).await;
        house.settle().await;
        assert!(house.published.is_empty(), "{url}");
    }
    // The same server, once its authority is trusted.
    let folder = TempDir::new().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &tls.authority).unwrap();
    let url = format!("https://localhost:{}/meta", tls.serve("good", answer)).parse().unwrap();
    let mut house = House::open(Vec::new()).await;
    house.refresher.change(Lines::new(vec![github(&url)], Some(&ca_file)).unwrap()).await;
    house.settle().await;
    assert!(house.serves("9.9.9.9"));
}
