//! The two spellings of a log line.

use crate::shown::is_hidden;
use std::fmt::Write as _;
use std::time::SystemTime;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// One key of a line.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

impl Field {
    /// The value as it stands.
    pub(super) fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) | Value::Bare(text) => text,
        }
    }
}

/// A value: text, or a number or boolean that stands bare.
pub(super) enum Value {
    Text(String),
    Bare(String),
}

impl Format {
    pub(super) fn line(self, fields: &[Field]) -> String {
        let mut line = String::with_capacity(256);
        if self == Self::Json {
            line.push('{');
        }
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                line.push(if self == Self::Json { ',' } else { ' ' });
            }
            match self {
                Self::Json => {
                    quoted(&mut line, field.name);
                    line.push(':');
                }
                Self::Logfmt => {
                    line.push_str(field.name);
                    line.push('=');
                }
            }
            match &field.value {
                Value::Bare(value) if self == Self::Logfmt || is_json_number(value) => line.push_str(value),
                Value::Text(value) if self == Self::Logfmt && is_plain(value) => line.push_str(value),
                Value::Text(value) | Value::Bare(value) => quoted(&mut line, value),
            }
        }
        if self == Self::Json {
            line.push('}');
        }
        line.push('\n');
        line
    }
}

/// Not a number, or infinite: JSON has no word for it.
fn is_json_number(value: &str) -> bool {
    !["NaN", "inf", "-inf"].contains(&value)
}

fn is_plain(value: &str) -> bool {
    (1..=256).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic() && !b"\"=\\".contains(&b))
}

/// A JSON string; characters that could move a terminal's cursor or turn its text around are escaped as well.
fn quoted(line: &mut String, value: &str) {
    /// Characters of one value; what is longer was made to be.
    const MOST: usize = 1024;
    line.push('"');
    let mut rest = value.chars();
    for c in rest.by_ref().take(MOST) {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            c if is_hidden(c) => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    if rest.next().is_some() {
        line.push('…');
    }
    line.push('"');
}

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
