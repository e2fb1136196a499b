//! What can be wrong with the files of TLS.

use std::path::PathBuf;
use thiserror::Error;

/// Why files are not taken into use.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The system's word.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Cut off, or not base64.
    #[error("{}: broken PEM: {what}; is it still being written?", file.display())]
    Pem {
        /// Which file.
        file: PathBuf,
        /// Where it breaks.
        what: String,
    },
    /// Other PEM, or none.
    #[error("{}: no certificate in it; expected -----BEGIN CERTIFICATE-----", file.display())]
    NoCertificate {
        /// Which file.
        file: PathBuf,
    },
    /// PEM around something else.
    #[error("{}: a certificate is not one: {what}", file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Other PEM, or none.
    #[error("{}: no private key in it; expected -----BEGIN PRIVATE KEY-----, not encrypted", file.display())]
    NoKey {
        /// Which file.
        file: PathBuf,
    },
    /// A kind that is not supported, or not a key.
    #[error("{}: the key cannot be used ({what}); expected RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519", file.display())]
    Key {
        /// Which file.
        file: PathBuf,
        /// The library's word.
        what: String,
    },
    /// Both are good, but not together.
    #[error("{} is not the key of the first certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// There is nobody whose signature could be trusted.
    #[error("the system has no certificates of authorities; install ca-certificates, or name a file of your own")]
    NoAuthorities,
    /// Not a matter of the files.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}
