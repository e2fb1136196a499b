//! Reads a log as it is written.

use super::DEADLINE;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::Index;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// A line of the log: its keys in order of the alphabet, every value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(pub BTreeMap<String, String>);

impl Index<&str> for Line {
    type Output = str;

    fn index(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("no key {key} in {self:?}"))
    }
}

impl Line {
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Reads `key=value key="value"`, strictly.
    pub fn logfmt(line: &str) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        let mut rest = line;
        while !rest.is_empty() {
            let (key, tail) = rest.split_once('=').ok_or(format!("no = in {rest:?}"))?;
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
                return Err(format!("{key:?} is not a key"));
            }
            let end = if tail.starts_with('"') { quoted_end(tail)? } else { tail.find(' ').unwrap_or(tail.len()) };
            let (value, tail) = tail.split_at(end);
            let value = match value.strip_prefix('"') {
                Some(_) => serde_json::from_str(value).map_err(|e| format!("{value}: {e}"))?,
                None if value.contains(['"', '=', '\\']) => return Err(format!("{value:?} needs quotes")),
                None => value.to_owned(),
            };
            if keys.insert(key.to_owned(), value).is_some() {
                return Err(format!("{key} stands twice"));
            }
            rest = match tail.strip_prefix(' ') {
                Some("") => return Err("a blank at the end".to_owned()),
                Some(rest) => rest,
                None if tail.is_empty() => tail,
                None => return Err(format!("no blank before {tail:?}")),
            };
        }
        Ok(Self(keys))
    }

    /// Reads one JSON object without nesting.
    pub fn json(line: &str) -> Result<Self, String> {
        let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => Ok(text),
            value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Ok(value.to_string()),
            other => Err(format!("{other} is nested")),
        };
        object.into_iter().map(|(key, value)| Ok((key, text(value)?))).collect::<Result<_, _>>().map(Self)
    }

    /// Either form.
    pub fn read(line: &str) -> Result<Self, String> {
        if line.starts_with('{') { Self::json(line) } else { Self::logfmt(line) }
    }
}

fn quoted_end(text: &str) -> Result<usize, String> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err(format!("no closing quote in {text:?}"))
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

/// All that a process has written so far.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<State>, Condvar)>);

impl Log {
    /// Reads on a thread of its own until the writer is gone.
    pub fn follow(source: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let shared = log.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                shared.0.lock().unwrap().lines.push(line);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().ended = true;
            shared.1.notify_all();
        });
        log
    }

    /// The lines so far.
    pub fn raw(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    /// The lines so far that can be read; others are the text of an early end.
    pub fn lines(&self) -> Vec<Line> {
        self.raw().iter().filter_map(|line| Line::read(line).ok()).collect()
    }

    /// Waits until `find` finds something in the lines; none where the process ends without it.
    pub fn find<T>(&self, mut find: impl FnMut(&[String]) -> Option<T>) -> Option<T> {
        let end = Instant::now() + DEADLINE;
        let mut state = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = find(&state.lines) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for a line.
    #[track_caller]
    pub fn line(&self, what: &str, mut wanted: impl FnMut(&Line) -> bool) -> Line {
        let found = self.find(|lines| lines.iter().filter_map(|l| Line::read(l).ok()).find(|line| wanted(line)));
        found.unwrap_or_else(|| panic!("no line {what} in the log:\n{}", self.raw().join("\n")))
    }
}
