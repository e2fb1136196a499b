//! A wire to the gateway that passes every byte on as it is, and keeps those that went to the gateway.

use crate::common::upstream::{asks_for_status, tell_status};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    bytes: AtomicUsize,
    passed: Mutex<Vec<u8>>,
    open: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

/// The tap; it ends when dropped.
pub struct Tap {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request that went to the gateway.
#[derive(Debug)]
pub struct Passed {
    pub method: String,
    pub target: String,
    pub body: Vec<u8>,
}

impl Tap {
    pub fn new(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                if asks_for_status(&near) {
                    tell_status(near, "{}");
                    continue;
                }
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let Ok(far) = TcpStream::connect(gateway) else { continue };
                for stream in [&near, &far] {
                    stream.set_nodelay(true).unwrap();
                    accepting.open.lock().unwrap().push(stream.try_clone().unwrap());
                }
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let shared = accepting.clone();
                std::thread::spawn(move || {
                    copy(near, far, |bytes| {
                        shared.bytes.fetch_add(bytes.len(), Ordering::SeqCst);
                        shared.passed.lock().unwrap().extend_from_slice(bytes);
                    });
                });
                std::thread::spawn(move || copy(far_again, near_again, |_| {}));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections and bytes so far.
    pub fn contacts(&self) -> (usize, usize) {
        (self.shared.connections.load(Ordering::SeqCst), self.shared.bytes.load(Ordering::SeqCst))
    }

    /// The requests since the last call. They must have come one after the other.
    pub fn take(&self) -> Vec<Passed> {
        let bytes = std::mem::take(&mut *self.shared.passed.lock().unwrap());
        let mut rest = bytes.as_slice();
        let mut requests = Vec::new();
        while !rest.is_empty() {
            let (request, tail) = request(rest).unwrap_or_else(|| {
                panic!("not whole requests went to the gateway: {}", String::from_utf8_lossy(rest));
            });
            requests.push(request);
            rest = tail;
        }
        requests
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut part = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut part) {
        see(&part[..read]);
        if to.write_all(&part[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// A canonical request and what follows it.
fn request(bytes: &[u8]) -> Option<(Passed, &[u8])> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.trim_end().split("\r\n");
    let mut line = lines.next()?.split(' ');
    let (method, target) = (line.next()?.to_owned(), line.next()?.to_owned());
    if line.next()? != "HTTP/1.1" || line.next().is_some() {
        return None;
    }
    let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ")).collect::<Option<_>>()?;
    let all = |name: &str| fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|f| f.1).collect::<Vec<_>>();
    if all("host").len() != 1 || !all("transfer-encoding").is_empty() || all("content-length").len() > 1 {
        return None;
    }
    let length = all("content-length").first().map_or(Some(0), |v| v.parse().ok())?;
    let body = bytes.get(end..end + length)?.to_vec();
    Some((Passed { method, target, body }, &bytes[end + length..]))
}
