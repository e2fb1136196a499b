//! One request to a meta endpoint, judged whole.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::github::{self, Document, MetaError};
use crate::fetch::{Answer, Ask, Client};

/// Bytes of a body, after any decompression. The largest one seen has 199 KB.
pub const MAX_BODY: usize = 2 << 20;

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
    /// There is no answer that could be a document.
    #[error(transparent)]
    Http(#[from] crate::fetch::FetchError),
    /// A body that is not a usable document.
    #[error("{0}")]
    Meta(#[from] MetaError),
}

impl FetchError {
    /// How long the server asked to be left alone, if it did.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Http(error) => error.wait(),
            Self::Meta(_) => None,
        }
    }
}

/// Asks once for the sets of `keys`; `wall` is the time now, for answers that name a time.
pub(super) async fn fetch(
    client: &Client,
    keys: &BTreeSet<String>,
    etag: Option<&str>,
    wall: SystemTime,
) -> Result<Fetched, FetchError> {
    let ask = Ask {
        accept: "application/vnd.github+json",
        headers: &[("x-github-api-version", "2022-11-28")],
        etag,
        max_bytes: MAX_BODY,
    };
    match client.get(ask, wall).await? {
        Answer::NotModified => Ok(Fetched::NotModified),
        Answer::Body { bytes, etag } => Ok(Fetched::Document { document: github::parse(&bytes, keys)?, etag }),
    }
}
