//! What was checked, in order, for those who ask: a dry run does, the live path does not and pays nothing for it.

use super::{Denial, Identity, Reason, Step};
use std::sync::Arc;

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
    stage: Stage,
    /// None where nobody asks.
    trail: Option<Vec<Check>>,
}

impl Notes {
    pub(super) fn new(wanted: bool) -> Self {
        Self { identity: Identity::default(), stage: Stage::Source, trail: wanted.then(Vec::new) }
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

    pub(super) fn refused(&mut self, denial: &Denial) {
        let stage = self.stage;
        if let Some(trail) = &mut self.trail {
            let rule = self.identity.rule.clone().filter(|_| matches!(stage, Stage::Grant | Stage::Quota));
            trail.push(Check { stage, outcome: Outcome::Refused(denial.reason), rule, note: operators_text(denial) });
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
        Step::Charge(charge) => {
            let shown = |entry: &super::ChargeEntry| match entry.value.as_str() {
                "" => entry.rule.to_string(),
                value => format!("{} for {value:?}", entry.rule),
            };
            let entries: Vec<String> = charge.entries.iter().map(shown).collect();
            format!("is one left of {}?", entries.join(", "))
        }
        Step::Inspect(admission) => format!("what is in the body of at most {} bytes?", admission.max_bytes()),
        Step::Done(_) => String::new(),
    }
}
