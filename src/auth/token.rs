//! Signed tokens (JWT, RFC 7519, in the compact form of RFC 7515): the identity of a CI run or a workload.
//!
//! [`verify`] reads a token strictly, finds its issuer among those that are taken, checks the signature against the
//! issuer's [`KeySet`], and then every claim that says for whom and for how long it is good. What it does not know it
//! refuses: a token comes from outside, and libraries differ in what they let pass.

mod algorithm;
mod claims;
mod compact;
mod json;
mod keys;
mod verify;

pub use algorithm::Algorithm;
pub use claims::{ClaimPath, ClaimPathError, Claims};
pub use compact::MAX_TOKEN_BYTES;
pub use keys::{KeySet, KeySetError, MAX_KEY_SET_BYTES, MAX_KEYS};
pub use verify::{Audience, Issuer, TokenFault, Verified, check_claims, verify};

#[cfg(test)]
mod tests;
