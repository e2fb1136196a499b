use super::table;
use crate::prefix_set::PrefixSet;
use crate::request::{ClientFrom, Encoding, Head, Length, Origin, Peer, RawHead, Web};

fn read(raw: &RawHead, address: &str) -> Head {
    let trusted = PrefixSet::default();
    let (address, client_from) = (address.parse().unwrap(), ClientFrom::default());
    let peer = Peer { address, trusted: &trusted, client_from, announced: None };
    Head::read(raw, &peer, "default".into(), &Web::default())
}

fn head(fields: &str) -> Head {
    let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
    let text = format!("PUT /metrics/job/a HTTP/1.1\r\nHost: push.example.com:9091\r\n{fields}\r\n");
    let raw = RawHead::read(text.as_bytes()).unwrap_or_else(|e| panic!("{fields}: {e}"));
    read(&raw, "192.0.2.1")
}

#[test]
fn lengths_and_encodings() {
    let rows = [
        ("", Length::Absent),
        ("Content-Length: 0", Length::Exact(0)),
        ("Content-Length: 007", Length::Exact(7)),
        ("Content-Length: 999999999999999999", Length::Exact(999_999_999_999_999_999)),
        ("Transfer-Encoding: CHUNKED", Length::Chunked),
    ];
    table(rows.map(|(fields, expected)| (fields, expected, head(fields).length)));
    let other = |name: &str| Encoding::Other(name.to_owned());
    let rows = [
        ("", Encoding::Identity),
        ("Content-Encoding:", Encoding::Identity),
        ("Content-Encoding: IDENTITY", Encoding::Identity),
        ("Content-Encoding: gzip", Encoding::Gzip),
        ("Content-Encoding: GZip", Encoding::Gzip),
        ("Content-Encoding: snappy", Encoding::Snappy),
        ("Content-Encoding: br", other("br")),
        ("Content-Encoding: gzip, gzip", other("gzip, gzip")),
        ("Content-Encoding: identity, gzip", other("identity, gzip")),
        ("Content-Encoding: identity, identity", other("identity, identity")),
        ("Content-Encoding: x-gzip", other("x-gzip")),
    ];
    table(rows.map(|(fields, expected)| (fields, expected, head(fields).encoding)));
}

/// The rule of Go's CrossOriginProtection, which browsers' metadata was made for.
#[test]
fn browsers_are_told_apart_from_programs() {
    let rows = [
        ("", false),
        ("Sec-Fetch-Site: none", false),
        ("Sec-Fetch-Site: same-origin", false),
        ("Sec-Fetch-Site: same-site", true),
        ("Sec-Fetch-Site: cross-site", true),
        ("Sec-Fetch-Site: None", true),
        ("Sec-Fetch-Site:", true),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: https://evil.example", false),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: https://push.example.com:9091", true),
        ("Origin: https://push.example.com:9091", false),
        ("Origin: http://push.example.com:9091", false),
        ("Origin: https://PUSH.example.com:9091", false),
        ("Origin: https://push.example.com", true),
        ("Origin: https://push.example.com:9091.evil.example", true),
        ("Origin: https://evil.example", true),
        ("Origin: null", true),
        ("Origin:", true),
        ("Origin: push.example.com:9091", true),
        ("Origin: ftp://push.example.com:9091", true),
        ("Referer: https://evil.example", false),
    ];
    let foreign = |fields| matches!(head(fields).origin, Origin::Foreign(_));
    table(rows.map(|(fields, expected)| (fields, expected, foreign(fields))));
}

#[test]
fn json_is_for_those_who_ask() {
    let rows = [
        ("", false),
        ("Accept: */*", false),
        ("Accept: text/plain", false),
        ("Accept: application/json", true),
        ("Accept: application/problem+json", true),
        ("Accept: text/html, Application/JSON;q=0.5", true),
        ("Accept: text/html\r\nAccept: application/json", true),
        ("Accept: application/json;q=0", false),
        ("Accept: application/json; q=0.0, text/plain", false),
        ("Accept: application/json; q=0, application/problem+json", true),
        ("Accept: application/jsonp", false),
        ("Accept: text/application/json", false),
    ];
    table(rows.map(|(fields, expected)| (fields, expected, head(fields).accepts_json)));
}

/// What reaches the gateway is a short list; credentials, cookies and forwarding headers are not on it.
#[test]
fn only_listed_headers_are_passed_on() {
    let head = head(
        "Authorization: Basic Y2k6YQ==\r\nCookie: a\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n\
         Accept: text/plain\r\nAccept-Encoding: gzip\r\nUser-Agent: curl\r\nX-Real-IP: a\r\n\
         Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
         Content-Type: text/plain\r\nX-HTTP-Method-Override: DELETE\r\nProxy-Authorization: Basic x\r\nTE: trailers",
    );
    let names: Vec<&str> = head.passed.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["accept", "accept-encoding", "traceparent", "user-agent"]);
    assert!(!format!("{head:?}").contains("Y2k6YQ"));
}

#[test]
fn addresses_are_canonical() {
    let raw = RawHead::read(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let head = read(&raw, "::ffff:192.0.2.1");
    assert_eq!(
        (head.peer.to_string(), head.source.map(|s| s.to_string())),
        ("192.0.2.1".into(), Ok("192.0.2.1".into()))
    );
}
