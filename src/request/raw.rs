//! The strict lexer of a request head.
//!
//! It runs before any HTTP library sees a byte, because what libraries repair (bare line feeds, spaces in the target,
//! `#`, repeated headers) is where two readers of one request begin to disagree. The rules are RFC 9112's `MUST`s for
//! senders; nothing is normalised.

use thiserror::Error;

/// The methods that the proxy knows. Which of them a path takes is decided later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// `PATCH`
    Patch,
}

impl Method {
    fn read(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            _ => return None,
        })
    }

    /// The method as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
        }
    }
}

/// The two versions that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A head that is strict HTTP/1.x, still as text.
#[derive(Clone, PartialEq, Eq)]
pub struct RawHead {
    /// The method.
    pub method: Method,
    /// The request target, origin form, exactly as sent.
    pub target: Vec<u8>,
    /// The protocol version.
    pub version: Version,
    /// Header fields in order: the name in lower case, the value without surrounding blanks.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for RawHead {
    /// Names of fields only: values hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("RawHead").field("method", &self.method).field("fields", &names).finish_non_exhaustive()
    }
}

/// Why a head is refused before anything is decided. The connection closes after it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RawHeadError {
    /// 400
    #[error("{0}")]
    Malformed(&'static str),
    /// 405: a method that no path takes.
    #[error("unknown method")]
    MethodUnknown,
    /// 414
    #[error("the request target has {found} bytes, at most {limit} are taken")]
    TargetTooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// 431
    #[error("the head has more than {limit} header fields")]
    TooManyFields {
        /// Fields allowed.
        limit: usize,
    },
}

use RawHeadError::Malformed;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the first one to the end of the empty line.
    pub bytes: usize,
    /// Header fields.
    pub fields: usize,
    /// Bytes of the request target.
    pub target: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: 16 * 1024, fields: 64, target: 8 * 1024 }
    }
}

/// Fields that must not be repeated: two readers could take different ones.
const SINGLE: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "origin",
    "sec-fetch-site",
    "traceparent",
    "transfer-encoding",
];

impl RawHead {
    /// Reads a head that ends with its empty line, `CR LF CR LF`, within the default limits.
    ///
    /// # Errors
    /// The first thing that is not strict HTTP/1.0 or HTTP/1.1.
    pub fn read(bytes: &[u8]) -> Result<Self, RawHeadError> {
        Self::read_within(bytes, &HeadLimits::default())
    }

    /// Reads a head within limits. How many bytes it may have is for those to count who collect them.
    ///
    /// # Errors
    /// The first thing that is not strict HTTP/1.0 or HTTP/1.1, or is too long.
    pub fn read_within(bytes: &[u8], limits: &HeadLimits) -> Result<Self, RawHeadError> {
        let text = bytes.strip_suffix(b"\r\n\r\n").ok_or(Malformed("the head does not end in an empty line"))?;
        let mut lines = split_crlf(text);
        let (method, target, version) = request_line(lines.next().unwrap_or_default(), limits)?;
        let mut fields = Vec::new();
        for line in lines {
            if fields.len() >= limits.fields {
                return Err(RawHeadError::TooManyFields { limit: limits.fields });
            }
            fields.push(field(line)?);
        }
        let head = Self { method, target, version, fields };
        head.check()?;
        Ok(head)
    }

    /// The value of the first field of that (lower case) name.
    pub fn field<'a>(&'a self, name: &str) -> Option<&'a [u8]> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }

    /// The values of all fields of that (lower case) name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_slice())
    }

    /// Whether another request may follow on the connection.
    pub fn keeps_alive(&self) -> bool {
        let asks = |option: &[u8]| self.connection_options().any(|o| o.eq_ignore_ascii_case(option));
        !asks(b"close") && (self.version == Version::Http11 || asks(b"keep-alive"))
    }

    fn connection_options(&self) -> impl Iterator<Item = &[u8]> {
        self.all("connection").flat_map(|value| value.split(|b| *b == b',')).map(trim_blanks)
    }

    fn check(&self) -> Result<(), RawHeadError> {
        for name in SINGLE {
            if self.all(name).nth(1).is_some() {
                return Err(Malformed("a header that must stand once is repeated"));
            }
        }
        match self.field("host") {
            None if self.version == Version::Http11 => return Err(Malformed("the Host header is missing")),
            Some(host) if !is_host(host) => return Err(Malformed("the Host header is not a host name")),
            _ => {}
        }
        if self.field("upgrade").is_some() {
            return Err(Malformed("Upgrade is not taken"));
        }
        if self.field("trailer").is_some() {
            return Err(Malformed("trailers are not taken"));
        }
        if self.field("expect").is_some_and(|v| !v.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Malformed("Expect other than 100-continue is not taken"));
        }
        // RFC 9110 5.6.1: a list may have empty members.
        let known =
            |o: &[u8]| o.is_empty() || o.eq_ignore_ascii_case(b"close") || o.eq_ignore_ascii_case(b"keep-alive");
        if !self.connection_options().all(known) {
            return Err(Malformed("Connection takes only close or keep-alive"));
        }
        self.check_framing()
    }

    fn check_framing(&self) -> Result<(), RawHeadError> {
        let length = self.field("content-length");
        if length.is_some_and(|v| v.is_empty() || v.len() > 18 || !v.iter().all(u8::is_ascii_digit)) {
            return Err(Malformed("Content-Length is not a plain number"));
        }
        let Some(encoding) = self.field("transfer-encoding") else { return Ok(()) };
        if self.version == Version::Http10 {
            return Err(Malformed("HTTP/1.0 has no Transfer-Encoding"));
        }
        if length.is_some() {
            return Err(Malformed("Content-Length and Transfer-Encoding exclude each other"));
        }
        if !encoding.eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed("Transfer-Encoding is not exactly chunked"));
        }
        Ok(())
    }
}

/// Splits at CR LF. A CR or LF that stands alone stays inside its line, where no rule admits it.
fn split_crlf(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.windows(2).position(|pair| pair == b"\r\n") {
            Some(at) => {
                rest = text.get(at + 2..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
}

fn request_line(line: &[u8], limits: &HeadLimits) -> Result<(Method, Vec<u8>, Version), RawHeadError> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed("the request line is not METHOD TARGET VERSION (is there a space in the URL?)"));
    };
    if method.is_empty() || !method.iter().all(|b| is_token_byte(*b)) {
        return Err(Malformed("the method is not a token"));
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(Malformed("only HTTP/1.0 and HTTP/1.1 are served")),
    };
    let method = Method::read(method).ok_or(RawHeadError::MethodUnknown)?;
    if target.len() > limits.target {
        return Err(RawHeadError::TargetTooLong { found: target.len(), limit: limits.target });
    }
    if target.first() != Some(&b'/') {
        return Err(Malformed("the request target does not start with a slash"));
    }
    if target.iter().any(|b| *b <= b' ' || *b == 0x7f || *b == b'#') {
        return Err(Malformed("the request target has a control character or a #"));
    }
    Ok((method, target.to_vec(), version))
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), RawHeadError> {
    let colon = line.iter().position(|b| *b == b':').ok_or(Malformed("a header line has no colon"))?;
    let (name, value) = line.split_at(colon);
    let value = trim_blanks(value.get(1..).unwrap_or_default());
    if name.is_empty() || !name.iter().all(|b| is_token_byte(*b)) {
        return Err(Malformed("a header name is not a token (a folded line, or a space before the colon?)"));
    }
    if value.iter().any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f) {
        return Err(Malformed("a header value has a control character"));
    }
    let name = name.iter().map(|b| char::from(b.to_ascii_lowercase())).collect();
    Ok((name, value.to_vec()))
}

/// Takes spaces and tabs off both ends, and nothing else: what other readers do not trim must not vanish here.
fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `tchar` of RFC 9110 5.6.2.
fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// A host with an optional port: nothing that could start a path, a user part or a list.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._:[]%~!$&'()*+;=".contains(b))
}
