//! Connections to the gateway: plain or with TLS, and the few that wait for their next request.

use super::secured::Secured;
use crate::clock::Tick;
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
#[derive(Clone)]
pub(super) enum Transport {
    Plain,
    Tls { config: Arc<ClientConfig>, name: ServerName<'static> },
}

/// A connection and where it leads.
pub(super) struct Link {
    pub(super) stream: Stream,
    pub(super) address: SocketAddr,
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
        if idle.len() < MOST && is_quiet(&mut link.stream) {
            idle.push((link, now));
        }
    }

    /// A new connection, with its handshake done.
    pub(super) async fn connect(&self, address: SocketAddr) -> std::io::Result<Link> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn IO> = match &self.transport {
            Transport::Plain => Box::new(l4::stream::Stream::from(tcp)),
            Transport::Tls { config, name } => {
                Box::new(Secured(TlsConnector::from(config.clone()).connect(name.clone(), tcp).await?))
            }
        };
        Ok(Link { stream, address })
    }
}

/// Nothing has come, not even the end: a gateway does not speak first.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut context = Context::from_waker(Waker::noop());
    matches!(Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)), Poll::Pending)
}
