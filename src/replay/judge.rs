//! One recorded request, judged.

use crate::access_log::{Recorded, Who};
use crate::clock::Tick;
use crate::decision::{Decision, Facts, Inspected, LoginFailure, Reason, Step, Verdict, decide};
use crate::dry_run::{Missing, Token};
use crate::gate;
use crate::limit::Ledger;
use crate::payload::Summary;
use crate::policy::{Limits, World};
use crate::request::Method;
use std::sync::Arc;
use std::time::SystemTime;

/// A policy that recorded requests are asked of, and what they have spent of its quotas.
pub struct Judge {
    world: World,
    listener: Option<Arc<str>>,
    /// The principal that requests without a credential are taken for.
    taken_for: Option<String>,
    ledger: Ledger,
    start: Option<SystemTime>,
    /// The time of lines without one.
    now: SystemTime,
}

/// Why a request was refused: the reason and the rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Why {
    /// The reason's code.
    pub reason: String,
    /// The rule, where one stands behind it.
    pub rule: Option<Arc<str>>,
}

/// What would have become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It would have passed, as far as its head tells.
    Allowed {
        /// The principal.
        principal: Option<Arc<str>>,
        /// What a rule in report mode would have refused it for.
        would_deny: Option<Why>,
    },
    /// It would have been refused.
    Denied {
        /// The principal, where it was known.
        principal: Option<Arc<str>>,
        /// Why.
        why: Why,
    },
    /// The line does not tell enough.
    Undecided(String),
}

impl Judge {
    /// A judge who has seen nothing yet. `listener` stands in where a line names none; without one such
    /// a line is undecided.
    pub fn new(world: World, listener: Option<Arc<str>>, taken_for: Option<String>, now: SystemTime) -> Self {
        let ledger = Ledger::new(Limits::default().quota_keys);
        Self { world, listener, taken_for, ledger, start: None, now }
    }

    /// Judges the next request.
    pub fn judge(&mut self, recorded: &Recorded<'_>) -> Judged {
        let taken_for = self.taken_for.clone().filter(|_| recorded.who == Who::Nobody);
        let replaced;
        let recorded = match taken_for {
            Some(name) => {
                replaced = Recorded { who: Who::Principal(name.into()), ..recorded.clone() };
                &replaced
            }
            None => recorded,
        };
        match self.decide(recorded) {
            Ok(decision) => self.told(recorded, decision),
            Err(missing) => Judged::Undecided(missing.to_string()),
        }
    }

    fn decide(&mut self, recorded: &Recorded<'_>) -> Result<Decision, Missing> {
        let named = recorded.listener.as_deref().map(Arc::from);
        let Some(listener) = named.as_ref().or(self.listener.as_ref()) else { return Err(Missing::Listener) };
        let head = recorded.head(&self.world.policy, listener);
        let now = recorded.time.unwrap_or(self.now);
        let tick = self.tick(now);
        let mut facts = Facts::at(now);
        loop {
            match decide(&self.world, &head, &facts) {
                Step::Verify(claim) => {
                    let holds = claim.principal.is_some() && recorded.who != Who::Impostor;
                    facts.login = Some(if holds { Ok(()) } else { Err(LoginFailure::Rejected) });
                }
                Step::VerifyToken(claim) => {
                    let Who::Token { issuer, claims } = &recorded.who else { return Err(Missing::Token) };
                    let token = Token { claims: claims.clone(), held: Some(issuer.to_string()) };
                    facts.token = Some(token.verify(&claim, now, &mut Vec::new())?);
                }
                Step::Charge(charge) => {
                    let charged = Some(gate::charge(&self.ledger, &charge, tick));
                    *(if charge.for_body { &mut facts.charged_for_body } else { &mut facts.charged }) = charged;
                }
                Step::Inspect(_) => facts.body = Some(Ok(inspected(recorded)?)),
                // What the gateway held then is not known; what it took then it had room for.
                Step::Reserve(_) => facts.reserved = Some(Ok(())),
                Step::Done(decision) => return Ok(decision),
            }
        }
    }

    /// Time since the first line, on the ledger's clock.
    fn tick(&mut self, now: SystemTime) -> Tick {
        let start = *self.start.get_or_insert(now);
        // A line that is older than the first belongs to its beginning.
        Tick::default().plus(now.duration_since(start).unwrap_or_default())
    }

    fn told(&self, recorded: &Recorded<'_>, decision: Decision) -> Judged {
        let reason = decision.denial().map(|denial| denial.reason);
        if reason == Some(Reason::RangesUnavailable) {
            let names = self.world.policy.set_names().into_iter().map(str::to_owned).collect();
            return Judged::Undecided(Missing::Sets(names).to_string());
        }
        if recorded.who == Who::Unknown && reason.is_none_or(|reason| !BEFORE_CREDENTIAL.contains(&reason)) {
            return Judged::Undecided(Missing::Credential.to_string());
        }
        let principal = decision.identity.principal.clone();
        match decision.verdict {
            Verdict::Allow(_) => {
                let would_deny = decision
                    .would_deny
                    .map(|would| Why { reason: would.denial.reason.code().to_owned(), rule: would.rule });
                Judged::Allowed { principal, would_deny }
            }
            Verdict::Deny(denial) => {
                // Our own line knows which of the reasons for a bad target it was.
                let known = Some(&*recorded.then.reason).filter(|then| then.starts_with("target_"));
                let code = known.filter(|_| denial.reason == Reason::TargetUnknown).unwrap_or(denial.reason.code());
                let why = Why { reason: code.to_owned(), rule: decision.identity.rule };
                Judged::Denied { principal, why }
            }
        }
    }
}

/// What is decided before anybody looks at a credential.
const BEFORE_CREDENTIAL: &[Reason] = &[
    Reason::SourceUnknown,
    Reason::SourceNotAllowed,
    Reason::TargetAmbiguous,
    Reason::TargetUnknown,
    Reason::MethodNotAllowed,
    Reason::OriginNotAllowed,
];

/// A body that was not refused then had samples, unless the line says that it made a delete of the request.
fn inspected(recorded: &Recorded<'_>) -> Result<Inspected, Missing> {
    if recorded.then.reason.starts_with("payload_") || recorded.then.reason == "body_incomplete" {
        return Err(Missing::Body);
    }
    let emptied = recorded.method == Method::Put && recorded.then.operation == "delete";
    Ok(Inspected { summary: Summary { series: usize::from(!emptied), ..Summary::default() }, would_deny: None })
}
