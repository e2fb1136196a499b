//! Coded bodies: decoded by the guard, checked, and sent on as they are; what is cut, damaged or swollen reaches no
//! gateway.

use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Guard, with};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, ok};
use crate::volume::coded::{gzip, snappy};
use crate::volume::gateways;

const BODY: &[u8] = b"# TYPE tests_total counter\ntests_total{suite=\"unit\"} 42\n";
const PATH: &str = "/metrics/job/coded";

fn push(encoding: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::put(PATH, body).header("Content-Encoding", encoding)
}

#[test]
fn every_gateway_stores_what_was_coded() {
    for gateway in [gateways::installed(), gateways::newer_new_routing()].into_iter().flatten() {
        stored(&gateway);
    }
}

fn stored(gateway: &Gateway) {
    let guard = Guard::start(EVERYTHING, &gateway.url());
    let halves = [gzip(&BODY[..20]), gzip(&BODY[20..])].concat();
    let rows = [
        ("identity", BODY.to_vec()),
        ("gzip", gzip(BODY)),
        ("GZip", gzip(BODY)),
        ("gzip", halves),
        ("snappy", snappy(BODY)),
    ];
    for (encoding, body) in rows {
        for request in [push(encoding, body.clone()), push(encoding, []).chunked(body.clone())] {
            request.send(guard.address()).is(200, "", encoding);
            let groups = gateway.groups();
            assert_eq!(groups.len(), 1);
            assert_eq!(groups[0].families(), ["tests_total"], "{encoding}");
            let metric = &groups[0].content["tests_total"]["metrics"][0];
            assert_eq!((metric["value"].as_str(), metric["labels"]["suite"].as_str()), (Some("42"), Some("unit")));
            Request::delete(PATH).send(guard.address()).is(202, "", "a delete");
        }
    }
    // Nothing, coded, empties the group as nothing does.
    push("identity", BODY).send(guard.address()).is(200, "", "a push");
    push("gzip", gzip(b"")).send(guard.address()).is(200, "", "an empty push");
    assert_eq!(gateway.groups()[0].families(), [""; 0]);
}

#[test]
fn what_goes_on_has_no_encoding() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    for (encoding, body) in [("gzip", gzip(BODY)), ("snappy", snappy(BODY)), ("identity", BODY.to_vec())] {
        push(encoding, body).send(guard.address()).is(200, "", encoding);
        let seen = upstream.seen().pop().expect("a request");
        assert_eq!(seen.body, BODY, "{encoding}");
        assert_eq!(seen.header("Content-Encoding"), [""; 0], "{encoding}");
        assert_eq!(seen.header("Content-Length"), [BODY.len().to_string()], "{encoding}");
    }
}

#[test]
fn what_is_not_whole_reaches_no_gateway() {
    let upstream = Upstream::start(|_| ok());
    let policy = with(EVERYTHING, "from: anywhere", "from: anywhere\n    payload: { max_decoded_bytes: 2MiB }");
    let guard = Guard::start(&policy, &upstream.url());
    let (zipped, framed) = (gzip(BODY), snappy(BODY));
    let changed = |body: &[u8], at: usize| {
        let mut body = body.to_vec();
        body[at] ^= 1;
        body
    };
    let large: Vec<u8> = (0..120_000).flat_map(|n| format!("m{{n=\"{n}\"}} {n}\n").into_bytes()).collect();
    let rows = [
        ("gzip", zipped[..zipped.len() - 1].to_vec(), 400, "payload_invalid", "cut"),
        ("gzip", zipped[..zipped.len() - 9].to_vec(), 400, "payload_invalid", "cut"),
        ("gzip", Vec::new(), 400, "request_malformed", "without a body"),
        ("gzip", changed(&zipped, zipped.len() - 1), 400, "payload_invalid", "checksum"),
        ("gzip", changed(&zipped, zipped.len() - 5), 400, "payload_invalid", "checksum"),
        ("gzip", [zipped.clone(), b"x".to_vec()].concat(), 400, "payload_invalid", "behind"),
        ("gzip", BODY.to_vec(), 400, "payload_invalid", "not gzip"),
        ("gzip", gzip(&zipped), 400, "payload_invalid", "compress it once"),
        ("gzip", gzip(&vec![b'#'; 1 << 20]), 413, "payload_too_large", "more than 100 times"),
        ("gzip", gzip(&large), 413, "payload_too_large", "more than 2097152 bytes"),
        ("snappy", framed[..framed.len() - 1].to_vec(), 400, "payload_invalid", "cut"),
        ("snappy", changed(&framed, framed.len() - 1), 400, "payload_invalid", "damaged"),
        ("snappy", BODY.to_vec(), 400, "payload_invalid", "framing format"),
        ("snappy", snappy(&vec![b'#'; 4 << 20]), 413, "payload_too_large", "more than 2097152 bytes"),
        ("gzip, gzip", gzip(&zipped), 415, "encoding_unsupported", "gzip"),
        ("br", BODY.to_vec(), 415, "encoding_unsupported", "gzip"),
        ("x-gzip", zipped.clone(), 415, "encoding_unsupported", "gzip"),
    ];
    for (encoding, body, status, reason, words) in rows {
        let answer = push(encoding, body).send(guard.address()).is(status, reason, format!("{encoding}: {words}"));
        assert!(answer.text().contains(words), "{encoding}: {words}: {}", answer.text());
    }
    assert_eq!(upstream.contacts(), (0, 0));
}
