use super::{cases, table};
use crate::request::{HeadLimits, Method, RawHead, RawHeadError, Version};
use proptest::prelude::*;

/// `ok`, or the class of the error: its status, and for 400 a word of its text.
fn read(head: &[u8]) -> String {
    match RawHead::read(head) {
        Ok(_) => "ok".to_owned(),
        Err(RawHeadError::Malformed(text)) => text.to_owned(),
        Err(RawHeadError::MethodUnknown) => "405".to_owned(),
        Err(RawHeadError::TargetTooLong { .. }) => "414".to_owned(),
        Err(RawHeadError::TooManyFields { .. }) => "431".to_owned(),
    }
}

const LINE: &str = "the request line is not METHOD TARGET VERSION (is there a space in the URL?)";
const VERSION: &str = "only HTTP/1.0 and HTTP/1.1 are served";
const END: &str = "the head does not end in an empty line";
const NO_COLON: &str = "a header line has no colon";
const NAME: &str = "a header name is not a token (a folded line, or a space before the colon?)";
const VALUE: &str = "a header value has a control character";
const TARGET: &str = "the request target has a control character or a #";
const SLASH: &str = "the request target does not start with a slash";
const REPEATED: &str = "a header that must stand once is repeated";
const HOST: &str = "the Host header is not a host name";
const LENGTH: &str = "Content-Length is not a plain number";
const CHUNKED: &str = "Transfer-Encoding is not exactly chunked";
const CONNECTION: &str = "Connection takes only close or keep-alive";

#[test]
fn request_lines() {
    let rows: &[(&str, &str)] = &[
        ("GET / HTTP/1.1", "ok"),
        ("GET / HTTP/1.0", "ok"),
        ("PUT /metrics/job/a HTTP/1.1", "ok"),
        ("GET /a?b=c&d HTTP/1.1", "ok"),
        ("GET //a/../b;c HTTP/1.1", "ok"),
        ("GET /caf\u{e9} HTTP/1.1", "ok"),
        ("GET /\"<>\\^`{|} HTTP/1.1", "ok"),
        ("OPTIONS /x HTTP/1.1", "ok"),
        ("PATCH /x HTTP/1.1", "ok"),
        ("HEAD /x HTTP/1.1", "ok"),
        ("GET /", LINE),
        ("GET", LINE),
        ("", LINE),
        ("GET  / HTTP/1.1", LINE),
        ("GET /a b HTTP/1.1", LINE),
        ("GET / HTTP/1.1 ", LINE),
        (" GET / HTTP/1.1", LINE),
        ("GET\t/\tHTTP/1.1", LINE),
        ("GET / HTTP/0.9", VERSION),
        ("GET / HTTP/1.2", VERSION),
        ("GET / HTTP/2.0", VERSION),
        ("GET / HTTP/2", VERSION),
        ("GET / HTTP/1.10", VERSION),
        ("GET / HTTP/01.1", VERSION),
        ("GET / http/1.1", VERSION),
        ("GET / HTTP/1.1\r", VERSION),
        ("PRI * HTTP/2.0", VERSION),
        ("get / HTTP/1.1", "405"),
        ("Get / HTTP/1.1", "405"),
        ("CONNECT push.example.com:443 HTTP/1.1", "405"),
        ("TRACE / HTTP/1.1", "405"),
        ("PURGE / HTTP/1.1", "405"),
        ("GET\u{0} / HTTP/1.1", "the method is not a token"),
        ("G(T / HTTP/1.1", "the method is not a token"),
        ("\r\nGET / HTTP/1.1", LINE),
        ("GET * HTTP/1.1", SLASH),
        ("OPTIONS * HTTP/1.1", SLASH),
        ("GET http://push.example.com/ HTTP/1.1", SLASH),
        ("GET metrics HTTP/1.1", SLASH),
        ("GET \\metrics HTTP/1.1", SLASH),
        ("GET ?x HTTP/1.1", SLASH),
        ("GET /a#b HTTP/1.1", TARGET),
        ("GET /a\tb HTTP/1.1", TARGET),
        ("GET /a\u{0}b HTTP/1.1", TARGET),
        ("GET /a\u{7f} HTTP/1.1", TARGET),
        ("GET /a\nX: y HTTP/1.1", LINE),
        ("GET /a\nX:y HTTP/1.1", TARGET),
        ("GET /a\rX:y HTTP/1.1", TARGET),
    ];
    let head = |line: &str| read(format!("{line}\r\nHost: h\r\n\r\n").as_bytes());
    table(rows.iter().map(|(line, expected)| (line, (*expected).to_owned(), head(line))));
}

#[test]
fn header_fields() {
    let rows: &[(&str, &str)] = &[
        ("", "ok"),
        ("X: y", "ok"),
        ("X:y", "ok"),
        ("X:", "ok"),
        ("X: \t y \t ", "ok"),
        ("X: caf\u{e9}", "ok"),
        ("X: a\tb", "ok"),
        ("X_Y.Z: y", "ok"),
        ("X: y\r\nX: z", "ok"),
        ("X : y", NAME),
        ("X\t: y", NAME),
        (" X: y", NAME),
        ("X: y\r\n folded: yes", NAME),
        ("X: y\r\n\tfolded: yes", NAME),
        ("X: y\r\n folded", NO_COLON),
        (": y", NAME),
        ("X(: y", NAME),
        ("\u{e9}: y", NAME),
        ("X\u{0}: y", NAME),
        ("X", NO_COLON),
        ("X: y\nZ: a", VALUE),
        ("X: y\rZ: a", VALUE),
        ("X: y\u{0}", VALUE),
        ("X: y\u{1b}[31m", VALUE),
        ("X: y\u{7f}", VALUE),
        ("X: y\r\n\r\nZ: a", NO_COLON),
        // Host.
        ("Host: h", REPEATED),
        ("hOsT: other", REPEATED),
        // Those that must stand once.
        ("Authorization: a\r\nauthorization: a", REPEATED),
        ("Content-Type: a\r\nContent-Type: a", REPEATED),
        ("Content-Encoding: a\r\nContent-Encoding: b", REPEATED),
        ("Content-Length: 4\r\nContent-Length: 4", REPEATED),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", REPEATED),
        ("Expect: 100-continue\r\nExpect: 100-continue", REPEATED),
        ("Origin: a\r\nOrigin: a", REPEATED),
        ("Sec-Fetch-Site: none\r\nSec-Fetch-Site: none", REPEATED),
        ("X-Forwarded-For: a\r\nX-Forwarded-For: b", "ok"),
        ("Proxy-Authorization: Basic x\r\nAuthorization: Basic x", "ok"),
        // Length.
        ("Content-Length: 0", "ok"),
        ("Content-Length: 4", "ok"),
        ("Content-Length: 04", "ok"),
        ("Content-Length: 999999999999999999", "ok"),
        ("Content-Length: 9999999999999999999", LENGTH),
        ("Content-Length: 18446744073709551616", LENGTH),
        ("Content-Length: +4", LENGTH),
        ("Content-Length: -0", LENGTH),
        ("Content-Length: 0x4", LENGTH),
        ("Content-Length: 4, 4", LENGTH),
        ("Content-Length: 4;", LENGTH),
        ("Content-Length: 4 4", LENGTH),
        ("Content-Length: 4.0", LENGTH),
        ("Content-Length: \u{664}", LENGTH),
        ("Content-Length:", LENGTH),
        // Transfer coding.
        ("Transfer-Encoding: chunked", "ok"),
        ("Transfer-Encoding: Chunked", "ok"),
        ("Transfer-Encoding: gzip, chunked", CHUNKED),
        ("Transfer-Encoding: chunked, chunked", CHUNKED),
        ("Transfer-Encoding: chunked,", CHUNKED),
        ("Transfer-Encoding: xchunked", CHUNKED),
        ("Transfer-Encoding: \"chunked\"", CHUNKED),
        ("Transfer-Encoding: chunked;q=1", CHUNKED),
        ("Transfer-Encoding: identity", CHUNKED),
        ("Transfer-Encoding:", CHUNKED),
        ("Transfer-Encoding: \u{b}chunked", VALUE),
        ("Transfer-Encoding: \u{c}chunked", VALUE),
        ("Content-Length: 4\u{c}", VALUE),
        ("X: y\r", VALUE),
        ("X:\ry", VALUE),
        ("Transfer-Encoding: chunked\u{85}", CHUNKED),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", "Content-Length and Transfer-Encoding exclude each other"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0", "Content-Length and Transfer-Encoding exclude each other"),
        // What is not taken at all.
        ("Upgrade: h2c", "Upgrade is not taken"),
        ("Upgrade: websocket", "Upgrade is not taken"),
        ("Trailer: X", "trailers are not taken"),
        ("Expect: 100-continue", "ok"),
        ("Expect: 100-Continue", "ok"),
        ("Expect: 200-ok", "Expect other than 100-continue is not taken"),
        ("Expect: 100-continue, x", "Expect other than 100-continue is not taken"),
        ("Expect:", "Expect other than 100-continue is not taken"),
        ("Connection: close", "ok"),
        ("Connection: Keep-Alive", "ok"),
        ("Connection: keep-alive, close", "ok"),
        ("Connection: close\r\nConnection: close", "ok"),
        ("Connection:", "ok"),
        ("Connection: , close,,", "ok"),
        ("Connection: close keep-alive", CONNECTION),
        ("Connection: authorization", CONNECTION),
        ("Connection: close, x-forwarded-for", CONNECTION),
        ("Connection: Upgrade", CONNECTION),
        ("Connection: close\r\nConnection: content-length", CONNECTION),
    ];
    let head = |fields: &str| {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        read(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes())
    };
    table(rows.iter().map(|(fields, expected)| (fields, (*expected).to_owned(), head(fields))));
}

#[test]
fn hosts() {
    let rows: &[(&str, &str)] = &[
        ("Host: push.example.com\r\n", "ok"),
        ("Host: push.example.com:9091\r\n", "ok"),
        ("Host: [2001:db8::1]:80\r\n", "ok"),
        ("", "the Host header is missing"),
        ("Host:\r\n", HOST),
        ("Host: a b\r\n", HOST),
        ("Host: a/b\r\n", HOST),
        ("Host: user@h\r\n", HOST),
        ("Host: a,b\r\n", HOST),
        ("Host: a?b\r\n", HOST),
        ("Host: caf\u{e9}\r\n", HOST),
    ];
    table(
        rows.iter().map(|(host, e)| (host, (*e).to_owned(), read(format!("GET / HTTP/1.1\r\n{host}\r\n").as_bytes()))),
    );
    assert_eq!(read(b"GET / HTTP/1.0\r\n\r\n"), "ok", "HTTP/1.0 needs no Host");
}

#[test]
fn http_1_0() {
    let rows = [
        ("Content-Length: 4\r\n", "ok"),
        ("Transfer-Encoding: chunked\r\n", "HTTP/1.0 has no Transfer-Encoding"),
        ("Connection: keep-alive\r\n", "ok"),
        ("Host: h\r\nHost: h\r\n", REPEATED),
    ];
    let head = |fields: &str| read(format!("PUT /x HTTP/1.0\r\n{fields}\r\n").as_bytes());
    table(rows.map(|(fields, expected)| (fields, expected.to_owned(), head(fields))));
}

#[test]
fn line_ends_are_cr_lf_everywhere() {
    let rows: &[(&[u8], &str)] = &[
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "ok"),
        (b"GET / HTTP/1.1\nHost: h\n\n", END),
        (b"GET / HTTP/1.1\r\nHost: h\n\r\n", END),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\n", END),
        (b"GET / HTTP/1.1\r\nHost: h\r\n", END),
        (b"GET / HTTP/1.1\nHost: h\r\n\r\n", LINE),
        (b"GET / HTTP/1.1\nHost:h\r\n\r\n", VERSION),
        (b"GET / HTTP/1.1\r\nHost: h\n\r\n\r\n", VALUE),
        (b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", VALUE),
        (b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", VALUE),
        (b"", END),
        (b"\r\n\r\n", LINE),
        (b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", LINE),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\n", NO_COLON),
    ];
    table(rows.iter().map(|(h, e)| (String::from_utf8_lossy(h).into_owned(), (*e).to_owned(), read(h))));
}

#[test]
fn sizes_at_their_edges() {
    let most = HeadLimits::default();
    let fields = |count: usize| {
        let fields: String = (1..count).map(|i| format!("X-{i}: y\r\n")).collect();
        read(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes())
    };
    assert_eq!((fields(most.fields).as_str(), fields(most.fields + 1).as_str()), ("ok", "431"));
    let target = |bytes: usize| read(format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(bytes - 1)).as_bytes());
    assert_eq!((target(most.target).as_str(), target(most.target + 1).as_str()), ("ok", "414"));
}

#[test]
fn a_head_is_read_as_it_stands() {
    let head = RawHead::read(b"PUT /a%2Fb?c HTTP/1.1\r\nHost: H\r\nX-A:  1 \r\nx-a: 2\r\n\r\n").unwrap();
    assert_eq!((head.method, head.version, head.target.as_slice()), (Method::Put, Version::Http11, &b"/a%2Fb?c"[..]));
    assert_eq!(head.field("host"), Some(&b"H"[..]));
    assert_eq!(head.all("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
}

#[test]
fn a_head_prints_no_values() {
    let text = b"GET /secret HTTP/1.1\r\nHost: h\r\nAuthorization: Basic c2VjcmV0\r\nCookie: secret\r\n\r\n";
    let shown = format!("{:?}", RawHead::read(text));
    assert!(shown.contains("authorization") && !shown.contains("c2Vj") && !shown.contains("secret"), "{shown}");
}

#[test]
fn connections_stay_open_by_version_and_option() {
    let rows = [
        ("1.1", "X: y", true),
        ("1.1", "Connection: close", false),
        ("1.1", "Connection: keep-alive, CLOSE", false),
        ("1.1", "Connection: keep-alive", true),
        ("1.0", "X: y", false),
        ("1.0", "Connection: Keep-Alive", true),
        ("1.0", "Connection: keep-alive\r\nConnection: close", false),
    ];
    let keeps = |version, fields| {
        RawHead::read(format!("GET / HTTP/{version}\r\nHost: h\r\n{fields}\r\n\r\n").as_bytes()).unwrap().keeps_alive()
    };
    table(rows.map(|(version, fields, expected)| ((version, fields), expected, keeps(version, fields))));
}

proptest! {
    #![proptest_config(cases(4000))]

    /// One byte of damage never makes a head that reads as another request with more meaning than it shows.
    #[test]
    fn a_damaged_head_has_one_reading(at in 0_usize..90, byte in any::<u8>(), insert in any::<bool>()) {
        let mut head = b"PUT /metrics/job/a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n".to_vec();
        let at = at.min(head.len() - 1);
        if insert { head.insert(at, byte) } else { head[at] = byte }
        if let Ok(read) = RawHead::read(&head) {
            prop_assert_eq!(head.windows(4).position(|w| w == b"\r\n\r\n"), Some(head.len() - 4));
            let lines = head.windows(2).filter(|w| w == b"\r\n").count();
            prop_assert_eq!(read.fields.len() + 2, lines, "every line is one field");
            prop_assert!(head.iter().filter(|b| **b == b'\n').count() == lines, "no line end of another kind");
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(head in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = RawHead::read(&head);
        let _ = RawHead::read(&[b"GET / HTTP/1.1\r\nHost: h\r\n", head.as_slice(), b"\r\n\r\n"].concat());
    }
}
