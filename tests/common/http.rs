//! A client that sends exactly the bytes it is told.

use super::DEADLINE;
use base64::Engine as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

/// How a body is announced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    None,
    Length,
    Chunked,
}

/// A request, written out as it stands.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
}

impl Request {
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref().to_vec();
        let headers = vec![("Host".to_owned(), "push.test".to_owned())];
        Self { method: method.to_owned(), target, headers, body: Vec::new(), framing: Framing::None }
    }

    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    pub fn put(target: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("PUT", target).body(body)
    }

    pub fn post(target: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    pub fn delete(target: impl AsRef<[u8]>) -> Self {
        Self::new("DELETE", target)
    }

    /// The same to another target.
    pub fn at(mut self, target: impl AsRef<[u8]>) -> Self {
        self.target = target.as_ref().to_vec();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks for another host.
    pub fn host(mut self, host: &str) -> Self {
        self.headers.retain(|(name, _)| name != "Host");
        self.header("Host", host)
    }

    pub fn basic(self, user: &str, password: &str) -> Self {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {pair}"))
    }

    /// A body with its Content-Length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        (self.body, self.framing) = (body.into(), Framing::Length);
        self
    }

    /// A body in chunks.
    pub fn chunked(mut self, body: impl Into<Vec<u8>>) -> Self {
        (self.body, self.framing) = (body.into(), Framing::Chunked);
        self
    }

    pub fn head_bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        let length = match self.framing {
            Framing::None => None,
            Framing::Length => Some(("Content-Length".to_owned(), self.body.len().to_string())),
            Framing::Chunked => Some(("Transfer-Encoding".to_owned(), "chunked".to_owned())),
        };
        for (name, value) in self.headers.iter().chain(&length) {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    pub fn body_bytes(&self) -> Vec<u8> {
        if self.framing != Framing::Chunked {
            return self.body.clone();
        }
        let mut bytes = Vec::new();
        for part in self.body.chunks(4000) {
            bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        [self.head_bytes(), self.body_bytes()].concat()
    }

    /// Sends it over a connection of its own.
    pub fn send(&self, address: SocketAddr) -> Response {
        Connection::open(address).exchange(self)
    }

    /// Sends it over a connection of its own from that address of this machine.
    pub fn send_from(&self, source: IpAddr, address: SocketAddr) -> Response {
        Connection::open_from(source, address).exchange(self)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header that stands once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
        let first = found.next();
        assert!(found.next().is_none(), "{name} stands twice in {self:?}");
        first
    }

    /// Every value of a field that may stand more than once.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    pub fn reason(&self) -> &str {
        self.header("Pushguard-Reason").unwrap_or("")
    }

    pub fn request_id(&self) -> &str {
        self.header("Pushguard-Request-Id").unwrap_or_else(|| panic!("no Pushguard-Request-Id in {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fields and body, for whoever looks for something that must not be there.
    pub fn bytes(&self) -> Vec<u8> {
        let fields: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        [fields.as_bytes(), &self.body].concat()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.text()))
    }

    /// Fails unless it is that status with that reason (empty: none), for what `case` says.
    #[track_caller]
    pub fn is(self, status: u16, reason: &str, case: impl std::fmt::Display) -> Self {
        let found = (self.status, self.reason());
        assert_eq!(found, (status, reason), "{case}: {:?} {}", self.headers, self.text());
        self
    }
}

/// What bytes go through.
pub trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A connection.
pub struct Connection {
    socket: TcpStream,
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        Self::plain(TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}")))
    }

    /// std has no way to choose the own address; tokio has.
    pub fn open_from(source: IpAddr, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let connected = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            socket.connect(address).await?.into_std()
        });
        let stream = connected.unwrap_or_else(|e| panic!("{source} to {address}: {e}"));
        stream.set_nonblocking(false).unwrap();
        Self::plain(stream)
    }

    fn plain(socket: TcpStream) -> Self {
        let stream = socket.try_clone().unwrap();
        Self::over(socket, Box::new(stream))
    }

    /// Talks through `stream`, which ends in `socket`.
    pub fn over(socket: TcpStream, stream: Box<dyn Stream>) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, stream, buffer: Vec::new() }
    }

    /// Writes; a peer that has already answered and closed is no fault of the sender.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush());
    }

    /// Writes what the peer takes within two seconds; whether it took all of it.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.set_write_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
        self.stream.write_all(bytes).is_ok()
    }

    /// Whether nothing has come, not even its end.
    pub fn is_open(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let waits = self.socket.peek(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
        self.socket.set_nonblocking(false).unwrap();
        waits && self.buffer.is_empty()
    }

    /// Ends the sending direction.
    pub fn finish(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    pub fn exchange(&mut self, request: &Request) -> Response {
        self.send(request.bytes());
        self.receive(&request.method)
    }

    pub fn try_exchange(&mut self, request: &Request) -> std::io::Result<Response> {
        self.send(request.bytes());
        self.try_receive(&request.method)
    }

    /// The next answer to a request of that method, informational ones included.
    pub fn receive(&mut self, method: &str) -> Response {
        self.try_receive(method).unwrap_or_else(|e| panic!("no answer to {method}: {e}"))
    }

    pub fn try_receive(&mut self, method: &str) -> std::io::Result<Response> {
        let head = self.until(b"\r\n\r\n")?;
        let head = String::from_utf8(head).expect("the head of an answer is text");
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let headers = lines.map(|line| line.split_once(": ").expect("a header has a colon"));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let status = status.unwrap_or_else(|| panic!("not a status line: {status_line}"));
        let mut response = Response { status, headers, body: Vec::new() };
        let empty = method == "HEAD" || status < 200 || status == 204 || status == 304;
        if empty {
            return Ok(response);
        }
        let length = response.header("Content-Length").map(|v| v.parse().expect("Content-Length is a number"));
        response.body = match (response.header("Transfer-Encoding"), length) {
            (Some("chunked"), None) => self.chunks()?,
            (None, Some(length)) => self.take(length)?,
            (None, None) => self.rest()?,
            framing => panic!("odd framing {framing:?}: {:?}", response.headers),
        };
        Ok(response)
    }

    /// The answer, where it has come already.
    pub fn poll(&mut self, method: &str) -> Option<Response> {
        self.socket.set_nonblocking(true).unwrap();
        let read = self.fill();
        self.socket.set_nonblocking(false).unwrap();
        match read {
            Err(e) if e.kind() == ErrorKind::WouldBlock => None,
            _ => Some(self.receive(method)),
        }
    }

    /// Whether the peer has closed or reset it, without waiting for that.
    pub fn has_ended(&mut self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let read = self.fill();
        self.socket.set_nonblocking(false).unwrap();
        match read {
            Ok(more) => !more,
            Err(e) => e.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Everything until the peer closes; a reset ends it too.
    pub fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(true) => {}
                Err(e) if e.kind() != ErrorKind::ConnectionReset => return Err(e),
                _ => return Ok(std::mem::take(&mut self.buffer)),
            }
        }
    }

    /// Fails unless the peer closes without another byte.
    #[track_caller]
    pub fn is_closed(&mut self, case: impl std::fmt::Display) {
        let rest = self.rest().unwrap_or_else(|e| panic!("{case}: not closed: {e}"));
        assert!(rest.is_empty(), "{case}: more came: {}", String::from_utf8_lossy(&rest));
    }

    fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n")?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("not a chunk size: {line:?}"));
            body.extend(self.take(size)?);
            assert_eq!(self.take(2)?, b"\r\n", "the end of a chunk");
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn until(&mut self, end: &[u8]) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|w| w == end) {
                return self.take(at + end.len());
            }
            self.more()?;
        }
    }

    fn take(&mut self, bytes: usize) -> std::io::Result<Vec<u8>> {
        while self.buffer.len() < bytes {
            self.more()?;
        }
        Ok(self.buffer.drain(..bytes).collect())
    }

    fn more(&mut self) -> std::io::Result<()> {
        if self.fill()? {
            return Ok(());
        }
        let left = String::from_utf8_lossy(&self.buffer).into_owned();
        Err(std::io::Error::new(ErrorKind::UnexpectedEof, format!("closed after {left:?}")))
    }

    fn fill(&mut self) -> std::io::Result<bool> {
        let mut part = [0; 16 * 1024];
        let read = self.stream.read(&mut part)?;
        self.buffer.extend_from_slice(&part[..read]);
        Ok(read > 0)
    }
}
