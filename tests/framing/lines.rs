//! Request lines and the ends of lines.

use super::{Bent, Case, Family, Fate, Maker, Part};

pub const FAMILIES: &[(&str, Family)] = &[
    ("a bare LF in the head", bare_lf),
    ("a bare CR in the head", bare_cr),
    ("odd line ends", odd_line_end),
    ("a control character in the head", control),
    ("something before the request", before),
    ("blanks in the request line", blanks),
    ("another version", version),
    ("1.0 with and without keep-alive", old),
    ("a target that is no path", target_form),
    ("a target with a control or a fragment", target_byte),
    ("a target that names no one group", target_ambiguous),
    ("a target spelled otherwise", target_spelled),
    ("an unknown method", method),
    ("another protocol", protocol),
];

/// Replaces one line end of the head; the last is the empty line's.
fn replace_line_end(m: &mut Maker<'_>, bent: &Bent, end: &[u8]) -> Case {
    let tail = m.tail();
    let bytes = bent.bytes(b"");
    let ends: Vec<usize> = bytes.windows(2).enumerate().filter(|(_, w)| w == b"\r\n").map(|(at, _)| at).collect();
    let at = *m.chance.pick(&ends);
    m.refused_bytes([&bytes[..at], end, &bytes[at + 2..], &tail].concat(), 400)
}

fn framed(m: &mut Maker<'_>) -> Bent {
    let mut bent = m.push();
    let framing = *m.chance.pick(&["Transfer-Encoding: chunked", "Content-Length: 4"]);
    m.add(&mut bent, framing);
    bent
}

fn bare_lf(m: &mut Maker<'_>) -> Case {
    let bent = framed(m);
    replace_line_end(m, &bent, b"\n")
}

fn bare_cr(m: &mut Maker<'_>) -> Case {
    let bent = framed(m);
    replace_line_end(m, &bent, b"\r")
}

fn odd_line_end(m: &mut Maker<'_>) -> Case {
    let bent = framed(m);
    let ends: [&[u8]; 9] = [b"\r\r\n", b"\n\r", b"\n\n", b"\r\0\n", b"\x0b\r\n", b"\x0c\r\n", b"\x0b", b"\0", b"\r \n"];
    let end = *m.chance.pick(&ends);
    replace_line_end(m, &bent, end)
}

/// A byte that is no text and no line end.
fn control_byte(m: &mut Maker<'_>) -> u8 {
    loop {
        let byte = m.chance.below(33) as u8;
        if ![b'\t', b'\n', b'\r', b' '].contains(&byte) {
            return if byte == 32 { 0x7f } else { byte };
        }
    }
}

fn control(m: &mut Maker<'_>) -> Case {
    let bent = framed(m);
    let bytes = bent.bytes(b"");
    let byte = control_byte(m);
    // Not into a line end: those have families of their own.
    let at = loop {
        let at = m.chance.below(bytes.len() - 3);
        if bytes[at] != b'\n' {
            break at;
        }
    };
    let tail = m.tail();
    m.refused_bytes([&bytes[..at], &[byte], &bytes[at..], &tail].concat(), 400)
}

fn before(m: &mut Maker<'_>) -> Case {
    let bent = framed(m);
    let before: [&[u8]; 13] = [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"\n\n\n",
        b"\r",
        b" ",
        b"\t",
        b"\0",
        b"\xef\xbb\xbf",
        b" \r\n",
        b"\0\r\n",
        b"\r\r\n",
        b"X: 1\r\n",
    ];
    let before = *m.chance.pick(&before);
    let tail = m.tail();
    m.refused_bytes([before, &bent.bytes(&tail)].concat(), 400)
}

fn blanks(m: &mut Maker<'_>) -> Case {
    let mut bent = framed(m);
    let line = String::from_utf8(bent.line.clone()).unwrap();
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("three words") };
    let lines = [
        format!("{method}  {target} {version}"),
        format!("{method} {target}  {version}"),
        format!("{method}\t{target} {version}"),
        format!("{method} {target}\t{version}"),
        format!("{method} {target} {version} "),
        format!("{method} {target} {version}\t"),
        format!(" {line}"),
        format!("{method} {target} x {version}"),
        format!("{method} {target} {version} {version}"),
        format!("{method} {target}/a b {version}"),
        format!("{method} {target}\u{b}{version}"),
        format!("{method} {target}\u{a0}{version}"),
        format!("{method}{target} {version}"),
        format!("{method} {target}{version}"),
        format!("{method} {version}"),
        method.to_owned(),
        format!("{method} {target}"),
        format!("{method}: {target} {version}"),
        line.clone() + " X: 1",
    ];
    bent.line = m.chance.pick(&lines).clone().into_bytes();
    m.refused(&bent, 400)
}

fn version(m: &mut Maker<'_>) -> Case {
    let mut bent = framed(m);
    let versions = [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3",
        "HTTP/9.9",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "http/1.1",
        "Http/1.1",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1.10",
        "HTTP/1.1.",
        "HTTP/1.1x",
        "HTTP/1,1",
        "HTTP 1.1",
        "HTTPS/1.1",
        "XHTTP/1.1",
        "/1.1",
        "HTTP/+1.1",
        "HTTP/1.-1",
        "ICY/1.1",
        "RTSP/1.0",
        "SIP/2.0",
        "HTTP/1.1\u{b}",
    ];
    bent.line.truncate(bent.line.len() - "HTTP/1.1".len());
    bent.line.extend_from_slice(m.chance.pick(&versions).as_bytes());
    m.refused(&bent, 400)
}

fn old(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    bent.line.pop();
    bent.line.push(b'0');
    if m.chance.once_in(2) {
        bent.fields.retain(|field| !field.starts_with(b"Host"));
    }
    let keeps = m.chance.once_in(2);
    let field = *m.chance.pick(if keeps {
        &["Connection: keep-alive", "connection: Keep-Alive"]
    } else {
        &["X: 1", "Keep-Alive: 9"]
    });
    m.add(&mut bent, field);
    let expects = m.chance.once_in(4);
    if expects {
        // HTTP/1.0 has no interim answers.
        m.add(&mut bent, "Expect: 100-continue");
    }
    let mut part = m.with_length(bent);
    part.keeps = keeps;
    Case::of(part)
}

fn target_form(m: &mut Maker<'_>) -> Case {
    let mut bent = framed(m);
    let path = format!("/metrics/job/{}", m.jobs.hostile);
    let method = *m.chance.pick(&["POST", "PUT", "GET", "DELETE", "OPTIONS"]);
    let targets = [
        format!("http://push.test{path}"),
        format!("https://push.test{path}"),
        format!("HTTP://push.test{path}"),
        format!("http://u:p@push.test{path}"),
        format!("http:{path}"),
        format!("push.test:80{path}"),
        "push.test:80".to_owned(),
        "*".to_owned(),
        path[1..].to_owned(),
        String::new(),
        format!("?{path}"),
        format!("\\{}", &path[1..]),
        format!("*{path}"),
        format!("%2F{}", &path[1..]),
        format!(".{path}"),
        format!("\"{path}\""),
    ];
    bent.line = format!("{method} {} HTTP/1.1", m.chance.pick(&targets)).into_bytes();
    m.refused(&bent, 400)
}

fn target_byte(m: &mut Maker<'_>) -> Case {
    let mut bent = framed(m);
    let byte = if m.chance.once_in(3) { b'#' } else { control_byte(m) };
    let at = bent.line.len() - "HTTP/1.1".len() - 1 - m.chance.below(8);
    bent.line.insert(at, byte);
    m.refused(&bent, 400)
}

/// Strict HTTP, so the connection goes on.
fn target_ambiguous(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let method = *m.chance.pick(&["POST", "PUT"]);
    let path = format!("/metrics/job/{}", m.jobs.hostile);
    let behind = [
        "?",
        "?a=b",
        "?%0d%0aHost:%20x",
        "%0d%0aContent-Length:%200%0d%0a%0d%0a",
        "%00",
        "%0a",
        "/a/b%0d%0aX:%201",
        "%2f..",
        "//",
        "/../x",
        "/a/%2e%2e",
        "/a/..",
        "/a",
        "/a/b/a/c",
        "%",
        "%zz",
        "%2Fa%2Fb",
        "/job/x",
        "/instance@base64/=",
        "/a@base64/=",
        "/a@base64/!",
        "%ff",
        "\\..\\x",
        "/__a/b",
        "/a-b/c",
    ];
    let behind = *m.chance.pick(&behind);
    bent.line = format!("{method} {path}{behind} HTTP/1.1").into_bytes();
    let part = m.with_body(bent);
    Case::of(Part { fate: Fate::Refused(400), ..part })
}

/// One group, written by us in our own spelling.
fn target_spelled(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let job = m.jobs.hostile.clone();
    let (first, rest) = job.split_at(1);
    let spellings = [
        (format!("/metrics/job/{job}/"), format!("/metrics/job/{job}")),
        (format!("/metrics/job/%{:02x}{rest}", first.as_bytes()[0]), format!("/metrics/job/{job}")),
        (format!("/metrics/job/{job}/a/b"), format!("/metrics/job/{job}/a/b")),
        (format!("/metrics/job/{job}/z/1/a/2"), format!("/metrics/job/{job}/a/2/z/1")),
        (format!("/metrics/job/{job}/a/b%20c"), format!("/metrics/job/{job}/a@base64/YiBj")),
        (format!("/metrics/job/{job}/a/b;c"), format!("/metrics/job/{job}/a@base64/Yjtj")),
        (format!("/metrics/job/{job}/a/b?").replace('?', "%3F"), format!("/metrics/job/{job}/a@base64/Yj8")),
        (format!("/metrics/job/{job}/a@base64/Yg=="), format!("/metrics/job/{job}/a/b")),
        (format!("/metrics/job/{job}/a%40base64/Yi9j"), format!("/metrics/job/{job}/a@base64/Yi9j")),
        (format!("/metrics/job/{job}/%61/b"), format!("/metrics/job/{job}/a/b")),
        (format!("/metrics/job/{job}/a@base64/PQ"), format!("/metrics/job/{job}/a@base64/PQ")),
        (format!("/metrics/job/{job}/a/HTTP%2fx").replace("%2f", "+"), format!("/metrics/job/{job}/a@base64/SFRUUCt4")),
    ];
    let (sent, ours) = m.chance.pick(&spellings).clone();
    bent.line = format!("POST {sent} HTTP/1.1").into_bytes();
    let mut part = m.with_body(bent);
    if let Fate::Forwarded { line, .. } = &mut part.fate {
        *line = format!("POST {ours}");
    }
    Case::of(part)
}

fn method(m: &mut Maker<'_>) -> Case {
    let mut bent = framed(m);
    let unknown = [
        "post", "Post", "pOST", "POSTX", "XPOST", "TRACE", "TRACK", "CONNECT", "PRI", "LINK", "PURGE", "PROPFIND",
        "MKCOL", "SEARCH", "DEBUG", "_", "0", "POST'", "POST`", "POST!", "QUERY", "M-SEARCH",
    ];
    let no_token =
        ["POST,", "\"POST\"", "PO\u{e9}ST", "POST:", "POST/", "{POST}", "", "(POST)", "POST@", "P=OST", "POST;x"];
    let (method, status) =
        if m.chance.once_in(3) { (*m.chance.pick(&no_token), 400) } else { (*m.chance.pick(&unknown), 405) };
    bent.line = format!("{method} /metrics/job/{} HTTP/1.1", m.jobs.hostile).into_bytes();
    m.refused(&bent, status)
}

fn protocol(m: &mut Maker<'_>) -> Case {
    let others: [&[u8]; 8] = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"PROXY TCP4 203.0.113.7 203.0.113.8 1 2\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xcb\x00\x71\x08\x00\x01\x00\x02",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n",
        b"SSH-2.0-test\r\n",
        b"EHLO push.test\r\n",
        b"*1\r\n$4\r\nPING\r\n",
    ];
    let other = *m.chance.pick(&others);
    let bent = framed(m);
    let tail = m.tail();
    m.refused_bytes([other, &bent.bytes(&tail)].concat(), 400)
}
