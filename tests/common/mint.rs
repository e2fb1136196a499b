//! Keys made for the test, and tokens signed with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::LazyLock;

/// A key pair and the id that its public half is published under.
pub struct Signer {
    pub kid: String,
    pub algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(EcdsaKeyPair, &'static str),
    Ed25519(Ed25519KeyPair),
}

/// An RSA key; `ring` can make none, and making one takes a while, so that a test binary makes one of each.
pub static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-1"));

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub fn rsa(kid: &str) -> Self {
        let arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"];
        let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
        assert!(output.status.success(), "{output:?}");
        // Versions differ in which of the two they write as DER.
        let key = &output.stdout;
        let pair = RsaKeyPair::from_pkcs8(key).or_else(|_| RsaKeyPair::from_der(key)).expect("an RSA key");
        Self { kid: kid.to_owned(), algorithm: "RS256", pair: Pair::Rsa(Box::new(pair)) }
    }

    pub fn p256(kid: &str) -> Self {
        Self::ecdsa(kid, "ES256", "P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub fn p384(kid: &str) -> Self {
        Self::ecdsa(kid, "ES384", "P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn ecdsa(
        kid: &str,
        algorithm: &'static str,
        curve: &'static str,
        kind: &'static signature::EcdsaSigningAlgorithm,
    ) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
        Self { kid: kid.to_owned(), algorithm, pair: Pair::Ecdsa(pair, curve) }
    }

    pub fn ed25519(kid: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self { kid: kid.to_owned(), algorithm: "EdDSA", pair: Pair::Ed25519(pair) }
    }

    /// The public half as a JWK.
    pub fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (encode(public.n), encode(public.e));
                json!({ "kty": "RSA", "use": "sig", "kid": self.kid, "n": n, "e": e })
            }
            Pair::Ecdsa(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "kid": self.kid, "x": encode(x), "y": encode(y) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": encode(pair.public_key()) })
            }
        }
    }

    /// A signature, for RSA by the named algorithm.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ecdsa(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The header that belongs to this key.
    pub fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "kid": self.kid, "typ": "JWT" })
    }

    /// A good token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.raw(self.header().to_string(), claims.to_string())
    }

    /// A token with this header and these claims.
    pub fn with(&self, header: &Value, claims: &Value) -> String {
        self.raw(header.to_string(), claims.to_string())
    }

    /// A signed token of any two parts.
    pub fn raw(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let algorithm = serde_json::from_slice::<Value>(header.as_ref());
        let algorithm = algorithm.ok().and_then(|h| Some(h["alg"].as_str()?.to_owned())).unwrap_or_default();
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.sign(&algorithm, signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }
}

/// A set of public keys as an issuer publishes it.
pub fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// The claims of a run on GitHub that were issued at `iat`, seconds since 1970.
pub fn github_run(iat: u64) -> Value {
    json!({
        "iss": "https://token.actions.githubusercontent.com", "aud": "https://push.example.com",
        "sub": "repo:acme/app:ref:refs/heads/main", "jti": "a-token", "iat": iat, "nbf": iat - 300, "exp": iat + 300,
        "repository": "acme/app", "repository_id": "22", "repository_owner": "acme", "repository_owner_id": "11",
        "event_name": "push", "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
        "run_id": "777", "run_attempt": "1", "workflow": "Elixir/Phoenix CI", "environment": "",
        "workflow_ref": "acme/app/.github/workflows/ci.yml@refs/heads/main",
        "job_workflow_ref": "acme/app/.github/workflows/ci.yml@refs/heads/main",
    })
}

/// `claims` with one of them set to something else, or taken out.
pub fn but(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}
