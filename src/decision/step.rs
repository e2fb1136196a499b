//! What [`decide`](super::decide) answers, and the facts it is given.

use super::{Denial, ExhaustedRule};
use crate::auth::PasswordHash;
use crate::limit::Rate;
use crate::payload::Summary;
use crate::policy::{Operation, PayloadLimits, QuotaRule};
use crate::request::{GroupingKey, Read};
use crate::secret::Secret;
use std::sync::Arc;
use std::time::Duration;

/// The next thing to do: fetch a fact and ask again, or act on the decision.
#[derive(Clone, Debug)]
pub enum Step {
    /// Find out whether the credential holds.
    Verify(Claim),
    /// Charge the quotas.
    Charge(Charge),
    /// Read the body and look into it.
    Inspect(Admission),
    /// Nothing more to find out.
    Done(Decision),
}

/// What was found out so far. All start unknown.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether the credential holds.
    pub login: Option<Result<(), LoginFailure>>,
    /// Whether the quotas were charged.
    pub charged: Option<Charged>,
    /// Whether those were charged that count only what the body made of the request.
    pub charged_for_body: Option<Charged>,
    /// What the body holds, or why it is refused.
    pub body: Option<Result<Summary, Denial>>,
}

/// Whether quotas were charged; else the index of the exhausted entry and the wait.
pub type Charged = Result<(), (usize, Duration)>;

/// A password to verify.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The principal that it would prove; none for an unknown user, whose password is hashed all the same.
    pub principal: Option<usize>,
    /// The user name, for the cache of verified passwords.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The hashes to try; the decoy's for an unknown user.
    pub hashes: Arc<[PasswordHash]>,
}

/// Why a credential did not become a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// It does not verify.
    Rejected,
    /// The source has failed too often.
    Throttled {
        /// The budget.
        rule: ExhaustedRule,
        /// How long until it may try again.
        wait: Duration,
    },
    /// The verifier has no room.
    Busy,
}

/// Quotas to charge, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whether the body made it necessary: [`Facts::charged_for_body`] is the answer then, else [`Facts::charged`].
    pub for_body: bool,
    /// What to charge.
    pub entries: Vec<ChargeEntry>,
}

/// One quota to charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeEntry {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The principal that it is counted for; none for a shared rule.
    pub principal: Option<Arc<str>>,
    /// The value that it is counted under.
    pub value: String,
    /// The rate.
    pub rate: Rate,
}

impl ChargeEntry {
    pub(super) fn new(rule: &QuotaRule, principal: Option<&Arc<str>>, value: String) -> Self {
        Self { rule: rule.name.clone(), principal: principal.cloned(), value, rate: rule.rate }
    }

    pub(super) fn exhausted_rule(&self) -> ExhaustedRule {
        ExhaustedRule { name: self.rule.to_string(), burst: self.rate.burst(), period: self.rate.period() }
    }
}

/// Proof that the body may be read. Only `decide` makes one.
#[derive(Clone, Debug)]
pub struct Admission {
    pub(super) limits: PayloadLimits,
}

impl Admission {
    /// The most bytes to read, whatever the client declares.
    pub fn max_bytes(&self) -> u64 {
        self.limits.max_bytes
    }
}

/// Proof that the gateway may be contacted, and what to ask of it. Only `decide` makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    pub(super) operation: Operation,
    pub(super) work: Work,
}

/// What to ask of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// `POST` the body.
    Push(GroupingKey),
    /// `PUT` the body.
    Replace(GroupingKey),
    /// `DELETE` the group.
    Delete(GroupingKey),
    /// `PUT` nothing: the group keeps its push times and loses its metrics.
    Empty(GroupingKey),
    /// `GET` a page.
    Read(Read),
}

impl Permit {
    /// The operation that is permitted.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// What to ask of the gateway.
    pub fn work(&self) -> &Work {
        &self.work
    }
}

/// The outcome.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Forward it.
    Allow(Permit),
    /// Refuse it.
    Deny(Denial),
}

/// A verdict and who and what it was about.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The outcome.
    pub verdict: Verdict,
    /// Who and what, as far as it was known.
    pub identity: Identity,
    /// The world that judged.
    pub generation: u64,
}

/// Who asked for what, by which rule it was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The operation.
    pub operation: Option<Operation>,
    /// The principal.
    pub principal: Option<Arc<str>>,
    /// The grant or quota that decided; where no grant covers the request, the one that came nearest.
    pub rule: Option<Arc<str>>,
}

impl Decision {
    /// The denial, where it is one.
    pub fn denial(&self) -> Option<&Denial> {
        match &self.verdict {
            Verdict::Deny(denial) => Some(denial),
            Verdict::Allow(_) => None,
        }
    }
}
