//! The discovery document of an issuer (OpenID Connect Discovery 1.0): where its keys are.

use crate::fetch::{Url, UrlError, check_url};
use crate::shown::shown;
use serde::Deserialize;
use thiserror::Error;

/// More than any discovery document has; GitHub's has about 1 KiB.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Why a document does not lead to keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum DiscoveryError {
    /// Not JSON, or without the two entries.
    #[error("not a discovery document: {0}")]
    Shape(String),
    /// It speaks for another issuer.
    #[error("it is the document of the issuer \"{0}\"")]
    Issuer(String),
    /// Its keys are at no address that may be asked.
    #[error("jwks_uri \"{uri}\": {why}")]
    Uri {
        /// The address.
        uri: String,
        /// What is wrong with it.
        why: UrlError,
    },
    /// Its keys are on another host.
    #[error("jwks_uri \"{0}\" is on another host; where that is right, name it as jwks_url")]
    Elsewhere(String),
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// Where an issuer's discovery document is.
pub(super) fn url(issuer: &str) -> Result<Url, UrlError> {
    check_url(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
}

/// Where the keys are: on the issuer's own host, by a document that names the issuer byte for byte.
pub(super) fn keys_url(document: &[u8], issuer: &str, asked: &Url) -> Result<Url, DiscoveryError> {
    let document: Document =
        serde_json::from_slice(document).map_err(|error| DiscoveryError::Shape(shown(&error.to_string())))?;
    if document.issuer != issuer {
        return Err(DiscoveryError::Issuer(shown(&document.issuer)));
    }
    let url =
        check_url(&document.jwks_uri).map_err(|why| DiscoveryError::Uri { uri: shown(&document.jwks_uri), why })?;
    if url.origin() == asked.origin() { Ok(url) } else { Err(DiscoveryError::Elsewhere(shown(&document.jwks_uri))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_issuers_own_document_leads_to_keys_and_only_to_its_own_host() {
        let issuer = "https://issuer.example/tenant";
        let asked = url(issuer).unwrap();
        assert_eq!(asked.as_str(), "https://issuer.example/tenant/.well-known/openid-configuration");
        assert_eq!(url("https://issuer.example/").unwrap().path(), "/.well-known/openid-configuration");
        let read = |text: &str| keys_url(text.as_bytes(), issuer, &asked).map(|url| url.to_string());
        let good = r#"{"issuer":"https://issuer.example/tenant","jwks_uri":"https://issuer.example/keys","x":[1]}"#;
        assert_eq!(read(good).as_deref(), Ok("https://issuer.example/keys"));
        for (from, to, expected) in [
            ("/tenant\"", "/tenant/\"", "it is the document of the issuer"),
            ("/tenant\"", "\"", "it is the document of the issuer"),
            ("https://issuer.example/keys", "http://issuer.example/keys", "jwks_uri"),
            ("https://issuer.example/keys", "https://evil.example/keys", "is on another host"),
            ("https://issuer.example/keys", "https://issuer.example:8443/keys", "is on another host"),
            ("https://issuer.example/keys", "https://u:p@issuer.example/keys", "jwks_uri"),
            ("https://issuer.example/keys", "file:///etc/passwd", "jwks_uri"),
            ("https://issuer.example/keys", "keys", "jwks_uri"),
            ("jwks_uri", "jwks_url", "not a discovery document"),
            ("\"x\":[1]", "\"issuer\":\"y\"", "not a discovery document"),
            ("{", "<html>", "not a discovery document"),
        ] {
            let error = read(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{from} to {to}: {error}");
        }
    }
}
