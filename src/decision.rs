//! A decision is a value: what was decided, why, and what follows from it.
//!
//! [`decide`] is the one function that judges a request. The live proxy calls it, and so does everything that answers
//! "what would this policy do?" without a network; [`explain`] is the same function with its notes.

mod candidates;
mod challenge;
mod credential;
mod decide;
mod denial;
mod found;
mod inspect;
mod reason;
mod reserve;
mod step;
mod text;
mod trail;

pub use text::whole_seconds;

pub use challenge::{Bearer, Challenge};
pub use decide::{decide, explain};
pub use denial::{Denial, ExhaustedRule, Exhaustion};
pub use inspect::check as check_body;
pub use reason::Reason;
pub use reserve::learned_owner;
pub use step::{
    Admission, Charge, ChargeEntry, Charged, Claim, Decision, Facts, Identity, Inspected, LoginFailure, Permit, Step,
    TokenClaim, Verdict, Work, WouldDeny,
};
pub use trail::{Check, Outcome, Stage};

#[cfg(test)]
mod tests;
