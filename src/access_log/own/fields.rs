//! The fields of a line, in either of its spellings.

use super::super::LineError;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// The fields of a request line that tell of the request.
#[derive(Debug, Default)]
pub(super) struct Fields<'l> {
    pub(super) time: Cow<'l, str>,
    pub(super) msg: Cow<'l, str>,
    pub(super) reason: Cow<'l, str>,
    pub(super) status: u64,
    pub(super) method: Cow<'l, str>,
    pub(super) operation: Cow<'l, str>,
    pub(super) job: Cow<'l, str>,
    pub(super) labels: Cow<'l, str>,
    pub(super) principal: Cow<'l, str>,
    pub(super) issuer: Cow<'l, str>,
    pub(super) claims: Cow<'l, str>,
    pub(super) certificate: Cow<'l, str>,
    pub(super) source: Cow<'l, str>,
    pub(super) listener: Cow<'l, str>,
    pub(super) bytes_in: u64,
}

/// The place of a field.
enum Slot<'f, 'l> {
    Text(&'f mut Cow<'l, str>),
    Number(&'f mut u64),
}

impl<'l> Fields<'l> {
    /// Where the value of a key goes; none for what is of no interest here.
    fn slot(&mut self, key: &str) -> Option<Slot<'_, 'l>> {
        let text = match key {
            "status" => return Some(Slot::Number(&mut self.status)),
            "bytes_in" => return Some(Slot::Number(&mut self.bytes_in)),
            "time" => &mut self.time,
            "msg" => &mut self.msg,
            "reason" => &mut self.reason,
            "method" => &mut self.method,
            "operation" => &mut self.operation,
            "job" => &mut self.job,
            "labels" => &mut self.labels,
            "principal" => &mut self.principal,
            "issuer" => &mut self.issuer,
            "claims" => &mut self.claims,
            "certificate" => &mut self.certificate,
            "source" => &mut self.source,
            "listener" => &mut self.listener,
            _ => return None,
        };
        Some(Slot::Text(text))
    }
}

/// Text that stays in the line where it stands there as it is.
#[derive(Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line of the log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Text(key)) = map.next_key()? {
            match fields.slot(&key) {
                Some(Slot::Text(text)) => *text = map.next_value::<Text<'de>>()?.0,
                Some(Slot::Number(number)) => *number = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

pub(super) const FORM: LineError = LineError::Form("not a line of this program's log");

/// Reads the fields of a line.
///
/// # Errors
/// It has neither form.
pub(super) fn fields(line: &str) -> Result<Fields<'_>, LineError> {
    if line.starts_with('{') { serde_json::from_str(line).map_err(|_| FORM) } else { logfmt(line) }
}

/// `key=value key="value"`.
fn logfmt(line: &str) -> Result<Fields<'_>, LineError> {
    let mut fields = Fields::default();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=').ok_or(FORM)?;
        let end =
            if tail.starts_with('"') { quoted_end(tail).ok_or(FORM)? } else { tail.find(' ').unwrap_or(tail.len()) };
        let (value, tail) = tail.split_at_checked(end).ok_or(FORM)?;
        match fields.slot(key) {
            Some(Slot::Number(number)) => *number = value.parse().map_err(|_| FORM)?,
            Some(Slot::Text(text)) if value.starts_with('"') => {
                *text = serde_json::from_str::<Text<'_>>(value).map_err(|_| FORM)?.0;
            }
            Some(Slot::Text(text)) => *text = Cow::Borrowed(value),
            None => {}
        }
        rest = tail.strip_prefix(' ').unwrap_or(tail);
    }
    Ok(fields)
}

fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at + 1)
    })
}
