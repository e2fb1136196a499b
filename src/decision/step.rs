//! What [`decide`](super::decide) answers, and the facts it is given.

use super::{Denial, ExhaustedRule};
use crate::auth::PasswordHash;
use crate::auth::token::{TokenFault, Verified};
use crate::inventory::{Refusal, Reservation};
use crate::limit::Rate;
use crate::payload::Summary;
use crate::policy::{Issuer, Operation, PayloadLimits, QuotaRule};
use crate::request::{GroupingKey, Read};
use crate::secret::Secret;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The next thing to do: fetch a fact and ask again, or act on the decision.
#[derive(Clone, Debug)]
pub enum Step {
    /// Find out whether the password holds.
    Verify(Claim),
    /// Find out whether the token holds.
    VerifyToken(TokenClaim),
    /// Charge the quotas.
    Charge(Charge),
    /// Read the body and look into it.
    Inspect(Admission),
    /// Reserve what the write will change at the gateway.
    Reserve(Reservation),
    /// Nothing more to find out.
    Done(Decision),
}

/// What was found out so far. All start unknown.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The time; while it is not known, rules that report until a time enforce.
    pub now: Option<SystemTime>,
    /// Whether the password holds.
    pub login: Option<Result<(), LoginFailure>>,
    /// Whether the token's issuer was asked anew for a key that is not known.
    pub keys_asked: bool,
    /// What the token says, if it holds.
    pub token: Option<Result<Verified, TokenFault>>,
    /// Whether the quotas were charged.
    pub charged: Option<Charged>,
    /// Whether those were charged that count only what the body made of the request.
    pub charged_for_body: Option<Charged>,
    /// Whether a quota that was charged is near its end. Nothing is decided by it; it is told.
    pub nearly_spent: bool,
    /// What the body holds, or why it is refused.
    pub body: Option<Result<Inspected, Denial>>,
    /// Whether what the write will change was reserved.
    pub reserved: Option<Result<(), Refusal>>,
}

impl Facts {
    /// Nothing but the time.
    pub fn at(now: SystemTime) -> Self {
        Self { now: Some(now), ..Self::default() }
    }
}

/// A body that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// What it holds.
    pub summary: Summary,
    /// What it would have been refused for by a rule that only reports.
    pub would_deny: Option<Denial>,
}

/// Whether quotas were charged; else the index of an exhausted entry and the wait. Where that entry only reports, those
/// that enforce were charged.
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

/// A token to verify.
#[derive(Clone, Debug)]
pub struct TokenClaim {
    /// The token.
    pub token: Secret,
    /// The issuers that are taken from this source.
    pub issuers: Vec<Arc<Issuer>>,
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
    /// Whether its exhaustion refuses nothing.
    pub reports: bool,
}

impl ChargeEntry {
    pub(super) fn new(rule: &QuotaRule, principal: Option<&Arc<str>>, value: String, reports: bool) -> Self {
        Self { rule: rule.name.clone(), principal: principal.cloned(), value, rate: rule.rate, reports }
    }

    pub(super) fn exhausted_rule(&self) -> ExhaustedRule {
        ExhaustedRule { name: self.rule.to_string(), burst: self.rate.burst(), period: self.rate.period() }
    }
}

/// Proof that the body may be read. Only `decide` makes one.
#[derive(Clone, Debug)]
pub struct Admission {
    pub(super) principal: Option<Arc<str>>,
    pub(super) limits: PayloadLimits,
    /// Whether rules on the content only report; syntax, sizes and what breaks the scrape always refuse.
    pub(super) reports: bool,
}

impl Admission {
    /// Whose body it is; nobody's where a credential is only reported on.
    pub fn principal(&self) -> Option<&Arc<str>> {
        self.principal.as_ref()
    }

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

    /// The method and the path that the gateway gets.
    pub fn upstream(&self) -> (&'static str, String) {
        match &self.work {
            Work::Push(key) => ("POST", key.upstream_path()),
            Work::Replace(key) | Work::Empty(key) => ("PUT", key.upstream_path()),
            Work::Delete(key) => ("DELETE", key.upstream_path()),
            Work::Read(page) => ("GET", page.upstream_path().to_owned()),
        }
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
    /// What the request would have been refused for first, had no rule been in report mode.
    pub would_deny: Option<Box<WouldDeny>>,
    /// The world that judged.
    pub generation: u64,
}

/// A refusal that a rule in report mode did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WouldDeny {
    /// The refusal.
    pub denial: Denial,
    /// The rule, where one stands behind it.
    pub rule: Option<Arc<str>>,
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
    /// The issuer of a token that holds.
    pub issuer: Option<Arc<str>>,
    /// What the policy reads of that token, as a JSON object.
    pub claims: String,
    /// Whether a source that the principal prefers holds the address; none where it prefers none.
    pub preferred: Option<bool>,
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
