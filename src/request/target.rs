//! What a request target names: a group to write, something to read, or nothing.

use super::grouping_key::PathFault;
use super::{GroupingKey, RoutePrefix};
use thiserror::Error;

/// What is served. Everything else does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `/metrics/job/…`
    Group(GroupingKey),
    /// A page that is only read.
    Read(Read),
}

/// The pages of the gateway that can be read through the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// `/metrics`
    Metrics,
    /// `/api/v1/metrics`
    ApiMetrics,
    /// `/api/v1/status`
    ApiStatus,
    /// `/`
    Home,
    /// `/status`
    Status,
    /// `/static/…`: the path, made of harmless characters only.
    Static(String),
    /// `/-/healthy`
    Healthy,
    /// `/-/ready`
    Ready,
}

impl Read {
    /// The path to ask the gateway for.
    pub fn upstream_path(&self) -> &str {
        match self {
            Self::Metrics => "/metrics",
            Self::ApiMetrics => "/api/v1/metrics",
            Self::ApiStatus => "/api/v1/status",
            Self::Home => "/",
            Self::Status => "/status",
            Self::Static(path) => path,
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
        }
    }
}

/// Why a target is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Nothing is served there.
    #[error("no such path")]
    Unknown,
    /// A group path with a query: the gateway ignores it, so it can only be a mistake or a trick.
    #[error("a push path has no query")]
    Query,
    /// A group path that does not name exactly one group.
    #[error(transparent)]
    Path(#[from] PathFault),
}

impl Target {
    /// Reads a request target in origin form, behind the route prefix. A query is refused on a group and dropped on a
    /// page.
    ///
    /// # Errors
    /// Why it names nothing, or not exactly one thing.
    pub fn read_behind(prefix: &RoutePrefix, target: &[u8]) -> Result<Self, TargetError> {
        Self::read(prefix.strip(target).ok_or(TargetError::Unknown)?)
    }

    /// Reads a request target without a route prefix.
    ///
    /// # Errors
    /// Why it names nothing, or not exactly one thing.
    pub fn read(target: &[u8]) -> Result<Self, TargetError> {
        let (path, query) = match target.iter().position(|b| *b == b'?') {
            Some(at) => (target.get(..at).unwrap_or_default(), true),
            None => (target, false),
        };
        if let Some(rest) = path.strip_prefix(b"/metrics/")
            && is_group(rest)
        {
            if query {
                return Err(TargetError::Query);
            }
            return Ok(Self::Group(GroupingKey::read(rest)?));
        }
        Self::page(path).map(Self::Read).ok_or(TargetError::Unknown)
    }

    fn page(path: &[u8]) -> Option<Read> {
        Some(match path {
            b"/metrics" => Read::Metrics,
            b"/api/v1/metrics" => Read::ApiMetrics,
            b"/api/v1/status" => Read::ApiStatus,
            b"/" => Read::Home,
            b"/status" => Read::Status,
            b"/-/healthy" => Read::Healthy,
            b"/-/ready" => Read::Ready,
            path => Read::Static(static_path(path)?),
        })
    }
}

/// `job` or `job@base64`, where clients may escape the `@`; the escape of a letter is a disguise, not a spelling.
fn is_group(rest: &[u8]) -> bool {
    let name = rest.split(|b| *b == b'/').next().unwrap_or_default();
    name == b"job" || name == b"job@base64" || name == b"job%40base64"
}

fn static_path(path: &[u8]) -> Option<String> {
    let file = path.strip_prefix(b"/static/")?;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-/".contains(b);
    let odd_part = |part: &[u8]| part.is_empty() || part.starts_with(b".");
    if !file.iter().all(plain) || file.split(|b| *b == b'/').any(odd_part) {
        return None;
    }
    String::from_utf8(path.to_vec()).ok()
}
