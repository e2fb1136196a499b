//! What is wrong with a body, where, and what the format wants.

use std::fmt;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line and column, from 1; the column counts bytes. None for the body as a whole.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// The line, shortened and escaped.
    pub text: String,
}

/// Faults that one report shows.
const MOST: usize = 5;
/// Characters of a line that a report shows.
const SHOWN: usize = 60;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.message)?,
            None => f.write_str(&self.message)?,
        }
        if !self.text.is_empty() {
            write!(f, " in {}", self.text)?;
        }
        Ok(())
    }
}

/// Collects the first few faults of a body.
pub(super) struct Faults<'b> {
    body: &'b [u8],
    list: Vec<Fault>,
}

impl<'b> Faults<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self { body, list: Vec::new() }
    }

    /// Whether there are enough for one report.
    pub(super) fn full(&self) -> bool {
        self.list.len() >= MOST
    }

    /// A fault at a byte of the body.
    pub(super) fn at_byte(&mut self, byte: usize, message: impl Into<String>) {
        let before = self.body.get(..byte).unwrap_or(self.body);
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let rest = self.body.get(start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let text = shown(rest.get(..end).unwrap_or_default());
        self.list.push(Fault { at: Some((line, byte - start + 1)), message: message.into(), text });
    }

    /// A fault of the body as a whole.
    pub(super) fn whole(&mut self, message: String) {
        self.list.push(Fault { at: None, message, text: String::new() });
    }

    pub(super) fn result<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.list.is_empty() { Ok(value) } else { Err(self.list) }
    }
}

fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let short: String = text.chars().take(SHOWN).collect();
    let more = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("{short:?}{more}")
}
