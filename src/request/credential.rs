//! The credential that a request presents, read but not yet verified.

use super::Certificate;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use thiserror::Error;
use zeroize::Zeroizing;

/// The user name whose password is a token, for clients that can send nothing but a user name and a password.
pub const TOKEN_USER: &str = "oauth2";

/// A presented credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// RFC 7617
    Basic {
        /// The user name, up to the first colon.
        username: String,
        /// All behind the first colon.
        password: Secret,
    },
    /// RFC 6750, or the password of [`TOKEN_USER`]
    Bearer(Secret),
    /// What the client proved when the connection began, where the request presents nothing itself
    Certificate(Arc<Certificate>),
}

/// Why an `Authorization` header names no credential. The texts quote nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// Neither `Basic` nor `Bearer`.
    #[error("the Authorization scheme is neither Basic nor Bearer")]
    Scheme,
    /// Not base64.
    #[error("the Basic credential is not base64")]
    Base64,
    /// No colon, not UTF-8, or an empty user name.
    #[error("the Basic credential is not USER:PASSWORD in UTF-8")]
    UserPass,
    /// Longer than is ever verified.
    #[error("the credential has more than {MAX_CREDENTIAL_BYTES} bytes")]
    TooLong,
}

/// The longest credential that is looked at, bytes: a token of 8 KiB, in base64 once more as a password.
const MAX_CREDENTIAL_BYTES: usize = 11 * 1024;
/// The longest password that is hashed, bytes.
const MAX_PASSWORD_BYTES: usize = 1024;

impl Credential {
    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// Why it is not a credential that can be verified.
    pub fn read(value: &[u8]) -> Result<Self, CredentialError> {
        if value.len() > MAX_CREDENTIAL_BYTES {
            return Err(CredentialError::TooLong);
        }
        let space = value.iter().position(|b| *b == b' ').ok_or(CredentialError::Scheme)?;
        let (scheme, rest) = value.split_at(space);
        let rest = rest.trim_ascii_start();
        if scheme.eq_ignore_ascii_case(b"basic") {
            return Self::basic(rest);
        }
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Ok(Self::Bearer(Secret::new(rest.to_vec())));
        }
        Err(CredentialError::Scheme)
    }

    fn basic(encoded: &[u8]) -> Result<Self, CredentialError> {
        let pair = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| CredentialError::Base64)?);
        let colon = pair.iter().position(|b| *b == b':').ok_or(CredentialError::UserPass)?;
        let (username, password) = pair.split_at(colon);
        let username = std::str::from_utf8(username).map_err(|_| CredentialError::UserPass)?;
        let password = password.get(1..).unwrap_or_default();
        if username.is_empty() || std::str::from_utf8(password).is_err() {
            return Err(CredentialError::UserPass);
        }
        if username == TOKEN_USER {
            return Ok(Self::Bearer(Secret::new(password.to_vec())));
        }
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(CredentialError::TooLong);
        }
        Ok(Self::Basic { username: username.to_owned(), password: Secret::new(password.to_vec()) })
    }
}
