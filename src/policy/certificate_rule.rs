//! Which client certificates prove a principal: by the names that they are issued for.

use super::{ClaimGlob, Mode, PatternError};
use crate::request::{Certificate, SanKind};

/// How a client certificate proves a principal.
#[derive(Clone, Debug)]
pub struct CertificateRule {
    /// It names one of these.
    pub sans: Vec<SanPattern>,
    /// Whether a request from its sources that lacks a fitting certificate is refused.
    pub mode: Mode,
}

/// A pattern for names of one kind. `*` stays within a label of a host name, a step of an address, a side of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanPattern {
    kind: SanKind,
    glob: ClaimGlob,
}

impl CertificateRule {
    /// Whether the certificate proves the principal.
    pub fn fits(&self, certificate: &Certificate) -> bool {
        let fits = |pattern: &SanPattern| {
            certificate.names.iter().any(|san| san.kind == pattern.kind && pattern.glob.matches(&san.name))
        };
        self.sans.iter().any(fits)
    }
}

impl SanPattern {
    /// Compiles a pattern for names of that kind.
    ///
    /// # Errors
    /// Why the text is not a pattern.
    pub fn read(kind: SanKind, source: &str) -> Result<Self, PatternError> {
        let (separators, ignores_case): (&[char], bool) = match kind {
            SanKind::Dns => (&['.'], true),
            SanKind::Uri => (&['/', ':'], false),
            SanKind::Email => (&['@'], false),
        };
        Ok(Self { kind, glob: ClaimGlob::read_within(source, separators, ignores_case)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::San;

    fn fits(pattern: &str, names: &[&str]) -> bool {
        let (kind, source) = SanKind::split(pattern).unwrap();
        let rule = CertificateRule { sans: vec![SanPattern::read(kind, source).unwrap()], mode: Mode::Enforce };
        rule.fits(&Certificate { names: names.iter().map(|name| San::read(name).unwrap()).collect() })
    }

    #[test]
    fn a_name_fits_whole_and_by_its_kind() {
        let spiffe = "URI:spiffe://prod.example/ns/ci/sa/pusher";
        for (pattern, names, expected) in [
            ("DNS:ci.example.com", &["DNS:ci.example.com"][..], true),
            ("DNS:ci.example.com", &["DNS:CI.Example.COM"], true),
            ("DNS:CI.example.com", &["DNS:ci.example.com"], true),
            ("DNS:ci.example.com", &["DNS:other", "email:x@y", "DNS:ci.example.com"], true),
            ("DNS:*.example.com", &["DNS:ci.example.com"], true),
            ("DNS:ci-*.example.com", &["DNS:ci-7.example.com"], true),
            (spiffe, &[spiffe], true),
            ("URI:spiffe://prod.example/ns/ci/sa/*", &[spiffe], true),
            ("email:*@example.com", &["email:a.b@example.com"], true),
            // The twins.
            ("DNS:ci.example.com", &[], false),
            ("DNS:ci.example.com", &["DNS:xci.example.com"], false),
            ("DNS:ci.example.com", &["DNS:ci.example.com."], false),
            ("DNS:ci.example.com", &["DNS:ci.example.com\0.evil.test"], false),
            ("DNS:ci.example.com", &["URI:ci.example.com", "email:ci.example.com"], false),
            ("DNS:*.example.com", &["DNS:a.b.example.com"], false),
            ("DNS:*.example.com", &["DNS:example.com"], false),
            ("DNS:*", &["DNS:example.com"], false),
            ("DNS:ci.example.com", &["DNS:*.example.com"], false),
            (spiffe, &["URI:spiffe://prod.example/ns/ci/sa/Pusher"], false),
            (spiffe, &["URI:spiffe://Prod.example/ns/ci/sa/pusher"], false),
            ("URI:spiffe://prod.example/ns/*", &[spiffe], false),
            ("URI:spiffe://*/ns/ci/sa/pusher", &["URI:spiffe://evil.test/x/ns/ci/sa/pusher"], false),
            ("email:*@example.com", &["email:a@example.com@evil.test"], false),
            ("email:ci@example.com", &["email:CI@example.com"], false),
        ] {
            assert_eq!(fits(pattern, names), expected, "{pattern} and {names:?}");
        }
    }
}
