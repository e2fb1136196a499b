//! Chunked bodies that are not to the letter, and bodies where none belongs.

use super::{Case, Content, Family, Fate, Maker, Part};
use crate::volume::coded;

pub const FAMILIES: &[(&str, Family)] = &[
    ("chunks of all sizes and spellings", good_chunks),
    ("chunk with an extension", extension),
    ("chunk size with another byte", odd_size),
    ("chunk size that overflows", overflowing_size),
    ("chunk size and LF", size_and_lf),
    ("chunk without its CR LF", no_chunk_end),
    ("chunk longer or shorter than its size", wrong_size),
    ("last chunk that is none", odd_last_chunk),
    ("trailers", trailers),
    ("a Trailer header", trailer_header),
    ("body where none belongs", body_of_read),
    ("body of a method that the path does not take", body_of_other_method),
    ("body with a Content-Encoding", content_encoding),
    ("one byte too many", payload_limit),
];

fn chunked(m: &mut Maker<'_>, tail: &[u8]) -> Case {
    let mut bent = m.push();
    m.add(&mut bent, "Transfer-Encoding: chunked");
    // Whoever reads on finds a request.
    let tail = [tail, &m.smuggled()].concat();
    m.refused_bytes(bent.bytes(&tail), 400)
}

fn good_chunks(m: &mut Maker<'_>) -> Case {
    let bent = m.push();
    let part = m.with_chunks(bent);
    Case::of(part)
}

fn extension(m: &mut Maker<'_>) -> Case {
    let extensions = [
        ";",
        ";a",
        ";a=b",
        "; a=b",
        " ;a=b",
        ";a=\"b\"",
        ";a=\"\r\n\"",
        ";a\nb",
        ";\n",
        ";a=b;c=d",
        "\t;a",
        ";\0",
        ";a\r",
        " ",
        "\t",
    ];
    let extension = *m.chance.pick(&extensions);
    let tail = match m.chance.below(3) {
        0 => format!("4{extension}\r\nm 1\n\r\n0\r\n\r\n"),
        1 => format!("4\r\nm 1\n\r\n0{extension}\r\n\r\n"),
        _ => format!("2\r\nm \r\n2{extension}\r\n1\n\r\n0\r\n\r\n"),
    };
    chunked(m, tail.as_bytes())
}

fn odd_size(m: &mut Maker<'_>) -> Case {
    let mut tail = Vec::new();
    match m.chance.below(3) {
        0 => {
            let sizes = ["+4", "-4", "0x4", "0X4", "4h", "4.", "4,4", "\"4\"", "", "x", "4_0", "\\x34", "4\r", "%34"];
            tail.extend_from_slice(m.chance.pick(&sizes).as_bytes());
        }
        // Any byte behind the digits, or before them.
        place => {
            let byte = loop {
                let byte = m.chance.byte();
                if !byte.is_ascii_hexdigit() && byte != b'\r' {
                    break byte;
                }
            };
            tail.extend_from_slice(if place == 1 { [b'4', byte] } else { [byte, b'4'] }.as_slice());
        }
    }
    tail.extend_from_slice(b"\r\nm 1\n\r\n0\r\n\r\n");
    chunked(m, &tail)
}

fn overflowing_size(m: &mut Maker<'_>) -> Case {
    let sizes = [
        "100000004",
        "000000004",
        "10000000000000004",
        "ffffffffffffffff",
        "fffffffffffffffffffffffffffffff4",
        "0000000000000000000000000000000000000004",
        "8000000000000000",
        "-ffffffff",
    ];
    let tail = format!("{}\r\nm 1\n\r\n0\r\n\r\n", m.chance.pick(&sizes));
    chunked(m, tail.as_bytes())
}

fn size_and_lf(m: &mut Maker<'_>) -> Case {
    let tails = [
        "4\nm 1\n\r\n0\r\n\r\n",
        "4\r\nm 1\n\n0\r\n\r\n",
        "4\r\nm 1\n\r\n0\n\r\n",
        "4\r\nm 1\n\r\n0\r\n\n",
        "4\r\nm 1\n\r\n0\n\n",
        "4\nm 1\n\n0\n\n",
        "4\n\rm 1\n\r\n0\r\n\r\n",
        "4\r\nm 1\n\n\r0\r\n\r\n",
        "4\rm 1\n\r0\r\r",
        "\n4\r\nm 1\n\r\n0\r\n\r\n",
        "\r\n4\r\nm 1\n\r\n0\r\n\r\n",
    ];
    let tail = *m.chance.pick(&tails);
    chunked(m, tail.as_bytes())
}

fn no_chunk_end(m: &mut Maker<'_>) -> Case {
    let ends = ["", "\r", "\n", "\r\r", "\n\r", "x\r\n", "  ", "\r\n\r\n", "\0\0", "\r ", ";\r\n"];
    let tail = format!("4\r\nm 1\n{}0\r\n\r\n", m.chance.pick(&ends));
    chunked(m, tail.as_bytes())
}

/// With all that follows in a chunk too long, what comes after it decides.
fn wrong_size(m: &mut Maker<'_>) -> Case {
    let size = [1, 2, 3, 5, 6, 7, 0xfff, 0xfff_ffff][m.chance.below(8)];
    let tail = format!("{size:x}\r\nm 1\n\r\n0\r\n\r\n");
    let case = chunked(m, tail.as_bytes());
    // The last waits for more than is taken at all.
    case.endless()
}

fn odd_last_chunk(m: &mut Maker<'_>) -> Case {
    let last = [
        "0;x\r\n\r\n",
        "0 \r\n\r\n",
        "-0\r\n\r\n",
        "+0\r\n\r\n",
        "0x0\r\n\r\n",
        "0\n\r\n",
        "0\r\n\n",
        "0\r\nX",
        "0\r\r\n",
        "\r\n\r\n",
        "\r\n",
        "\n",
        "0\r\n \r\n",
        "0\r\n\0\r\n",
        "000000000\r\n\r\n",
        "0\r\n0\r\n\r\n",
        "o\r\n\r\n",
        ";\r\n\r\n",
    ];
    let tail = format!("4\r\nm 1\n\r\n{}", m.chance.pick(&last));
    chunked(m, tail.as_bytes())
}

fn trailers(m: &mut Maker<'_>) -> Case {
    let trailers = [
        "Content-Length: 4",
        "Content-Length: 0",
        "Authorization: Basic YTpi",
        "Host: other",
        "Transfer-Encoding: chunked",
        "X: 1",
        "Connection: close",
        ": 1",
        " X: 1",
        "X : 1",
        "X",
        "X: 1\r\nY: 2",
        "X: 1\nY: 2",
        "Trailer: X",
        "Digest: x",
    ];
    let tail = format!("4\r\nm 1\n\r\n0\r\n{}\r\n\r\n", m.chance.pick(&trailers));
    chunked(m, tail.as_bytes())
}

fn trailer_header(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let field = *m.chance.pick(&["Trailer: X", "trailer: Content-Length", "TRAILER:", "Trailer: Host, Authorization"]);
    m.add(&mut bent, field);
    let framing = *m.chance.pick(&["Transfer-Encoding: chunked", "Content-Length: 4"]);
    m.add(&mut bent, framing);
    m.refused(&bent, 400)
}

/// Read to its end and refused, or forwarded where it is empty.
fn body_of_read(m: &mut Maker<'_>) -> Case {
    let mut bent = m.request("DELETE");
    if m.chance.once_in(4) {
        m.add(&mut bent, "Content-Length: 0");
        let line = format!("DELETE /metrics/job/{}", m.jobs.hostile);
        let fate = Fate::Forwarded { line, body: Vec::new() };
        return Case::of(Part { method: "DELETE", bytes: bent.bytes(b""), fate, keeps: true, interim: false });
    }
    if m.chance.once_in(2) {
        bent.line =
            m.chance.pick(&["GET /metrics HTTP/1.1", "GET /-/ready HTTP/1.1", "GET / HTTP/1.1"]).as_bytes().to_vec();
    }
    let part = m.with_body(bent);
    Case::of(Part { fate: Fate::Refused(400), ..part })
}

fn body_of_other_method(m: &mut Maker<'_>) -> Case {
    let method = *m.chance.pick(&["GET", "HEAD", "OPTIONS", "PATCH"]);
    let bent = m.request(method);
    let part = m.with_body(bent);
    Case::of(Part { method, fate: Fate::Refused(405), ..part })
}

/// Decoded and forwarded without it, or refused: as no coding of ours, or as not what it says.
fn content_encoding(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let taken = ["", "identity", "Identity", " identity\t"];
    let coded = ["gzip", "GZIP", "gZip\t", "snappy", "Snappy"];
    let refused = [
        "x-gzip",
        "gzip, gzip",
        "gzip,",
        "identity, gzip",
        "gzip, identity",
        "gzip;q=1",
        "deflate",
        "br",
        "zstd",
        "x",
        "chunked",
    ];
    match m.chance.below(4) {
        0 => {
            let value = *m.chance.pick(&taken);
            m.add(&mut bent, format!("Content-Encoding:{value}"));
            let part = m.with_body(bent);
            Case::of(part)
        }
        1 => {
            let value = *m.chance.pick(&refused);
            m.add(&mut bent, format!("Content-Encoding: {value}"));
            let part = m.with_body(bent);
            Case::of(Part { fate: Fate::Refused(415), ..part })
        }
        2 => {
            let value = *m.chance.pick(&coded);
            m.add(&mut bent, format!("Content-Encoding: {value}"));
            let part = m.with_body(bent);
            Case::of(Part { fate: Fate::Refused(400), ..part })
        }
        _ => {
            let value = *m.chance.pick(&coded);
            m.add(&mut bent, format!("Content-Encoding: {value}"));
            let plain = m.content();
            let fate = m.fate(&bent, &plain);
            let code = if value.to_ascii_lowercase().starts_with("gzip") { coded::gzip } else { coded::snappy };
            let mut bytes = code(&plain.bytes);
            let whole = !m.chance.once_in(3);
            if !whole {
                // A whole body that does not hold a whole coded one.
                bytes.truncate(bytes.len() - 1 - m.chance.below(bytes.len().min(12)));
            }
            let part = m.with_body_of(bent, Content { bytes, ..plain });
            Case::of(Part { fate: if whole { fate } else { Fate::Refused(400) }, ..part })
        }
    }
}

/// At the limit of 1 MiB it is taken, one byte later it is not, however it is framed; rarely, since it is long.
fn payload_limit(m: &mut Maker<'_>) -> Case {
    const MOST: usize = 1024 * 1024;
    if !m.chance.once_in(8) {
        return good_chunks(m);
    }
    let excess = m.chance.below(2);
    let comments = (0..MOST - 5 + excess).map(|at| if at % 1024 == 1023 { b'\n' } else { b'#' });
    let bytes: Vec<u8> = comments.chain(*b"\nm 1\n").collect();
    let content = Content { bytes, media_type: None, fits: excess == 0 };
    let bent = m.push();
    let length = (MOST + excess).to_string();
    let chunked = m.chance.once_in(2);
    let part = if chunked { m.with_chunks_of(bent, content) } else { m.with_length_of(bent, content, &length) };
    if excess == 0 {
        return Case::of(part);
    }
    // The rest is not read to its end.
    Case::of(Part { fate: Fate::Refused(413), keeps: false, ..part })
}
