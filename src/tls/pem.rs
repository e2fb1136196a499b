//! Certificates and keys out of PEM files.

use super::TlsError;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// A certificate, and those of its issuers.
pub(super) type Chain = Vec<CertificateDer<'static>>;

/// More than any chain or bundle of authorities needs, bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// All certificates of a file, at least one.
pub(super) fn certificates(file: &Path) -> Result<Chain, TlsError> {
    let bytes = read(file)?;
    let chain: Result<Chain, Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| broken(file, &error))?;
    if chain.is_empty() { Err(TlsError::NoCertificate { file: file.to_owned() }) } else { Ok(chain) }
}

/// The first private key of a file.
pub(super) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        Error::NoItemsFound => TlsError::NoKey { file: file.to_owned() },
        error => broken(file, &error),
    })
}

/// The library's own texts name bytes as numbers.
fn broken(file: &Path, error: &Error) -> TlsError {
    let what = match error {
        Error::MissingSectionEnd { .. } => "a section has no end".to_owned(),
        Error::IllegalSectionStart { .. } => "a section begins in a way that is none".to_owned(),
        Error::Base64Decode(_) => "what stands between the lines is not base64".to_owned(),
        other => other.to_string(),
    };
    TlsError::Pem { file: file.to_owned(), what }
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { file: file.to_owned(), source };
    // Before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::other("not a file")));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    fs::File::open(file).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST {
        return Err(unreadable(std::io::Error::other(format!("more than {MOST} bytes"))));
    }
    Ok(bytes)
}
