//! One connection: strict heads and bodies in, plain HTTP/1.1 answers out.
//!
//! The layer below hands over a byte stream and no more. Its own HTTP/1 reader repairs what must be refused here, and
//! takes a broken chunk for the end of a body.

use super::chunked::{Chunked, Progress};
use super::handshake::Failure;
use super::head::{NextHead, next_head};
use super::prefixed::Prefixed;
use super::proxy_protocol::{self, Announcement};
use crate::policy::Limits;
use crate::request::{Certificate, Method, RawHead, Version};
use crate::tls;
use bytes::{Buf, Bytes, BytesMut};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::date::get_cached_date;
use pingora_core::server::ShutdownWatch;
use rustls::ServerConfig;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A byte stream: a plain connection, or what is inside TLS.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> ByteStream for S {}

/// A connection and where it stands in the current request.
pub struct Wire {
    stream: Box<dyn ByteStream>,
    buffer: BytesMut,
    framing: Framing,
    body_bytes: u64,
    keeps_alive: bool,
    method: Method,
    version: Version,
    chunked_answer: bool,
    certificate: Option<(Arc<Certificate>, SystemTime)>,
}

/// What is left of the current body.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Left(u64),
    Chunked(Chunked),
}

/// Why a body has no next part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// The client ended or broke the connection.
    Ended,
    /// The chunks are not as they must be.
    Malformed(&'static str),
}

/// The head of an answer, without the fields that are the wire's own: Content-Length, Transfer-Encoding, Connection,
/// Date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// The status.
    pub status: u16,
    /// Other fields.
    pub fields: Vec<(&'static str, String)>,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: BytesMut::new(),
            framing: Framing::Left(0),
            body_bytes: 0,
            keeps_alive: true,
            method: Method::Get,
            version: Version::Http11,
            chunked_answer: false,
            certificate: None,
        }
    }

    /// Reads the announcement of the PROXY protocol; answers the client that it names.
    pub(super) async fn announcement(&mut self) -> Result<Option<IpAddr>, &'static str> {
        loop {
            match proxy_protocol::read(&self.buffer) {
                Announcement::Whole { length, client } => {
                    self.buffer.advance(length);
                    return Ok(client);
                }
                Announcement::Invalid(what) => return Err(what),
                Announcement::Partial => {}
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(bytes) if bytes > 0) {
                return Err("the connection ended before its announcement");
            }
        }
    }

    /// Does a TLS handshake; what follows is read and written inside it. Where the client speaks no TLS the connection
    /// is as it was.
    pub(super) async fn secure(&mut self, config: Arc<ServerConfig>) -> Result<(), Failure> {
        /// The type of a record that carries handshakes (RFC 8446, 5.1).
        const HANDSHAKE: u8 = 22;
        if self.buffer.is_empty() {
            self.stream.read_buf(&mut self.buffer).await.map_err(|e| Failure::of(&e))?;
        }
        match self.buffer.first() {
            Some(&HANDSHAKE) => {}
            Some(_) => return Err(Failure::NOT_TLS),
            None => return Err(Failure::of(&io::ErrorKind::UnexpectedEof.into())),
        }
        // What is left here is of no use once the handshake has failed.
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let plain = Prefixed { prefix: std::mem::take(&mut self.buffer), stream: plain };
        let stream = TlsAcceptor::from(config).accept(plain).await.map_err(|e| Failure::of(&e))?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        if let Some(shown) = shown {
            let (certificate, until) = tls::names(shown).ok_or(Failure::UNREADABLE_CERTIFICATE)?;
            self.certificate = Some((Arc::new(certificate), until));
        }
        self.stream = Box::new(stream);
        Ok(())
    }

    /// What the client proved to hold in the handshake.
    pub(super) fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.certificate.as_ref().map(|(certificate, _)| certificate)
    }

    /// Whether the client's certificate has come to its end since then.
    pub(super) fn outlived_its_certificate(&self, now: SystemTime) -> bool {
        self.certificate.as_ref().is_some_and(|(_, until)| *until < now)
    }

    /// Waits for the next head; `started` is called at its first byte.
    pub(super) async fn next_head(
        &mut self,
        limits: &Limits,
        shutdown: &ShutdownWatch,
        started: impl FnOnce(),
    ) -> NextHead {
        let next = next_head(&mut self.stream, &mut self.buffer, limits, shutdown, started).await;
        (self.body_bytes, self.chunked_answer) = (0, false);
        match &next {
            NextHead::Read(head) => {
                self.framing = framing(head);
                (self.method, self.version) = (head.method, head.version);
                self.keeps_alive = head.keeps_alive();
            }
            // What follows a head that cannot be read is anybody's guess.
            _ => (self.framing, self.keeps_alive) = (Framing::Left(0), false),
        }
        next
    }

    /// Whether the whole body was read.
    pub(super) fn body_is_done(&self) -> bool {
        matches!(self.framing, Framing::Left(0) | Framing::Chunked(Chunked::Done))
    }

    /// Bytes of the body that were read.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether another request may follow on the connection.
    pub(super) fn keeps_alive(&self) -> bool {
        self.keeps_alive && self.body_is_done()
    }

    /// Ends the connection with the answer.
    pub(super) fn close(&mut self) {
        self.keeps_alive = false;
    }

    /// The next part of the body, none at its end.
    pub(super) async fn next_part(&mut self) -> Result<Option<Bytes>, BodyFault> {
        loop {
            let part = match &mut self.framing {
                Framing::Left(0) => return Ok(None),
                Framing::Left(_) if self.buffer.is_empty() => None,
                Framing::Left(left) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                    *left -= u64::try_from(most).unwrap_or(*left);
                    Some(self.buffer.split_to(most).freeze())
                }
                Framing::Chunked(state) => match state.advance(&mut self.buffer).map_err(BodyFault::Malformed)? {
                    Progress::Data(part) => Some(part),
                    Progress::NeedMore => None,
                    Progress::End => return Ok(None),
                },
            };
            if let Some(part) = part {
                self.body_bytes += u64::try_from(part.len()).unwrap_or(0);
                return Ok(Some(part));
            }
            self.buffer.reserve(8 * 1024);
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(bytes) if bytes > 0) {
                return Err(BodyFault::Ended);
            }
        }
    }

    /// Asks a client that waits for it to send its body.
    pub(super) async fn say_continue(&mut self) -> io::Result<()> {
        self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        self.stream.flush().await
    }

    /// Sends an answer that is held whole.
    pub(super) async fn answer(&mut self, head: &AnswerHead, body: &[u8]) -> io::Result<()> {
        let mut bytes = self.head(head, Some(body.len()));
        // The answer to HEAD tells the length of a body that it does not have.
        if self.method != Method::Head {
            bytes.extend_from_slice(body);
        }
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// Begins an answer whose parts follow; without a length they are chunked, and for HTTP/1.0 end with the connection.
    pub(super) async fn begin(&mut self, head: &AnswerHead, length: Option<usize>) -> io::Result<()> {
        self.chunked_answer = length.is_none() && self.version == Version::Http11;
        if length.is_none() && self.version == Version::Http10 {
            self.close();
        }
        let bytes = self.head(head, length);
        self.stream.write_all(&bytes).await
    }

    /// Sends a part of an answer; an empty one is nothing.
    pub(super) async fn part(&mut self, part: &[u8]) -> io::Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        if self.chunked_answer {
            let size = format!("{:x}\r\n", part.len());
            self.stream.write_all(size.as_bytes()).await?;
            self.stream.write_all(part).await?;
            return self.stream.write_all(b"\r\n").await;
        }
        self.stream.write_all(part).await
    }

    /// Ends an answer that came in parts.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        if self.chunked_answer {
            self.stream.write_all(b"0\r\n\r\n").await?;
        }
        self.stream.flush().await
    }

    fn head(&self, head: &AnswerHead, length: Option<usize>) -> Vec<u8> {
        let phrase =
            http::StatusCode::from_u16(head.status).ok().and_then(|s| s.canonical_reason()).unwrap_or_default();
        let mut text = String::with_capacity(512);
        // Writing to a string does not fail.
        let _ = write!(text, "HTTP/1.1 {} {phrase}\r\n", head.status);
        for (name, value) in &head.fields {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let date = get_cached_date();
        let _ = write!(text, "Date: {}\r\n", date.to_str().unwrap_or_default());
        match length {
            Some(length) => drop(write!(text, "Content-Length: {length}\r\n")),
            None if self.chunked_answer => text.push_str("Transfer-Encoding: chunked\r\n"),
            None => {}
        }
        text.push_str(if self.keeps_alive() { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" });
        text.into_bytes()
    }

    /// Closes without losing the answer: a socket that is closed on unread bytes is reset, and the reset overtakes what
    /// was written.
    pub(super) async fn linger(mut self) {
        /// Bytes that are read and thrown away.
        const MOST: usize = 1024 * 1024;
        let drain = async {
            if self.stream.flush().await.is_err() || AsyncWriteExt::shutdown(&mut self.stream).await.is_err() {
                return;
            }
            let mut scrap = [0_u8; 4096];
            let mut left = MOST;
            while left > 0 {
                match self.stream.read(&mut scrap).await {
                    Ok(bytes) if bytes > 0 => left = left.saturating_sub(bytes),
                    _ => return,
                }
            }
        };
        let _ = timeout(Duration::from_secs(2), drain).await;
    }
}

fn framing(head: &RawHead) -> Framing {
    if head.field("transfer-encoding").is_some() {
        return Framing::Chunked(Chunked::Size);
    }
    let digits = head.field("content-length").and_then(|v| std::str::from_utf8(v).ok());
    Framing::Left(digits.and_then(|v| v.parse().ok()).unwrap_or(0))
}
