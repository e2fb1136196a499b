//! What is about the request as a whole: its size, its end, and chance.

use super::{Case, Family, Fate, Maker, Part};

pub const FAMILIES: &[(&str, Family)] = &[
    ("a target at its limit", target_limit),
    ("a count of fields at its limit", field_limit),
    ("a head at its limit", head_limit),
    ("a head that does not end", endless_head),
    ("a plain push", plain),
    ("a push that is cut", cut),
    ("a head with one byte changed", mutated),
    ("many at once", many),
];

fn target_limit(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let excess = m.chance.below(3);
    let mut target = format!("/metrics/job/{}", m.jobs.hostile);
    // No label value is longer than it may be.
    for label in 0.. {
        let missing = 8192 + excess - 1 - target.len();
        if missing == 0 {
            break;
        }
        let value = if missing > 1008 { 1000 } else { missing - "/a0/".len() };
        target.push_str(&format!("/a{label}/{}", "x".repeat(value)));
    }
    bent.line = format!("POST {target} HTTP/1.1").into_bytes();
    if excess <= 1 {
        let part = m.with_body(bent);
        return Case::of(part);
    }
    m.add(&mut bent, "Content-Length: 4");
    m.refused(&bent, 414)
}

fn field_limit(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let excess = m.chance.below(2);
    let framing = if m.chance.once_in(2) { "Content-Length: 4" } else { "Transfer-Encoding: chunked" };
    while bent.fields.len() < 63 + excess {
        let at = bent.fields.len();
        m.add(&mut bent, format!("X-{at}: 1"));
    }
    m.add(&mut bent, framing);
    if excess > 0 {
        return m.refused(&bent, 431);
    }
    let tail: &[u8] = if framing.ends_with('4') { b"m 1\n" } else { b"4\r\nm 1\n\r\n0\r\n\r\n" };
    let content = super::Content { bytes: b"m 1\n".to_vec(), media_type: None, fits: true };
    let fate = m.fate(&bent, &content);
    Case::of(Part { method: "POST", bytes: bent.bytes(tail), fate, keeps: true, interim: false })
}

fn head_limit(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let excess = m.chance.below(2);
    m.add(&mut bent, "Content-Length: 4");
    let missing = 16 * 1024 + excess - bent.bytes(b"").len() - "X-Fill: \r\n".len();
    m.add(&mut bent, format!("X-Fill: {}", "x".repeat(missing)));
    if excess > 0 {
        return m.refused(&bent, 431);
    }
    let content = super::Content { bytes: b"m 1\n".to_vec(), media_type: None, fits: true };
    let fate = m.fate(&bent, &content);
    Case::of(Part { method: "POST", bytes: bent.bytes(b"m 1\n"), fate, keeps: true, interim: false })
}

/// Refused as soon as it is too long, wherever it would end.
fn endless_head(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    let long = "x".repeat(17_000);
    let status = match m.chance.below(3) {
        0 => {
            bent.line = format!("POST /metrics/job/{}/a/{long} HTTP/1.1", m.jobs.hostile).into_bytes();
            414
        }
        1 => {
            bent.fields.push(format!("X: {long}").into_bytes());
            431
        }
        _ => {
            bent.fields.push(format!("X{long}: 1").into_bytes());
            431
        }
    };
    m.refused(&bent, status)
}

fn plain(m: &mut Maker<'_>) -> Case {
    let bent = m.push();
    let part = m.with_body(bent);
    Case::of(part)
}

/// In its head it is no request; in its body it is half of one.
fn cut(m: &mut Maker<'_>) -> Case {
    let bent = m.push();
    let mut part = m.with_body(bent);
    let head = part.bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let at = 1 + m.chance.below(part.bytes.len() - 1);
    part.bytes.truncate(at);
    part.fate = if at < head { Fate::Nothing } else { Fate::Refused(400) };
    part.keeps = false;
    Case { parts: vec![part], whole: false, cut: true }
}

/// Whatever it means now, it is one request or none. The request line stays, so that it is known by its job, and so does
/// the length, so that its body stays its body.
fn mutated(m: &mut Maker<'_>) -> Case {
    let mut bent = m.push();
    for field in
        ["Connection: keep-alive", "Content-Type: text/plain", "Expect: 100-continue", "Content-Encoding: identity"]
    {
        if m.chance.once_in(3) {
            m.add(&mut bent, field);
        }
    }
    let at = m.chance.below(bent.fields.len());
    let field = &mut bent.fields[at];
    let place = m.chance.below(field.len());
    match m.chance.below(3) {
        0 => field[place] = m.chance.byte(),
        1 => field.insert(place, m.chance.byte()),
        _ => drop(field.remove(place)),
    }
    bent.fields.insert(0, b"Content-Length: 4".to_vec());
    let bytes = bent.bytes(b"m 1\n");
    let part = Part { method: "POST", bytes, fate: Fate::Either, keeps: false, interim: false };
    Case { parts: vec![part], whole: false, cut: false }
}

/// All on their way before the first is answered.
fn many(m: &mut Maker<'_>) -> Case {
    let count = 2 + m.chance.below(6);
    let parts = (0..count).map(|_| {
        let bent = m.push();
        m.with_body(bent)
    });
    Case { parts: parts.collect(), whole: true, cut: false }
}
