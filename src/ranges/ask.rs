//! Asks one feed for its document.

use super::feed::{Feed, Origin};
use super::github;
use super::list::Form;
use crate::fetch::{Answer, Ask, Client, ClientSettings, FetchError, SetupError, Timeouts};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes of a document, after any decompression. The largest one seen has 199 KB.
pub const MAX_BODY: usize = 2 << 20;

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The network gave none.
    #[error(transparent)]
    Http(#[from] FetchError),
    /// The file cannot be read.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl AskError {
    /// The kind, for a metric.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http(error) => error.kind(),
            Self::File { .. } => "file",
        }
    }

    /// How long the server asked to be left alone, if it did.
    pub fn wait(&self) -> Option<std::time::Duration> {
        match self {
            Self::Http(error) => error.wait(),
            Self::File { .. } => None,
        }
    }
}

/// Asks one feed.
#[derive(Clone, Debug)]
pub struct Asker {
    way: Way,
    accept: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Debug)]
enum Way {
    Url(Box<Client>),
    File(Arc<Path>),
}

impl Asker {
    /// Makes what a feed is asked with.
    ///
    /// # Errors
    ///
    /// See [`SetupError`]: mistakes of the configuration or of the machine that no retry mends.
    pub fn new(feed: &Feed, ca_file: Option<&Path>, timeouts: Timeouts) -> Result<Self, SetupError> {
        let way = match &feed.origin {
            Origin::File(path) => Way::File(path.as_path().into()),
            Origin::Url { url, token_file } => {
                let settings = ClientSettings {
                    ca_file: ca_file.map(Path::to_owned),
                    token_file: token_file.clone(),
                    url: url.clone(),
                    timeouts,
                };
                Way::Url(Box::new(Client::new(settings)?))
            }
        };
        let json = feed.lists.iter().any(|list| matches!(list.form, Form::Json(_)));
        let (accept, headers): (_, &[_]) = match (feed.name == github::NAME, json) {
            (true, _) => ("application/vnd.github+json", &[("x-github-api-version", "2022-11-28")]),
            (false, true) => ("application/json, */*;q=0.1", &[]),
            (false, false) => ("text/plain, */*;q=0.1", &[]),
        };
        Ok(Self { way, accept, headers })
    }

    /// Asks once. `etag` is what an earlier answer came with, of which everything is still held.
    ///
    /// # Errors
    ///
    /// See [`AskError`]; nothing of a bad answer is used.
    pub async fn ask(&self, etag: Option<&str>, wall: SystemTime) -> Result<Answer, AskError> {
        match &self.way {
            Way::Url(client) => {
                let ask = Ask { accept: self.accept, headers: self.headers, etag, max_bytes: MAX_BODY };
                Ok(client.get(ask, wall).await?)
            }
            Way::File(path) => {
                let (path, read) = (path.clone(), path.clone());
                let file = |why: String| AskError::File { path: path.to_path_buf(), why };
                match tokio::task::spawn_blocking(move || read_file(&read)).await {
                    Ok(Ok(bytes)) => Ok(Answer::Body { bytes, etag: None }),
                    Ok(Err(error)) => Err(file(error.to_string())),
                    Err(error) => Err(file(error.to_string())),
                }
            }
        }
    }
}

/// Reads a document from this machine.
///
/// # Errors
///
/// Where there is no file, or one of more than [`MAX_BODY`] bytes.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let most = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    // Before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BODY {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 2 MiB"));
    }
    Ok(bytes)
}
