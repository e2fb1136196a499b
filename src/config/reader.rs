//! Walks a YAML value, taking what is expected and noting everything else.

use super::lines::{Lines, item_path, key_path};
use super::problem::Problem;
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'v> {
    pub(super) value: &'v Value,
    pub(super) path: String,
}

/// Problems and warnings, collected on the way.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) lines: Lines,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// How many of the warnings say that a file is not here.
    pub(super) absent: usize,
    /// The files that the document names, there or not.
    pub(super) files: BTreeSet<PathBuf>,
    /// The mappings that were read to their ends, and the keys that each may have.
    #[cfg(test)]
    pub(super) closed: Vec<(String, Vec<&'static str>)>,
}

/// A mapping whose entries are taken one by one; what is left over at the end is unknown.
#[derive(Debug)]
pub(super) struct Map<'v> {
    pub(super) path: String,
    entries: Vec<(String, &'v Value)>,
    known: Vec<&'static str>,
}

impl Reader {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, ..Self::default() }
    }

    pub(super) fn problem(&mut self, path: &str, message: impl Into<String>) {
        let problem = self.at(path, message.into());
        self.problems.push(problem);
    }

    pub(super) fn warn(&mut self, path: &str, message: impl Into<String>) {
        let problem = self.at(path, message.into());
        self.warnings.push(problem);
    }

    /// Warns that a file is not here: that says nothing of the policy.
    pub(super) fn warn_absent(&mut self, path: &str, message: impl Into<String>) {
        self.absent += 1;
        self.warn(path, message);
    }

    /// Notes a file whose content is part of what the document says.
    pub(super) fn names_file(&mut self, file: &Path) {
        self.files.insert(file.to_owned());
    }

    /// The line of a path, where it is known.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        self.lines.of(path)
    }

    fn at(&self, path: &str, message: String) -> Problem {
        Problem { line: self.lines.of(path), path: path.to_owned(), message }
    }

    /// A mapping; an empty value counts as an empty one.
    pub(super) fn map<'v>(&mut self, node: &Node<'v>) -> Option<Map<'v>> {
        let mapping = match node.value {
            Value::Null => return Some(Map { path: node.path.clone(), entries: Vec::new(), known: Vec::new() }),
            Value::Mapping(mapping) => mapping,
            other => {
                self.problem(&node.path, format!("expected a mapping (key: value), found {}", kind(other)));
                return None;
            }
        };
        let mut entries = Vec::with_capacity(mapping.len());
        for (key, value) in mapping {
            match key {
                Value::String(key) => entries.push((key.clone(), value)),
                other => {
                    let found = kind(other);
                    self.problem(&node.path, format!("a key must be text, found {found}; put it in quotes"));
                }
            }
        }
        Some(Map { path: node.path.clone(), entries, known: Vec::new() })
    }

    /// A list with at least one item: an empty list that allowed everything, or nothing, would be guessed at.
    pub(super) fn list<'v>(&mut self, node: &Node<'v>) -> Option<Vec<Node<'v>>> {
        let Value::Sequence(items) = node.value else {
            self.problem(&node.path, format!("expected a list ([a, b]), found {}", kind(node.value)));
            return None;
        };
        if items.is_empty() {
            self.problem(&node.path, "the list is empty; name something, or leave the key out");
            return None;
        }
        let item = |(index, value)| Node { value, path: item_path(&node.path, index) };
        Some(items.iter().enumerate().map(item).collect())
    }

    pub(super) fn text(&mut self, node: &Node<'_>) -> Option<String> {
        match node.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => {
                self.problem(&node.path, format!("expected text, found {}; put it in quotes", kind(node.value)));
                None
            }
            other => {
                self.problem(&node.path, format!("expected text, found {}", kind(other)));
                None
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, node: &Node<'_>) -> Option<Vec<(String, String)>> {
        let items = self.list(node)?;
        Some(items.iter().filter_map(|item| Some((item.path.clone(), self.text(item)?))).collect())
    }

    pub(super) fn boolean(&mut self, node: &Node<'_>) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(*value),
            other => {
                self.problem(&node.path, format!("expected true or false, found {}", kind(other)));
                None
            }
        }
    }

    pub(super) fn number(&mut self, node: &Node<'_>) -> Option<u64> {
        let number = node.value.as_u64();
        if number.is_none() {
            self.problem(&node.path, format!("expected a whole number, found {}", kind(node.value)));
        }
        number
    }

    /// One of the known names; else a problem that suggests the nearest.
    pub(super) fn one_of<T: Copy>(&mut self, path: &str, what: &str, text: &str, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.problem(path, format!("unknown {what} {text:?}{}", suggestion(text, &names)));
        }
        found
    }

    /// The name of a listener, source or principal: it becomes a log field and a metric label.
    pub(super) fn name(&mut self, path: &str, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.problem(path, "a name has 1 to 64 letters, digits, and _ . -");
        }
    }
}

impl<'v> Map<'v> {
    /// Takes the entry of that name, which from now on is a known one.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node<'v>> {
        self.known.push(key);
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        let (name, value) = self.entries.remove(at);
        Some(Node { value, path: key_path(&self.path, &name) })
    }

    /// Whether there is an entry of that name.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name == key)
    }

    /// Whether every entry was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries that were not taken, for mappings whose keys are names.
    pub(super) fn rest(self) -> Vec<(String, Node<'v>)> {
        let path = self.path;
        self.entries
            .into_iter()
            .map(|(name, value)| (name.clone(), Node { value, path: key_path(&path, &name) }))
            .collect()
    }

    /// Every entry that was not taken is a problem.
    pub(super) fn finish(self, reader: &mut Reader) {
        #[cfg(test)]
        reader.closed.push((self.path.clone(), self.known.clone()));
        for (name, _) in &self.entries {
            let path = key_path(&self.path, name);
            reader.problem(&path, format!("unknown key {name:?}{}", suggestion(name, &self.known)));
        }
    }
}

/// What to write instead of an unknown word.
pub(super) fn suggestion(found: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (strsim::damerau_levenshtein(found, name), *name)).min();
    match nearest {
        Some((distance, name)) if distance <= 3 && distance < name.len() => format!("; did you mean {name:?}?"),
        _ if known.is_empty() => String::new(),
        _ => format!("; known are {}", known.join(", ")),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            let short: String = text.chars().take(40).collect();
            format!("the text {short:?}")
        }
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Tagged(_) => "a tagged value".to_owned(),
    }
}
