//! One request to a meta endpoint: bounded in time and bytes, never redirected, judged whole.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::github::{self, Document, MetaError, shown};

/// Bytes of a body, after any decompression. The largest one seen has 199 KB.
pub const MAX_BODY: usize = 2 << 20;
/// The least wait after a 403 or 429 that names none, as GitHub asks for.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);
/// Characters of an entity tag that is worth keeping; longer ones are dropped and the next request is unconditional.
const MAX_ETAG: usize = 256;

/// What a good answer was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// 304: what the entity tag stands for is still right.
    NotModified,
    /// 200 with a document that parses.
    Document {
        /// The selected sets.
        document: Document,
        /// The entity tag to send with the next request, where the answer had a usable one.
        etag: Option<String>,
    },
}

/// Why there is no good answer. Nothing of the answer is used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No whole answer in time (5 s to connect, 30 s in all).
    #[error("timed out: {0}")]
    Timeout(String),
    /// The connection failed: name, TCP, TLS, or an answer that is not HTTP or ends early.
    #[error("{0}")]
    Network(String),
    /// A redirect; none is followed, since the list may only come from the URL in the configuration.
    #[error("redirected with {status} to \"{location}\", which is not followed: configure the right URL")]
    Redirect {
        /// 300 to 399.
        status: u16,
        /// The target, escaped and shortened.
        location: String,
    },
    /// Neither 200 nor an expected 304.
    #[error("answered with status {status}")]
    Status {
        /// The status code.
        status: u16,
        /// How long the server wants to be left alone: for 403 and 429 the longest of `retry-after`,
        /// `x-ratelimit-reset` and one minute, for 503 `retry-after`; otherwise `None`.
        wait: Option<Duration>,
    },
    /// More than [`MAX_BODY`] bytes.
    #[error("the body is larger than 2 MiB")]
    TooBig,
    /// A body that is not a usable document.
    #[error("{0}")]
    Meta(#[from] MetaError),
}

impl FetchError {
    /// How long the server asked to be left alone, if it did.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        let timed_out = error.is_timeout();
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        if timed_out { Self::Timeout(text) } else { Self::Network(text) }
    }
}

/// How long one request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(30) }
    }
}

/// A client for `url` alone. Panics inside reqwest without a process-wide TLS provider, so the caller checks for one.
pub(super) fn client(url: &Url, user_agent: &str, timeouts: Timeouts) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(user_agent)
        .redirect(Policy::none())
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        // Hours lie between two requests: no connection is worth keeping.
        .pool_max_idle_per_host(0);
    let builder = if url.scheme() == "https" {
        builder.https_only(true)
    } else {
        // A name service or a proxy must not send "this machine" elsewhere; and no certificates are needed.
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        builder
            .no_proxy()
            .resolve_to_addrs("localhost", &loopback.map(|address| SocketAddr::new(address, 0)))
            .tls_certs_only([])
    };
    builder.build()
}

/// Asks `url` once for the sets of `keys`; `wall` is the time now, for answers that name a time.
pub(super) async fn fetch(
    client: &Client,
    url: &Url,
    keys: &BTreeSet<String>,
    etag: Option<&str>,
    wall: SystemTime,
) -> Result<Fetched, FetchError> {
    let mut request = client
        .get(url.clone())
        .header(ACCEPT, "application/vnd.github+json")
        .header("x-github-api-version", "2022-11-28");
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let response = request.send().await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Fetched::NotModified),
        status => return Err(refusal(status, response.headers(), wall)),
    }
    let etag = text(response.headers(), &ETAG).filter(|tag| tag.len() <= MAX_ETAG).map(str::to_owned);
    let document = github::parse(&body(response).await?, keys)?;
    Ok(Fetched::Document { document, etag })
}

async fn body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        // Before the chunk is kept, so that the cap bounds memory and not only the result.
        if body.len() + chunk.len() > MAX_BODY {
            return Err(FetchError::TooBig);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refusal(status: StatusCode, headers: &HeaderMap, wall: SystemTime) -> FetchError {
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let location = shown(text(headers, &LOCATION).unwrap_or_default());
        return FetchError::Redirect { status: status.as_u16(), location };
    }
    let after = number(headers, &RETRY_AFTER).map(Duration::from_secs);
    let wait = match status {
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            let reset = number(headers, &HeaderName::from_static("x-ratelimit-reset"));
            let reset = reset.and_then(|at| until(at, wall));
            [after, reset, Some(RATE_LIMIT_WAIT)].into_iter().flatten().max()
        }
        StatusCode::SERVICE_UNAVAILABLE => after,
        _ => None,
    };
    FetchError::Status { status: status.as_u16(), wait }
}

/// From now to a time in seconds since 1970; `None` where it has passed.
fn until(seconds: u64, wall: SystemTime) -> Option<Duration> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.duration_since(wall).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name).and_then(|text| text.trim().parse().ok())
}

#[cfg(test)]
mod tests;
