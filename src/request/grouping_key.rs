//! The grouping key: what the gateway will store a push under, decided before it is asked.
//!
//! The gateway takes many spellings for one group and some spellings for another group than they seem to name. Here a
//! path is either read as exactly one key, the one that every gateway version would store, or refused.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// Strict where the gateway is lax: no line ends, no bits left over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A job and its further grouping labels, sorted by name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupingKey {
    job: String,
    labels: BTreeMap<String, String>,
}

/// Why a path does not name exactly one group.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathFault {
    /// An empty job, or none.
    #[error("the job is empty")]
    JobEmpty,
    /// `/a/b/c` behind the job: the last name has no value.
    #[error("the label {0:?} has no value: the path behind the job must be NAME/VALUE pairs")]
    OddParts(String),
    /// Two slashes in a row.
    #[error("the path has an empty part")]
    EmptyPart,
    /// A label with an empty value. To Prometheus that is no label, so the group would be another one's twin; with
    /// `instance` it breaks every scrape.
    #[error("the value of the label {0:?} is empty")]
    EmptyValue(String),
    /// `.` or `..`, plain or escaped.
    #[error("the path has a part {0:?}")]
    DotPart(String),
    /// A slash or backslash that came from an escape.
    #[error("the path has an escaped slash")]
    EscapedSlash,
    /// `%` without two hexadecimal digits.
    #[error("the path has a % that is not an escape")]
    BadEscape,
    /// Bytes that are not UTF-8.
    #[error("the value of {0:?} is not UTF-8")]
    NotUtf8(String),
    /// U+0000 to U+001F or U+007F.
    #[error("the value of {0:?} has a control character")]
    Control(String),
    /// Not base64 in the URL-safe alphabet.
    #[error("the value of {0:?} is not base64 (URL-safe alphabet, padded or not)")]
    BadBase64(String),
    /// A name that is not a legal label name.
    #[error("{0:?} is not a label name")]
    BadName(String),
    /// A name that the gateway or Prometheus takes for something else.
    #[error("the label name {0:?} is reserved")]
    ReservedName(String),
    /// The same name twice.
    #[error("the label {0:?} stands twice")]
    Repeated(String),
}

impl GroupingKey {
    /// A key from its parts, by the same rules as a path.
    ///
    /// # Errors
    /// What makes the job or a label unfit.
    pub fn new(job: &str, labels: impl IntoIterator<Item = (String, String)>) -> Result<Self, PathFault> {
        if job.is_empty() {
            return Err(PathFault::JobEmpty);
        }
        check_text("job", job)?;
        let mut key = Self { job: job.to_owned(), labels: BTreeMap::new() };
        for (name, value) in labels {
            key.insert(name, value)?;
        }
        Ok(key)
    }

    /// Reads the path behind `/metrics/`, without a query: `job/NAME`, `job@base64/…`, then label pairs.
    ///
    /// # Errors
    /// Why it does not name exactly one group.
    pub fn read(path: &[u8]) -> Result<Self, PathFault> {
        // One slash at the end is ignored behind a value: clients send it, and no gateway reads another group from it.
        let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        let (parts, closed) = match parts.split_last() {
            Some((last, rest)) if last.is_empty() && !rest.is_empty() => (rest, true),
            _ => (parts.as_slice(), false),
        };
        let mut pairs = parts.chunks(2);
        let job = match pairs.next() {
            Some([name, value]) if !value.is_empty() => Pair::read(name, value)?,
            _ => return Err(PathFault::JobEmpty),
        };
        if job.value.is_empty() {
            return Err(PathFault::JobEmpty);
        }
        let mut key = Self { job: job.value, labels: BTreeMap::new() };
        for pair in pairs {
            match pair {
                [name, value] => {
                    let pair = Pair::read(name, value)?;
                    key.insert(pair.name, pair.value)?;
                }
                [[]] => return Err(PathFault::EmptyPart),
                [name] => {
                    let (name, _) = label_name(&text("label name", decode(name)?)?);
                    return Err(if closed { PathFault::EmptyValue(name) } else { PathFault::OddParts(name) });
                }
                _ => return Err(PathFault::EmptyPart),
            }
        }
        Ok(key)
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), PathFault> {
        check_name(&name)?;
        check_text(&name, &value)?;
        if value.is_empty() {
            return Err(PathFault::EmptyValue(name));
        }
        if self.labels.contains_key(&name) {
            return Err(PathFault::Repeated(name));
        }
        self.labels.insert(name, value);
        Ok(())
    }

    /// The job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// The labels other than the job, sorted by name.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The one spelling that every gateway version stores as this key: base64 unless the value is plainly safe.
    pub fn upstream_path(&self) -> String {
        let mut path = String::from("/metrics");
        encode_segment(&mut path, "job", &self.job);
        for (name, value) in &self.labels {
            encode_segment(&mut path, name, value);
        }
        path
    }
}

/// Appends `/name/value`, or `/name@base64/…` where the value is more than letters, digits and `_ ~ - .`.
pub fn encode_segment(path: &mut String, name: &str, value: &str) {
    path.push('/');
    path.push_str(name);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_~-.".contains(&b);
    if !value.is_empty() && !value.starts_with('.') && value.bytes().all(plain) {
        path.push('/');
        path.push_str(value);
        return;
    }
    path.push_str("@base64/");
    if value.is_empty() {
        path.push('=');
    } else {
        BASE64.encode_string(value, path);
    }
}

impl fmt::Debug for GroupingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entry(&"job", &self.job).entries(&self.labels).finish()
    }
}

/// A name and its decoded value.
struct Pair {
    name: String,
    value: String,
}

impl Pair {
    fn read(name: &[u8], value: &[u8]) -> Result<Self, PathFault> {
        if name.is_empty() {
            return Err(PathFault::EmptyPart);
        }
        let (name, base64) = label_name(&text("label name", decode(name)?)?);
        if value.is_empty() {
            return Err(PathFault::EmptyValue(name));
        }
        let value = decode(value)?;
        let value = if base64 {
            let bytes = decode_base64(&value).ok_or_else(|| PathFault::BadBase64(name.clone()))?;
            String::from_utf8(bytes).map_err(|_| PathFault::NotUtf8(name.clone()))?
        } else {
            plain_value(&name, value)?
        };
        check_text(&name, &value)?;
        Ok(Self { name, value })
    }
}

/// Splits the one suffix `@base64` off.
fn label_name(name: &str) -> (String, bool) {
    match name.strip_suffix("@base64") {
        Some(name) => (name.to_owned(), true),
        None => (name.to_owned(), false),
    }
}

fn plain_value(name: &str, value: Vec<u8>) -> Result<String, PathFault> {
    let value = text(name, value)?;
    if value.contains(['/', '\\']) {
        return Err(PathFault::EscapedSlash);
    }
    if value == "." || value == ".." {
        return Err(PathFault::DotPart(value));
    }
    Ok(value)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, PathFault> {
    let text = String::from_utf8(bytes).map_err(|_| PathFault::NotUtf8(name.to_owned()))?;
    check_text(name, &text)?;
    Ok(text)
}

/// A value that reaches logs, dashboards and other people's terminals has no control characters.
fn check_text(name: &str, value: &str) -> Result<(), PathFault> {
    if value.chars().any(|c| c < ' ' || c == '\u{7f}') {
        return Err(PathFault::Control(name.to_owned()));
    }
    Ok(())
}

/// The rules of the gateway with default flags, less what breaks scrapes or means two things.
fn check_name(name: &str) -> Result<(), PathFault> {
    let mut bytes = name.bytes();
    let legal = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !legal {
        return Err(PathFault::BadName(name.to_owned()));
    }
    let reserved = name.starts_with("__") || name.starts_with("U__") || ["job", "le", "quantile"].contains(&name);
    if reserved {
        return Err(PathFault::ReservedName(name.to_owned()));
    }
    Ok(())
}

/// Percent-decodes once; `+` stays `+`.
fn decode(part: &[u8]) -> Result<Vec<u8>, PathFault> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(b) = bytes.next() {
        if *b != b'%' {
            out.push(*b);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex)) else {
            return Err(PathFault::BadEscape);
        };
        out.push(high * 16 + low);
    }
    Ok(out)
}

fn hex(digit: &u8) -> Option<u8> {
    char::from(*digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Up to two `=` at the end say nothing, whatever they would have to be: the gateway's own page puts one behind every
/// value. A lone `=` is the spelling of the empty value that clients send.
fn decode_base64(value: &[u8]) -> Option<Vec<u8>> {
    let bare = value.strip_suffix(b"=").map_or(value, |value| value.strip_suffix(b"=").unwrap_or(value));
    if bare.is_empty() && value != b"=" {
        return None;
    }
    BASE64.decode(bare).ok()
}
