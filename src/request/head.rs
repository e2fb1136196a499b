//! All that a policy may know about a request before its body.

use super::raw::{Method, RawHead, Version};
use super::trace::trace_id;
use super::{Certificate, Credential, CredentialError, Peer, SourceError, Target, TargetError, Web, client_address};
use std::net::IpAddr;
use std::sync::Arc;

/// The body's length as the head declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Neither `Content-Length` nor `Transfer-Encoding`: no body.
    Absent,
    /// `Content-Length`, bytes.
    Exact(u64),
    /// `Transfer-Encoding: chunked`
    Chunked,
}

/// The body's content encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// None, or `identity`.
    Identity,
    /// `gzip`
    Gzip,
    /// `snappy`, which stands for its framing format.
    Snappy,
    /// Any other; the name, shortened.
    Other(String),
}

/// Whether a browser sends the request, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// No browser, or a page of our own.
    Own,
    /// A page of somebody else's.
    Foreign(String),
}

/// A request head, read into values.
#[derive(Clone, Debug)]
pub struct Head {
    /// The remote end of the connection, canonical.
    pub peer: IpAddr,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The address that policy judges.
    pub source: Result<IpAddr, SourceError>,
    /// The method.
    pub method: Method,
    /// What it is about.
    pub target: Result<Target, TargetError>,
    /// On whose behalf.
    pub origin: Origin,
    /// What it presents, if anything.
    pub credential: Result<Option<Credential>, CredentialError>,
    /// The declared body.
    pub length: Length,
    /// The declared encoding.
    pub encoding: Encoding,
    /// `Content-Type` as sent: the gateway chooses its parser by it.
    pub content_type: Option<Vec<u8>>,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether an error should be JSON.
    pub accepts_json: bool,
    /// The protocol version.
    pub version: Version,
    /// The trace that it belongs to, as its well-formed `traceparent` says.
    pub trace_id: Option<String>,
    /// Headers that are passed on, by lower case name: `accept`, `accept-encoding`, `traceparent`, `user-agent`.
    pub passed: Vec<(&'static str, Vec<u8>)>,
}

/// Headers of a client that reach the gateway. Nothing else does.
const PASSED: &[&str] = &["accept", "accept-encoding", "traceparent", "user-agent"];

impl Head {
    /// The same request over a connection whose client proved to hold the certificate. What the request itself presents
    /// goes before it.
    #[must_use]
    pub fn over(mut self, certificate: Option<&Arc<Certificate>>) -> Self {
        if matches!(self.credential, Ok(None)) {
            self.credential = Ok(certificate.cloned().map(Credential::Certificate));
        }
        self
    }

    /// Reads a head that came over `listener` from `peer`.
    pub fn read(raw: &RawHead, peer: &Peer<'_>, listener: Arc<str>, web: &Web) -> Self {
        let trace_id = raw.field("traceparent").and_then(trace_id);
        let passes = |name: &str| name != "traceparent" || trace_id.is_some();
        let passed =
            |name: &&'static str| raw.field(name).filter(|_| passes(name)).map(|value| (*name, value.to_vec()));
        Self {
            peer: peer.address.to_canonical(),
            listener,
            source: client_address(peer, raw.all(peer.client_from.header())),
            method: raw.method,
            target: Target::read_behind(&web.route_prefix, &raw.target),
            origin: origin(raw, web),
            credential: raw.field("authorization").map(Credential::read).transpose(),
            length: length(raw),
            encoding: raw.field("content-encoding").map_or(Encoding::Identity, Encoding::named),
            content_type: raw.field("content-type").map(<[u8]>::to_vec),
            expects_continue: raw.field("expect").is_some() && raw.version == Version::Http11,
            accepts_json: accepts_json(raw),
            version: raw.version,
            trace_id: trace_id.map(str::to_owned),
            passed: PASSED.iter().filter_map(passed).collect(),
        }
    }
}

fn length(raw: &RawHead) -> Length {
    if raw.field("transfer-encoding").is_some() {
        return Length::Chunked;
    }
    let digits = raw.field("content-length").and_then(|v| std::str::from_utf8(v).ok());
    digits.and_then(|v| v.parse().ok()).map_or(Length::Absent, Length::Exact)
}

impl Encoding {
    /// The encoding of that name, in any case.
    pub fn named(value: &[u8]) -> Self {
        match value {
            value if value.is_empty() || value.eq_ignore_ascii_case(b"identity") => Self::Identity,
            value if value.eq_ignore_ascii_case(b"gzip") => Self::Gzip,
            value if value.eq_ignore_ascii_case(b"snappy") => Self::Snappy,
            value => Self::Other(String::from_utf8_lossy(value).chars().take(32).collect()),
        }
    }
}

/// The rule of the Fetch standard's metadata; for browsers that send none, `Origin` against the address that the proxy
/// is known by, or else against `Host` (TLS may end before it, so the scheme says nothing then).
fn origin(raw: &RawHead, web: &Web) -> Origin {
    let shown = |value: &[u8]| String::from_utf8_lossy(value).chars().take(128).collect::<String>();
    if let Some(site) = raw.field("sec-fetch-site") {
        return match site {
            b"none" | b"same-origin" => Origin::Own,
            site => Origin::Foreign(format!("Sec-Fetch-Site: {}", shown(site))),
        };
    }
    let Some(origin) = raw.field("origin") else { return Origin::Own };
    if let Some(external) = &web.external_origin {
        let own = origin.eq_ignore_ascii_case(external.as_bytes());
        return if own { Origin::Own } else { Origin::Foreign(format!("Origin: {}", shown(origin))) };
    }
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    match (authority, raw.field("host")) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Origin::Own,
        _ => Origin::Foreign(format!("Origin: {}", shown(origin))),
    }
}

fn accepts_json(raw: &RawHead) -> bool {
    let json = |range: &[u8]| {
        let mut parts = range.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let media_type = parts.next().unwrap_or_default();
        let unwanted = parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
        if unwanted {
            return false;
        }
        media_type.eq_ignore_ascii_case(b"application/json")
            || media_type.eq_ignore_ascii_case(b"application/problem+json")
    };
    raw.all("accept").any(|value| value.split(|b| *b == b',').any(json))
}
