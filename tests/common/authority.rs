//! Certificates made on the spot, and a client that speaks TLS.

use super::http::Connection;
use pushguard::tls::TlsFiles;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The name in the certificates of the tests.
pub const HOST: &str = "push.test";

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Pair {
    /// Writes both into a folder; the key only for its owner.
    pub fn write(&self, folder: &Path) -> TlsFiles {
        let files = TlsFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key"), clients: None };
        std::fs::write(&files.certificate, &self.certificate).unwrap();
        std::fs::write(&files.key, &self.key).unwrap();
        files
    }

    /// The certificate as it goes over the wire.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// From an hour ago to so many days ahead.
pub fn days(days: u64) -> Range<SystemTime> {
    let now = SystemTime::now();
    now - Duration::from_secs(3600)..now + Duration::from_secs(days * 24 * 3600)
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self(CertifiedIssuer::self_signed(Self::params(name), KeyPair::generate().unwrap()).unwrap())
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    /// Another one that this one vouches for, with names of its own.
    pub fn vouch_for(&self, name: &str, names: &[&str]) -> Self {
        let mut params = Self::params(name);
        params.subject_alt_names = sans(names);
        Self(CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    /// The pair of a client with these names, `DNS:…`, `URI:…` or `email:…`.
    pub fn issue_client(&self, names: &[&str], life: Range<SystemTime>) -> Pair {
        let mut params = CertificateParams::new([]).unwrap();
        params.subject_alt_names = sans(names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name.push(DnType::CommonName, "ci.example.com");
        (params.not_before, params.not_after) = (life.start.into(), life.end.into());
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The pair of the server [`HOST`].
    pub fn issue(&self, life: Range<SystemTime>) -> Pair {
        self.issue_for(HOST, life)
    }

    /// The pair of a server.
    pub fn issue_for(&self, host: &str, life: Range<SystemTime>) -> Pair {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (life.start.into(), life.end.into());
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    /// A client's settings: who signs servers, and what it shows of itself.
    pub fn client(&self, shows: Option<&Pair>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match shows {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).map(Result::unwrap);
                builder.with_client_auth_cert(chain.collect(), key).unwrap()
            }
        })
    }
}

fn sans(names: &[&str]) -> Vec<SanType> {
    let san = |name: &&str| {
        let (kind, value) = name.split_once(':').unwrap();
        let value = value.try_into().unwrap();
        match kind {
            "DNS" => SanType::DnsName(value),
            "URI" => SanType::URI(value),
            "email" => SanType::Rfc822Name(value),
            _ => panic!("no kind of name: {name}"),
        }
    };
    names.iter().map(san).collect()
}

/// A TLS session over a connection; the handshake is done.
pub fn secure(config: Arc<ClientConfig>, mut tcp: TcpStream) -> std::io::Result<(Connection, CertificateDer<'static>)> {
    let name = ServerName::try_from(HOST).unwrap();
    let mut session = ClientConnection::new(config, name).unwrap();
    tcp.set_read_timeout(Some(super::DEADLINE))?;
    while session.is_handshaking() {
        session.complete_io(&mut tcp)?;
    }
    let shown = session.peer_certificates().and_then(|chain| chain.first()).expect("a server shows one").clone();
    let socket = tcp.try_clone()?;
    Ok((Connection::over(socket, Box::new(StreamOwned::new(session, tcp))), shown.into_owned()))
}

/// A connection with TLS, and the certificate that the server showed.
pub fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> (Connection, CertificateDer<'static>) {
    let tcp = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
    secure(config.clone(), tcp).unwrap_or_else(|e| panic!("no TLS with {address}: {e}"))
}
