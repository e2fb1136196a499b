//! Bytes to prefixes: one list out of a JSON document, or a plain text.
//!
//! Published lists that skipped bad entries, or took every array of texts for addresses, have ended up empty. So a list
//! is named exactly, everything around it is skipped unread, and one bad entry refuses all of it.

mod json;
mod pointer;
mod text;

pub use pointer::{Pointer, PointerError};

use super::prefix::PrefixError;
use ipnet::IpNet;

/// The most prefixes of a list. GitHub's longest has 7,300.
pub const MAX_PREFIXES: usize = 65_536;

/// How a list is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON document, in which the pointer names an array of texts.
    Json(Pointer),
    /// One prefix a line; empty lines, and what follows a `#`, say nothing.
    Text,
}

/// Why bytes are not a usable list. Nothing of them is used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The bytes are no JSON text, or more follows after it.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The bytes are not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// The document has nothing where the pointer points.
    #[error("{0} is missing")]
    Missing(String),
    /// A key on the way is there twice, so that it has no one meaning.
    #[error("{0} is there twice")]
    Repeated(String),
    /// Something else than an array: null, for instance.
    #[error("{0} is not an array")]
    NotAnArray(String),
    /// There is no entry.
    #[error("{0} is empty")]
    Empty(String),
    /// There are more than [`MAX_PREFIXES`] entries.
    #[error("{0} has more than {MAX_PREFIXES} entries")]
    TooMany(String),
    /// An entry is not a text.
    #[error("entry {index} of {list} is not a text")]
    NotAString {
        /// The list.
        list: String,
        /// Position in the array, from 0.
        index: usize,
    },
    /// An entry is not an exact prefix.
    #[error("{place}, \"{entry}\": {why}")]
    BadEntry {
        /// Where it stands.
        place: String,
        /// The entry, escaped and cut to 64 characters.
        entry: String,
        /// What is wrong with it.
        why: PrefixError,
    },
}

impl ListError {
    /// The kind, for a metric.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::NotText => "not_text",
            Self::Missing(_) => "missing",
            Self::Repeated(_) => "repeated",
            Self::NotAnArray(_) | Self::NotAString { .. } => "not_a_list",
            Self::Empty(_) => "empty",
            Self::TooMany(_) => "too_many",
            Self::BadEntry { .. } => "bad_entry",
        }
    }
}

/// Reads the whole list: at least one prefix, in the order of the bytes.
///
/// # Errors
///
/// Refuses all of it where anything is wrong with any of it.
pub fn read(form: &Form, bytes: &[u8]) -> Result<Vec<IpNet>, ListError> {
    match form {
        Form::Json(pointer) => json::read(pointer, bytes),
        Form::Text => text::read(bytes),
    }
}

#[cfg(test)]
mod tests;
