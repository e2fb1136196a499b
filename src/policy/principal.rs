//! Principals: who may be, from where, and what they are granted.

use super::{CertificateRule, From, Grant, Miss, Mode, Operation, PayloadLimits, QuotaRule, TokenRule};
use crate::auth::PasswordHash;
use crate::auth::token::Claims;
use crate::request::GroupingKey;
use std::sync::Arc;

/// Somebody that a request can turn out to come from.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The name in the policy, the log and the metrics.
    pub name: Arc<str>,
    /// How a password proves it; none where it has no password.
    pub basic: Option<Basic>,
    /// How a token proves it; none where none does.
    pub token: Option<TokenRule>,
    /// How a client certificate proves it; none where none does.
    pub certificate: Option<CertificateRule>,
    /// Whether a request without a credential is it.
    pub anonymous: bool,
    /// From where it may be used.
    pub from: From,
    /// What it may do. Empty: nothing.
    pub grants: Vec<Grant>,
    /// Every quota that applies to it, its own and the defaults, the shared ones apart; a token has its own list.
    pub quotas: Vec<QuotaRule>,
    /// Limits on what it pushes.
    pub payload: PayloadLimits,
}

/// A user name and the stored hashes of its passwords.
#[derive(Clone, Debug)]
pub struct Basic {
    /// The user name.
    pub username: String,
    /// Whether a request from its sources that lacks or fails it is refused.
    pub mode: Mode,
    /// Any of them verifies, so that a password can be rotated.
    pub hashes: Arc<[PasswordHash]>,
}

impl Principal {
    /// Whether a credential proves it.
    pub fn proves_itself(&self) -> bool {
        self.basic.is_some() || self.token.is_some() || self.certificate.is_some()
    }

    /// The grant that covers the request, for somebody whose token says `claims`.
    ///
    /// # Errors
    /// The furthest check that any grant reached, and the grant that reached it.
    pub fn grant_for(
        &self,
        operation: Operation,
        key: Option<&GroupingKey>,
        claims: &Claims,
    ) -> Result<&Grant, (Miss, Option<&Grant>)> {
        let mut furthest = (Miss::Operation, None);
        for grant in &self.grants {
            match grant.covers(operation, key, claims) {
                Ok(()) => return Ok(grant),
                Err(miss) if furthest.1.is_none() || miss > furthest.0 => furthest = (miss, Some(grant)),
                Err(_) => {}
            }
        }
        Err(furthest)
    }
}
