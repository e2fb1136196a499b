//! What a token says, and how a policy names a piece of it.

use super::json::{JsonFault, object};
use serde_json::{Map, Value};
use std::fmt;
use thiserror::Error;

/// The claims of a token. Empty for everybody who did not present one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

/// Where a claim stands.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimPath {
    source: String,
    steps: Vec<String>,
}

/// Why a text names no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClaimPathError {
    /// It is empty.
    #[error("the name of the claim is empty")]
    Empty,
    /// A `~` that is no escape of RFC 6901.
    #[error("in a JSON pointer ~ is written ~0 and / is written ~1")]
    Escape,
}

impl ClaimPath {
    /// Reads a name. One that begins with `/` is a JSON pointer (RFC 6901), such as `/kubernetes.io/namespace`; any
    /// other is the name of a claim, whatever it holds.
    ///
    /// # Errors
    /// Why it names no claim.
    pub fn read(text: &str) -> Result<Self, ClaimPathError> {
        if text.is_empty() {
            return Err(ClaimPathError::Empty);
        }
        let steps = match text.strip_prefix('/') {
            None => vec![text.to_owned()],
            Some(pointer) => pointer.split('/').map(unescape).collect::<Result<_, _>>()?,
        };
        Ok(Self { source: text.to_owned(), steps })
    }

    /// The name as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The name of the claim, where it is not inside another.
    pub fn top_level(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }
}

fn unescape(step: &str) -> Result<String, ClaimPathError> {
    let mut text = String::new();
    let mut chars = step.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '~' { chars.next() } else { None }) {
            ('~', Some('0')) => text.push('~'),
            ('~', Some('1')) => text.push('/'),
            ('~', _) => return Err(ClaimPathError::Escape),
            (c, _) => text.push(c),
        }
    }
    Ok(text)
}

impl fmt::Debug for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl Claims {
    /// The claims of somebody who presented no token.
    pub fn none() -> &'static Self {
        static NONE: std::sync::LazyLock<Claims> = std::sync::LazyLock::new(Claims::default);
        &NONE
    }

    /// What else is known of a token: that this claim is this text.
    pub fn set(&mut self, path: &ClaimPath, text: &str) {
        let Some((last, outer)) = path.steps.split_last() else { return };
        let mut inner = Some(&mut self.0);
        for step in outer {
            let within = inner.map(|map| map.entry(step).or_insert_with(|| Value::Object(Map::new())));
            inner = within.and_then(Value::as_object_mut);
        }
        if let Some(map) = inner {
            map.insert(last.clone(), Value::String(text.to_owned()));
        }
    }

    /// Reads a JSON object in which no key stands twice; none where it is not one.
    pub fn read(json: &[u8]) -> Option<Self> {
        Self::parse(json).ok()
    }

    pub(super) fn parse(json: &[u8]) -> Result<Self, JsonFault> {
        object(json).map(Self)
    }

    /// The value of a claim at the top.
    pub(super) fn top(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    fn at(&self, path: &ClaimPath) -> Option<&Value> {
        let (first, rest) = path.steps.split_first()?;
        rest.iter().try_fold(self.0.get(first)?, |value, step| value.as_object()?.get(step))
    }

    /// The claim as text: a string, a whole number in decimal, `true` or `false`. None where it is missing, empty, or
    /// anything else.
    pub fn text(&self, path: &ClaimPath) -> Option<String> {
        self.at(path).and_then(text)
    }

    /// The claim as texts: those of a list, or the one that it is. Items that are no text are left out.
    pub fn texts(&self, path: &ClaimPath) -> Vec<String> {
        match self.at(path) {
            Some(Value::Array(items)) => items.iter().filter_map(text).collect(),
            Some(value) => text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Those of the claims that are named, as one JSON object by name; what is missing is left out.
    pub fn selected<'p>(&self, paths: impl IntoIterator<Item = &'p ClaimPath>) -> String {
        let found = paths.into_iter().filter_map(|path| Some((path.source.clone(), self.at(path)?.clone())));
        Value::Object(found.collect()).to_string()
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}
