//! Whom the certificate of a client names, as far as a policy may ask for it.

use std::fmt;
use thiserror::Error;

/// The kind of a name. The names of two kinds are never the same, whatever their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SanKind {
    /// The name of a host.
    Dns,
    /// An address such as a SPIFFE ID.
    Uri,
    /// A mailbox.
    Email,
}

impl SanKind {
    /// Every kind, by what stands in front of its names, as openssl writes them.
    pub const ALL: [(&'static str, Self); 3] = [("DNS:", Self::Dns), ("URI:", Self::Uri), ("email:", Self::Email)];

    /// What stands in front of its names.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Dns => "DNS:",
            Self::Uri => "URI:",
            Self::Email => "email:",
        }
    }

    /// The kind that a text begins with, and the rest of it.
    ///
    /// # Errors
    /// It begins with none.
    pub fn split(text: &str) -> Result<(Self, &str), NoKind> {
        let found = Self::ALL.iter().find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(prefix)?)));
        found.ok_or_else(|| NoKind::of(text))
    }
}

/// A text that does not say what kind of name it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} does not say what kind of name it is: DNS:, URI: or email:; did you mean \"{likely}{text}\"?")]
pub struct NoKind {
    text: String,
    likely: &'static str,
}

impl NoKind {
    fn of(text: &str) -> Self {
        let likely = match text {
            text if text.contains("://") => SanKind::Uri,
            text if text.contains('@') => SanKind::Email,
            _ => SanKind::Dns,
        };
        Self { text: text.chars().take(64).collect(), likely: likely.prefix() }
    }
}

/// A subject alternative name (RFC 5280, 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct San {
    /// Its kind.
    pub kind: SanKind,
    /// The name itself, as the certificate has it.
    pub name: String,
}

impl San {
    /// Reads `KIND:NAME`.
    ///
    /// # Errors
    /// It begins with no kind.
    pub fn read(text: &str) -> Result<Self, NoKind> {
        SanKind::split(text).map(|(kind, name)| Self { kind, name: name.to_owned() })
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.prefix(), self.name)
    }
}

/// A certificate that the client of a connection has proven to hold: its names, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The names of the kinds that a policy may ask for.
    pub names: Vec<San>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_kind() {
        for (text, kind, name) in [
            ("DNS:ci.example.com", SanKind::Dns, "ci.example.com"),
            ("URI:spiffe://a/b", SanKind::Uri, "spiffe://a/b"),
            ("email:ci@example.com", SanKind::Email, "ci@example.com"),
            ("DNS:URI:x", SanKind::Dns, "URI:x"),
        ] {
            let san = San::read(text).unwrap();
            assert_eq!((san.kind, san.name.as_str()), (kind, name));
            assert_eq!(san.to_string(), text);
        }
        for (text, likely) in [
            ("ci.example.com", "DNS:ci.example.com"),
            ("spiffe://a/b", "URI:spiffe://a/b"),
            ("ci@example.com", "email:ci@example.com"),
            ("dns:x", "DNS:dns:x"),
            ("", "DNS:"),
        ] {
            let error = San::read(text).unwrap_err().to_string();
            assert!(error.ends_with(&format!("did you mean \"{likely}\"?")), "{error}");
        }
    }
}
