//! A token that nobody signed is never taken, a set of keys is read whole or not at all, and faults print in one line.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use pushguard::auth::token::{Algorithm, Audience, ClaimPath, Claims, Issuer, KeySet, MAX_KEYS, verify};
use std::time::{Duration, SystemTime};

/// Keys that chance does not sign for: the base points of P-256 and Ed25519.
const KEYS: &str = r#"{"keys":[
    {"kty":"EC","crv":"P-256","kid":"p","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"},
    {"kty":"OKP","crv":"Ed25519","kid":"e","x":"WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"}]}"#;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // A header that is taken, so that the claims behind it are read.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"e"}"#);
    check(format!("{header}.{}.{}", URL_SAFE_NO_PAD.encode(bytes), "A".repeat(86)).as_bytes());
    if let Ok(keys) = KeySet::parse(bytes) {
        assert!((1..=MAX_KEYS).contains(&keys.len()));
    }
    if let Some((path, claims)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) {
        if let (Ok(path), Some(claims)) = (ClaimPath::read(path), Claims::read(claims.as_bytes())) {
            assert!(claims.text(&path).is_none_or(|text| !text.is_empty() && claims.texts(&path) == [text]));
        }
    }
});

fn check(token: &[u8]) {
    let keys = KeySet::parse(KEYS.as_bytes()).expect("the keys are good");
    let issuer = Issuer {
        name: "issuer".into(),
        url: "i".into(),
        audience: "a".into(),
        audience_form: Audience::TextOrListOfOne,
        algorithms: Algorithm::ALL.iter().map(|(_, algorithm)| *algorithm).collect(),
        required: &["jti"],
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(900),
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let fault = verify(token, [&issuer], |_| Some(&keys), now).expect_err("nobody signed this");
    for text in [fault.to_string(), fault.hint.unwrap_or_default()] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
