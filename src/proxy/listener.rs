//! The guard of a listener: room for connections, and the loop of requests on one of them.

use super::connections::{Connections, Place};
use super::handshake::Failures;
use super::head::NextHead;
use super::wire::Wire;
use crate::clock::{Clock, Tick};
use crate::decision::Denial;
use crate::metrics::Metrics;
use crate::policy::{Limit, Limits};
use crate::request::RawHead;
use crate::tls::{LiveTls, ServerTls};
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// The client that the PROXY protocol announced.
    pub announced: Option<IpAddr>,
    /// The listener's name.
    pub listener: &'a Arc<str>,
    /// When its first byte came.
    pub started: Tick,
    /// Reads the body and writes the answer.
    pub wire: &'a mut Wire,
    /// Whether the process ends, and the connection with it.
    pub shutdown: &'a ShutdownWatch,
}

/// What a peer is to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// A client.
    Client,
    /// A proxy that many clients come through.
    Proxy,
    /// A proxy that announces each connection's client by the PROXY protocol.
    Announcing,
    /// Somebody else, where only announcing proxies may connect.
    Stranger,
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
    /// What it speaks TLS with; none where it does not.
    pub tls: Option<Arc<LiveTls>>,
    /// Handshakes that came to nothing.
    pub handshake_failures: Failures,
    /// Room for connections, shared by all listeners.
    pub connections: Arc<Connections>,
    /// What a peer is to this listener.
    pub kind: Box<dyn Fn(IpAddr) -> PeerKind + Send + Sync>,
    /// Requests being answered, over all listeners.
    pub in_flight: Arc<AtomicUsize>,
    /// Turns true when the process is about to end: what is asked is answered, and ends its connection.
    pub draining: ShutdownWatch,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where refused connections are counted.
    pub metrics: Arc<Metrics>,
}

#[async_trait]
impl<H: Handler> ServerApp for Listener<H> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let peer = peer(&stream)?;
        let kind = (self.kind)(peer);
        let (place, met) = match kind {
            PeerKind::Client => self.connections.enter(Some(peer)),
            PeerKind::Proxy | PeerKind::Announcing => self.connections.enter(None),
            PeerKind::Stranger => (None, None),
        };
        if let Some(limit) = met {
            self.metrics.count_limit(limit.name());
        }
        let Some(place) = place else {
            self.metrics.connections_refused.inc();
            return None;
        };
        let _open = Open::count(&self.metrics);
        self.serve(stream, peer, kind, place, shutdown).await;
        None
    }
}

impl<H: Handler> Listener<H> {
    async fn serve(&self, stream: Stream, peer: IpAddr, kind: PeerKind, mut place: Place, shutdown: &ShutdownWatch) {
        let mut wire = Wire::new(stream);
        let mut announced = None;
        if kind == PeerKind::Announcing {
            let Some(client) = self.announced(&mut wire, peer, &mut place).await else {
                self.metrics.connections_refused.inc();
                return;
            };
            announced = client;
        }
        let tls = self.tls.as_ref().map(|tls| tls.load());
        let Some(mut wire) = self.secured(wire, tls.as_deref(), peer, &place).await else { return };
        loop {
            let mut started = self.clock.tick();
            let waiting = place.waits();
            let next = tokio::select! {
                biased;
                next = wire.next_head(&self.limits, shutdown, || started = self.clock.tick()) => next,
                () = waiting.called() => return,
            };
            if !waiting.end() {
                return;
            }
            let head = match next {
                NextHead::Read(head) => Ok(head),
                NextHead::Refused(refused) => Err(refused),
                NextHead::Idle => return self.metrics.count_limit(Limit::Idle.name()),
                NextHead::Ended => return,
            };
            if wire.outlived_its_certificate(self.clock.wall()) || self.distrusts(&wire, tls.as_ref()) {
                return;
            }
            let _counted = InFlight::enter(&self.in_flight);
            let (listener, shutdown) = (&self.name, &self.draining);
            let incoming = Incoming { head, peer, announced, listener, started, wire: &mut wire, shutdown };
            self.handler.handle(incoming).await;
            if !wire.keeps_alive() {
                let waiting = place.waits();
                return tokio::select! {
                    () = wire.linger() => {}
                    () = waiting.called() => {}
                };
            }
        }
    }

    /// Whether the client showed a certificate, and an authority that it may have been signed by is none any more.
    fn distrusts(&self, wire: &Wire, handshake: Option<&Arc<ServerTls>>) -> bool {
        let now = self.tls.as_ref().filter(|_| wire.certificate().is_some());
        now.zip(handshake).is_some_and(|(now, handshake)| !now.trusts_as(handshake))
    }

    /// The client that the peer announces; none where the connection must end.
    async fn announced(&self, wire: &mut Wire, peer: IpAddr, place: &mut Place) -> Option<Option<IpAddr>> {
        match timeout(self.limits.head, wire.announcement()).await {
            Ok(Ok(Some(client))) if !place.belongs_to(client) => {
                self.metrics.count_limit(Limit::SourceConnections.name());
                None
            }
            Ok(Ok(client)) => Some(client),
            Ok(Err(what)) => {
                tracing::warn!(msg = "connection refused", listener = %self.name, peer = %peer, detail = what);
                None
            }
            Err(_) => {
                self.metrics.count_limit(Limit::HeadTime.name());
                None
            }
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
