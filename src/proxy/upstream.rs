//! The gateway: requests built from scratch out of a permit, over pingora's connection pool.

mod order;
mod url;

pub use url::{UpstreamUrl, UpstreamUrlError};

use super::respond::Answer;
use crate::clock::{Clock, Tick};
use crate::decision::{Denial, Permit, Reason, Work};
use crate::payload::Format;
use crate::policy::Limits;
use crate::request::{Head, Read};
use bytes::{Bytes, BytesMut};
use order::Order;
use pingora_core::connectors::http::v1::Connector;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{BError, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of an answer to a push: the gateway's are a line or two.
const MAX_WRITE_ANSWER: usize = 64 * 1024;
/// How long an unused connection to the gateway is kept.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// The gateway behind the proxy.
pub struct Upstream {
    url: UpstreamUrl,
    connector: Connector,
    order: Order,
    limits: Limits,
    resolved: parking_lot::Mutex<Option<(std::net::SocketAddr, Tick)>>,
    clock: Arc<dyn Clock>,
}

/// Why the gateway gave no answer that can be passed on.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) detail: String,
}

impl Failure {
    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    pub(super) fn denial(self) -> Denial {
        let denial = Denial::new(self.reason).detail(self.detail);
        match self.reason {
            Reason::UpstreamUnavailable | Reason::Overloaded => denial.retry_after(Duration::from_secs(1)),
            _ => denial,
        }
    }
}

/// An answer whose body is still with the gateway.
pub(super) struct Reading {
    session: HttpSession,
    peer: HttpPeer,
    /// The head of the answer.
    pub(super) header: ResponseHeader,
}

impl Upstream {
    /// A gateway at `url`; nothing is connected yet.
    pub fn new(url: UpstreamUrl, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let order = Order::new(limits.upstream_writes, limits.upstream_queue);
        let resolved = parking_lot::Mutex::new(None);
        Self { url, connector: Connector::new(None), order, limits, resolved, clock }
    }

    /// Sends a write and reads the gateway's whole answer. Writes to one group keep their order.
    pub(super) async fn write(
        &self,
        permit: &Permit,
        format: Format,
        body: &Bytes,
        head: &Head,
        request_id: &str,
    ) -> Result<Answer, Failure> {
        let (method, key, body) = match permit.work() {
            Work::Push(key) => ("POST", key, body.clone()),
            Work::Replace(key) => ("PUT", key, body.clone()),
            Work::Empty(key) => ("PUT", key, Bytes::new()),
            Work::Delete(key) => ("DELETE", key, Bytes::new()),
            Work::Read(_) => return Err(Failure::new(Reason::UpstreamFailed, "a read is not a write")),
        };
        let path = key.upstream_path();
        let turn = timeout(self.limits.upstream, self.order.enter(&path)).await;
        let _turn = match turn {
            Ok(Some(turn)) => turn,
            Ok(None) | Err(_) => return Err(Failure::new(Reason::Overloaded, "too many writes wait for the gateway")),
        };
        let mut request = self.request(method, &path, head, request_id).map_err(|e| internal(&e))?;
        let fields = [("Content-Length", body.len().to_string()), ("Content-Type", format.content_type().to_owned())];
        let needed = if method == "DELETE" { 1 } else { 2 };
        for (name, value) in fields.into_iter().take(needed) {
            request.insert_header(name, value).map_err(|e| internal(&e))?;
        }
        let exchange = async {
            let mut reading = self.exchange(&request, &body).await?;
            let body = self.read_all(&mut reading).await?;
            let answer = written(&reading.header, body);
            self.finish(reading).await;
            answer
        };
        match timeout(self.limits.upstream, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(timed_out()),
        }
    }

    /// Asks for a page; its body is read with [`Upstream::next_part`].
    pub(super) async fn read(&self, page: &Read, head: &Head, request_id: &str) -> Result<Reading, Failure> {
        let mut request = self.request("GET", page.upstream_path(), head, request_id).map_err(|e| internal(&e))?;
        for (name, value) in head.passed.iter().filter(|(name, _)| name.starts_with("accept")) {
            request.insert_header(*name, value.as_slice()).map_err(|e| internal(&e))?;
        }
        self.exchange(&request, &Bytes::new()).await
    }

    /// The next part of a page's body, none at its end.
    pub(super) async fn next_part(&self, reading: &mut Reading) -> Result<Option<Bytes>, Failure> {
        reading.session.read_body_bytes().await.map_err(|e| failed(&e))
    }

    /// Gives the connection back to the pool.
    pub(super) async fn finish(&self, reading: Reading) {
        self.connector.release_http_session(reading.session, &reading.peer, Some(POOL_IDLE)).await;
    }

    fn request(&self, method: &str, path: &str, head: &Head, request_id: &str) -> Result<RequestHeader, BError> {
        let target = format!("{}{path}", self.url.prefix());
        let mut request = RequestHeader::build(method, target.as_bytes(), Some(8))?;
        request.insert_header("Host", self.url.authority())?;
        for (name, value) in head.passed.iter().filter(|(name, _)| !name.starts_with("accept")) {
            request.insert_header(*name, value.as_slice())?;
        }
        request.insert_header("X-Request-Id", request_id)?;
        Ok(request)
    }

    /// One request, tried a second time only where the first cannot have been applied: the connection failed, or a
    /// pooled connection ended before a byte of an answer.
    async fn exchange(&self, request: &RequestHeader, body: &Bytes) -> Result<Reading, Failure> {
        for last_try in [false, true] {
            let (session, peer, reused) = match self.connect().await {
                Ok(connected) => connected,
                Err(failure) if last_try => return Err(failure),
                Err(_) => continue,
            };
            match timeout(self.limits.first_byte, ask(session, request, body)).await {
                Err(_) => return Err(timed_out()),
                Ok(Ok((session, header))) => return Ok(Reading { session, peer, header }),
                Ok(Err(error)) if reused && !last_try && ended_unanswered(&error) => {}
                Ok(Err(error)) => return Err(failed(&error)),
            }
        }
        Err(Failure::new(Reason::UpstreamFailed, "no attempt was left"))
    }

    async fn connect(&self) -> Result<(HttpSession, HttpPeer, bool), Failure> {
        let unavailable = |detail: String| Failure::new(Reason::UpstreamUnavailable, detail);
        let address = self.resolve().await.map_err(|e| unavailable(format!("{}: {e}", self.url.authority())))?;
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.connection_timeout = Some(self.limits.connect);
        peer.options.total_connection_timeout = Some(self.limits.connect);
        match self.connector.get_http_session(&peer).await {
            Ok((session, reused)) => Ok((session, peer, reused)),
            Err(error) => {
                *self.resolved.lock() = None;
                Err(unavailable(format!("{address}: {}", error.etype().as_str())))
            }
        }
    }

    /// The gateway's address; a name is looked up again after a few seconds, since pods move.
    async fn resolve(&self) -> std::io::Result<std::net::SocketAddr> {
        const KEPT: Duration = Duration::from_secs(5);
        let now = self.clock.tick();
        let known = *self.resolved.lock();
        if let Some((address, at)) = known
            && now.since(at) < KEPT
        {
            return Ok(address);
        }
        let found = timeout(self.limits.connect, tokio::net::lookup_host(self.url.authority())).await;
        let address = found
            .map_err(|_| std::io::Error::other("the name look-up took too long"))??
            .next()
            .ok_or_else(|| std::io::Error::other("the name has no address"))?;
        *self.resolved.lock() = Some((address, now));
        Ok(address)
    }

    async fn read_all(&self, reading: &mut Reading) -> Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        while let Some(part) = self.next_part(reading).await? {
            body.extend_from_slice(&part);
            if body.len() > MAX_WRITE_ANSWER {
                return Err(Failure::new(Reason::UpstreamFailed, "the answer to a write is too long"));
            }
        }
        Ok(body.freeze())
    }
}

/// Sends a request and reads the head of its answer.
async fn ask(
    mut session: HttpSession,
    request: &RequestHeader,
    body: &Bytes,
) -> Result<(HttpSession, ResponseHeader), BError> {
    /// Informational answers before the real one; the gateway sends none.
    const MOST_HEADS: usize = 8;
    session.write_request_header(Box::new(request.clone())).await?;
    if !body.is_empty() {
        session.write_body(body).await?;
    }
    session.finish_body().await?;
    for _ in 0..MOST_HEADS {
        session.read_response().await?;
        match session.resp_header() {
            Some(header) if !header.status.is_informational() => {
                let header = header.clone();
                return Ok((session, header));
            }
            _ => {}
        }
    }
    Err(pingora_core::Error::explain(ErrorType::InvalidHTTPHeader, "informational answers without end"))
}

/// What an answer to a write means. Only what the gateway says to pushers passes.
fn written(header: &ResponseHeader, body: Bytes) -> Result<Answer, Failure> {
    let status = header.status.as_u16();
    let text = || String::from_utf8_lossy(&body).chars().take(512).collect::<String>();
    match status {
        200 | 202 | 400 => {
            if status == 400 && String::from_utf8_lossy(&body).contains("inconsistent with existing metrics") {
                return Err(Failure::new(Reason::GroupConflict, text()));
            }
            let content_type = header.headers.get("content-type").and_then(|v| v.to_str().ok());
            let headers = content_type.map(|v| ("Content-Type", v.to_owned())).into_iter().collect();
            Ok(Answer { status, headers, body })
        }
        _ => Err(Failure::new(Reason::UpstreamFailed, format!("the gateway answered {status}: {}", text()))),
    }
}

fn timed_out() -> Failure {
    Failure::new(Reason::UpstreamTimeout, "the gateway did not answer in time")
}

fn failed(error: &BError) -> Failure {
    Failure::new(Reason::UpstreamFailed, error.etype().as_str())
}

fn internal(error: &BError) -> Failure {
    Failure::new(Reason::UpstreamFailed, format!("the request could not be built: {}", error.etype().as_str()))
}

fn ended_unanswered(error: &BError) -> bool {
    matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::WriteError)
}
