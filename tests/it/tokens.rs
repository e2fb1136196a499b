//! Tokens: every good shape is taken, and whatever is forged or unfit is refused, each for its own reason.

use crate::common::mint::{RSA, Signer, but, encode, github_run, key_set};
use pushguard::auth::token::{Algorithm, Audience, Issuer, KeySet, TokenFault, Verified, verify};
use ring::hmac;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

const NOW: u64 = 1_790_000_100;
const IAT: u64 = 1_790_000_000;
const REQUIRED: [&str; 6] = ["jti", "nbf", "repository", "repository_id", "repository_owner_id", "event_name"];

static P256: LazyLock<Signer> = LazyLock::new(|| Signer::p256("p256-1"));
static P384: LazyLock<Signer> = LazyLock::new(|| Signer::p384("p384-1"));
static ED25519: LazyLock<Signer> = LazyLock::new(|| Signer::ed25519("ed-1"));
static STRANGER: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-1"));

/// What GitHub publishes and, beside it, every other kind of key, weak ones too.
static PUBLISHED: LazyLock<KeySet> = LazyLock::new(|| {
    let changed = |name: &str, value: Value, kid: &str| but(&but(&RSA.jwk(), name, value), "kid", json!(kid));
    let keys = [
        RSA.jwk(),
        P256.jwk(),
        P384.jwk(),
        ED25519.jwk(),
        changed("n", json!(encode([0xff; 128])), "rsa-1024"),
        changed("e", json!("Aw"), "rsa-e3"),
        changed("alg", json!("RS256"), "rsa-rs256-only"),
        changed("use", json!("enc"), "rsa-enc"),
    ];
    KeySet::parse(key_set(&keys).as_bytes()).unwrap()
});

fn github() -> Issuer {
    Issuer {
        name: "github".into(),
        url: "https://token.actions.githubusercontent.com".into(),
        audience: "https://push.example.com".into(),
        audience_form: Audience::Text,
        algorithms: vec![Algorithm::Rs256],
        required: &REQUIRED,
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(900),
    }
}

/// One that signs with everything and writes its audience as it likes.
fn liberal() -> Issuer {
    let algorithms = Algorithm::ALL.iter().map(|(_, algorithm)| *algorithm).collect();
    let (audience_form, required) = (Audience::TextOrListOfOne, &[][..]);
    Issuer { name: "liberal".into(), algorithms, audience_form, required, ..github() }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn judge(issuer: &Issuer, token: &[u8]) -> Result<Verified, TokenFault> {
    verify(token, [issuer], |_| Some(&PUBLISHED), at(NOW))
}

#[test]
fn every_algorithm_verifies_with_its_own_key() {
    let issuer = liberal();
    for (signer, algorithms) in [
        (&*RSA, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (&*P256, &["ES256"]),
        (&*P384, &["ES384"]),
        (&*ED25519, &["EdDSA"]),
    ] {
        for algorithm in algorithms {
            let header = json!({ "alg": algorithm, "kid": signer.kid });
            let verified = judge(&issuer, signer.with(&header, &github_run(IAT)).as_bytes());
            assert!(verified.is_ok(), "{algorithm}: {verified:?}");
        }
    }
}

#[test]
fn what_issuers_write_in_different_ways_is_taken() {
    let run = github_run(IAT);
    let good = [
        ("as GitHub writes it", github(), RSA.token(&run)),
        ("x5t", github(), RSA.with(&but(&RSA.header(), "x5t", json!("abc")), &run)),
        ("no typ", github(), RSA.with(&but(&RSA.header(), "typ", Value::Null), &run)),
        ("typ jwt", github(), RSA.with(&but(&RSA.header(), "typ", json!("jwt")), &run)),
        ("ids as numbers", github(), RSA.token(&but(&run, "repository_id", json!(22)))),
        ("a claim that nobody knows", github(), RSA.token(&but(&run, "repo_property_team", json!(["a", null, {}])))),
        ("an audience in a list", liberal(), RSA.token(&but(&run, "aud", json!(["https://push.example.com"])))),
        ("no nbf", liberal(), RSA.token(&but(&run, "nbf", Value::Null))),
        ("no jti", liberal(), RSA.token(&but(&run, "jti", Value::Null))),
        ("just expired", github(), RSA.token(&but(&run, "exp", json!(NOW - 29)))),
        ("a clock ahead", github(), RSA.token(&github_run(NOW + 30))),
        ("the longest life", github(), RSA.token(&but(&run, "exp", json!(IAT + 900)))),
    ];
    for (what, issuer, token) in good {
        let verified = judge(&issuer, token.as_bytes()).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(verified.issuer, issuer.name, "{what}");
    }
}

type Forgery = (String, Issuer, Vec<u8>, &'static str);

#[derive(Default)]
struct Forgeries(Vec<Forgery>);

impl Forgeries {
    fn add(&mut self, what: impl Into<String>, token: impl Into<Vec<u8>>, code: &'static str) {
        self.0.push((what.into(), github(), token.into(), code));
    }

    fn liberal(&mut self, what: impl Into<String>, token: impl Into<Vec<u8>>, code: &'static str) {
        self.0.push((what.into(), liberal(), token.into(), code));
    }

    /// A signed token with one header key changed.
    fn header(&mut self, name: &str, value: Value, code: &'static str) {
        let what = format!("header {name}: {value}");
        self.add(what, RSA.with(&but(&RSA.header(), name, value), &github_run(IAT)), code);
    }

    /// A signed token with one claim changed.
    fn claim(&mut self, name: &str, value: Value, code: &'static str) {
        let what = format!("claim {name}: {value}");
        self.add(what, RSA.token(&but(&github_run(IAT), name, value)), code);
    }
}

fn forms(all: &mut Forgeries) {
    let good = RSA.token(&github_run(IAT));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{good}") };
    all.add("nothing", "", "token_parts");
    all.add("one part", header, "token_parts");
    all.add("no signature part", format!("{header}.{claims}"), "token_parts");
    all.add("four parts", format!("{good}."), "token_parts");
    all.add("six parts", format!("{good}.a.b.c"), "token_parts");
    all.add("encrypted", format!("{header}.a.b.c.d"), "token_encrypted");
    all.add("dots", "..", "token_json");
    all.add("a dot in front", format!(".{good}"), "token_parts");
    all.add("no header", format!(".{claims}.{signature}"), "token_json");
    all.add("no claims", format!("{header}..{signature}"), "token_json");
    all.add("no signature", format!("{header}.{claims}."), "token_signature");
    for (what, token) in [
        ("white space in front", format!(" {good}")),
        ("white space behind", format!("{good} ")),
        ("a line end", format!("{good}\n")),
        ("a second scheme", format!("Bearer {good}")),
        ("padding", format!("{header}.{claims}.{signature}=")),
        ("padding in the header", format!("{header}=.{claims}.{signature}")),
        ("the other alphabet", format!("{header}.{claims}.{}+/", &signature[2..])),
        ("a null byte", format!("{good}\0")),
        ("a letter beyond ASCII", format!("{header}.{claims}\u{e9}.{signature}")),
        ("a fullwidth dot", format!("{header}.{claims}.{signature}\u{ff0e}")),
        ("a part of impossible length", format!("{header}.{claims}.{signature}AAA")),
    ] {
        all.add(what, token, "token_base64");
    }
    let odd = |part: &str| format!("{}{}", &part[..part.len() - 1], "x");
    all.add("bits behind the last byte", format!("{header}.{claims}.{}", odd(signature)), "token_base64");
    all.add("too long", vec![b'a'; 8193], "token_too_long");
    all.add("a megabyte", "a.".repeat(512 * 1024), "token_too_long");
    let long = but(&github_run(IAT), "workflow", json!("w".repeat(6000)));
    all.add("signed and too long", RSA.token(&long), "token_too_long");
}

fn texts(all: &mut Forgeries) {
    let (header, run) = (RSA.header().to_string(), github_run(IAT).to_string());
    for text in ["", "null", "5", "\"text\"", "[]", "{", "{}{}", "{} x", "{'a':1}", "{a:1}", "{\"a\":1,}", "// x\n{}"] {
        all.add(format!("header {text}"), RSA.raw(text, &run), "token_json");
        all.add(format!("claims {text}"), RSA.raw(&header, text), "token_json");
    }
    let nested = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for (what, claims) in [
        ("a byte order mark", [b"\xef\xbb\xbf", run.as_bytes()].concat()),
        ("not UTF-8", [b"{\"a\":\"\xff\",", &run.as_bytes()[1..]].concat()),
        ("half a surrogate", [br#"{"a":"\ud800","#, &run.as_bytes()[1..]].concat()),
        ("a number that is none", [br#"{"a":NaN,"#, &run.as_bytes()[1..]].concat()),
        ("a control character", [b"{\"a\":\"\x01\",", &run.as_bytes()[1..]].concat()),
        ("deep nesting", nested.into_bytes()),
        ("UTF-16", run.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ] {
        all.add(format!("claims with {what}"), RSA.raw(&header, claims), "token_json");
    }
    let twice = |text: &str, more: &str| format!("{{{more},{}", &text[1..]);
    for more in [r#""alg":"none""#, r#""kid":"other""#, r#""\u0061lg":"RS256""#, r#""typ":"JWT""#] {
        all.add(format!("header with {more} twice"), RSA.raw(twice(&header, more), &run), "token_duplicate_key");
    }
    for more in [
        r#""aud":"https://push.example.com""#,
        r#""exp":9999999999"#,
        r#""iss":"https://evil.example""#,
        r#""repository_id":"666""#,
        r#""\u0061ud":"x""#,
        r#""x":{"y":1,"y":2}"#,
        r#""x":[{"y":1,"y":2}]"#,
    ] {
        all.add(format!("claims with {more} twice"), RSA.raw(&header, twice(&run, more)), "token_duplicate_key");
    }
}

fn headers(all: &mut Forgeries) {
    for alg in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "RS1", "ES512", "ES256K", "HS1", "dir", "A256KW"]
    {
        all.header("alg", json!(alg), "token_algorithm");
    }
    for alg in [Value::Null, json!(256), json!(["RS256"]), json!({ "alg": "RS256" }), json!(true)] {
        all.header("alg", alg, "token_algorithm");
    }
    // The public key as the secret of an HMAC: the oldest trick.
    for (alg, kind) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let header = but(&RSA.header(), "alg", json!(alg)).to_string();
        let signed = format!("{}.{}", encode(header), encode(github_run(IAT).to_string()));
        for (what, secret) in [("the modulus", RSA.jwk()["n"].to_string()), ("nothing", String::new())] {
            let tag = hmac::sign(&hmac::Key::new(kind, secret.as_bytes()), signed.as_bytes());
            all.add(format!("{alg} keyed by {what}"), format!("{signed}.{}", encode(tag)), "token_algorithm");
        }
    }
    for alg in ["RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        all.header("alg", json!(alg), "token_algorithm");
    }
    for name in
        ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "cty", "enc", "epk", "p2c", "iss", "nonce", "ALG", ""]
    {
        all.header(name, json!("https://evil.example/keys"), "token_header");
    }
    all.header("jwk", STRANGER.jwk(), "token_header");
    all.header("crit", json!(["exp"]), "token_header");
    for typ in [json!("at+jwt"), json!("JOSE"), json!(""), json!(5), json!(["JWT"]), json!("JWT ")] {
        all.header("typ", typ, "token_type");
    }
    for kid in [Value::Null, json!(""), json!(1), json!(["rsa-1"]), json!("k".repeat(257))] {
        all.header("kid", kid, "token_key_missing");
    }
    for kid in
        ["other", "../../dev/null", "https://evil.example/k", "' OR 1=1 --", "RSA-1", "rsa-1 ", "rsa-1\0", "rsa-enc"]
    {
        all.header("kid", json!(kid), "token_key_unknown");
    }
    all.header("kid", json!("rsa-1024"), "token_key_unfit");
    all.header("kid", json!("rsa-e3"), "token_key_unfit");
    for (alg, kid) in [
        ("RS256", "p256-1"),
        ("RS256", "ed-1"),
        ("ES256", "rsa-1"),
        ("ES256", "p384-1"),
        ("ES384", "p256-1"),
        ("EdDSA", "p256-1"),
        ("ES256", "ed-1"),
        ("PS256", "rsa-rs256-only"),
    ] {
        let token = RSA.with(&json!({ "alg": alg, "kid": kid }), &github_run(IAT));
        all.liberal(format!("{alg} with the key {kid}"), token, "token_key_mismatch");
    }
}

fn signatures(all: &mut Forgeries) {
    let run = github_run(IAT);
    let (good, other) = (RSA.token(&run), RSA.token(&but(&run, "jti", json!("another"))));
    let split = |token: &str| token.rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let ((signed, signature), (_, of_other)) = (split(&good), split(&other));
    all.add("signed by another key of that id", STRANGER.token(&run), "token_signature");
    all.add("the signature of another token", format!("{signed}.{of_other}"), "token_signature");
    all.add("zeros", format!("{signed}.{}", encode([0; 256])), "token_signature");
    all.add("half a signature", format!("{signed}.{}", &signature[..signature.len() / 8 * 4]), "token_signature");
    all.add("one byte", format!("{signed}.AA"), "token_signature");
    let claims_of = |token: &str| token.split('.').nth(1).unwrap().to_owned();
    let header_of = |token: &str| token.split('.').next().unwrap().to_owned();
    let swapped = format!("{}.{}.{signature}", header_of(&good), claims_of(&other));
    all.add("claims of another token", swapped, "token_signature");
    let spaced = encode(format!("{} ", RSA.header()));
    all.add("a header of other bytes", format!("{spaced}.{}.{signature}", claims_of(&good)), "token_signature");
    let pss = encode(RSA.sign("PS256", signed.as_bytes()));
    all.add("the other padding", format!("{signed}.{pss}"), "token_signature");
    let sha512 = encode(RSA.sign("RS512", signed.as_bytes()));
    all.add("the other digest", format!("{signed}.{sha512}"), "token_signature");
    for signer in [&*P256, &*P384, &*ED25519] {
        let (signed, signature) = split(&signer.token(&run));
        let length = if signer.algorithm == "ES384" { 96 } else { 64 };
        all.liberal(
            format!("{} zeros", signer.algorithm),
            format!("{signed}.{}", encode(vec![0; length])),
            "token_signature",
        );
        let twice = format!("{signed}.{signature}{signature}");
        all.liberal(format!("{} signed twice", signer.algorithm), twice, "token_signature");
    }
    let der = [&[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01][..]].concat();
    let (signed, _) = split(&P256.token(&run));
    all.liberal("ECDSA in DER", format!("{signed}.{}", encode(der)), "token_signature");
}

fn claims(all: &mut Forgeries) {
    for iss in [
        Value::Null,
        json!(""),
        json!(5),
        json!({}),
        json!(["https://token.actions.githubusercontent.com"]),
        json!(["https://token.actions.githubusercontent.com", "https://evil.example"]),
        json!("https://token.actions.githubusercontent.com/"),
        json!("https://token.actions.githubusercontent.com/evil-corp"),
        json!("https://token.actions.githubusercontent.com.evil.example"),
        json!("http://token.actions.githubusercontent.com"),
        json!("https://TOKEN.actions.githubusercontent.com"),
        json!(" https://token.actions.githubusercontent.com"),
        json!("https://token.actions.githubusercontent.com\u{200b}"),
        json!("https://token.actions.octocorp.ghe.com"),
        json!("https://evil.example"),
    ] {
        all.claim("iss", iss, "token_issuer_unknown");
    }
    for aud in [
        Value::Null,
        json!(""),
        json!(5),
        json!({}),
        json!([]),
        json!(["https://push.example.com"]),
        json!(["https://push.example.com", "https://evil.example"]),
        json!([["https://push.example.com"]]),
        json!("https://github.com/acme"),
        json!("https://push.example.com/"),
        json!("https://push.example.com.evil.example"),
        json!("HTTPS://PUSH.EXAMPLE.COM"),
        json!("push.example.com"),
        json!("https://push.example.com,https://evil.example"),
    ] {
        all.claim("aud", aud, "token_audience");
    }
    for aud in [
        json!([]),
        json!(["https://push.example.com", "https://push.example.com"]),
        json!(["https://push.example.com", "other"]),
        json!(["other"]),
        json!([["https://push.example.com"]]),
        json!([5]),
        json!({ "aud": "https://push.example.com" }),
    ] {
        let token = RSA.token(&but(&github_run(IAT), "aud", aud.clone()));
        all.liberal(format!("list of audiences {aud}"), token, "token_audience");
    }
    for name in ["exp", "iat", "nbf"] {
        for value in [
            Value::Null,
            json!("1790000050"),
            json!(1_790_000_050.5),
            json!(1e300),
            json!(-1),
            json!(true),
            json!([IAT]),
            json!(u64::MAX),
        ] {
            all.claim(name, value, "token_time");
        }
    }
    all.claim("exp", json!(NOW - 30), "token_expired");
    all.claim("exp", json!(0), "token_expired");
    all.claim("exp", json!(IAT - 86_400), "token_expired");
    all.claim("nbf", json!(NOW + 31), "token_not_yet_valid");
    all.claim("nbf", json!(NOW + 86_400), "token_not_yet_valid");
    let later = |iat: u64| RSA.token(&but(&github_run(iat), "nbf", json!(IAT)));
    all.add("issued in half a minute", later(NOW + 31), "token_issued_in_future");
    all.add("issued tomorrow", later(NOW + 86_400), "token_issued_in_future");
    all.claim("exp", json!(IAT + 901), "token_lifetime");
    all.claim("exp", json!(IAT + 315_360_000), "token_lifetime");
    all.claim("exp", json!(253_402_300_799_u64), "token_lifetime");
    all.add("no life", RSA.token(&but(&github_run(NOW), "exp", json!(NOW))), "token_lifetime");
    all.add("less than no life", RSA.token(&but(&github_run(NOW), "exp", json!(NOW - 1))), "token_lifetime");
    for sub in [Value::Null, json!(""), json!(5), json!(["x"]), json!({})] {
        all.claim("sub", sub, "token_subject");
    }
    for jti in [Value::Null, json!(""), json!(5), json!(["x"])] {
        all.claim("jti", jti, "token_id");
    }
    for name in ["repository", "repository_id", "repository_owner_id", "event_name"] {
        all.claim(name, Value::Null, "token_claim_missing");
        all.claim(name, json!(""), "token_claim_missing");
        all.claim(name, json!(["22"]), "token_claim_missing");
    }
    // The shape of the token that a runner itself holds: the same issuer, the same key, six hours.
    let runner = json!({
        "iss": "https://token.actions.githubusercontent.com", "iat": IAT, "nbf": IAT - 300, "exp": IAT + 21_600,
        "orch_id": "x", "runner_id": "5", "owner_id": "O_1", "billing_owner_id": "O_1", "labels": "[]",
    });
    all.add("the runner's own token", RSA.token(&runner), "token_runner_internal");
    let dressed = but(&but(&runner, "aud", json!("https://push.example.com")), "sub", json!("x"));
    all.add("the runner's own token with an audience", RSA.token(&dressed), "token_runner_internal");
}

#[test]
fn whatever_is_forged_or_unfit_is_refused_for_its_own_reason() {
    let mut all = Forgeries::default();
    forms(&mut all);
    texts(&mut all);
    headers(&mut all);
    signatures(&mut all);
    claims(&mut all);
    let mut wrong = Vec::new();
    for (what, issuer, token, code) in &all.0 {
        let found = judge(issuer, token).map_err(|fault| fault.flaw.code());
        if found != Err(code) {
            wrong.push(format!("{what}: expected {code}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let distinct: BTreeSet<&[u8]> = all.0.iter().map(|(_, _, token, _)| token.as_slice()).collect();
    let codes: BTreeSet<&str> = all.0.iter().map(|(.., code)| *code).collect();
    crate::volume::say(format!("{} forged tokens, {} distinct, {} codes", all.0.len(), distinct.len(), codes.len()));
    assert!(distinct.len() >= 120, "{}", distinct.len());
    let unloaded = verify(RSA.token(&github_run(IAT)).as_bytes(), [&github()], |_| None, at(NOW)).unwrap_err();
    assert_eq!((unloaded.flaw.code(), unloaded.unknown_key_of.as_deref()), ("token_keys_unavailable", Some("github")));
}

/// What is told of a token shows nothing that would break a line, and is short.
#[test]
fn faults_are_told_in_one_short_line() {
    let mut all = Forgeries::default();
    texts(&mut all);
    headers(&mut all);
    claims(&mut all);
    for (what, issuer, token, _) in &all.0 {
        let fault = judge(issuer, token).unwrap_err();
        for text in [fault.to_string(), fault.hint.unwrap_or_default()] {
            assert!(text.len() < 600 && !text.chars().any(char::is_control), "{what}: {text:?}");
        }
    }
}

/// Flips bits of one good token: each of them once, or as many random ones as `PUSHGUARD_VOLUME` says.
#[test]
fn no_flipped_bit_is_accepted() {
    let token = RSA.token(&github_run(IAT)).into_bytes();
    assert!(judge(&github(), &token).is_ok());
    let bits = token.len() * 8;
    let volume = crate::volume::Volume::read(u64::try_from(bits).unwrap());
    let count = volume.count();
    let mut random = crate::volume::rng::Rng::new(volume.seed);
    for case in 0..count {
        let mut flipped = token.clone();
        let flips = if count == bits { 1 } else { 1 + random.below(3) };
        for _ in 0..flips {
            let bit = if count == bits { case } else { random.below(bits) };
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        if flipped != token {
            assert!(judge(&github(), &flipped).is_err(), "case {case}: {}", String::from_utf8_lossy(&flipped));
        }
    }
    crate::volume::say(format!("{count} tokens with flipped bits, none accepted"));
}

#[test]
fn key_sets() {
    let jwk = RSA.jwk();
    let one = |jwk: &Value| KeySet::parse(key_set(std::slice::from_ref(jwk)).as_bytes()).map(|set| set.len());
    assert_eq!(one(&jwk), Ok(1));
    for (name, value) in [
        ("kty", json!("oct")),
        ("kty", json!("EC")),
        ("use", json!("enc")),
        ("alg", json!("RSA-OAEP")),
        ("key_ops", json!(["encrypt"])),
        ("kid", Value::Null),
        ("n", json!("AQAB")),
        ("n", json!("!")),
        ("e", json!("AQ")),
    ] {
        let text = one(&but(&jwk, name, value.clone())).unwrap_err().to_string();
        assert!(text.starts_with("none of the 1 keys"), "{name}: {value}: {text}");
    }
    let with = |name: &str, value: Value| one(&but(&jwk, name, value)).unwrap_err().to_string();
    assert!(with("d", json!("AQAB")).contains("private half"));
    assert!(with("k", json!("AQAB")).contains("private half"));
    let parse = |text: &str| KeySet::parse(text.as_bytes()).unwrap_err().to_string();
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[5]}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert!(parse(text).starts_with("not a JWK set"), "{text}: {}", parse(text));
    }
    assert!(parse(r#"{"keys":[]}"#).starts_with("none of the 0 keys"));
    assert!(parse(&key_set(&[jwk.clone(), jwk.clone()])).contains("two keys have the kid \"rsa-1\""));
    assert!(parse(&key_set(&vec![jwk.clone(); 65])).contains("65 keys"));
    assert!(parse(&format!("{}{}", key_set(&[jwk]), " ".repeat(256 * 1024))).contains("larger than 256 KiB"));
}

/// What GitHub really publishes.
#[test]
fn the_published_keys_of_github_are_read() {
    let Some(published) = crate::common::data("oidc/jwks_github_2026.json") else { return };
    assert_eq!(KeySet::parse(&published).map(|set| set.len()), Ok(4));
}
