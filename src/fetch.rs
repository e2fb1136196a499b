//! One careful HTTPS GET, for all that is fetched from elsewhere: bounded in time and bytes, sent to the configured host
//! alone, and answered with the whole body or with why there is none.
//!
//! A [`Client`] is made once for one URL. What it gives back is bytes; their reader judges them. [`next_delay`] says
//! when to ask again.

mod client;
mod delay;
#[cfg(test)]
pub(crate) mod fake;
mod refusal;
mod url;

pub use client::{Client, ClientSettings, SetupError, Timeouts, USER_AGENT};
pub use delay::{Outcome, jitter, next_delay};
pub use reqwest::Url;
pub use url::{UrlError, check_url};

use std::error::Error as _;
use std::time::Duration;

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The Accept header.
    pub accept: &'a str,
    /// Further headers, names in lower case.
    pub headers: &'a [(&'static str, &'static str)],
    /// The entity tag of an earlier answer, where what it stands for is still held: then the answer may be
    /// [`Answer::NotModified`].
    pub etag: Option<&'a str>,
    /// The most bytes of a body, after decompression.
    pub max_bytes: usize,
}

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 304: what the entity tag stands for is still right.
    NotModified,
    /// 200 and its whole body.
    Body {
        /// At most [`Ask::max_bytes`].
        bytes: Vec<u8>,
        /// The entity tag to send next time, where the answer had a usable one.
        etag: Option<String>,
    },
}

/// Why there is no good answer. Nothing of the answer is used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No whole answer in time.
    #[error("timed out: {0}")]
    Timeout(String),
    /// The other end could not prove to be who it should be.
    #[error("{0}")]
    Tls(String),
    /// The connection failed: name, TCP, or an answer that is not HTTP, ends early or cannot be decompressed.
    #[error("{0}")]
    Network(String),
    /// A redirect to another host, or one too many: what is fetched may only come from where the configuration says.
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
    /// A body of more than [`Ask::max_bytes`].
    #[error("the body is larger than {0} bytes")]
    TooBig(usize),
    /// The file with the token cannot be used; nothing was asked.
    #[error("{0}")]
    Token(String),
}

impl FetchError {
    /// How long the server asked to be left alone, if it did.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }

    /// The kind, for a metric.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Tls(_) => "tls",
            Self::Network(_) => "network",
            Self::Redirect { .. } => "redirect",
            Self::Status { status: 403 | 429, .. } => "rate_limited",
            Self::Status { .. } => "status",
            Self::TooBig(_) => "too_big",
            Self::Token(_) => "token",
        }
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        let timed_out = error.is_timeout();
        let error = error.without_url();
        let (mut text, mut tls) = (error.to_string(), false);
        let mut cause = error.source();
        while let Some(error) = cause {
            tls |= is_tls(error);
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        match (timed_out, tls) {
            (true, _) => Self::Timeout(text),
            (false, true) => Self::Tls(text),
            (false, false) => Self::Network(text),
        }
    }
}

/// Whether TLS failed; its error comes wrapped in errors of input and output, which do not name it as their source.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}

#[cfg(test)]
mod tests;
