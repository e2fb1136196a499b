//! What was checked, in order, for those who ask: a dry run does, the live path does not and pays nothing for it.

use super::{Denial, Facts, Identity, Reason, Step, WouldDeny};
use crate::policy::{Mode, World};
use std::sync::Arc;
use std::time::SystemTime;

/// A check of [`decide`](super::decide), in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Whether any principal may be used from where the request comes.
    Source,
    /// Whether it names exactly one group or page, by a method that this takes.
    Target,
    /// Whether a browser sends it for another site.
    Origin,
    /// Who sends it.
    Credential,
    /// Whether that principal may do it.
    Grant,
    /// What the head says of the body.
    Declared,
    /// Whether quotas are left.
    Quota,
    /// What the body holds.
    Payload,
    /// Whether the gateway can hold it beside all that it holds.
    Store,
}

impl Stage {
    /// Every check, in order.
    pub const ALL: &'static [Self] = &[
        Self::Source,
        Self::Target,
        Self::Origin,
        Self::Credential,
        Self::Grant,
        Self::Declared,
        Self::Quota,
        Self::Payload,
        Self::Store,
    ];

    /// The name that a dry run prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Origin => "origin",
            Self::Credential => "credential",
            Self::Grant => "grant",
            Self::Declared => "length",
            Self::Quota => "quota",
            Self::Payload => "payload",
            Self::Store => "store",
        }
    }
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It refused the request.
    Refused(Reason),
    /// It would have refused the request, and only reports.
    WouldRefuse(Reason),
    /// It wants a fact before it can say.
    Asks,
}

/// One check that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which.
    pub stage: Stage,
    /// What it came to.
    pub outcome: Outcome,
    /// The rule of the policy that decided it.
    pub rule: Option<Arc<str>>,
    /// What was found, for the operator.
    pub note: String,
}

/// What [`decide`](super::decide) writes down on its way.
pub(super) struct Notes {
    pub(super) identity: Identity,
    pub(super) would_deny: Option<Box<WouldDeny>>,
    /// Whether the whole policy only reports.
    whole: bool,
    now: Option<SystemTime>,
    stage: Stage,
    /// None where nobody asks.
    trail: Option<Vec<Check>>,
}

impl Notes {
    pub(super) fn new(world: &World, facts: &Facts, wanted: bool) -> Self {
        Self {
            identity: Identity::default(),
            would_deny: None,
            whole: world.policy.mode.reports(facts.now),
            now: facts.now,
            stage: Stage::Source,
            trail: wanted.then(Vec::new),
        }
    }

    /// Whether a rule of that mode only reports, by itself.
    pub(super) fn rule_reports(&self, mode: Mode) -> bool {
        mode.reports(self.now)
    }

    /// Whether a rule of that mode only reports, by itself or with the whole policy.
    pub(super) fn reports(&self, mode: Mode) -> bool {
        self.whole || self.rule_reports(mode)
    }

    pub(super) fn trail(self) -> Vec<Check> {
        self.trail.unwrap_or_default()
    }

    /// What follows belongs to that check.
    pub(super) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// The check passed, by a rule where one decided.
    pub(super) fn passed(&mut self, found: impl FnOnce() -> (Option<Arc<str>>, String)) {
        let stage = self.stage;
        if let Some(trail) = &mut self.trail {
            let (rule, note) = found();
            trail.push(Check { stage, outcome: Outcome::Passed, rule, note });
        }
    }

    /// The check refuses the request, by the rule where one stands behind it.
    pub(super) fn refused(&mut self, denial: &Denial) {
        let stage = self.stage;
        if let Some(trail) = &mut self.trail {
            let rule = self.identity.rule.clone().filter(|_| matches!(stage, Stage::Grant | Stage::Quota));
            trail.push(Check { stage, outcome: Outcome::Refused(denial.reason), rule, note: operators_text(denial) });
        }
    }

    /// The check would refuse the request, but only reports. Of several the first counts: it is the refusal that the
    /// client would have got.
    pub(super) fn would_refuse(&mut self, denial: Denial, rule: Option<Arc<str>>) {
        let stage = self.stage;
        if let Some(trail) = &mut self.trail {
            let (outcome, rule) = (Outcome::WouldRefuse(denial.reason), rule.clone());
            trail.push(Check { stage, outcome, rule, note: operators_text(&denial) });
        }
        self.would_deny.get_or_insert_with(|| Box::new(WouldDeny { denial, rule }));
    }

    /// Lets pass what is refused while the whole policy only reports: the request goes on without what was looked for.
    pub(super) fn excuse<T>(&mut self, checked: Result<T, Box<Denial>>) -> Result<Option<T>, Box<Denial>> {
        match checked {
            Ok(found) => Ok(Some(found)),
            Err(denial) if self.whole => {
                let rule = self.identity.rule.take();
                self.would_refuse(*denial, rule);
                Ok(None)
            }
            Err(denial) => Err(denial),
        }
    }

    pub(super) fn asks(&mut self, step: &Step) {
        let stage = self.stage;
        if let Some(trail) = &mut self.trail {
            trail.push(Check { stage, outcome: Outcome::Asks, rule: None, note: question(step) });
        }
    }
}

fn operators_text(denial: &Denial) -> String {
    if denial.detail.is_empty() { denial.public_text() } else { denial.detail.clone() }
}

fn question(step: &Step) -> String {
    match step {
        Step::Verify(claim) => format!("does the password of {:?} hold?", claim.username),
        Step::VerifyToken(claim) => {
            let names: Vec<&str> = claim.issuers.iter().map(|issuer| &*issuer.token.name).collect();
            format!("is the token one of {}?", names.join(", "))
        }
        Step::Charge(charge) => {
            let shown = |entry: &super::ChargeEntry| match entry.value.as_str() {
                "" => entry.rule.to_string(),
                value => format!("{} for {value:?}", entry.rule),
            };
            let entries: Vec<String> = charge.entries.iter().map(shown).collect();
            format!("is one left of {}?", entries.join(", "))
        }
        Step::Inspect(admission) => format!("what is in the body of at most {} bytes?", admission.max_bytes()),
        Step::Reserve(reservation) => {
            format!("can the gateway hold it beside what it holds? The group {:?}", reservation.key)
        }
        Step::Done(_) => String::new(),
    }
}
