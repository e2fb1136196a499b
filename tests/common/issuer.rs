//! An issuer on this machine, over TLS with a certificate that is made for the test.

use super::authority::{Authority, days};
use super::mint::key_set;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use tempfile::TempDir;

/// What it publishes, and how.
#[derive(Default)]
struct State {
    issuer: Option<String>,
    keys: Vec<Value>,
    /// Whether answers are held back.
    held: bool,
    /// Whether it answers 503.
    away: bool,
    /// The token that it wants of those who ask.
    bearer: Option<String>,
    /// Paths that were asked for.
    asked: Vec<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The issuer; its thread ends with the test.
pub struct Issuer {
    pub url: String,
    folder: TempDir,
    shared: Arc<Shared>,
}

impl Issuer {
    /// Publishes those keys at `https://localhost:PORT/PATH`.
    pub fn start(path: &str, keys: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = certificate(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}{path}", listener.local_addr().unwrap().port());
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().keys = keys.to_vec();
        let (of, issuer) = (shared.clone(), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (of, issuer, config) = (of.clone(), issuer.clone(), config.clone());
                // Those who do not trust it end the handshake.
                std::thread::spawn(move || answer(stream, config, &issuer, &of).ok());
            }
        });
        Self { url, folder, shared }
    }

    /// The certificate to trust it by.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock().unwrap());
        self.shared.changed.notify_all();
    }

    pub fn hold(&self, held: bool) {
        self.set(|state| state.held = held);
    }

    pub fn go_away(&self) {
        self.set(|state| state.away = true);
    }

    pub fn say_it_is(&self, issuer: &str) {
        self.set(|state| state.issuer = Some(issuer.to_owned()));
    }

    pub fn want_bearer(&self, token: &str) {
        self.set(|state| state.bearer = Some(token.to_owned()));
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().asked.clone()
    }
}

/// A certificate of an authority that is made for it.
fn certificate(folder: &Path) -> Arc<ServerConfig> {
    let authority = Authority::new("the test's own");
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let pair = authority.issue_for("localhost", days(2));
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![pair.der()], key).unwrap())
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>, issuer: &str, shared: &Shared) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let (mut path, mut bearer) = (String::new(), None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line if path.is_empty() => path = line.split(' ').nth(1).unwrap_or_default().to_owned(),
            line => {
                bearer = line.to_ascii_lowercase().strip_prefix("authorization: bearer ").map(str::to_owned).or(bearer)
            }
        }
    }
    let state = shared.state.lock().unwrap();
    let mut state = shared.changed.wait_while(state, |state| state.held).unwrap();
    state.asked.push(path.clone());
    let named = state.issuer.as_deref().unwrap_or(issuer);
    let (status, body) = match path.rsplit('/').next() {
        _ if state.away => ("503 Away", String::new()),
        _ if state.bearer.is_some() && state.bearer != bearer => ("401 No", String::new()),
        Some("openid-configuration") => {
            ("200 OK", json!({ "issuer": named, "jwks_uri": format!("{issuer}/.well-known/jwks") }).to_string())
        }
        Some("jwks") => ("200 OK", key_set(&state.keys)),
        _ => ("404 Not Found", String::new()),
    };
    drop(state);
    let length = body.len();
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")?;
    stream.conn.send_close_notify();
    stream.flush()
}
