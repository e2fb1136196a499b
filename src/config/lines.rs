//! Where each key of a YAML text stands, for messages only; values never come from here.
//!
//! The same pass refuses what would let one text mean two things: aliases, merge keys, tags, repeated keys, more than
//! one document.

use super::problem::Problem;
use saphyr_parser::{Event, Parser};
use std::collections::{BTreeMap, BTreeSet};

/// The deepest nesting that is read: a policy needs eight levels.
const MAX_DEPTH: usize = 32;

/// Lines by key path.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Whether something stands at that path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The line of a path, or of the nearest thing around it.
    pub(super) fn of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}

/// The path of an entry of a mapping.
pub(super) fn key_path(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of an item of a list.
pub(super) fn item_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// An open collection.
enum Open {
    Map { path: String, keys: BTreeSet<String>, key: Option<String> },
    List { path: String, next: usize },
}

/// Reads the lines of a text.
///
/// # Errors
/// The problems of its form; a text with any of them is not read further.
pub(super) fn read(text: &str) -> Result<Lines, Vec<Problem>> {
    let mut pass = Pass::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => pass.event(&event, span.start.line()),
            Err(error) => {
                pass.problem(
                    error.marker().line(),
                    format!("not YAML: {}; a text that begins with * & ! or {{ needs quotes", error.info()),
                );
                break;
            }
        }
        if pass.stopped {
            break;
        }
    }
    if pass.problems.is_empty() { Ok(pass.lines) } else { Err(pass.problems) }
}

#[derive(Default)]
struct Pass {
    lines: Lines,
    open: Vec<Open>,
    documents: usize,
    problems: Vec<Problem>,
    stopped: bool,
}

impl Pass {
    fn event(&mut self, event: &Event<'_>, line: usize) {
        match event {
            Event::DocumentStart(_) => self.document(line),
            Event::Alias(_) => {
                self.problem(line, "aliases (*name) are not read; write the value out");
                self.value(None, line);
            }
            Event::Scalar(text, _, anchor, tag) => {
                self.plain(*anchor, tag.is_some(), line);
                self.value(Some(text), line);
            }
            Event::MappingStart(anchor, tag) => {
                self.plain(*anchor, tag.is_some(), line);
                let path = self.value(None, line);
                self.push(Open::Map { path, keys: BTreeSet::new(), key: None }, line);
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain(*anchor, tag.is_some(), line);
                let path = self.value(None, line);
                self.push(Open::List { path, next: 0 }, line);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            _ => {}
        }
    }

    fn document(&mut self, line: usize) {
        self.documents += 1;
        if self.documents > 1 {
            self.problem(line, "a policy is one document; remove what follows ---");
            self.stopped = true;
        }
    }

    fn plain(&mut self, anchor: usize, tagged: bool, line: usize) {
        if anchor != 0 {
            self.problem(line, "anchors (&name) are not read; write the value out");
        }
        if tagged {
            self.problem(line, "tags (!name) are not read");
        }
    }

    fn push(&mut self, open: Open, line: usize) {
        self.open.push(open);
        if self.open.len() > MAX_DEPTH {
            self.problem(line, "nested too deeply");
            self.stopped = true;
        }
    }

    /// Takes the start of a value or the whole of a key; answers the path where a value stands.
    fn value(&mut self, text: Option<&str>, line: usize) -> String {
        let path = match self.open.last_mut() {
            None => String::new(),
            Some(Open::List { path, next }) => {
                let item = item_path(path, *next);
                *next += 1;
                item
            }
            Some(Open::Map { path, keys, key }) => match (key.take(), text) {
                (Some(key), _) => key_path(path, &key),
                (None, Some(name)) => {
                    let path = key_path(path, name);
                    let repeated = !keys.insert(name.to_owned());
                    *key = Some(name.to_owned());
                    if repeated {
                        self.problem(line, format!("the key {name:?} stands twice"));
                    } else if name == "<<" {
                        self.problem(line, "merge keys (<<) are not read; write the entries out");
                    }
                    path
                }
                (None, None) => {
                    *key = Some(String::new());
                    self.problem(line, "a key must be a plain text");
                    self.stopped = true;
                    String::new()
                }
            },
        };
        self.lines.0.entry(path.clone()).or_insert(line);
        path
    }

    fn problem(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem { line: Some(line), path: String::new(), message: message.into() });
    }
}
