//! The answer for a program.

use super::{Asked, permit};
use crate::decision::{Check, Decision, Outcome};
use crate::dry_run::{End, Told};
use serde_json::{Value, json};

/// The whole answer as one object.
pub fn json(asked: &Asked, told: &Told) -> Value {
    let decision = match &told.end {
        End::Decided(decision) => Some(decision),
        _ => None,
    };
    let identity = |get: fn(&Decision) -> Option<&str>| decision.and_then(get);
    let denial = told.denial();
    let would_deny = decision
        .and_then(|d| d.would_deny.as_deref())
        .map(|would| json!({ "reason": would.denial.reason.code(), "rule": would.rule.as_deref() }));
    json!({
        "request": asked.request,
        "verdict": told.verdict(),
        "status": denial.map(|d| d.reason.status()),
        "reason": denial.map(|d| d.reason.code()),
        "answer": denial.map(|d| d.answer()),
        "retry_after_seconds": denial.and_then(|d| d.retry.as_ref()).map(|r| crate::decision::whole_seconds(r.wait)),
        "operation": identity(|d| d.identity.operation.map(|o| o.name())),
        "principal": identity(|d| d.identity.principal.as_deref()),
        "rule": identity(|d| d.identity.rule.as_deref()),
        "would_deny": would_deny,
        "upstream": permit(told).map(|permit| {
            let (method, path) = permit.upstream();
            json!({ "method": method, "path": path })
        }),
        "undecided": match &told.end { End::Undecided(missing) => Some(missing.to_string()), _ => None },
        "assumed": told.assumed,
        "warnings": asked.warnings,
        "checks": told.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(check: &Check) -> Value {
    let (outcome, reason) = match check.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Refused(reason) => ("refused", Some(reason.code())),
        Outcome::WouldRefuse(reason) => ("would_refuse", Some(reason.code())),
        Outcome::Asks => ("not_known", None),
    };
    json!({
        "check": check.stage.name(),
        "outcome": outcome,
        "reason": reason,
        "rule": check.rule.as_deref(),
        "note": check.note,
    })
}
