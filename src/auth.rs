//! Credentials: what is presented, and how it is proven.
//!
//! Passwords are kept as argon2id hashes ([`PasswordHash`]), checked one at a time in one preallocated arena
//! ([`Verifier`]), once for all equal attempts at a time ([`Attempts`]), and remembered only when they were right ([`Cache`]).
//! Tokens are signed by an issuer and verified with its public keys ([`token`]). What is wrong with either is one of a
//! closed set ([`Flaw`]).

pub mod attempts;
pub mod cache;
pub mod flaw;
pub mod phc;
pub mod token;
pub mod undecided;
pub mod verifier;

pub use attempts::Attempts;
pub use cache::Cache;

pub use flaw::{Flaw, Ground};
pub use phc::{Argon2id, Params, PasswordHash, PhcError};
pub use undecided::{Undecided, UnderWay};
pub use verifier::{Busy, Size, Verifier};
