//! What sends connections to those that are ready, and learns late who is.

use super::http::Request;
use std::io::Read as _;
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where connections may be sent, and where to ask whether they may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    pub serves: SocketAddr,
    pub admin: SocketAddr,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Vec<Endpoint>>,
    ready: Mutex<Vec<Endpoint>>,
    next: AtomicUsize,
    over: AtomicBool,
}

/// Passes connections on in turn; it ends when dropped.
pub struct Balancer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Balancer {
    /// It acts on what it learns only after `lag`.
    pub fn start(lag: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let asking = shared.clone();
        std::thread::spawn(move || {
            while !asking.over.load(Ordering::SeqCst) {
                let known = asking.known.lock().unwrap().clone();
                let ready: Vec<Endpoint> = known.into_iter().filter(is_ready).collect();
                std::thread::sleep(lag);
                *asking.ready.lock().unwrap() = ready;
            }
        });
        let sending = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if sending.over.load(Ordering::SeqCst) {
                    return;
                }
                let ready = sending.ready.lock().unwrap().clone();
                let turn = sending.next.fetch_add(1, Ordering::SeqCst);
                // Without an endpoint the client is dropped, and a test that did not wait for one fails.
                let Some(endpoint) = ready.get(turn % ready.len().max(1)) else { continue };
                let Ok(server) = TcpStream::connect(endpoint.serves) else { continue };
                pass(&client, &server);
                pass(&server, &client);
            }
        });
        Self { address, shared }
    }

    /// Knows an endpoint from now on.
    pub fn add(&self, endpoint: Endpoint) {
        self.shared.known.lock().unwrap().push(endpoint);
    }

    /// Forgets an endpoint that has ended.
    pub fn forget(&self, endpoint: Endpoint) {
        self.shared.known.lock().unwrap().retain(|known| *known != endpoint);
    }

    /// Whether connections are sent to that endpoint.
    pub fn sends_to(&self, endpoint: Endpoint) -> bool {
        self.shared.ready.lock().unwrap().contains(&endpoint)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn is_ready(endpoint: &Endpoint) -> bool {
    let Ok(mut connection) = TcpStream::connect(endpoint.admin) else { return false };
    let _ = connection.write_all(&Request::get("/-/ready").bytes());
    let mut status = [0; 12];
    connection.read_exact(&mut status).is_ok() && status == *b"HTTP/1.1 200"
}

/// Copies what one sends to the other, on a thread of its own, and ends with it.
fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
