//! What a 401 asks for: the kinds of credentials that are taken from where the request comes, as a request without one
//! is told anyway.

use super::Denial;
use crate::auth::token::TokenFault;
use crate::policy::Principal;
use crate::request::{Credential, Head};

/// The challenges of a refusal (RFC 9110, 11.6.1); at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// A user name and a password would do.
    pub basic: bool,
    /// A token would do.
    pub bearer: Option<Bearer>,
}

/// What is said beside the wish for a token (RFC 6750, 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// Nothing: none was sent.
    Wanted,
    /// The one that was sent is not good, and why, where its holder can see that in it anyway.
    Invalid(Option<String>),
}

/// Adds to a 401 what is taken from there, and to no other refusal.
pub(super) fn challenged<'w>(
    denial: Denial,
    head: &Head,
    candidates: impl Iterator<Item = &'w Principal> + Clone,
    fault: Option<&TokenFault>,
) -> Denial {
    if denial.reason.status() != 401 {
        return denial;
    }
    let (password, token) =
        (candidates.clone().any(|p| p.basic.is_some()), candidates.clone().any(|p| p.token.is_some()));
    let sent = matches!(head.credential, Ok(Some(Credential::Bearer(_))));
    let bearer = || match sent {
        true => Bearer::Invalid(fault.and_then(|fault| fault.hint.clone())),
        false => Bearer::Wanted,
    };
    // Where none is taken at all, a 401 has to name something all the same.
    denial.challenge(Challenge { basic: password || !token, bearer: token.then(bearer) })
}
