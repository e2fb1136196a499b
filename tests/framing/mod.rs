//! Requests that two readers could frame differently, by family. Each case knows what must become of it: forwarded once,
//! or refused, and whether the connection goes on.

mod bodies;
mod fields;
mod lengths;
mod lines;
pub mod play;
mod wholes;

use crate::volume::Chance;

/// The jobs that the requests of a case are about. Nothing may ever be stored under `smuggled`.
#[derive(Clone)]
pub struct Jobs {
    pub hostile: String,
    pub smuggled: String,
    pub good: String,
    pub canary: String,
}

/// What must become of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Forwarded once, with this request line and body.
    Forwarded { line: String, body: Vec<u8> },
    /// Refused with this status, and not forwarded.
    Refused(u16),
    /// It never was a request: no answer, and the connection ends.
    Nothing,
    /// Forwarded once or refused, whatever follows.
    Either,
}

/// A request on a connection.
#[derive(Clone)]
pub struct Part {
    pub method: &'static str,
    pub bytes: Vec<u8>,
    pub fate: Fate,
    /// Whether another request may follow it.
    pub keeps: bool,
    /// Whether `100 Continue` comes first.
    pub interim: bool,
}

/// A connection's worth of requests.
pub struct Case {
    pub parts: Vec<Part>,
    /// Whether each part is answered without more bytes, so that a client may wait for the answer.
    pub whole: bool,
    /// Whether nothing can follow, since it would become a part of what was cut.
    pub cut: bool,
}

impl Case {
    fn of(part: Part) -> Self {
        Self { parts: vec![part], whole: true, cut: false }
    }

    /// Answered only at the end of the stream.
    fn endless(self) -> Self {
        Self { whole: false, ..self }
    }
}

/// A body, and whether the payload check takes it.
struct Content {
    bytes: Vec<u8>,
    media_type: Option<&'static str>,
    fits: bool,
}

const PROTOBUF: &str = "Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                        encoding=delimited";

/// A request head in lines, to be bent.
#[derive(Clone)]
struct Bent {
    line: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

impl Bent {
    fn bytes(&self, tail: &[u8]) -> Vec<u8> {
        let mut bytes = self.line.clone();
        for field in &self.fields {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(field);
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(tail);
        bytes
    }
}

/// Makes one case.
pub struct Maker<'a> {
    pub chance: &'a mut Chance,
    pub jobs: &'a Jobs,
}

type Family = fn(&mut Maker<'_>) -> Case;

/// All families by name.
pub fn families() -> Vec<(&'static str, Family)> {
    [lengths::FAMILIES, bodies::FAMILIES, lines::FAMILIES, fields::FAMILIES, wholes::FAMILIES].concat()
}

impl Maker<'_> {
    /// A push of the hostile job, with the fields that every client sends.
    fn push(&mut self) -> Bent {
        let method = *self.chance.pick(&["POST", "PUT"]);
        self.request(method)
    }

    fn request(&mut self, method: &str) -> Bent {
        let line = format!("{method} /metrics/job/{} HTTP/1.1", self.jobs.hostile).into_bytes();
        let mut bent = Bent { line, fields: Vec::new() };
        for field in ["Host: push.test", "User-Agent: test/1", "Accept: */*", "X-Other: 1", "Cookie: a=b"] {
            if field.starts_with("Host") || self.chance.once_in(3) {
                self.add(&mut bent, field);
            }
        }
        bent
    }

    /// Adds a field anywhere.
    fn add(&mut self, bent: &mut Bent, field: impl AsRef<[u8]>) {
        let at = self.chance.below(bent.fields.len() + 1);
        bent.fields.insert(at, field.as_ref().to_vec());
    }

    /// A request that must never be one.
    fn smuggled(&mut self) -> Vec<u8> {
        let job = &self.jobs.smuggled;
        let target = format!("/metrics/job/{job}");
        match self.chance.below(4) {
            0 => format!("DELETE {target} HTTP/1.1\r\nHost: push.test\r\n\r\n"),
            1 => format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nm 1\n\r\n0\r\n\r\n"
            ),
            2 => format!("PUT {target} HTTP/1.0\r\nContent-Length: 4\r\n\r\nm 1\n"),
            _ => format!("POST {target} HTTP/1.1\r\nHost: push.test\r\nContent-Length: 4\r\n\r\nm 1\n"),
        }
        .into_bytes()
    }

    /// A body that the payload check takes, and that reads as a request where somebody cuts it elsewhere.
    fn fitting(&mut self) -> Content {
        let job = &self.jobs.smuggled;
        match self.chance.below(3) {
            0 => Content { bytes: b"m 1\n".to_vec(), media_type: None, fits: true },
            1 => {
                let text = format!("# PUT /metrics/job/{job} HTTP/1.1\nHost: 1\nConnection: 1\n\nm 1\n");
                Content { bytes: text.into_bytes(), media_type: None, fits: true }
            }
            _ => {
                let smuggled = self.smuggled();
                let help = [b"\r\n0\r\n\r\n".as_slice(), &smuggled, b"\r\n0\r\n\r\n"].concat();
                Content { bytes: family_with_help(&help), media_type: Some(PROTOBUF), fits: true }
            }
        }
    }

    /// A body that may be refused, but only as a body.
    fn content(&mut self) -> Content {
        if self.chance.once_in(2) {
            return self.fitting();
        }
        let smuggled = self.smuggled();
        let before = *self.chance.pick::<&[u8]>(&[b"0\r\n\r\n", b"", b"\r\n", b"m 1\n", b"\r\n0\r\n\r\n", b"\n\n"]);
        Content { bytes: [before, &smuggled].concat(), media_type: None, fits: false }
    }

    /// The fate of a well-framed request with that body.
    fn fate(&self, bent: &Bent, content: &Content) -> Fate {
        if !content.fits {
            return Fate::Refused(400);
        }
        let line = String::from_utf8_lossy(&bent.line);
        let line = line.rsplit_once(' ').expect("a request line").0.to_owned();
        Fate::Forwarded { line, body: content.bytes.clone() }
    }

    /// A well-formed head with a body of a declared length; what else the head has must not matter.
    fn with_length(&mut self, bent: Bent) -> Part {
        let content = self.content();
        let length = content.bytes.len().to_string();
        self.with_length_of(bent, content, &length)
    }

    fn with_length_of(&mut self, mut bent: Bent, content: Content, length: &str) -> Part {
        self.add(&mut bent, format!("Content-Length: {length}"));
        if let Some(field) = content.media_type {
            self.add(&mut bent, field);
        }
        let fate = self.fate(&bent, &content);
        Part { method: "POST", bytes: bent.bytes(&content.bytes), fate, keeps: true, interim: false }
    }

    /// A well-formed head with a chunked body.
    fn with_chunks(&mut self, bent: Bent) -> Part {
        let content = self.content();
        self.with_chunks_of(bent, content)
    }

    fn with_chunks_of(&mut self, mut bent: Bent, content: Content) -> Part {
        self.add(&mut bent, "Transfer-Encoding: chunked");
        if let Some(field) = content.media_type {
            self.add(&mut bent, field);
        }
        let fate = self.fate(&bent, &content);
        let bytes = bent.bytes(&self.chunks(&content.bytes));
        Part { method: "POST", bytes, fate, keeps: true, interim: false }
    }

    /// Either of the two.
    fn with_body(&mut self, bent: Bent) -> Part {
        let content = self.content();
        self.with_body_of(bent, content)
    }

    fn with_body_of(&mut self, bent: Bent, content: Content) -> Part {
        if self.chance.once_in(2) {
            let length = content.bytes.len().to_string();
            self.with_length_of(bent, content, &length)
        } else {
            self.with_chunks_of(bent, content)
        }
    }

    /// Chunks of any size, sizes of any spelling that the grammar has.
    fn chunks(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let (chunk, rest) = bytes.split_at(1 + self.chance.below(bytes.len()));
            out.extend_from_slice(self.size(chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
            bytes = rest;
        }
        out.extend_from_slice(self.size(0).as_bytes());
        out.extend_from_slice(b"\r\n");
        out
    }

    fn size(&mut self, size: usize) -> String {
        let digits = match self.chance.below(6) {
            0 => format!("{size:X}"),
            1 => format!("{size:04x}"),
            2 => format!("{size:08X}"),
            _ => format!("{size:x}"),
        };
        digits + "\r\n"
    }

    /// Refused for its head; what follows is not read as anything.
    fn refused(&mut self, bent: &Bent, status: u16) -> Case {
        let tail = self.tail();
        self.refused_bytes(bent.bytes(&tail), status)
    }

    fn refused_bytes(&mut self, bytes: Vec<u8>, status: u16) -> Case {
        Case::of(Part { method: "POST", bytes, fate: Fate::Refused(status), keeps: false, interim: false })
    }

    /// What an attacker sends behind a head that some reader takes.
    fn tail(&mut self) -> Vec<u8> {
        let smuggled = self.smuggled();
        let before = *self.chance.pick::<&[u8]>(&[b"", b"m 1\n", b"0\r\n\r\n", b"4\r\nm 1\n\r\n0\r\n\r\n", b"x=1"]);
        [before, &smuggled].concat()
    }
}

/// A delimited protobuf body: one gauge `p` with that HELP.
fn family_with_help(help: &[u8]) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| [&[tag], varint(bytes.len()).as_slice(), bytes].concat();
    let gauge = field(0x12, &[&[0x09], 1f64.to_le_bytes().as_slice()].concat());
    let family = [field(0x0a, b"p"), field(0x12, help), vec![0x18, 1], field(0x22, &gauge)].concat();
    [varint(family.len()), family].concat()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 127 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}
