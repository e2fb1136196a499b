//! Which URLs may be fetched from.

use std::net::IpAddr;

use reqwest::Url;

use crate::shown::shown;

/// Why a URL is not fit to fetch from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The text is not an absolute URL.
    #[error("not a URL: {0}")]
    NotAUrl(String),
    /// The scheme is neither `https` nor `http`.
    #[error("scheme {0:?} is not supported: use https")]
    Scheme(String),
    /// Plain `http` to a host that is not this machine: anyone on the way could write the list.
    #[error("http is allowed to a loopback host only (127.0.0.0/8, ::1, localhost), not to {0:?}: use https")]
    PlainHttp(String),
    /// The URL carries a user name or a password, which would end up in the state file.
    #[error("a URL must not carry a user name or a password")]
    UserInfo,
}

/// Reads a URL to fetch from: `https`, or `http` to a loopback host (127.0.0.0/8, ::1, `localhost`).
///
/// # Errors
///
/// Refuses every other scheme, plain `http` to other hosts, and user names or passwords in the URL.
pub fn check_url(text: &str) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|error| UrlError::NotAUrl(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::UserInfo);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(UrlError::PlainHttp(shown(url.host_str().unwrap_or_default()))),
        other => Err(UrlError::Scheme(shown(other))),
    }
}

/// Whether the host of the URL, in the form that the parser gave it, is this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_and_loopback_urls_only() {
        let good = [
            "https://api.github.com/meta",
            "https://ghes.example:8443/api/v3/meta",
            "HTTPS://API.GITHUB.COM/meta",
            "http://127.0.0.1:9/meta",
            "http://127.255.0.1/meta",
            "http://[::1]:9/meta",
            "http://localhost/meta",
            "http://LOCALHOST:9/meta",
        ];
        for text in good {
            assert!(check_url(text).is_ok(), "{text}: {:?}", check_url(text));
        }
        let plain = |host: &str| UrlError::PlainHttp(host.to_owned());
        let bad = [
            ("http://api.github.com/meta", plain("api.github.com")),
            ("http://localhost.evil.example/", plain("localhost.evil.example")),
            ("http://127.0.0.1.evil.example/", plain("127.0.0.1.evil.example")),
            ("http://localhost./", plain("localhost.")),
            ("http://10.0.0.1/", plain("10.0.0.1")),
            ("http://0.0.0.0/", plain("0.0.0.0")),
            ("http://[::]/", plain("[::]")),
            ("http://[::ffff:127.0.0.1]/", plain("[::ffff:7f00:1]")),
            ("http://128.0.0.1/", plain("128.0.0.1")),
            ("ftp://127.0.0.1/meta", UrlError::Scheme("ftp".to_owned())),
            ("file:///etc/passwd", UrlError::Scheme("file".to_owned())),
            ("https://me@api.github.com/meta", UrlError::UserInfo),
            ("https://me:secret@api.github.com/meta", UrlError::UserInfo),
            ("http://127.0.0.1@evil.example/", UrlError::UserInfo),
        ];
        for (text, want) in bad {
            assert_eq!(check_url(text), Err(want), "{text}");
        }
        for text in ["", "meta", "/meta", "https://", "api.github.com/meta", "https://[::1/"] {
            let checked = check_url(text);
            assert!(matches!(checked, Err(UrlError::NotAUrl(_) | UrlError::Scheme(_))), "{text:?}: {checked:?}");
        }
    }
}
