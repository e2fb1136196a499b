//! Patterns for jobs and label values: only `*` is special, and it crosses any character.

use std::fmt;
use thiserror::Error;

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    /// The literal runs between the stars; one run means no star.
    runs: Vec<String>,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing matches it but the empty text, which is not a job.
    #[error("the pattern is empty; write \"*\" for any value")]
    Empty,
    /// A backslash at the end.
    #[error("the pattern ends in a backslash; write \\\\ for a backslash")]
    DanglingEscape,
    /// A brace that is not escaped.
    #[error("{{claim}} patterns are for token principals only; write \\{{ for a brace")]
    Claim,
}

impl Pattern {
    /// Compiles a pattern: `*` matches any run of characters, `\` takes the next character literally.
    ///
    /// # Errors
    /// Why the text is not a pattern.
    pub fn read(source: &str) -> Result<Self, PatternError> {
        if source.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut runs = Vec::new();
        let mut run = String::new();
        let mut chars = source.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => runs.push(std::mem::take(&mut run)),
                '\\' => run.push(chars.next().ok_or(PatternError::DanglingEscape)?),
                '{' | '}' => return Err(PatternError::Claim),
                c => run.push(c),
            }
        }
        runs.push(run);
        Ok(Self { source: source.to_owned(), runs })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.runs.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let Some(mut text) = text.strip_prefix(first.as_str()).and_then(|t| t.strip_suffix(last.as_str())) else {
            return false;
        };
        // The leftmost place for each run leaves the most room for those behind it.
        for run in middle {
            match text.find(run.as_str()) {
                Some(at) => text = text.get(at + run.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}
