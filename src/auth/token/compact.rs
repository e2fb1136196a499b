//! The compact form, strictly: three parts of base64url, a header of known keys, claims.

use super::json::{JsonFault, object};
use super::{Algorithm, Claims, TokenFault};
use crate::auth::Flaw;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The longest token that is read, bytes. GitHub's have about 1800.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest `kid` that is looked for, bytes.
const MAX_KID_BYTES: usize = 256;
/// Header keys that change nothing of how a token is verified, or say what is checked against what is known anyway.
/// All others are refused: those that bring a key along (`jwk`, `jku`, `x5u`, `x5c`), that change what is signed
/// (`b64`, `zip`) or that must be understood (`crit`), and whatever is invented next.
const HEADER_KEYS: [&str; 5] = ["alg", "typ", "kid", "x5t", "x5t#S256"];

/// A token, read but not yet verified.
pub(super) struct Compact<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    pub(super) claims: Claims,
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    pub(super) fn read(token: &'t [u8]) -> Result<Self, TokenFault> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::new(Flaw::TokenTooLong, format!("{} bytes", token.len())));
        }
        let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
        let [header, claims, signature] = parts[..] else {
            let flaw = if parts.len() == 5 { Flaw::TokenEncrypted } else { Flaw::TokenParts };
            return Err(TokenFault::new(flaw, format!("{} parts", parts.len())));
        };
        let (algorithm, kid) = self::header(&decode(header, "header")?)?;
        let decoded = decode(claims, "claims")?;
        let read = Claims::parse(&decoded).map_err(|fault| json_fault(fault, "claims"))?;
        let signature = decode(signature, "signature")?;
        let signed = token.get(..header.len() + 1 + claims.len()).unwrap_or_default();
        Ok(Self { algorithm, kid, claims: read, signed, signature })
    }
}

/// One spelling only: no padding, no white space, no bits behind the last byte.
fn decode(part: &[u8], name: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::new(Flaw::TokenBase64, name))
}

fn json_fault(fault: JsonFault, part: &str) -> TokenFault {
    let flaw = match fault {
        JsonFault::NotAnObject => Flaw::TokenJson,
        JsonFault::DuplicateKey => Flaw::TokenDuplicateKey,
    };
    TokenFault::new(flaw, part)
}

fn header(json: &[u8]) -> Result<(Algorithm, String), TokenFault> {
    let map = object(json).map_err(|fault| json_fault(fault, "header"))?;
    if let Some(key) = map.keys().find(|key| !HEADER_KEYS.contains(&key.as_str())) {
        return Err(TokenFault::new(Flaw::TokenHeader, TokenFault::shown(key)));
    }
    match map.get("typ") {
        None => {}
        Some(Value::String(typ)) if typ.eq_ignore_ascii_case("JWT") => {}
        Some(other) => return Err(TokenFault::new(Flaw::TokenType, TokenFault::shown(&other.to_string()))),
    }
    let name = map.get("alg").and_then(Value::as_str).unwrap_or_default();
    let Some(algorithm) = Algorithm::of(name) else {
        return Err(TokenFault::new(Flaw::TokenAlgorithm, TokenFault::shown(name)));
    };
    let kid = map.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID_BYTES);
    let Some(kid) = kid else { return Err(TokenFault::new(Flaw::TokenKeyMissing, "")) };
    Ok((algorithm, kid.to_owned()))
}
