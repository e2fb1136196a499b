//! A decision is a value: what was decided, why, and what follows from it.
//!
//! [`decide`] is the one function that judges a request. The live proxy calls it, and so does everything that answers
//! "what would this policy do?" without a network.

mod decide;
mod denial;
mod inspect;
mod reason;
mod step;
mod text;

pub use text::whole_seconds;

pub use decide::decide;
pub use denial::{Denial, ExhaustedRule, Exhaustion};
pub use reason::Reason;
pub use step::{
    Admission, Charge, ChargeEntry, Charged, Claim, Decision, Facts, Identity, LoginFailure, Permit, Step, Verdict,
    Work,
};

#[cfg(test)]
mod tests;
