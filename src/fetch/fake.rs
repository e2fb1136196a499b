//! A server that answers each connection with bytes written down beforehand.

use std::sync::{Arc, Mutex};

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub enum Reply {
    /// Writes the bytes and closes.
    Close(Vec<u8>),
    /// Writes the bytes, then holds the connection until the client gives up.
    Hold(Vec<u8>),
    /// Writes one byte after the other, slowly, until the client gives up.
    Drip(Vec<u8>),
}

pub struct Fake {
    pub url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Listens on a free port of this machine and answers one connection after the other.
    pub async fn serve(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/meta", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            for reply in replies {
                let (stream, _) = listener.accept().await.unwrap();
                answer(stream, reply, &seen).await;
            }
        });
        Self { url, requests }
    }

    /// The heads of all requests so far, in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, reply: Reply, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    seen.lock().unwrap().push(String::from_utf8(head).unwrap().to_lowercase());
    // A client that refuses an answer before its end closes first, so failed writes and reads are part of the play.
    match reply {
        Reply::Close(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hold(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Drip(bytes) => {
            for byte in bytes {
                if stream.write_u8(byte).await.is_err() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
    let _ = stream.read(&mut [0]).await;
}

/// An answer that never comes to its end in time.
pub fn drip(text: String) -> Reply {
    Reply::Drip(text.into_bytes())
}

/// A whole answer with this status line, these header lines (each ending in CRLF) and this body.
pub fn http(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Reply::Close(bytes)
}

/// Certificates made for one test: an authority and leaves under it.
pub struct Tls {
    /// The authority, as PEM.
    pub authority: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Tls {
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap().pem();
        Self { authority, issuer: rcgen::Issuer::new(params, key) }
    }

    /// Answers one connection over TLS as `localhost`, with a certificate that is `good`, `expired`, or of an
    /// `other name`; gives the port.
    pub fn serve(&self, leaf: &str, answer: &'static str) -> u16 {
        let name = if leaf == "other name" { "elsewhere.test" } else { "localhost" };
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        if leaf == "expired" {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            // A client that does not like the certificate is gone before it asks.
            if std::io::Read::read(&mut tls, &mut [0; 4096]).is_ok() {
                let _ = std::io::Write::write_all(&mut tls, answer.as_bytes());
                session.send_close_notify();
                let _ = session.complete_io(&mut stream);
            }
        });
        port
    }
}
