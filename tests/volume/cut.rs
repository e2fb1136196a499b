//! Connections that end where they should not.

use crate::common::DEADLINE;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// How a sender ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It closes: FIN, and a reset for whatever comes later.
    Close,
    /// It ends its own direction and reads on.
    HalfClose,
    /// It resets.
    Reset,
}

impl End {
    pub const ALL: [End; 3] = [End::Close, End::HalfClose, End::Reset];
}

/// Connects to one address again and again.
pub struct Cutter {
    address: SocketAddr,
    /// std has no way to ask for a reset; tokio has.
    runtime: tokio::runtime::Runtime,
}

impl Cutter {
    pub fn new(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        Self { address, runtime }
    }

    /// Sends these bytes over a connection of its own and ends so. Where `wait_at` is given, it waits behind that many
    /// bytes for an answer to begin (`100 Continue`) before it sends the rest. Answers what came back, as far as it was
    /// read.
    pub fn send(&self, bytes: &[u8], wait_at: Option<usize>, end: End) -> Vec<u8> {
        let mut stream = self.connect(end == End::Reset);
        let mut answer = Vec::new();
        let (before, behind) = bytes.split_at(wait_at.unwrap_or(0).min(bytes.len()));
        // Where the other side has answered already and closed, the rest cannot be sent.
        let _ = stream.write_all(before);
        if wait_at.is_some_and(|at| at <= bytes.len()) {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).unwrap_or(0);
            answer.extend_from_slice(&part[..read]);
        }
        let _ = stream.write_all(behind);
        if end == End::HalfClose {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut answer);
        }
        answer
    }

    fn connect(&self, resets: bool) -> TcpStream {
        let connected = self.runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            if resets {
                socket.set_zero_linger()?;
            }
            socket.connect(self.address).await?.into_std()
        });
        let stream = connected.unwrap_or_else(|e| panic!("{}: {e}", self.address));
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }
}
