//! The client for one URL.

use super::refusal::{refusal, text};
use super::{Answer, Ask, FetchError, Url, UrlError, check_url};
use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, RequestBuilder, Response, StatusCode};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Who asks. GitHub answers 403 without one.
pub const USER_AGENT: &str = concat!("pushguard/", env!("CARGO_PKG_VERSION"));
/// Redirects on the same host that are followed.
const MAX_REDIRECTS: usize = 3;
/// Characters of an entity tag that is worth keeping; longer ones are dropped and the next request is unconditional.
const MAX_ETAG: usize = 256;
/// Bytes of a file with a token, and of one with certificates.
const MAX_TOKEN: u64 = 16 * 1024;
const MAX_CERTIFICATES: u64 = 1 << 20;

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Whom to ask; checked as [`check_url`] does.
    pub url: Url,
    /// PEM certificates of further authorities, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// A file with a bearer token, read at each request, so that it can be rotated.
    pub token_file: Option<PathBuf>,
    /// How long a request may take.
    pub timeouts: Timeouts,
}

impl ClientSettings {
    /// Nothing but the URL.
    pub fn new(url: Url) -> Self {
        Self { url, ca_file: None, token_file: None, timeouts: Timeouts::default() }
    }
}

/// How long one request may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To connect. Default: 5 s.
    pub connect: Duration,
    /// From the start to the last byte of the body. Default: 30 s.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(30) }
    }
}

/// Why no client can be made. All are mistakes of the configuration or of the machine that no retry mends.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// See [`check_url`].
    #[error("{0}")]
    Url(#[from] UrlError),
    /// The file with certificates cannot be used.
    #[error("{}: {why}; it must hold PEM certificates", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The process has no default TLS provider; its start must install one.
    #[error("no TLS provider is installed in this process")]
    NoTlsProvider,
    /// There are no certificates of authorities to verify anybody with.
    #[error("cannot make the HTTPS client: {0}; install the system's CA certificates (ca-certificates)")]
    Client(FetchError),
}

/// Asks one URL, over TLS with verification, or in plain text on this machine. Proxies are those of the usual variables
/// (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    url: Url,
    token_file: Option<PathBuf>,
}

impl Client {
    /// Makes a client for one URL. The process must have a default TLS provider before
    /// (`rustls::crypto::ring::default_provider().install_default()`).
    ///
    /// # Errors
    ///
    /// See [`SetupError`].
    pub fn new(settings: ClientSettings) -> Result<Self, SetupError> {
        let local = check_url(settings.url.as_str())?.scheme() == "http";
        // reqwest panics without one; a start that cannot go on must say so in words.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(SetupError::NoTlsProvider);
        }
        let certificates = settings.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::custom(|attempt| if stays(&attempt) { attempt.follow() } else { attempt.stop() }))
            .referer(false)
            .connect_timeout(settings.timeouts.connect)
            .timeout(settings.timeouts.total)
            // Hours lie between two requests: no connection is worth keeping.
            .pool_max_idle_per_host(0);
        let builder = if local {
            // A name service or a proxy must not send "this machine" elsewhere; and no certificates are needed.
            let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            builder
                .no_proxy()
                .resolve_to_addrs("localhost", &loopback.map(|address| SocketAddr::new(address, 0)))
                .tls_certs_only([])
        } else {
            builder.https_only(true).tls_certs_merge(certificates)
        };
        let inner = builder.build().map_err(|error| SetupError::Client(error.into()))?;
        Ok(Self { inner, url: settings.url, token_file: settings.token_file })
    }

    /// The URL that it asks.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Asks once; `wall` is the time now, for answers that name a time.
    ///
    /// # Errors
    ///
    /// See [`FetchError`]; nothing of a bad answer is used.
    pub async fn get(&self, ask: Ask<'_>, wall: SystemTime) -> Result<Answer, FetchError> {
        let response = self.request(ask)?.send().await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if ask.etag.is_some() => return Ok(Answer::NotModified),
            status => return Err(refusal(status, response.headers(), wall)),
        }
        let etag = text(response.headers(), &ETAG).filter(|tag| tag.len() <= MAX_ETAG).map(str::to_owned);
        Ok(Answer::Body { bytes: body(response, ask.max_bytes).await?, etag })
    }

    fn request(&self, ask: Ask<'_>) -> Result<RequestBuilder, FetchError> {
        let mut request = self.inner.get(self.url.clone()).header(ACCEPT, ask.accept);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        if let Some(etag) = ask.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        match &self.token_file {
            Some(file) => Ok(request.header(AUTHORIZATION, bearer(file)?)),
            None => Ok(request),
        }
    }
}

/// Whether a redirect stays on the host that was configured, and is not one of too many.
fn stays(attempt: &Attempt<'_>) -> bool {
    let (next, seen) = (attempt.url(), attempt.previous());
    let plain = next.username().is_empty() && next.password().is_none();
    plain && seen.len() <= MAX_REDIRECTS && seen.first().is_some_and(|first| first.origin() == next.origin())
}

async fn body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        // Before the chunk is kept, so that the cap bounds memory and not only the result.
        if body.len().saturating_add(chunk.len()) > max_bytes {
            return Err(FetchError::TooBig(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn bearer(file: &Path) -> Result<HeaderValue, FetchError> {
    let token = read(file, MAX_TOKEN).map_err(|error| FetchError::Token(format!("{}: {error}", file.display())))?;
    let token = token.trim_ascii();
    let mut header = Zeroizing::new(b"Bearer ".to_vec());
    header.extend_from_slice(token);
    let printable = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    let value = HeaderValue::from_bytes(&header).ok().filter(|_| printable);
    let mut value = value.ok_or_else(|| FetchError::Token(format!("{}: holds no token", file.display())))?;
    value.set_sensitive(true);
    Ok(value)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let bad = |why: String| SetupError::Certificates { path: path.to_owned(), why };
    let pem = read(path, MAX_CERTIFICATES).map_err(|error| bad(error.to_string()))?;
    let list = Certificate::from_pem_bundle(&pem).map_err(|error| bad(error.to_string()))?;
    if list.is_empty() { Err(bad("holds no certificate".to_owned())) } else { Ok(list) }
}

fn read(path: &Path, most: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > most {
        return Err(std::io::Error::other(format!("not a file of at most {most} bytes")));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default()));
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
