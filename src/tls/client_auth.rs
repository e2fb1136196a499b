//! Certificates that clients show of themselves.

use super::{TlsError, pem};
use crate::request::{Certificate, San, SanKind};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{Error, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Which certificates clients may show, or must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// The authorities that may sign them, PEM.
    pub ca_file: PathBuf,
    /// Whether a client without one is turned away.
    pub required: bool,
}

impl ClientAuth {
    /// Verifies certificates by those authorities.
    pub(super) fn verifier(
        &self,
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let builder = if self.required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|e| TlsError::Library(e.to_string()))
    }
}

/// The authorities of a file, at least one. Blocks on the file system.
pub(super) fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(file)? {
        let not_one = |e: Error| TlsError::Certificate { file: file.to_owned(), what: e.to_string() };
        roots.add(authority).map_err(not_one)?;
    }
    Ok(roots)
}

/// Whom a certificate that was verified names, and until when it holds. None where it cannot be read.
pub fn names(verified: &CertificateDer<'_>) -> Option<(Certificate, SystemTime)> {
    let certificate = x509_cert::Certificate::from_der(verified).ok()?;
    let fields = certificate.tbs_certificate();
    let names = match fields.get_extension::<SubjectAltName>().ok()? {
        Some((_, SubjectAltName(names))) => names.iter().filter_map(san).collect(),
        None => Vec::new(),
    };
    Some((Certificate { names }, SystemTime::UNIX_EPOCH + fields.validity().not_after.to_unix_duration()))
}

fn san(name: &GeneralName) -> Option<San> {
    let (kind, name) = match name {
        GeneralName::DnsName(name) => (SanKind::Dns, name),
        GeneralName::UniformResourceIdentifier(name) => (SanKind::Uri, name),
        GeneralName::Rfc822Name(name) => (SanKind::Email, name),
        _ => return None,
    };
    Some(San { kind, name: name.as_str().to_owned() })
}
