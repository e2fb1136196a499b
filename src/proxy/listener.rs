//! The guard of a listener: connection cap, head deadline, strict heads, and the loop of requests on one connection.
//!
//! pingora gets a head that is written here, from the parts that were read strictly: method, framing, connection. It
//! reads the body by it and never sees what the client wrote.

use super::connections::Connections;
use super::head::{NextHead, next_head};
use crate::clock::{Clock, Tick};
use crate::decision::Denial;
use crate::metrics::Metrics;
use crate::policy::Limits;
use crate::request::{Method, RawHead};
use async_trait::async_trait;
use bytes::BytesMut;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::v1::server::HttpSession;
use pingora_core::server::ShutdownWatch;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// A head that was refused before anything was decided.
#[derive(Debug)]
pub struct Refused(pub Denial);

/// One request on a connection.
pub struct Incoming<'a> {
    /// The head, or why it is refused.
    pub head: Result<RawHead, Refused>,
    /// The remote end.
    pub peer: IpAddr,
    /// The listener's name.
    pub listener: &'a Arc<str>,
    /// When its first byte came.
    pub started: Tick,
    /// Reads the body and writes the answer.
    pub session: &'a mut HttpSession,
    /// Whether the process ends, and the connection with it.
    pub shutdown: &'a ShutdownWatch,
}

/// Answers requests.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request, or leaves the connection in a state in which it is closed.
    async fn handle(&self, incoming: Incoming<'_>);
}

/// A listener's name and limits, and who answers its requests.
pub struct Listener<H> {
    /// The name, as the policy knows it.
    pub name: Arc<str>,
    /// Who answers.
    pub handler: Arc<H>,
    /// The limits.
    pub limits: Limits,
    /// Room for connections, shared by all listeners.
    pub connections: Arc<Connections>,
    /// Whether a peer is a proxy that many clients come through.
    pub is_proxy: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Requests being answered, over all listeners.
    pub in_flight: Arc<AtomicUsize>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where refused connections are counted.
    pub metrics: Arc<Metrics>,
}

#[async_trait]
impl<H: Handler> ServerApp for Listener<H> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let peer = peer(&stream)?;
        let Some(_room) = self.connections.enter((!(self.is_proxy)(peer)).then_some(peer)) else {
            self.metrics.connections_refused.inc();
            return None;
        };
        let _open = Open::count(&self.metrics);
        self.serve(stream, peer, shutdown).await;
        None
    }
}

impl<H: Handler> Listener<H> {
    async fn serve(&self, mut stream: Stream, peer: IpAddr, shutdown: &ShutdownWatch) {
        let mut buffer = BytesMut::new();
        loop {
            let mut started = self.clock.tick();
            let next =
                next_head(&mut stream, &mut buffer, &self.limits, shutdown, || started = self.clock.tick()).await;
            let head = match next {
                NextHead::Read(head) => Ok(head),
                NextHead::Refused(refused) => Err(refused),
                NextHead::Ended => return,
            };
            let _counted = InFlight::enter(&self.in_flight);
            let Some(mut session) = session(stream, head.as_ref().ok(), buffer).await else {
                return;
            };
            session.set_read_timeout(None);
            session.set_write_timeout(Some(self.limits.write));
            session.set_total_drain_timeout(Some(Duration::from_secs(2)));
            let incoming = Incoming { head, peer, listener: &self.name, started, session: &mut session, shutdown };
            self.handler.handle(incoming).await;
            if !session.is_body_done() || !session.will_keepalive() {
                return linger(session).await;
            }
            let Ok(Some(reusable)) = session.reuse().await else { return };
            let (next_stream, rest) = reusable.into_parts();
            (stream, buffer) = (next_stream, rest.unwrap_or_default());
        }
    }
}

/// Counts a connection while it is open, however that ends.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn count(metrics: &'a Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Counts a request while it is being answered, however that ends.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn enter(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn peer(stream: &Stream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    Some(digest.peer_addr()?.as_inet()?.ip().to_canonical())
}

/// A pingora session over the canonical head and the bytes behind it. A refused head stands as one without a body.
async fn session(stream: Stream, head: Option<&RawHead>, rest: BytesMut) -> Option<HttpSession> {
    let mut text = String::with_capacity(128);
    let method = head.map_or(Method::Get, |h| h.method);
    let _ = write!(text, "{} / HTTP/1.1\r\nHost: pushguard\r\n", method.as_str());
    let length = head.and_then(|h| h.field("content-length")).and_then(|v| std::str::from_utf8(v).ok());
    if let Some(length) = length {
        let _ = write!(text, "Content-Length: {length}\r\n");
    } else if head.is_some_and(|h| h.field("transfer-encoding").is_some()) {
        text.push_str("Transfer-Encoding: chunked\r\n");
    }
    if !head.is_some_and(RawHead::keeps_alive) {
        text.push_str("Connection: close\r\n");
    }
    text.push_str("\r\n");
    let mut bytes = BytesMut::from(text.as_str());
    if head.is_some() {
        bytes.unsplit(rest);
    }
    let mut session = HttpSession::new(stream);
    session.set_pipelining_enabled(true);
    session.set_pipelined_prefix(bytes);
    match session.read_request().await {
        Ok(Some(_)) => Some(session),
        _ => None,
    }
}

/// Bytes that are read and thrown away after an answer that the client may not have read yet.
const LINGER_BYTES: usize = 1024 * 1024;

/// Closes without losing the answer: a socket that is closed on unread bytes is reset, and the reset overtakes what was
/// written.
async fn linger(session: HttpSession) {
    let mut stream = session.into_inner();
    let drain = async {
        if stream.flush().await.is_err() || AsyncWriteExt::shutdown(&mut stream).await.is_err() {
            return;
        }
        let mut scrap = [0_u8; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut scrap).await {
                Ok(bytes) if bytes > 0 => left = left.saturating_sub(bytes),
                _ => return,
            }
        }
    };
    let _ = timeout(Duration::from_secs(2), drain).await;
}
