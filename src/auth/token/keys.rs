//! The public keys of an issuer: a JWK set (RFC 7517) as it is published.

use super::Algorithm;
use super::json::object;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use thiserror::Error;

/// The largest set that is read, bytes. GitHub's has about 5 KiB.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;
/// The most keys of a set.
pub const MAX_KEYS: usize = 64;
/// The shortest RSA key that is used, bits; `ring` verifies with up to 8192.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The keys of one issuer by key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: BTreeMap<String, Result<Key, &'static str>>,
}

/// One key, and the algorithm that its issuer set it aside for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    material: Material,
    algorithm: Option<Algorithm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Why a text is not a set of keys. Nothing of it is used then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeySetError {
    /// More than [`MAX_KEY_SET_BYTES`].
    #[error("the key set is larger than 256 KiB")]
    TooBig,
    /// Not an object with a list of keys.
    #[error("not a JWK set: expected a JSON object with \"keys\": [...], and no key of an object twice")]
    Shape,
    /// More than [`MAX_KEYS`].
    #[error("the set has {0} keys, at most 64 are read")]
    TooMany(usize),
    /// Two keys of one id.
    #[error("two keys have the kid {0:?}")]
    Repeated(String),
    /// Somebody published, or filed, the wrong half.
    #[error("a key holds its private half; take it out, and replace the key if others have seen it")]
    Private,
    /// Nothing to verify with.
    #[error("none of the {0} keys can be used: RSA of 2048 bits or more, P-256, P-384 or Ed25519, with a kid")]
    NoneUsable(usize),
}

impl KeySet {
    /// Reads a published set. Keys of other kinds or uses, and those without a kid, are not for us and left out, as
    /// RFC 7517 asks for; a weak key is kept by name, so that its use can be told apart from an unknown one.
    ///
    /// # Errors
    /// Why nothing of it can be used.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooBig);
        }
        let set = object(json).map_err(|_| KeySetError::Shape)?;
        let Some(Value::Array(list)) = set.get("keys") else { return Err(KeySetError::Shape) };
        if list.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(list.len()));
        }
        let mut keys = BTreeMap::new();
        for jwk in list {
            let Value::Object(jwk) = jwk else { return Err(KeySetError::Shape) };
            if ["d", "k"].iter().any(|secret| jwk.contains_key(*secret)) {
                return Err(KeySetError::Private);
            }
            let Some(kid) = text(jwk, "kid").filter(|kid| !kid.is_empty()) else { continue };
            let Some(key) = key(jwk) else { continue };
            if keys.insert(kid.to_owned(), key).is_some() {
                return Err(KeySetError::Repeated(kid.chars().take(80).collect()));
            }
        }
        if keys.values().any(Result::is_ok) { Ok(Self { keys }) } else { Err(KeySetError::NoneUsable(list.len())) }
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.values().filter(|key| key.is_ok()).count()
    }

    /// Whether no key can be used; never for a set that was parsed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of that id, or why it is not used; none where there is none.
    pub(super) fn get(&self, kid: &str) -> Option<&Result<Key, &'static str>> {
        self.keys.get(kid)
    }
}

impl Key {
    /// Whether the key is one for that algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match self.material {
            Material::Rsa { .. } => algorithm.rsa().is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature` is one of `signed` by this key; false for an algorithm that it does not fit.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let unparsed = |kind: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(kind, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                algorithm.rsa().is_some_and(|kind| key.verify(kind, signed, signature).is_ok())
            }
            Material::P256(key) => unparsed(&signature::ECDSA_P256_SHA256_FIXED, key),
            Material::P384(key) => unparsed(&signature::ECDSA_P384_SHA384_FIXED, key),
            Material::Ed25519(key) => unparsed(&signature::ED25519, key),
        }
    }
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name).and_then(Value::as_str)
}

/// A number in base64url, without zeros in front; none where it is not one.
fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

/// A key for signatures of a known kind; none where it is for something else.
fn key(jwk: &Map<String, Value>) -> Option<Result<Key, &'static str>> {
    let for_signatures = jwk.get("use").is_none_or(|r#use| r#use == "sig");
    let verifies = match jwk.get("key_ops") {
        None => true,
        Some(operations) => operations.as_array()?.iter().any(|operation| operation == "verify"),
    };
    if !for_signatures || !verifies {
        return None;
    }
    let algorithm = match jwk.get("alg") {
        None => None,
        Some(name) => Some(Algorithm::of(name.as_str()?)?),
    };
    let material = match (text(jwk, "kty")?, text(jwk, "crv")) {
        ("RSA", None) => rsa(jwk),
        ("EC", Some("P-256")) => point(jwk, 32).map(Material::P256),
        ("EC", Some("P-384")) => point(jwk, 48).map(Material::P384),
        ("OKP", Some("Ed25519")) => match bytes(jwk, "x") {
            Some(x) if x.len() == 32 => Ok(Material::Ed25519(x)),
            _ => Err("x is not 32 bytes of base64url"),
        },
        _ => return None,
    };
    Some(material.map(|material| Key { material, algorithm }))
}

fn rsa(jwk: &Map<String, Value>) -> Result<Material, &'static str> {
    let unsigned = |name| bytes(jwk, name).map(|b| b.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>());
    let (Some(n), Some(e)) = (unsigned("n"), unsigned("e")) else { return Err("n or e is not base64url") };
    let zeros = n.first().map_or(0, |byte| byte.leading_zeros());
    let bits = (n.len() * 8).saturating_sub(usize::try_from(zeros).unwrap_or(0));
    if !RSA_BITS.contains(&bits) {
        return Err("an RSA key needs 2048 to 8192 bits");
    }
    // 65537 is what everybody uses; a smaller one has hurt often enough.
    if e != [1, 0, 1] {
        return Err("the exponent of an RSA key is 65537");
    }
    Ok(Material::Rsa { n, e })
}

/// An uncompressed point.
fn point(jwk: &Map<String, Value>, length: usize) -> Result<Vec<u8>, &'static str> {
    match (bytes(jwk, "x"), bytes(jwk, "y")) {
        (Some(x), Some(y)) if x.len() == length && y.len() == length => Ok([&[4], &x[..], &y[..]].concat()),
        _ => Err("x or y is not of the curve's length in base64url"),
    }
}
