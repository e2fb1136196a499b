//! Connections to the gateway: plain or with TLS, and the few that wait for their next request.

use super::secured::Secured;
use crate::clock::Tick;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora_core::protocols::{IO, Stream, l4};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Unused connections that are kept; more are never in use at once for long.
const MOST: usize = 32;

/// How the gateway is spoken to.
pub(super) enum Transport {
    Plain,
    Tls { trust: Trust, name: ServerName<'static> },
}

/// Whom the gateway's certificate may be signed by: what handshakes use, counted, so that a connection that was made by
/// what held before is not used again.
pub(super) struct Trust(ArcSwap<(u64, Arc<ClientConfig>)>);

impl Trust {
    pub(super) fn new(config: Arc<ClientConfig>) -> Self {
        Self(ArcSwap::from_pointee((0, config)))
    }

    fn epoch(&self) -> u64 {
        self.0.load().0
    }
}

/// A connection and where it leads.
pub(super) struct Link {
    pub(super) stream: Stream,
    pub(super) address: SocketAddr,
    /// By which trust it was made.
    pub(super) epoch: u64,
}

/// The connections that wait.
pub(super) struct Pool {
    transport: Transport,
    idle: Mutex<Vec<(Link, Tick)>>,
}

impl Pool {
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, idle: Mutex::default() }
    }

    /// Trusts others from now on; connections that stand finish what they are at.
    pub(super) fn trust(&self, config: Arc<ClientConfig>) {
        if let Transport::Tls { trust, .. } = &self.transport {
            trust.0.rcu(|old| (old.0 + 1, config.clone()));
            self.idle.lock().clear();
        }
    }

    fn epoch(&self) -> u64 {
        match &self.transport {
            Transport::Plain => 0,
            Transport::Tls { trust, .. } => trust.epoch(),
        }
    }

    /// The one that was used last, where the gateway has not ended it meanwhile.
    pub(super) fn take(&self, address: SocketAddr, now: Tick) -> Option<Link> {
        let mut idle = self.idle.lock();
        idle.retain(|(_, since)| now.since(*since) < IDLE);
        while let Some(at) = idle.iter().rposition(|(link, _)| link.address == address) {
            let (mut link, _) = idle.remove(at);
            if is_quiet(&mut link.stream) {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, mut link: Link, now: Tick) {
        let mut idle = self.idle.lock();
        idle.retain_mut(|(link, since)| now.since(*since) < IDLE && is_quiet(&mut link.stream));
        if idle.len() < MOST && link.epoch == self.epoch() && is_quiet(&mut link.stream) {
            idle.push((link, now));
        }
    }

    /// A new connection, with its handshake done.
    pub(super) async fn connect(&self, address: SocketAddr) -> std::io::Result<Link> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (stream, epoch): (Box<dyn IO>, u64) = match &self.transport {
            Transport::Plain => (Box::new(l4::stream::Stream::from(tcp)), 0),
            Transport::Tls { trust, name } => {
                let (epoch, config) = (**trust.0.load()).clone();
                (Box::new(Secured(TlsConnector::from(config).connect(name.clone(), tcp).await?)), epoch)
            }
        };
        Ok(Link { stream, address, epoch })
    }
}

/// Nothing has come, not even the end: a gateway does not speak first.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut context = Context::from_waker(Waker::noop());
    matches!(Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)), Poll::Pending)
}
