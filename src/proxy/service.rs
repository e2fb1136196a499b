//! Listening sockets that are ours before pingora gets them: a failed bind ends the start, and port 0 is known.

use super::listener::{Handler, Listener};
use parking_lot::Mutex;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::server::Fds;
use pingora_core::services::listening;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Binds a listening socket.
///
/// # Errors
/// The system's.
pub fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A running listener.
pub struct Service {
    task: JoinHandle<()>,
}

impl Service {
    /// Accepts connections on a bound socket until `stop` turns true. Needs a tokio runtime around it.
    pub fn start<H: Handler>(
        socket: TcpListener,
        address: SocketAddr,
        listener: Listener<H>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let key = address.to_string();
        let mut fds = Fds::new();
        fds.add(key.clone(), socket.into_raw_fd());
        let mut service = listening::Service::new(listener.name.to_string(), listener);
        // pingora's default of 64 KiB a connection is most of the memory of an idle one.
        let buffer = L4BufferSettings::new(4096, 1460);
        service.add_listener(ListenerConfig::tcp(key).l4_buffer(buffer));
        let fds = Some(Arc::new(Mutex::new(fds)));
        let task = tokio::spawn(async move {
            pingora_core::services::Service::start_service(&mut service, fds, stop, 1).await;
        });
        Self { task }
    }

    /// Waits until no further connection is accepted.
    pub async fn stopped(self) {
        let _ = self.task.await;
    }
}
