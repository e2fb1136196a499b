//! An upstream that keeps every byte it gets and answers as it is told.

use super::http::Connection;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// Method and target.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or("").trim_end_matches(" HTTP/1.1")
    }

    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The names of all headers, in lower case and in order of the alphabet.
    pub fn names(&self) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter(|line| !line.is_empty());
        let mut names: Vec<String> = lines.map(|l| l.split(':').next().unwrap().to_ascii_lowercase()).collect();
        names.sort();
        names
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Write these bytes and keep the connection.
    Answer(Vec<u8>),
    /// Write these bytes, if any, and close.
    Close(Vec<u8>),
    /// Say nothing and keep the connection until the test is over.
    Hang,
    /// Say nothing until [`Upstream::release`], then write these bytes.
    Hold(Vec<u8>),
}

/// An answer with these header lines (each ending in CR LF) and this body.
pub fn answer(status: &str, headers: &str, body: &str) -> Reaction {
    let length = body.len();
    Reaction::Answer(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes())
}

/// What the gateway says to a push that it takes.
pub fn ok() -> Reaction {
    answer("200 OK", "", "")
}

/// What the guard reads at its start, where a test says nothing else.
const STATUS: &str = r#"{"status":"success","data":{"build_information":{"version":"1.11.2"},"flags":{}}}"#;

/// Whether it is the guard itself that asks, for the status of the gateway: no request has a part in that. The bytes stay
/// where they are.
pub fn asks_for_status(stream: &TcpStream) -> bool {
    let mut head = [0; 2048];
    loop {
        let Ok(read @ 1..) = stream.peek(&mut head) else { return false };
        let text = String::from_utf8_lossy(&head[..read]);
        if !text.starts_with("GET ") || read == head.len() {
            return false;
        }
        if text.ends_with("\r\n\r\n") {
            return text.contains("/api/v1/status HTTP/1.1") && !text.contains("X-Request-Id");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Answers with a status, and closes.
pub fn tell_status(mut stream: TcpStream, page: &str) {
    let _ = stream.read(&mut [0; 2048]);
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
}

#[derive(Default)]
struct State {
    connections: Vec<TcpStream>,
    accepted: usize,
    bytes: usize,
    seen: Vec<Seen>,
    released: bool,
    status: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    over: AtomicBool,
}

/// The upstream; it ends when dropped.
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    /// Kept open, where nobody accepts.
    listener: Option<TcpListener>,
    accepting: Option<std::thread::JoinHandle<()>>,
}

impl Upstream {
    /// Reads requests whole, one after the other on each connection, and reacts.
    pub fn start(react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> Self {
        Self::serve(move |stream, shared| while turn(&stream, shared, &react).is_some() {})
    }

    /// Takes connections and resets each as soon as a byte has come.
    pub fn resetting() -> Self {
        Self::serve(|stream, shared| {
            let _ = stream.peek(&mut [0]);
            // The last handle closed on unread bytes, the system sends a reset.
            shared.state.lock().unwrap().connections.clear();
        })
    }

    /// Is bound and takes no connection: the system's queue for it is full.
    pub fn not_accepting() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (listener, address) = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = socket.listen(1).unwrap();
            let address = listener.local_addr().unwrap();
            (listener.into_std().unwrap(), address)
        });
        let shared = Arc::new(Shared::default());
        let mut state = shared.state.lock().unwrap();
        let short = Duration::from_millis(100);
        while let Ok(stream) = TcpStream::connect_timeout(&address, short) {
            state.connections.push(stream);
        }
        drop(state);
        Self { address, shared, listener: Some(listener), accepting: None }
    }

    /// Passes everything on to a gateway, byte by byte.
    pub fn tap(gateway: SocketAddr) -> Self {
        Self::start(move |seen| {
            let mut connection = Connection::open(gateway);
            connection.send(seen.bytes());
            let answer = connection.receive(seen.line().split(' ').next().unwrap());
            let passed = |(name, _): &&(String, String)| {
                !["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str())
            };
            let headers: String = answer.headers.iter().filter(passed).map(|(n, v)| format!("{n}: {v}\r\n")).collect();
            let head =
                format!("HTTP/1.1 {} X\r\n{headers}Content-Length: {}\r\n\r\n", answer.status, answer.body.len());
            Reaction::Answer([head.as_bytes(), &answer.body].concat())
        })
    }

    /// Hands each connection to `each`, with nothing read of it, and drops it then; on unread bytes, that resets it.
    pub fn raw(each: impl Fn(&TcpStream) + Send + Sync + 'static) -> Self {
        Self::serve(move |stream, shared| {
            // Other handles would keep it open.
            shared.state.lock().unwrap().connections.clear();
            each(&stream);
        })
    }

    fn serve(each: impl Fn(TcpStream, &Shared) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (served, each) = (shared.clone(), Arc::new(each));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if served.over.load(Ordering::SeqCst) {
                    return;
                }
                served.state.lock().unwrap().connections.extend(stream.try_clone());
                let (shared, each) = (served.clone(), each.clone());
                std::thread::spawn(move || {
                    if asks_for_status(&stream) {
                        let page = shared.state.lock().unwrap().status.clone();
                        return tell_status(stream, page.as_deref().unwrap_or(STATUS));
                    }
                    shared.state.lock().unwrap().accepted += 1;
                    each(stream, &shared);
                });
            }
        });
        Self { address, shared, listener: None, accepting: Some(accepting) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says this of itself to the guard.
    pub fn describe(&self, status: &str) {
        self.shared.state.lock().unwrap().status = Some(status.to_owned());
    }

    /// Connections and bytes so far.
    pub fn contacts(&self) -> (usize, usize) {
        let state = self.shared.state.lock().unwrap();
        (state.accepted, state.bytes)
    }

    /// All requests so far, in order of their arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state.lock().unwrap().seen.clone()
    }

    /// Waits until that many requests have arrived.
    pub fn wait_seen(&self, count: usize) {
        super::wait_for(&format!("{count} requests upstream"), || (self.seen().len() >= count).then_some(()));
    }

    /// Lets every held answer go.
    pub fn release(&self) {
        self.shared.state.lock().unwrap().released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.release();
        for stream in &self.shared.state.lock().unwrap().connections {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts, and waits until the port is closed: who connects from now on is refused.
        if let Some(accepting) = self.accepting.take() {
            let _ = TcpStream::connect(self.address);
            let _ = accepting.join();
        }
    }
}

/// One request and its reaction; none ends the connection.
fn turn(mut stream: &TcpStream, shared: &Shared, react: &impl Fn(&Seen) -> Reaction) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        shared.state.lock().unwrap().bytes += 1;
        head.push(byte[0]);
    }
    let mut seen = Seen { head: String::from_utf8_lossy(&head).into_owned(), body: Vec::new() };
    let length = seen.header("content-length").first().map_or(0, |v| v.parse().expect("a length"));
    assert!(seen.header("transfer-encoding").is_empty(), "the length is known: {}", seen.head);
    seen.body.resize(length, 0);
    stream.read_exact(&mut seen.body).ok()?;
    {
        let mut state = shared.state.lock().unwrap();
        state.bytes += length;
        state.seen.push(seen.clone());
    }
    match react(&seen) {
        Reaction::Answer(bytes) => stream.write_all(&bytes).ok(),
        Reaction::Close(bytes) => {
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Both);
            None
        }
        Reaction::Hang => stream.read_exact(&mut byte).ok(),
        Reaction::Hold(bytes) => {
            let state = shared.state.lock().unwrap();
            drop(shared.changed.wait_while(state, |state| !state.released).unwrap());
            stream.write_all(&bytes).ok()
        }
    }
}
