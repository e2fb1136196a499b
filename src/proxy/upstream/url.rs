//! The address of the gateway.

use crate::request::{RoutePrefix, WebError};
use thiserror::Error;

/// A checked `http://HOST[:PORT][/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl {
    authority: String,
    prefix: RoutePrefix,
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
    /// A path that would have more than one spelling.
    #[error(transparent)]
    Prefix(#[from] WebError),
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
        let prefix = path.parse()?;
        Ok(Self { authority: format!("{}:{port}", authority.host()), prefix })
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path in front of every path of the gateway, without a slash at its end; usually empty.
    pub fn prefix(&self) -> &str {
        self.prefix.as_str()
    }
}

impl std::str::FromStr for UpstreamUrl {
    type Err = UpstreamUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::read(url)
    }
}
