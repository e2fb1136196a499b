//! The address of the gateway.

use thiserror::Error;

/// A checked `http://HOST[:PORT][/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl {
    authority: String,
    prefix: String,
}

/// Why a text is not the address of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UpstreamUrlError {
    /// Not `http://`.
    #[error("expected http://HOST:PORT, found {0:?}; TLS to the gateway is not supported yet")]
    Scheme(String),
    /// No host, or something beside host and port.
    #[error("{0:?} is not HOST or HOST:PORT")]
    Authority(String),
    /// A path with characters that would need an escape, a query or a fragment.
    #[error("the path {0:?} may hold only letters, digits and . _ ~ - between its slashes")]
    Prefix(String),
}

impl UpstreamUrl {
    /// Reads the address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(url: &str) -> Result<Self, UpstreamUrlError> {
        let rest = url.strip_prefix("http://").ok_or_else(|| UpstreamUrlError::Scheme(url.to_owned()))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let bad_host = || UpstreamUrlError::Authority(host.to_owned());
        let authority: http::uri::Authority = host.parse().map_err(|_| bad_host())?;
        if authority.host().is_empty() || host.contains('@') || host.ends_with(':') {
            return Err(bad_host());
        }
        let port = authority.port_u16().unwrap_or(80);
        let prefix = path.trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
        let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || !part.chars().all(plain);
        if prefix.split('/').skip(1).any(bad_part) {
            return Err(UpstreamUrlError::Prefix(path.to_owned()));
        }
        Ok(Self { authority: format!("{}:{port}", authority.host()), prefix: prefix.to_owned() })
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path in front of every path of the gateway, without a slash at its end; usually empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl std::str::FromStr for UpstreamUrl {
    type Err = UpstreamUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::read(url)
    }
}
