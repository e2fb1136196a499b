//! One request and the head of its answer, tried a second time only where that is safe.

use super::pool::Link;
use super::{Failure, Upstream};
use crate::decision::Reason;
use crate::policy::Limit;
use crate::proxy::room::Taken;
use bytes::Bytes;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::{BError, Error, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Informational answers before the real one; the gateway sends none.
const MOST_HEADS: usize = 8;
/// How long an answer is looked for on a connection that takes no more of the request.
const EARLY_ANSWER: Duration = Duration::from_secs(1);
/// How long a name keeps its address; pods move.
const RESOLVED: Duration = Duration::from_secs(5);

/// An answer whose body is still with the gateway.
pub(in crate::proxy) struct Reading {
    session: HttpSession,
    address: SocketAddr,
    epoch: u64,
    /// The head of the answer.
    pub(in crate::proxy) header: ResponseHeader,
    /// Whether the connection served before.
    reused: bool,
    /// The place that the reading takes.
    pub(super) place: Option<Taken>,
    most: u64,
    limit: Limit,
    read: u64,
}

impl Reading {
    fn new(session: HttpSession, (address, epoch): (SocketAddr, u64), header: ResponseHeader, reused: bool) -> Self {
        Self { session, address, epoch, header, reused, place: None, most: 0, limit: Limit::AnswerBytes, read: 0 }
    }

    /// Admits so many bytes of a body; none were before.
    pub(super) fn allow(&mut self, most: u64, limit: Limit) -> Result<(), Failure> {
        (self.most, self.limit) = (most, limit);
        match self.length() {
            Some(length) if u64::try_from(length).is_ok_and(|length| length > most) => Err(self.too_long()),
            _ => Ok(()),
        }
    }

    /// What the head says of the body's length.
    pub(in crate::proxy) fn length(&self) -> Option<usize> {
        self.header.headers.get("content-length")?.to_str().ok()?.parse().ok()
    }

    pub(super) async fn next_part(&mut self) -> Result<Option<Bytes>, Failure> {
        let part = self.session.read_body_bytes().await.map_err(|e| failed(&e))?;
        let bytes = part.as_ref().map_or(0, Bytes::len);
        self.read = self.read.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.read > self.most { Err(self.too_long()) } else { Ok(part) }
    }

    fn too_long(&self) -> Failure {
        let detail = format!("the gateway's answer has more than {} bytes", self.most);
        Failure::limited(Reason::UpstreamFailed, self.limit, detail)
    }

    /// The connection, where it may carry another request.
    pub(super) async fn into_link(mut self) -> Option<Link> {
        self.session.respect_keepalive();
        self.session.reuse().await.map(|stream| Link { stream, address: self.address, epoch: self.epoch })
    }
}

/// How an attempt failed.
enum Attempt {
    /// Nothing was sent.
    Unsent(Failure),
    /// A pooled connection ended before a byte of an answer: most likely the gateway had closed it while it was idle.
    Dropped(Failure),
    /// Anything else.
    Failed(Failure),
}

impl Upstream {
    /// Sends a request and reads the head of its answer. A second attempt is made where the connection failed, and
    /// where a pooled connection ended before a byte of an answer; never after a timeout, never after an answer began.
    pub(super) async fn exchange(&self, request: &RequestHeader, body: &Bytes) -> Result<Reading, Failure> {
        let sent = match self.attempt(true, request, body).await {
            Ok(reading) => return Ok(self.noted(reading)),
            Err(Attempt::Failed(failure)) => return Err(failure),
            Err(Attempt::Unsent(_)) => false,
            Err(Attempt::Dropped(_)) => true,
        };
        // Where one pooled connection was closed meanwhile, most likely all were.
        match self.attempt(false, request, body).await {
            Ok(reading) => Ok(self.noted(reading)),
            // The first attempt may have been applied, so this is no longer "not applied".
            Err(Attempt::Unsent(failure)) if sent => Err(Failure::new(Reason::UpstreamFailed, failure.detail)),
            Err(Attempt::Unsent(failure) | Attempt::Dropped(failure) | Attempt::Failed(failure)) => Err(failure),
        }
    }

    /// Behind a new connection there may be another gateway.
    fn noted(&self, reading: Reading) -> Reading {
        if !reading.reused {
            self.connected.notify_one();
        }
        reading
    }

    /// Asks once, over a connection of its own, for something that nobody waits for.
    pub(super) async fn ask(&self, request: &RequestHeader) -> Result<Reading, Failure> {
        let connection = self.connect(false).await?;
        self.attempt_over(connection, request, &Bytes::new()).await.map_err(|attempt| match attempt {
            Attempt::Unsent(failure) | Attempt::Dropped(failure) | Attempt::Failed(failure) => failure,
        })
    }

    async fn attempt(&self, pooled: bool, request: &RequestHeader, body: &Bytes) -> Result<Reading, Attempt> {
        let connection = self.connect(pooled).await.map_err(Attempt::Unsent)?;
        self.attempt_over(connection, request, body).await
    }

    async fn attempt_over(
        &self,
        (Link { stream, address, epoch }, reused): (Link, bool),
        request: &RequestHeader,
        body: &Bytes,
    ) -> Result<Reading, Attempt> {
        let mut session = HttpSession::new(stream);
        let header = match send(&mut session, request, body).await {
            Ok(()) => timeout(self.limits.first_byte, answer(&mut session)).await,
            // The gateway may have refused the request without reading all of it.
            Err(error) => Ok(timeout(EARLY_ANSWER, answer(&mut session)).await.unwrap_or(Err(error))),
        };
        match header {
            Ok(Ok(header)) => Ok(Reading::new(session, (address, epoch), header, reused)),
            Ok(Err(error)) if reused && ended_unanswered(&error) => Err(Attempt::Dropped(failed(&error))),
            Ok(Err(error)) => Err(Attempt::Failed(failed(&error))),
            Err(_) => Err(Attempt::Failed(Failure::slow(Limit::FirstByteTime))),
        }
    }

    /// A new connection, or where that will do a pooled one, to the first of the gateway's addresses that takes one.
    async fn connect(&self, pooled: bool) -> Result<(Link, bool), Failure> {
        let unavailable = |detail: String| Failure::new(Reason::UpstreamUnavailable, detail);
        let addresses = self.resolve().await.map_err(|e| unavailable(format!("{}: {e}", self.url.authority())))?;
        let (mut failures, mut limit) = (Vec::new(), None);
        for address in addresses.iter() {
            let waiting = if pooled { self.pool.take(*address, self.clock.tick()) } else { None };
            if let Some(link) = waiting {
                return Ok((link, true));
            }
            match timeout(self.limits.connect, self.pool.connect(*address)).await {
                Ok(Ok(link)) => return Ok((link, false)),
                Ok(Err(error)) => failures.push(format!("{address}: {error}")),
                Err(_) => {
                    limit = Some(Limit::ConnectTime);
                    failures.push(format!("{address}: connecting took too long"));
                }
            }
        }
        *self.resolved.lock() = None;
        Err(Failure { limit, ..unavailable(failures.join(", ")) })
    }

    /// The gateway's addresses; a name is looked up again after a few seconds.
    async fn resolve(&self) -> std::io::Result<Arc<[SocketAddr]>> {
        /// A name with more addresses is not one gateway.
        const MOST: usize = 4;
        let now = self.clock.tick();
        let known = self.resolved.lock().clone();
        if let Some((addresses, at)) = known
            && now.since(at) < RESOLVED
        {
            return Ok(addresses);
        }
        let found = timeout(self.limits.connect, tokio::net::lookup_host(self.url.authority())).await;
        let found = found.map_err(|_| std::io::Error::other("the name look-up took too long"))??;
        let addresses: Arc<[SocketAddr]> = found.take(MOST).collect();
        if addresses.is_empty() {
            return Err(std::io::Error::other("the name has no address"));
        }
        *self.resolved.lock() = Some((addresses.clone(), now));
        Ok(addresses)
    }
}

async fn send(session: &mut HttpSession, request: &RequestHeader, body: &Bytes) -> Result<(), BError> {
    session.write_request_header(Box::new(request.clone())).await?;
    if !body.is_empty() {
        session.write_body(body).await?;
    }
    session.finish_body().await?;
    Ok(())
}

/// The head of the answer, behind any informational ones.
async fn answer(session: &mut HttpSession) -> Result<ResponseHeader, BError> {
    for _ in 0..MOST_HEADS {
        session.read_response().await?;
        if let Some(header) = session.resp_header().filter(|header| !header.status.is_informational()) {
            return Ok(header.clone());
        }
    }
    Err(Error::explain(ErrorType::InvalidHTTPHeader, "informational answers without end"))
}

/// The connection ended and not a byte of an answer had come. pingora tells the number only in words.
fn ended_unanswered(error: &BError) -> bool {
    match error.etype() {
        ErrorType::WriteError => true,
        ErrorType::ConnectionClosed | ErrorType::ReadError => {
            error.context.as_ref().is_some_and(|context| context.as_str().ends_with("bytes already read: 0"))
        }
        _ => false,
    }
}

fn failed(error: &BError) -> Failure {
    let context = error.context.as_ref().map(|context| context.as_str()).unwrap_or_default();
    Failure::new(Reason::UpstreamFailed, format!("{} {context}", error.etype().as_str()).trim_end())
}
