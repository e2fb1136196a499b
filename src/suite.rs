//! Unit tests of policies: requests on a simulated clock, and what is expected to become of them.
//!
//! Each test starts with nothing spent. Its requests are asked of the function that judges live traffic, with quotas in
//! a ledger like the live one.

mod coverage;
mod held;
mod junit;
mod run;
mod text;

pub use coverage::Coverage;
pub use junit::junit;
pub use run::{Difference, Failure, Ran, run};
pub use text::text;

use crate::decision::Reason;
use crate::dry_run::Described;
use crate::policy::NamedSets;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The tests of one policy.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The policy's file.
    pub policy: PathBuf,
    /// The time that the tests call `0s`.
    pub start: SystemTime,
    /// The tests.
    pub cases: Vec<Case>,
}

/// One test.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Its requests, in order.
    pub steps: Vec<Step>,
}

/// One step of a test.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line in its file, where it is known.
    pub line: Option<usize>,
    /// When, from the start.
    pub at: Duration,
    /// What happens then.
    pub act: Act,
}

/// What happens in a test.
#[derive(Clone, Debug)]
pub enum Act {
    /// A request.
    Ask(Box<Asked>),
    /// A sweep by the policy's `ttl`, and the paths of all groups that it removes, of those that the test has pushed.
    Sweep(BTreeSet<String>),
}

/// One request of a test.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How often it is sent at that time.
    pub times: u32,
    /// The request.
    pub request: Described,
    /// What the fetched address sets hold then.
    pub sets: Arc<NamedSets>,
    /// What is expected of each.
    pub expected: Expected,
}

/// What is expected; nothing is expected of what is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Whether it is allowed.
    pub allowed: Option<bool>,
    /// Why it is refused.
    pub reason: Option<Reason>,
    /// What a rule in report mode would have refused it for.
    pub would_deny: Option<Reason>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The principal.
    pub principal: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// Method and path that the gateway gets.
    pub upstream: Option<String>,
    /// The job that is written.
    pub job: Option<String>,
    /// The grouping labels that are written, all of them.
    pub labels: Option<BTreeMap<String, String>>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}
