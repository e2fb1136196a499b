//! What no test has reached.

use crate::decision::{Check, Outcome, Reason, Stage};
use crate::dry_run::Told;
use crate::policy::{From, Grant, Operation, Policy, Principal};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rules and reasons that tests have reached.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    grants: BTreeSet<Arc<str>>,
    reasons: BTreeSet<Reason>,
}

impl Coverage {
    pub(super) fn note(&mut self, told: &Told) {
        let granted = |check: &&Check| check.stage == Stage::Grant && check.outcome == Outcome::Passed;
        self.grants.extend(told.checks.iter().filter(granted).filter_map(|check| check.rule.clone()));
        self.reasons.extend(told.denial().map(|denial| denial.reason));
        self.reasons.extend(told.checks.iter().filter_map(|check| match check.outcome {
            Outcome::WouldRefuse(reason) => Some(reason),
            _ => None,
        }));
    }

    /// The grants of the policy that no test was let through by.
    pub fn grants_missed<'p>(&self, policy: &'p Policy) -> Vec<&'p str> {
        let grants = policy.principals.iter().flat_map(|principal| &principal.grants);
        grants.map(|grant| &*grant.name).filter(|name| !self.grants.contains(*name)).collect()
    }

    /// The reasons that the policy can refuse for and no test was refused for.
    pub fn reasons_missed(&self, policy: &Policy) -> Vec<&'static str> {
        let principals = &policy.principals;
        let all_from_anywhere = principals.iter().any(|p| matches!(p.from, From::Anywhere | From::Prefer(_)));
        let grants = || principals.iter().flat_map(|principal| &principal.grants);
        let grants_all =
            |p: &Principal| Operation::ALL.iter().all(|o| p.grants.iter().any(|g| g.operations.contains(*o)));
        let any_label = |g: &Grant| g.further.as_ref().is_some_and(|further| further.source() == "*");
        let possible = [
            (Reason::SourceNotAllowed, !all_from_anywhere),
            (Reason::CredentialMissing, principals.iter().any(|p| !p.anonymous)),
            (Reason::CredentialRejected, principals.iter().any(|p| !p.anonymous)),
            (Reason::OperationNotGranted, principals.iter().any(|p| !grants_all(p))),
            (Reason::JobNotGranted, grants().any(|g| !g.jobs.is_empty() && g.jobs.iter().all(|j| j.source() != "*"))),
            (Reason::LabelNotGranted, grants().any(|g| !g.jobs.is_empty() && !any_label(g))),
            (Reason::QuotaExhausted, grants().next().is_some()),
            (Reason::PayloadInvalid, grants().any(|g| !g.jobs.is_empty())),
        ];
        let missed = possible.into_iter().filter(|(reason, possible)| *possible && !self.reasons.contains(reason));
        missed.map(|(reason, _)| reason.code()).collect()
    }
}
