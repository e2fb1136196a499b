//! TLS: certificates and keys out of files, checked whole before they are taken into use.
//!
//! TLS 1.2 and 1.3, HTTP/1.1 only. What a listener uses is swapped as one value, so a connection sees one certificate
//! from its first byte to its last, and a pair that does not fit never replaces one that does.

mod certificate;
mod client;
mod client_auth;
mod error;
mod pem;

pub use certificate::{Standing, Validity};
pub use client::client;
pub use client_auth::{ClientAuth, names};
pub use error::TlsError;

use arc_swap::ArcSwap;
use certificate::validity;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The files of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those of its issuers, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// Whose certificates clients may show; none where they are not asked for any.
    pub clients: Option<ClientAuth>,
}

/// What a listener speaks TLS with.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// For the handshakes.
    pub config: Arc<ServerConfig>,
    /// When the certificate holds.
    pub validity: Validity,
    /// Who may sign the certificates of clients.
    authorities: Arc<RootCertStore>,
}

impl TlsFiles {
    /// All of them.
    pub fn paths(&self) -> BTreeSet<PathBuf> {
        let clients = self.clients.iter().map(|clients| &clients.ca_file);
        [&self.certificate, &self.key].into_iter().chain(clients).cloned().collect()
    }

    /// Reads and checks them. Blocks on the file system.
    ///
    /// # Errors
    /// Which file is not as it must be, and what to do.
    pub fn read(&self) -> Result<ServerTls, TlsError> {
        let chain = pem::certificates(&self.certificate)?;
        let validity = validity(&self.certificate, chain.first())?;
        let provider = Arc::new(ring::default_provider());
        let certified = self.certified(chain, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|e| TlsError::Library(e.to_string()))?;
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let authorities =
            self.clients.as_ref().map(|clients| client_auth::authorities(&clients.ca_file)).transpose()?;
        let authorities = Arc::new(authorities.unwrap_or_else(RootCertStore::empty));
        let mut config = match &self.clients {
            None => builder.with_no_client_auth().with_cert_resolver(resolver),
            Some(clients) => {
                let verifier = clients.verifier(authorities.clone(), provider)?;
                let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
                // A resumed session would stand for a certificate that nobody looked at again.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
                config
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ServerTls { config: Arc::new(config), validity, authorities })
    }

    fn certified(&self, chain: pem::Chain, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let key = pem::private_key(&self.key)?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            error => TlsError::Key { file: self.key.clone(), what: error.to_string() },
        })
    }
}

/// What a listener uses now.
#[derive(Debug)]
pub struct LiveTls(ArcSwap<ServerTls>);

impl LiveTls {
    /// Starts with `tls`.
    pub fn new(tls: ServerTls) -> Self {
        Self(ArcSwap::from_pointee(tls))
    }

    /// What the next handshake uses.
    pub fn load(&self) -> Arc<ServerTls> {
        self.0.load_full()
    }

    /// Whether every authority that a handshake went by may still sign certificates of clients.
    pub fn trusts_as(&self, handshake: &Arc<ServerTls>) -> bool {
        let now = self.load();
        let trusted = |authority| now.authorities.roots.contains(authority);
        Arc::ptr_eq(&now, handshake) || handshake.authorities.roots.iter().all(trusted)
    }

    /// Takes the place of what is used; connections that stand keep theirs.
    pub fn publish(&self, tls: ServerTls) {
        self.0.store(Arc::new(tls));
    }
}
