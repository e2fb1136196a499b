//! How the proxy is seen from outside: under which path, and at which origin.

use thiserror::Error;

/// What is the same for every request of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// The path in front of every path.
    pub route_prefix: RoutePrefix,
    /// The origin that browsers know the proxy by, `https://push.example.com`; without it, that of the Host header.
    pub external_origin: Option<String>,
}

/// A path in front of other paths: empty, or `/a/b` without a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePrefix(String);

/// An address that people and browsers use: its origin and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    /// `https://push.example.com`, lower case, with a port only where it is not the scheme's own.
    pub origin: String,
    /// The path.
    pub prefix: RoutePrefix,
}

/// Why a text is not a prefix or an external address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WebError {
    /// A path that would have more than one spelling.
    #[error("the path {0:?} is not slashes and parts of letters, digits and . _ ~ - (no part begins with a dot)")]
    Prefix(String),
    /// Not `http://HOST` or `https://HOST`.
    #[error("expected http(s)://HOST[:PORT][/PATH], found {0:?}")]
    Url(String),
}

impl RoutePrefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the prefix, where the path begins with it and goes on with a slash.
    pub fn strip<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        path.strip_prefix(self.0.as_bytes()).filter(|rest| rest.first() == Some(&b'/'))
    }
}

impl std::str::FromStr for RoutePrefix {
    type Err = WebError;

    fn from_str(path: &str) -> Result<Self, WebError> {
        let prefix = path.strip_suffix('/').unwrap_or(path);
        let plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
        let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || !part.chars().all(plain);
        let mut parts = prefix.split('/');
        if parts.next() != Some("") || parts.any(bad_part) {
            return Err(WebError::Prefix(path.to_owned()));
        }
        Ok(Self(prefix.to_owned()))
    }
}

impl std::str::FromStr for ExternalUrl {
    type Err = WebError;

    fn from_str(url: &str) -> Result<Self, WebError> {
        let bad = || WebError::Url(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(bad()),
        };
        let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).ok_or_else(bad)?;
        let authority: http::uri::Authority = authority.parse().map_err(|_| bad())?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(bad());
        }
        let host = authority.host().to_ascii_lowercase();
        let origin = match authority.port_u16().filter(|port| *port != default_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        Ok(Self { origin, prefix: path.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_one_spelling() {
        for (text, prefix) in [("", ""), ("/", ""), ("/pg", "/pg"), ("/pg/", "/pg"), ("/a/b-c_d.e~f", "/a/b-c_d.e~f")] {
            assert_eq!(text.parse::<RoutePrefix>().map(|p| p.0), Ok(prefix.to_owned()), "{text:?}");
        }
        for text in
            ["pg", "//", "/pg//", "/a//b", "/.", "/..", "/a/../b", "/.a", "/a%2Fb", "/a b", "/ä", "/a?b", "/a#b"]
        {
            assert!(text.parse::<RoutePrefix>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        let prefix: RoutePrefix = "/pg".parse().unwrap();
        for (path, rest) in [
            ("/pg/metrics", Some("/metrics")),
            ("/pg/", Some("/")),
            ("/pg/pg/x", Some("/pg/x")),
            ("/pg", None),
            ("/pgx/metrics", None),
            ("/metrics", None),
            ("/PG/metrics", None),
            ("/%70g/metrics", None),
        ] {
            assert_eq!(prefix.strip(path.as_bytes()), rest.map(str::as_bytes), "{path}");
        }
        assert_eq!(RoutePrefix::default().strip(b"/metrics"), Some(&b"/metrics"[..]));
    }

    #[test]
    fn external_addresses() {
        for (url, origin, prefix) in [
            ("https://push.example.com", "https://push.example.com", ""),
            ("https://Push.Example.com:443/", "https://push.example.com", ""),
            ("http://localhost:9091/pg", "http://localhost:9091", "/pg"),
            ("http://[::1]:80", "http://[::1]", ""),
        ] {
            let read: ExternalUrl = url.parse().unwrap();
            assert_eq!((read.origin.as_str(), read.prefix.as_str()), (origin, prefix), "{url}");
        }
        for url in
            ["push.example.com", "ftp://a", "https://", "https://u@a", "https://a b", "https:///x", "https://a/../b"]
        {
            assert!(url.parse::<ExternalUrl>().is_err(), "{url}");
        }
    }
}
