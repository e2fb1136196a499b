//! The address of the gateway.

use crate::request::{RoutePrefix, WebError};
use rustls::pki_types::ServerName;
use thiserror::Error;

/// A checked `http://HOST[:PORT][/PREFIX]`, or the same with `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl {
    tls_name: Option<ServerName<'static>>,
    authority: String,
    prefix: RoutePrefix,
}

/// Why a text is not the address of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UpstreamUrlError {
    /// Neither `http://` nor `https://`.
    #[error("expected http://HOST:PORT or https://HOST:PORT, found {0:?}")]
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
        let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(UpstreamUrlError::Scheme(url.to_owned())),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let bad_host = || UpstreamUrlError::Authority(host.to_owned());
        let authority: http::uri::Authority = host.parse().map_err(|_| bad_host())?;
        if authority.host().is_empty() || host.contains('@') || host.ends_with(':') {
            return Err(bad_host());
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls_name = if tls { Some(ServerName::try_from(name).map_err(|_| bad_host())?) } else { None };
        let prefix = path.parse()?;
        Ok(Self { tls_name, authority: format!("{}:{port}", authority.host()), prefix })
    }

    /// The name that the gateway's certificate must have; none where it is spoken to in clear text.
    pub fn tls_name(&self) -> Option<&ServerName<'static>> {
        self.tls_name.as_ref()
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
