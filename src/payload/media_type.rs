//! Which of its two parsers the gateway uses for a body.

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text exposition format 0.0.4.
    Text,
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

/// The spelling that every gateway version reads as protobuf.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
/// The spelling of the text format.
pub const TEXT: &str = "text/plain; version=0.0.4";

impl Format {
    /// The format that the gateway would choose for this `Content-Type`, or none where versions of it differ.
    pub fn of(content_type: Option<&[u8]>) -> Option<Self> {
        let Some(value) = content_type else { return Some(Self::Text) };
        let mut parts = value.split(|b| *b == b';');
        let media_type = parts.next().unwrap_or_default().trim_ascii();
        if !media_type.eq_ignore_ascii_case(b"application/vnd.google.protobuf") {
            return Some(Self::Text);
        }
        let (mut proto, mut encoding) = (None, None);
        for part in parts {
            let mut pair = part.splitn(2, |b| *b == b'=');
            let name = pair.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
            let value = pair.next().map(|v| v.trim_ascii().to_vec());
            let slot = match name.as_slice() {
                b"proto" => &mut proto,
                b"encoding" => &mut encoding,
                _ => continue,
            };
            if slot.replace(value?).is_some() {
                return None;
            }
        }
        let is = |found: Option<Vec<u8>>, wanted: &[u8]| found.is_some_and(|v| unquoted(&v) == wanted);
        if is(proto, b"io.prometheus.client.MetricFamily") && is(encoding, b"delimited") {
            return Some(Self::Protobuf);
        }
        None
    }

    /// The one `Content-Type` that is sent upstream.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => TEXT,
            Self::Protobuf => PROTOBUF,
        }
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
}
