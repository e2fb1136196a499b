//! JSON pointers (RFC 6901).

use std::fmt;

/// A place in a JSON document, such as `/actions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    tokens: Vec<String>,
}

/// Why a text is not a JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It does not begin with `/`.
    #[error("a JSON pointer is empty or begins with /, such as /actions")]
    Start,
    /// A `~` that is not followed by 0 or 1.
    #[error("in a JSON pointer ~ is written ~0, and / inside a key ~1")]
    Escape,
}

impl Pointer {
    /// The pointer to a key at the top of a document.
    pub fn key(name: impl Into<String>) -> Self {
        Self { tokens: vec![name.into()] }
    }

    /// Reads a pointer as RFC 6901 writes it; the empty one is the whole document.
    ///
    /// # Errors
    ///
    /// See [`PointerError`].
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let rest = text.strip_prefix('/').ok_or(PointerError::Start)?;
        let tokens = rest.split('/').map(unescape).collect::<Option<_>>().ok_or(PointerError::Escape)?;
        Ok(Self { tokens })
    }

    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(1)?;
        whole.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        whole.push_str(rest);
    }
    Some(whole)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tokens.is_empty() {
            return f.write_str("the document");
        }
        self.tokens.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}
