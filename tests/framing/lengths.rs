//! Content-Length and Transfer-Encoding: both, twice, or not quite.

use super::{Case, Family, Fate, Maker, Part};

pub const FAMILIES: &[(&str, Family)] = &[
    ("length and chunked", length_and_chunked),
    ("encoding that is not exactly chunked", odd_encoding),
    ("odd encoding beside a length", odd_encoding_and_length),
    ("chunked in any case and between blanks", spelled_encoding),
    ("encoding twice", encoding_twice),
    ("encoding in a folded line", folded_encoding),
    ("encoding under a bent name", bent_encoding_name),
    ("encoding under another name", other_encoding_name),
    ("length that is no plain number", odd_length),
    ("length under a bent name", bent_length_name),
    ("length with zeros or blanks", spelled_length),
    ("length twice", length_twice),
    ("length beyond what is sent", long_length),
    ("length beyond what is taken", huge_length),
    ("length short of what is sent", short_length),
    ("no length", no_length),
    ("1.0 and chunked", old_and_chunked),
];

/// Values that some reader somewhere takes for `chunked`, or overlooks.
const ODD: &[&[u8]] = &[
    b"",
    b"identity",
    b"xchunked",
    b"chunkedx",
    b"x-chunked",
    b"chunke",
    b"chunked,",
    b",chunked",
    b", chunked",
    b"chunked, chunked",
    b"chunked,chunked",
    b"gzip, chunked",
    b"chunked, gzip",
    b"identity, chunked",
    b"chunked, identity",
    b"chunked;q=1",
    b"chunked ;x",
    b"chunked;",
    b"\"chunked\"",
    b"'chunked'",
    b"chunked\x0b",
    b"\x0bchunked",
    b"\x0cchunked",
    b"chunked\x0c",
    b"chunked\x00",
    b"\x00chunked",
    b"chunked\x7f",
    b"chunked\x08x",
    b"chunked\x1f",
    b"chunked\x85",
    b"\x85chunked",
    b"chunked\xa0",
    b"\xa0chunked",
    b"\xc2\xa0chunked",
    b"\xe2\x80\x8bchunked",
    b"\xef\xbb\xbfchunked",
    b"chun\xc4\xb7ed",
    b"chu nked",
    b"chunked chunked",
    b"chunked\tx",
    b"c\x00hunked",
    b"chunked\\",
    b"%63hunked",
    b"deflate",
    b"trailers",
    b"0",
    b"true",
];

fn encoding(value: &[u8]) -> Vec<u8> {
    [b"Transfer-Encoding: ", value].concat()
}

fn length_and_chunked(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let (tail, length) = match m.chance.below(3) {
        // The length's reader takes all, the chunks' reader a part.
        0 => {
            let tail = [b"0\r\n\r\n".as_slice(), &m.smuggled()].concat();
            let length = tail.len();
            (tail, length)
        }
        // The other way round.
        1 => {
            let smuggled = m.smuggled();
            let head = format!("{:x}\r\n", smuggled.len());
            let length = head.len();
            ([head.as_bytes(), &smuggled, b"\r\n0\r\n\r\n"].concat(), length)
        }
        _ => (m.tail(), m.chance.below(9)),
    };
    let name = m.chance.any_case("transfer-encoding");
    m.add(&mut bent, format!("{name}: chunked"));
    m.add(&mut bent, format!("Content-Length: {length}"));
    m.refused_bytes(bent.bytes(&tail), 400)
}

fn odd_encoding(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let value = *m.chance.pick(ODD);
    m.add(&mut bent, encoding(value));
    m.refused(&bent, 400)
}

fn odd_encoding_and_length(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let value = *m.chance.pick(ODD);
    m.add(&mut bent, encoding(value));
    let tail = m.tail();
    let length = if m.chance.once_in(2) { tail.len() } else { m.chance.below(6) };
    m.add(&mut bent, format!("Content-Length: {length}"));
    m.refused_bytes(bent.bytes(&tail), 400)
}

fn spelled_encoding(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let name = m.chance.any_case("Transfer-Encoding");
    let value = m.chance.any_case("chunked");
    let blanks = ["", " ", "\t", "  ", " \t "];
    let (before, after) = (*m.chance.pick(&blanks), *m.chance.pick(&blanks));
    let content = m.content();
    if let Some(field) = content.media_type {
        m.add(&mut bent, field);
    }
    m.add(&mut bent, format!("{name}:{before}{value}{after}"));
    let fate = m.fate(&bent, &content);
    let bytes = bent.bytes(&m.chunks(&content.bytes));
    Case::of(Part { method: "POST", bytes, fate, keeps: true, interim: false })
}

fn encoding_twice(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let values: [&[u8]; 5] = [b"chunked", b"chunked", b"identity", b"", b"x"];
    for _ in 0..2 {
        let value = *m.chance.pick(&values);
        m.add(&mut bent, encoding(value));
    }
    if m.chance.once_in(3) {
        m.add(&mut bent, "Content-Length: 5");
    }
    m.refused(&bent, 400)
}

fn folded_encoding(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let folded = [
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding:\r\n\tchunked",
        "Transfer-Encoding: \r\n \r\n chunked",
        "Transfer-Encoding: chunked\r\n , identity",
        "Transfer-Encoding: identity\r\n , chunked",
        "Transfer-Encoding: chun\r\n ked",
        "X: 1\r\n Transfer-Encoding: chunked",
        "X: 1\r\n\tTransfer-Encoding: chunked",
        "Content-Length:\r\n 4",
        "Content-Length: 4\r\n 4",
        "X: 1\r\n Content-Length: 4",
    ];
    let field = *m.chance.pick(&folded);
    m.add(&mut bent, field);
    m.refused(&bent, 400)
}

fn bent_encoding_name(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let bent_names: [&[u8]; 22] = [
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b" Transfer-Encoding: chunked",
        b"\tTransfer-Encoding: chunked",
        b"Transfer-Encoding\x0b: chunked",
        b"Transfer-Encoding\x0c: chunked",
        b"Transfer-Encoding\x00: chunked",
        b"\x00Transfer-Encoding: chunked",
        b"Transfer-Encoding\r: chunked",
        b"Transfer-Encoding\xa0: chunked",
        b"Transfer Encoding: chunked",
        b"Transfer-Encoding; chunked",
        b"Transfer-Encoding chunked",
        b"Transfer\xe2\x80\x90Encoding: chunked",
        b"Transfer-Enco\xc4\x91ing: chunked",
        b"(Transfer-Encoding): chunked",
        b"X: 1\nTransfer-Encoding: chunked",
        b"X: 1\rTransfer-Encoding: chunked",
        b"X: 1\n\rTransfer-Encoding: chunked",
        b"X: 1\r\rTransfer-Encoding: chunked",
        b"X: 1\x00Transfer-Encoding: chunked",
        b"X: 1\x0bTransfer-Encoding: chunked",
    ];
    let field = *m.chance.pick(&bent_names);
    m.add(&mut bent, field);
    if m.chance.once_in(2) {
        m.add(&mut bent, "Content-Length: 4");
    }
    m.refused(&bent, 400)
}

/// Other names mean nothing, so the length counts.
fn other_encoding_name(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let others = [
        "Transfer_Encoding: chunked",
        "Transfer-Encodin: chunked",
        "Transfer.Encoding: chunked",
        "X-Transfer-Encoding: chunked",
        "Content-Transfer-Encoding: chunked",
        "TransferEncoding: chunked",
        "TE: chunked",
        "TE: trailers",
        "X: Transfer-Encoding: chunked",
        "X: 1\\r\\nTransfer-Encoding: chunked",
        "Content_Length: 0",
        "X-Content-Length: 0",
        "Content-Lengt: 0",
        "Content-Length-X: 0",
    ];
    let field = *m.chance.pick(&others);
    m.add(&mut bent, field);
    let part = m.with_length(bent);
    Case::of(part)
}

fn odd_length(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let odd: [&[u8]; 38] = [
        b"",
        b"+4",
        b"-4",
        b"-0",
        b"+0",
        b"0x4",
        b"0X4",
        b"4h",
        b"4.0",
        b"4e0",
        b"4,4",
        b"4, 4",
        b"4,5",
        b"4;",
        b"4;x=1",
        b",4",
        b"4,",
        b"\"4\"",
        b"'4'",
        b"4 4",
        b"4\t4",
        b"4\x00",
        b"\x004",
        b"4\x0b",
        b"\x0b4",
        b"4\x0c",
        b"4\xa0",
        b"\xa04",
        b"4\x85",
        b"\xd9\xa4",
        b"\xef\xbc\x94",
        b"1_0",
        b"NaN",
        b"18446744073709551616",
        b"18446744073709551620",
        b"99999999999999999999999999",
        b"0000000000000000000000000004",
        b"4 \r",
    ];
    let value = *m.chance.pick(&odd);
    m.add(&mut bent, [b"Content-Length: ", value].concat());
    m.refused(&bent, 400)
}

fn bent_length_name(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let bent_names: [&[u8]; 10] = [
        b"Content-Length : 4",
        b" Content-Length: 4",
        b"Content-Length\t: 4",
        b"Content-Length\x00: 4",
        b"Content Length: 4",
        b"Content-Length\xa0: 4",
        b"Content-Length 4",
        b"X: 1\nContent-Length: 4",
        b"X: 1\rContent-Length: 4",
        b"\x0bContent-Length: 4",
    ];
    let field = *m.chance.pick(&bent_names);
    m.add(&mut bent, field);
    if m.chance.once_in(2) {
        let other = *m.chance.pick(&["Content-Length: 40", "Transfer-Encoding: chunked"]);
        m.add(&mut bent, other);
    }
    m.refused(&bent, 400)
}

fn spelled_length(m: &mut Maker<'_>) -> Case {
    let bent = m.push();
    let content = m.content();
    let blanks = ["", " ", "\t", "  \t"];
    let (before, after) = (*m.chance.pick(&blanks), *m.chance.pick(&blanks));
    let zeros = "0".repeat(m.chance.below(12));
    let length = format!("{before}{zeros}{}{after}", content.bytes.len());
    let part = m.with_length_of(bent, content, &length);
    Case::of(part)
}

fn length_twice(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let tail = m.tail();
    let lengths = [0, 4, 4, tail.len(), tail.len()];
    for _ in 0..2 {
        let length = *m.chance.pick(&lengths);
        let name = m.chance.any_case("Content-Length");
        m.add(&mut bent, format!("{name}: {length}"));
    }
    m.refused_bytes(bent.bytes(&tail), 400)
}

/// All that follows is body, and the body never ends.
fn long_length(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let length = 5000 + m.chance.below(100_000);
    m.add(&mut bent, format!("Content-Length: {length}"));
    m.refused(&bent, 400).endless()
}

fn huge_length(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let length = *m.chance.pick(&["1048577", "4294967300", "999999999999999999", "000000000001048577"]);
    m.add(&mut bent, format!("Content-Length: {length}"));
    m.refused(&bent, 413).endless()
}

/// What follows a whole body is the next request, and refused as such.
fn short_length(m: &mut Maker<'_>) -> Case {
    let bent = m.push();
    let mut first = m.with_body(bent);
    let excess: [&[u8]; 9] = [b"\r\n", b"\n", b"m 1\n", b"0\r\n\r\n", b"x", b" ", b"\0", b"X-Ignore: ", b"\r\n\r\n"];
    let excess = *m.chance.pick(&excess);
    let bytes = [excess, &m.smuggled()].concat();
    // A token before it makes another method of it.
    let status = if excess == b"x" { 405 } else { 400 };
    first.bytes.extend_from_slice(&bytes);
    let second = Part { method: "POST", bytes: Vec::new(), fate: Fate::Refused(status), keeps: false, interim: false };
    Case { parts: vec![first, second], whole: true, cut: false }
}

/// What names no length has no body: a push is refused for it, and a replacement empties the group.
fn no_length(m: &mut Maker<'_>) -> Case {
    let method = *m.chance.pick(&["POST", "PUT", "DELETE"]);
    let bent = m.request(method);
    let line = format!("{method} /metrics/job/{}", m.jobs.hostile);
    let fate = if method == "POST" { Fate::Refused(411) } else { Fate::Forwarded { line, body: Vec::new() } };
    Case::of(Part { method: "POST", bytes: bent.bytes(b""), fate, keeps: true, interim: false })
}

fn old_and_chunked(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    bent.line.pop();
    bent.line.push(b'0');
    m.add(&mut bent, "Transfer-Encoding: chunked");
    if m.chance.once_in(2) {
        m.add(&mut bent, "Connection: keep-alive");
    }
    m.refused(&bent, 400)
}
