//! Header fields: Host, Expect, Connection, Upgrade, what must stand once, what is no field, and what must not matter.

use super::{Case, Family, Fate, Maker, Part};

pub const FAMILIES: &[(&str, Family)] = &[
    ("no Host", no_host),
    ("two Hosts", two_hosts),
    ("a Host that is none", odd_host),
    ("a Host of any kind", good_host),
    ("a field name that is no token", odd_name),
    ("a field name of odd tokens", good_name),
    ("a folded line", folded),
    ("bytes beyond ASCII in a value", beyond_ascii),
    ("Expect of something else", odd_expect),
    ("Expect, and the body at once", early_body),
    ("Expect, refused, and the body at once", early_body_refused),
    ("Connection that names fields", odd_connection),
    ("Connection that ends or keeps", good_connection),
    ("Upgrade", upgrade),
    ("settings without an upgrade", settings),
    ("a field twice that must stand once", twice),
    ("credentials in odd forms", credentials),
    ("methods and targets in fields", overrides),
];

fn no_host(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    bent.fields.retain(|field| !field.starts_with(b"Host"));
    let other =
        *m.chance.pick(&["X: 1", "X-Host: push.test", "Hos: push.test", "Host_: push.test", "X-Forwarded-Host: a"]);
    m.add(&mut bent, other);
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

fn two_hosts(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let other =
        *m.chance.pick(&["Host: push.test", "host: push.test", "HOST: other.test", "Host:", "Host: push.test:80"]);
    m.add(&mut bent, other);
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

fn with_host(m: &mut Maker<'_>, host: &[u8]) -> super::Bent {
    let mut bent = m.push();
    bent.fields.retain(|field| !field.starts_with(b"Host"));
    m.add(&mut bent, [b"Host: ", host].concat());
    bent
}

fn odd_host(m: &mut Maker<'_>) -> Case {
    let hosts: [&[u8]; 19] = [
        b"",
        b"a/b",
        b"push.test/metrics/job/x",
        b"a, b",
        b"a,b",
        b"a b",
        b"a\tb",
        b"u@a",
        b"u:p@push.test",
        b"a?b",
        b"a#b",
        b"a\\b",
        b"http://a",
        b"\"a\"",
        b"<a>",
        b"a\xc3\xa9",
        b"a\x00b",
        b"a^b",
        b"{a}",
    ];
    let host = *m.chance.pick(&hosts);
    let mut bent = with_host(m, host);
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

fn good_host(m: &mut Maker<'_>) -> Case {
    let hosts =
        ["a", "push.test:80", "[::1]:9091", "[::1]", "127.0.0.1", "A.b-c_d", "localhost:1", "xn--a", "push.test:"];
    let host = *m.chance.pick(&hosts);
    let bent = with_host(m, host.as_bytes());
    let part = m.with_body(bent);
    Case::of(part)
}

fn odd_name(m: &mut Maker<'_>) -> Case {
    let fields: [&[u8]; 20] = [
        b"X Y: 1",
        b"X : 1",
        b"X\t: 1",
        b": 1",
        b" : 1",
        b"X\xe9: 1",
        b"X\xc3\xa9: 1",
        b"X",
        b"X-1",
        b"X/Y: 1",
        b"[X]: 1",
        b"\"X\": 1",
        b"(X): 1",
        b"X,Y: 1",
        b"X;Y: 1",
        b"X=Y: 1",
        b"X@Y: 1",
        b"{X}: 1",
        b"X\\Y: 1",
        b"<X>: 1",
    ];
    let mut bent = m.push();
    let field = *m.chance.pick(&fields);
    m.add(&mut bent, field);
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

fn good_name(m: &mut Maker<'_>) -> Case {
    let fields =
        ["X_Y: 1", "X.Y: 1", "_: 1", "!#$%&'*+-.^_`|~: 1", "0: 1", "X:", "X: :", "X:\t", "content_type: x", "X: a: b"];
    let mut bent = m.push();
    let field = *m.chance.pick(&fields);
    m.add(&mut bent, field);
    let part = m.with_body(bent);
    Case::of(part)
}

fn folded(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    m.add(&mut bent, "Content-Length: 4");
    let at = m.chance.below(bent.fields.len() + 1);
    let line = *m.chance.pick(&[" folded", "\tfolded", " ", "\t", "  X: 1", " X: 1", "\tHost: other", " :"]);
    bent.fields.insert(at, line.as_bytes().to_vec());
    m.refused(&bent, 400)
}

/// Harmless in a value, and of the agent's it is passed on as it is.
fn beyond_ascii(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    bent.fields.retain(|field| !field.starts_with(b"User-Agent"));
    let name = *m.chance.pick(&["X: a", "User-Agent: a", "Cookie: a", "Accept: a"]);
    let byte = 0x80 | m.chance.byte();
    m.add(&mut bent, [name.as_bytes(), &[byte], b"b"].concat());
    let part = m.with_body(bent);
    Case::of(part)
}

fn odd_expect(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let values = [
        "",
        "200-ok",
        "100-continue, 200-ok",
        "100-continue,",
        "100-continue;x",
        "100 continue",
        "100-continues",
        "x100-continue",
        "\"100-continue\"",
        "100-continue 100-continue",
        "100",
        "continue",
    ];
    let value = *m.chance.pick(&values);
    m.add(&mut bent, format!("Expect: {value}"));
    if m.chance.once_in(4) {
        m.add(&mut bent, "Expect: 100-continue");
    }
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

fn early_body(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let value = m.chance.any_case("100-continue");
    m.add(&mut bent, format!("Expect: {value}"));
    let part = m.with_body(bent);
    Case::of(Part { interim: true, ..part })
}

/// Refused before its body was asked for: what is on its way must not become a request.
fn early_body_refused(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    m.add(&mut bent, "Expect: 100-continue");
    let (status, method) = match m.chance.below(5) {
        0 => {
            m.add(&mut bent, "Content-Encoding: br");
            (415, "POST")
        }
        1 => {
            bent.line = b"POST /nope HTTP/1.1".to_vec();
            (404, "POST")
        }
        2 => {
            bent.line = format!("POST /metrics/job/{}?a HTTP/1.1", m.jobs.hostile).into_bytes();
            (400, "POST")
        }
        3 => {
            bent.line = format!("HEAD /metrics/job/{} HTTP/1.1", m.jobs.hostile).into_bytes();
            (405, "HEAD")
        }
        _ => {
            m.add(&mut bent, "Authorization: Basic YTpi");
            (401, "POST")
        }
    };
    let part = m.with_body(bent);
    Case::of(Part { method, fate: Fate::Refused(status), keeps: false, ..part })
}

fn odd_connection(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let values = [
        "content-length",
        "close, content-length",
        "host",
        "authorization",
        "transfer-encoding",
        "keep-alive, transfer-encoding",
        "x-forwarded-for",
        "upgrade",
        "keep-alive, upgrade",
        "HTTP2-Settings",
        "TE",
        "close;x",
        "close x",
        "\"close\"",
        "closed",
        "keep alive",
        "x",
        "close,,x",
        "content-type",
        "\u{a0}close",
    ];
    let value = *m.chance.pick(&values);
    m.add(&mut bent, format!("Connection: {value}"));
    if m.chance.once_in(3) {
        m.add(&mut bent, "Connection: keep-alive");
    }
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

fn good_connection(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let keeps = m.chance.once_in(2);
    let keeping: [&[&str]; 5] =
        [&["keep-alive"], &[""], &["Keep-Alive, ,"], &["keep-alive", "keep-alive"], &[",keep-alive"]];
    let closing: [&[&str]; 5] =
        [&["close"], &["CLOSE"], &["keep-alive, close"], &["close", "keep-alive"], &["keep-alive", ", Close"]];
    for value in *m.chance.pick(if keeps { &keeping } else { &closing }) {
        m.add(&mut bent, format!("Connection: {value}"));
    }
    if m.chance.once_in(4) {
        m.add(&mut bent, "Proxy-Connection: upgrade");
    }
    let part = m.with_body(bent);
    Case::of(Part { keeps, ..part })
}

fn upgrade(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let field =
        *m.chance.pick(&["Upgrade: h2c", "Upgrade: websocket", "upgrade: TLS/1.2", "Upgrade:", "UPGRADE: h2c, x"]);
    m.add(&mut bent, field);
    for other in
        ["HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Connection: Upgrade, HTTP2-Settings", "Sec-WebSocket-Key: x"]
    {
        if m.chance.once_in(2) {
            m.add(&mut bent, other);
        }
    }
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

fn settings(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let fields =
        ["HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Sec-WebSocket-Version: 13", ":authority: x", "Alt-Used: x"];
    let field = *m.chance.pick(&fields);
    m.add(&mut bent, field);
    if field.starts_with(':') {
        m.add(&mut bent, "Content-Length: 4");
        return m.refused(&bent, 400);
    }
    let part = m.with_body(bent);
    Case::of(part)
}

fn twice(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let pairs = [
        ("Authorization", ["Basic YTpi", "Basic YTpj"]),
        ("Authorization", ["Basic YTpi", "Bearer x"]),
        ("Content-Type", ["text/plain", "application/vnd.google.protobuf"]),
        ("Content-Type", ["text/plain", "text/plain"]),
        ("Content-Encoding", ["identity", "gzip"]),
        ("Content-Encoding", ["identity", "identity"]),
        ("Expect", ["100-continue", "100-continue"]),
        ("Origin", ["https://push.test", "https://evil.test"]),
        ("Sec-Fetch-Site", ["none", "cross-site"]),
        ("traceparent", ["00-1", "00-2"]),
    ];
    let (name, values) = *m.chance.pick(&pairs);
    for value in values {
        let name = m.chance.any_case(name);
        m.add(&mut bent, format!("{name}: {value}"));
    }
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 400)
}

/// Nobody here has a password, so each is refused, and its body is read as a body.
fn credentials(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let values = [
        "",
        "Basic",
        "Basic ",
        "Basic YTpi, Basic YTpj",
        "Basic YTpi,Bearer x",
        "basic YTpi",
        "BASIC\tYTpi",
        "Bearer",
        "Bearer x",
        "Basic YTpi=",
        "Basic YT pi",
        "Digest username=\"a\"",
        "YTpi",
        "Negotiate x",
        "Basic  YTpi",
        "Basic Og==",
    ];
    let value = *m.chance.pick(&values);
    m.add(&mut bent, format!("Authorization: {value}"));
    let part = m.with_body(bent);
    Case::of(Part { fate: Fate::Refused(401), ..part })
}

/// Other servers obey these; here the request line is the request, and none of them goes on.
fn overrides(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let smuggled = format!("/metrics/job/{}", m.jobs.smuggled);
    let names = [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "_method",
        "X-Original-URL",
        "X-Original-URI",
        "X-Rewrite-URL",
        "X-Forwarded-Uri",
        "X-Forwarded-Prefix",
        "X-Forwarded-Path",
        "X-Forwarded-Method",
        "X-Forwarded-Host",
        "X-Forwarded-User",
        "X-Envoy-Original-Path",
        "X-Accel-Redirect",
        "X-Sendfile",
        "X-Request-Id",
        "Proxy-Authorization",
        "Destination",
        "Location",
        "Max-Forwards",
        "Proxy",
        "X-Override-URL",
        "X_Forwarded_For",
        "Prefer",
        "Keep-Alive",
        "Range",
        "If-Match",
        "If-None-Match",
        "Cookie",
        "Referer",
    ];
    for _ in 0..1 + m.chance.below(3) {
        let name = *m.chance.pick(&names);
        let value = if m.chance.once_in(2) { "DELETE" } else { smuggled.as_str() };
        m.add(&mut bent, format!("{name}: {value}"));
    }
    let part = m.with_body(bent);
    Case::of(part)
}
