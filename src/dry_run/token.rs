//! A token of which only the claims are known.

use super::Missing;
use crate::auth::token::{Claims, Issuer, TokenFault, Verified, check_claims};
use crate::decision::TokenClaim;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::time::SystemTime;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The issuer, by its name in the policy, of a token that was found to hold before.
    pub held: Option<String>,
}

impl Token {
    /// The claims of a JSON object.
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(|claims| Self { claims, held: None })
    }

    /// The claims of a token as it is sent.
    pub(super) fn sent(token: &[u8]) -> Option<Self> {
        let payload = token.split(|b| *b == b'.').nth(1)?;
        Self::read(&URL_SAFE_NO_PAD.decode(payload).ok()?)
    }

    /// Whether it would hold, its signature taken as right; claims that it lacks are taken as a good token has them.
    ///
    /// # Errors
    /// It is from an issuer that this source may not use.
    pub fn verify(
        &self,
        asked: &TokenClaim,
        now: SystemTime,
        assumed: &mut Vec<String>,
    ) -> Result<Result<Verified, TokenFault>, Missing> {
        if let Some(name) = &self.held {
            let known = asked.issuers.iter().find(|issuer| *issuer.token.name == **name).ok_or(Missing::Token)?;
            let claims = read(&self.claims).ok_or(Missing::Token)?;
            return Ok(Ok(Verified { issuer: known.token.name.clone(), claims }));
        }
        let named = self.claims.get("iss").and_then(Value::as_str);
        let mut issuers = asked.issuers.iter().map(|issuer| &issuer.token);
        let first = issuers.clone().next().ok_or(Missing::Token)?;
        let issuer = issuers.find(|issuer| named.is_none_or(|iss| iss == issuer.url)).unwrap_or(first);
        let (whole, added) = self.completed(issuer, now);
        let claims = read(&whole).ok_or(Missing::Token)?;
        assumed.push("the signature of the token is right".to_owned());
        if !added.is_empty() {
            assumed.push(format!("the token has a fitting {}", added.join(", ")));
        }
        Ok(check_claims(issuer, &claims, now).map(|()| Verified { issuer: issuer.name.clone(), claims }))
    }

    /// With the claims that say for whom and for how long a token is good, and the names of those that were added.
    fn completed(&self, issuer: &Issuer, now: SystemTime) -> (Map<String, Value>, Vec<&'static str>) {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let life = issuer.max_lifetime.as_secs().min(300);
        let fitting = [
            ("iss", Value::from(issuer.url.clone())),
            ("aud", Value::from(issuer.audience.clone())),
            ("sub", Value::from("imagined")),
            ("jti", Value::from("imagined")),
            ("iat", Value::from(now)),
            ("nbf", Value::from(now)),
            ("exp", Value::from(now.saturating_add(life))),
        ];
        let (mut claims, mut added) = (self.claims.clone(), Vec::new());
        for (name, value) in fitting {
            if !claims.contains_key(name) {
                claims.insert(name.to_owned(), value);
                added.push(name);
            }
        }
        (claims, added)
    }
}

fn read(claims: &Map<String, Value>) -> Option<Claims> {
    Claims::read(Value::Object(claims.clone()).to_string().as_bytes())
}
