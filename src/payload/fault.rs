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
        if let Some((line, column)) = self.at {
            write!(f, "line {line}, column {column}")?;
            if !self.text.is_empty() {
                write!(f, " of {}", self.text)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Collects the first few faults of a body, and apart from them what a policy in report mode would refuse.
pub(super) struct Faults<'b> {
    body: &'b [u8],
    list: Vec<Fault>,
    report: bool,
    reported: Vec<Fault>,
}

impl<'b> Faults<'b> {
    /// `report`: what breaks a rule of the policy is told, not refused.
    pub(super) fn new(body: &'b [u8], report: bool) -> Self {
        Self { body, list: Vec::new(), report, reported: Vec::new() }
    }

    /// Whether there are enough for one report.
    pub(super) fn full(&self) -> bool {
        self.list.len() >= MOST
    }

    /// A fault at a byte of the body.
    pub(super) fn at_byte(&mut self, byte: usize, message: impl Into<String>) {
        let fault = self.fault(byte, message.into());
        self.list.push(fault);
    }

    /// A fault of the body as a whole.
    pub(super) fn whole(&mut self, message: String) {
        self.list.push(Fault { at: None, message, text: String::new() });
    }

    /// A rule of the policy is broken at a byte of the body, or by the body as a whole.
    pub(super) fn rule(&mut self, byte: Option<usize>, message: impl FnOnce() -> String) {
        if self.full() || (self.report && self.reported.len() >= MOST) {
            return;
        }
        let fault = match byte {
            Some(byte) => self.fault(byte, message()),
            None => Fault { at: None, message: message(), text: String::new() },
        };
        if self.report { self.reported.push(fault) } else { self.list.push(fault) }
    }

    fn fault(&self, byte: usize, message: String) -> Fault {
        let before = self.body.get(..byte).unwrap_or(self.body);
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let rest = self.body.get(start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let text = shown(rest.get(..end).unwrap_or_default(), byte - start);
        Fault { at: Some((line, byte - start + 1)), message, text }
    }

    /// The value and what a policy in report mode would refuse, unless there are faults.
    pub(super) fn result<T>(self, value: T) -> Result<(T, Vec<Fault>), Vec<Fault>> {
        if self.list.is_empty() { Ok((value, self.reported)) } else { Err(self.list) }
    }
}

/// A line or a word, or of a long one the part around the fault.
pub(super) fn shown(line: &[u8], at: usize) -> String {
    let from = if at < SHOWN { 0 } else { at - SHOWN / 2 };
    // The middle of a character is no place to begin.
    let within = line.get(from..).unwrap_or_default();
    let from = from + within.iter().take_while(|b| **b & 0xc0 == 0x80).count();
    let part = line.get(from..line.len().min(from.saturating_add(4 * SHOWN + 4))).unwrap_or_default();
    let text = String::from_utf8_lossy(part);
    let short: String = text.chars().take(SHOWN).collect();
    let before = if from > 0 { "…" } else { "" };
    let more = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("{before}{short:?}{more}")
}
