//! From bytes to claims that somebody stands behind: form, issuer, algorithm, key, signature, and then every claim that
//! says for whom and for how long the token is good.

use super::compact::Compact;
use super::{Algorithm, Claims, KeySet};
use crate::auth::Flaw;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What a good token of one issuer looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The name in the policy.
    pub name: Arc<str>,
    /// `iss`, byte for byte.
    pub url: String,
    /// `aud`, byte for byte.
    pub audience: String,
    /// Whether `aud` may be a list of exactly that one.
    pub audience_form: Audience,
    /// What it signs with.
    pub algorithms: Vec<Algorithm>,
    /// Claims that each of its tokens has, besides `sub`: `jti`, `nbf`, or those that tell a run.
    pub required: &'static [&'static str],
    /// How far its clock may be from ours.
    pub leeway: Duration,
    /// How long after `iat` a token of it may end.
    pub max_lifetime: Duration,
}

/// How an audience is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// As text.
    Text,
    /// As text, or as a list of one text.
    TextOrListOfOne,
}

/// A token that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The name of its issuer in the policy.
    pub issuer: Arc<str>,
    /// What it says.
    pub claims: Claims,
}

/// Why a token does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFault {
    /// What is wrong with it.
    pub flaw: Flaw,
    /// What was found, for the operator; shortened.
    pub found: String,
    /// What the holder may be told of it, beyond that it was refused.
    pub hint: Option<String>,
    /// The issuer, for a key that it may have published since.
    pub unknown_key_of: Option<Arc<str>>,
}

impl TokenFault {
    /// A fault of which the holder is told nothing.
    pub(super) fn new(flaw: Flaw, found: impl Into<String>) -> Self {
        Self { flaw, found: found.into(), hint: None, unknown_key_of: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A piece of a token, short enough and plain enough for one line.
    pub(super) fn shown(text: &str) -> String {
        let short: String = text.chars().take(120).collect();
        format!("{short:?}")
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.flaw.code(), self.flaw.text())?;
        if self.found.is_empty() { Ok(()) } else { write!(f, ": {}", self.found) }
    }
}

/// Verifies a token of one of `issuers`, at `now`, with the keys that `keys` knows of an issuer.
///
/// # Errors
/// The first check that it fails.
pub fn verify<'w>(
    token: &[u8],
    issuers: impl IntoIterator<Item = &'w Issuer>,
    keys: impl FnOnce(&Issuer) -> Option<&'w KeySet>,
    now: SystemTime,
) -> Result<Verified, TokenFault> {
    let token = Compact::read(token)?;
    let iss = token.claims.top("iss").and_then(Value::as_str);
    let Some(issuer) = issuers.into_iter().find(|issuer| iss == Some(&issuer.url)) else {
        let shown = iss.map_or_else(|| "it is missing or not text".to_owned(), TokenFault::shown);
        let hint = format!("tokens of the issuer {} are not taken here", iss.map_or("none".into(), TokenFault::shown));
        return Err(TokenFault::new(Flaw::TokenIssuerUnknown, shown).hint(hint));
    };
    if !issuer.algorithms.contains(&token.algorithm) {
        return Err(TokenFault::new(Flaw::TokenAlgorithm, token.algorithm.name()));
    }
    check_signature(&token, issuer, keys(issuer))?;
    check_claims(issuer, &token.claims, now)?;
    Ok(Verified { issuer: issuer.name.clone(), claims: token.claims })
}

fn check_signature(token: &Compact<'_>, issuer: &Issuer, keys: Option<&KeySet>) -> Result<(), TokenFault> {
    let of_key = |flaw| TokenFault::new(flaw, format!("kid {}", TokenFault::shown(&token.kid)));
    let unknown = |flaw| TokenFault { unknown_key_of: Some(issuer.name.clone()), ..of_key(flaw) };
    let keys = keys.ok_or_else(|| unknown(Flaw::TokenKeysUnavailable))?;
    let key = match keys.get(&token.kid) {
        Some(Ok(key)) => key,
        Some(Err(why)) => return Err(TokenFault::new(Flaw::TokenKeyUnfit, *why)),
        None => return Err(unknown(Flaw::TokenKeyUnknown)),
    };
    if !key.fits(token.algorithm) {
        return Err(of_key(Flaw::TokenKeyMismatch));
    }
    if !key.verifies(token.algorithm, token.signed, &token.signature) {
        return Err(of_key(Flaw::TokenSignature));
    }
    Ok(())
}

/// Checks every claim that does not depend on a rule, as [`verify`] does behind the signature.
///
/// # Errors
/// The first check that fails.
pub fn check_claims(issuer: &Issuer, claims: &Claims, now: SystemTime) -> Result<(), TokenFault> {
    if claims.top("iss").and_then(Value::as_str) != Some(&issuer.url) {
        return Err(TokenFault::new(Flaw::TokenIssuerUnknown, "it is another one"));
    }
    check_runner(issuer, claims)?;
    check_audience(issuer, claims)?;
    check_times(issuer, claims, now)?;
    if !is_there(claims, "sub") {
        return Err(TokenFault::new(Flaw::TokenSubject, ""));
    }
    match issuer.required.iter().find(|name| !is_there(claims, name)) {
        None => Ok(()),
        Some(&"jti") => Err(TokenFault::new(Flaw::TokenId, "")),
        Some(name) => Err(TokenFault::new(Flaw::TokenClaimMissing, *name)),
    }
}

/// Ids may be numbers, since claims are compared as text; who it is and which token it is are texts.
fn is_there(claims: &Claims, name: &str) -> bool {
    match claims.top(name) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.is_u64() && !matches!(name, "sub" | "jti"),
        _ => false,
    }
}

/// GitHub's runners hold a token of their own, signed with the same key, that everybody who runs a job can read: it
/// names the runner and no repository.
fn check_runner(issuer: &Issuer, claims: &Claims) -> Result<(), TokenFault> {
    let of_runs = issuer.required.contains(&"repository");
    let internal = ["orch_id", "runner_id", "billing_owner_id"].iter().any(|name| claims.top(name).is_some());
    if of_runs && internal && claims.top("repository").is_none() {
        return Err(TokenFault::new(Flaw::TokenRunnerInternal, ""));
    }
    Ok(())
}

fn check_audience(issuer: &Issuer, claims: &Claims) -> Result<(), TokenFault> {
    let audience = claims.top("aud");
    let one = match (audience, issuer.audience_form) {
        (Some(Value::String(one)), _) => Some(one.as_str()),
        (Some(Value::Array(items)), Audience::TextOrListOfOne) => match items.as_slice() {
            [Value::String(one)] => Some(one.as_str()),
            _ => None,
        },
        _ => None,
    };
    if one == Some(&issuer.audience) {
        return Ok(());
    }
    let shown = audience.map_or_else(|| "it is missing".to_owned(), |aud| TokenFault::shown(&aud.to_string()));
    let hint = match one {
        Some(one) => format!("the token is for the audience {}; ask for one for this proxy", TokenFault::shown(one)),
        None => "the token must name one audience, the one of this proxy".to_owned(),
    };
    Err(TokenFault::new(Flaw::TokenAudience, shown).hint(hint))
}

/// Seconds since 1970. Text, fractions and numbers out of range are no time.
fn time(claims: &Claims, name: &'static str) -> Result<u64, TokenFault> {
    /// The year 9999.
    const LAST: u64 = 253_402_300_799;
    let seconds = claims.top(name).and_then(Value::as_u64).filter(|seconds| *seconds <= LAST);
    seconds.ok_or_else(|| TokenFault::new(Flaw::TokenTime, name))
}

fn check_times(issuer: &Issuer, claims: &Claims, now: SystemTime) -> Result<(), TokenFault> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (exp, iat) = (time(claims, "exp")?, time(claims, "iat")?);
    let nbf = match claims.top("nbf") {
        None if !issuer.required.contains(&"nbf") => iat,
        _ => time(claims, "nbf")?,
    };
    let leeway = issuer.leeway.as_secs();
    if now >= exp.saturating_add(leeway) {
        let age = format!("{} s ago", now.saturating_sub(exp));
        let hint = format!("the token expired {age}; ask for a new one before each push");
        return Err(TokenFault::new(Flaw::TokenExpired, age).hint(hint));
    }
    let ahead = |time: u64| format!("{} s ahead", time.saturating_sub(now));
    if nbf > now.saturating_add(leeway) {
        return Err(TokenFault::new(Flaw::TokenNotYetValid, ahead(nbf)));
    }
    if iat > now.saturating_add(leeway) {
        return Err(TokenFault::new(Flaw::TokenIssuedInFuture, ahead(iat)));
    }
    let lifetime = exp.checked_sub(iat).filter(|lifetime| (1..=issuer.max_lifetime.as_secs()).contains(lifetime));
    if lifetime.is_none() {
        let found = format!("iat {iat}, exp {exp}, at most {} s", issuer.max_lifetime.as_secs());
        return Err(TokenFault::new(Flaw::TokenLifetime, found));
    }
    Ok(())
}
