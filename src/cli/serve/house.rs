//! Listeners: their sockets, and what all of them share.

use super::report_mode::ReportMode;
use crate::cli::listen::Listen;
use crate::clock::Clock;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::policy::{self, Limits, Policy};
use crate::proxy::{Connections, Failures, Handler, Listener, PeerKind, Service};
use crate::request::ClientFrom;
use crate::tls::LiveTls;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::watch;

/// A bound listener.
pub(super) struct Bound {
    pub(super) name: String,
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
}

/// Says which listeners take passwords where others can read them.
pub(super) struct Exposure {
    /// Each listener, and whether what it is sent can be read by others on the way.
    pub(super) listeners: Vec<(String, bool)>,
    pub(super) metrics: Arc<Metrics>,
}

/// A listener and what it speaks TLS with; none where it does not.
pub(super) type Door = (Bound, Option<Arc<LiveTls>>);

/// Which listeners take clear text from other machines.
pub(super) fn exposed(doors: &[Door]) -> Vec<(String, bool)> {
    doors.iter().map(|(bound, tls)| (bound.name.clone(), tls.is_none() && !bound.address.ip().is_loopback())).collect()
}

impl Exposure {
    /// Logs and marks what a policy exposes.
    pub(super) fn tell(&self, policy: &Policy) {
        let takes_passwords = policy.principals.iter().any(|p| p.basic.is_some());
        for (listener, readable) in &self.listeners {
            let exposed = takes_passwords && *readable;
            self.metrics.set_cleartext_credentials(listener, exposed);
            if exposed {
                tracing::warn!(
                    msg = "passwords in clear text",
                    listener,
                    detail = "this listener takes passwords without TLS on an address that other machines reach; give \
                              it --web.tls-cert-file, or keep it behind an ingress or load balancer that ends TLS",
                );
            }
        }
    }
}

/// What all listeners share.
#[derive(Clone)]
pub(super) struct House {
    pub(super) limits: Limits,
    pub(super) connections: Arc<Connections>,
    pub(super) live: Arc<Live>,
    pub(super) in_flight: Arc<AtomicUsize>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl House {
    pub(super) fn report_mode(&self) -> ReportMode {
        let (live, metrics, clock) = (self.live.clone(), self.metrics.clone(), self.clock.clone());
        ReportMode { live, metrics, clock, logged: Vec::new() }
    }

    /// Begins to accept connections.
    pub(super) fn open<H: Handler>(&self, (bound, tls): Door, handler: Arc<H>) -> Service {
        tracing::info!(msg = "listening", listener = bound.name, address = %bound.address, tls = tls.is_some());
        let (name, live): (Arc<str>, _) = (bound.name.into(), self.live.clone());
        let listener_name = name.clone();
        let listener = Listener {
            name,
            kind: Box::new(move |peer| kind(live.load().policy.listener(&listener_name), peer)),
            handler,
            tls,
            handshake_failures: Failures::default(),
            limits: self.limits,
            connections: self.connections.clone(),
            in_flight: self.in_flight.clone(),
            draining: self.draining.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        Service::start(bound.socket, bound.address, listener, self.stopping.clone())
    }
}

fn kind(listener: &policy::Listener, peer: IpAddr) -> PeerKind {
    match (listener.trusted_proxies.contains(peer), listener.client_from == ClientFrom::ProxyProtocol) {
        (true, true) => PeerKind::Announcing,
        (true, false) => PeerKind::Proxy,
        (false, true) => PeerKind::Stranger,
        (false, false) => PeerKind::Client,
    }
}

/// Takes the address of a listener; nothing is accepted yet.
pub(super) fn bind(listen: &Listen) -> Result<Bound, String> {
    let (socket, address) = listen.bind()?;
    Ok(Bound { name: listen.name.clone(), socket, address })
}
