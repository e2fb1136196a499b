//! Runs tests.

use super::{Case, Coverage, Expected, Step, Suite};
use crate::clock::Tick;
use crate::decision::{Decision, Denial, Permit, Verdict, Work, whole_seconds};
use crate::dry_run::{End, Logins, Quotas, Told, ask};
use crate::gate::login_rates;
use crate::limit::Ledger;
use crate::policy::{Limits, Policy, World};
use crate::request::{GroupingKey, Web};
use std::sync::Arc;
use std::time::Duration;

/// A test that was run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its name.
    pub name: String,
    /// Requests that were sent.
    pub requests: usize,
    /// The first request that went otherwise, if any.
    pub failure: Option<Failure>,
}

/// A request that went otherwise than expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the request.
    pub line: Option<usize>,
    /// Which request, in words.
    pub request: String,
    /// What differs.
    pub differences: Vec<Difference>,
    /// Why it was refused, where it was.
    pub why: String,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: &'static str,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// Runs one test from nothing spent; a request that goes otherwise ends it.
pub fn run(policy: &Arc<Policy>, suite: &Suite, case: &Case, coverage: &mut Coverage) -> Ran {
    let limits = Limits::default();
    let (quotas, logins) = (Ledger::new(limits.quota_keys), Ledger::new(limits.quota_keys));
    let mut ran = Ran { name: case.name.clone(), requests: 0, failure: None };
    for (index, step) in case.steps.iter().enumerate() {
        let world = World { policy: policy.clone(), sets: step.sets.clone(), ..World::default() };
        let question = step.request.question(policy, &Web::default(), suite.start + step.at);
        let now = Tick::default().plus(step.at);
        for round in 1..=step.times {
            let logins = Logins { ledger: &logins, rates: login_rates(&limits) };
            let told = ask(&world, &question, Quotas::Kept { ledger: &quotas, logins, now });
            ran.requests += 1;
            coverage.note(&told);
            let differences = differences(&step.expected, &told);
            if !differences.is_empty() {
                ran.failure = Some(Failure {
                    line: step.line,
                    request: request(index, round, step),
                    differences,
                    why: told.denial().map(why).unwrap_or_default(),
                });
                return ran;
            }
        }
    }
    ran
}

fn why(denial: &Denial) -> String {
    let more = if denial.detail.is_empty() { denial.public_text() } else { denial.detail.clone() };
    format!("{}: {more}", denial.reason.code())
}

fn request(index: usize, round: u32, step: &Step) -> String {
    let round = if step.times > 1 { format!(", time {round} of {}", step.times) } else { String::new() };
    let at = humantime::format_duration(step.at);
    format!("request {} at {at}{round}: {} {}", index + 1, step.request.method, step.request.target)
}

/// Everything that is expected and not so.
fn differences(expected: &Expected, told: &Told) -> Vec<Difference> {
    let found = Found::of(told);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let mut differences = Vec::new();
    let mut compare = |what, expected: Option<String>, found: &Option<String>| {
        if let Some(expected) = expected.filter(|expected| Some(expected) != found.as_ref()) {
            differences.push(Difference { what, expected, found: text(found) });
        }
    };
    let verdict = |allowed: bool| if allowed { "allow" } else { "deny" }.to_owned();
    compare("verdict", expected.allowed.map(verdict), &Some(told.verdict().to_owned()));
    compare("reason", expected.reason.map(|r| r.code().to_owned()), &found.reason);
    compare("would_deny", expected.would_deny.map(|r| r.code().to_owned()), &found.would_deny);
    compare("rule", expected.rule.clone(), &found.rule);
    compare("principal", expected.principal.clone(), &found.principal);
    compare("operation", expected.operation.clone(), &found.operation);
    compare("upstream", expected.upstream.clone(), &found.upstream);
    compare("job", expected.job.clone(), &found.job);
    compare("labels", expected.labels.as_ref().map(|labels| format!("{labels:?}")), &found.labels);
    compare("retry_after", expected.retry_after.map(seconds), &found.retry_after);
    differences
}

fn seconds(duration: Duration) -> String {
    format!("{}s", whole_seconds(duration))
}

/// What can be expected, as it was found.
#[derive(Default)]
struct Found {
    reason: Option<String>,
    would_deny: Option<String>,
    rule: Option<String>,
    principal: Option<String>,
    operation: Option<String>,
    upstream: Option<String>,
    job: Option<String>,
    labels: Option<String>,
    retry_after: Option<String>,
}

impl Found {
    fn of(told: &Told) -> Self {
        let mut found = match &told.end {
            End::Decided(decision) => Self::decided(decision),
            _ => Self::default(),
        };
        if let Some(denial) = told.denial() {
            found.reason = Some(denial.reason.code().to_owned());
            found.retry_after = denial.retry.as_ref().map(|retry| seconds(retry.wait));
        }
        found
    }

    fn decided(decision: &Decision) -> Self {
        let identity = &decision.identity;
        let mut found = Self {
            would_deny: decision.would_deny.as_ref().map(|would| would.denial.reason.code().to_owned()),
            rule: identity.rule.as_ref().map(ToString::to_string),
            principal: identity.principal.as_ref().map(ToString::to_string),
            operation: identity.operation.map(|operation| operation.name().to_owned()),
            ..Self::default()
        };
        if let Verdict::Allow(permit) = &decision.verdict {
            let (method, path) = permit.upstream();
            found.upstream = Some(format!("{method} {path}"));
            if let Some(key) = key(permit) {
                found.job = Some(key.job().to_owned());
                found.labels = Some(format!("{:?}", key.labels()));
            }
        }
        found
    }
}

fn key(permit: &Permit) -> Option<&GroupingKey> {
    match permit.work() {
        Work::Push(key) | Work::Replace(key) | Work::Delete(key) | Work::Empty(key) => Some(key),
        Work::Read(_) => None,
    }
}
