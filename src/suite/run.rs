//! Runs tests.

use super::held::Held;
use super::{Act, Asked, Case, Coverage, Expected, Step, Suite};
use crate::clock::Tick;
use crate::decision::{Decision, Denial, Permit, Verdict, Work, whole_seconds};
use crate::dry_run::{End, Logins, Quotas, Told, ask};
use crate::gate::login_rates;
use crate::limit::Ledger;
use crate::policy::{Limits, Policy, World};
use crate::request::{GroupingKey, Web};
use std::collections::BTreeSet;
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

/// Runs one test from nothing spent; a step that goes otherwise ends it.
pub fn run(policy: &Arc<Policy>, suite: &Suite, case: &Case, coverage: &mut Coverage) -> Ran {
    let mut run = Run { policy, suite, ledgers: Ledgers::default(), held: Held::default(), coverage, requests: 0 };
    let failure = case.steps.iter().enumerate().find_map(|(index, step)| match &step.act {
        Act::Ask(asked) => run.ask(index, step, asked),
        Act::Sweep(expected) => run.sweep(step, expected),
    });
    Ran { name: case.name.clone(), requests: run.requests, failure }
}

/// A test that is run.
struct Run<'a> {
    policy: &'a Arc<Policy>,
    suite: &'a Suite,
    ledgers: Ledgers,
    held: Held,
    coverage: &'a mut Coverage,
    requests: usize,
}

/// What is spent.
struct Ledgers {
    quotas: Ledger,
    logins: Ledger,
    limits: Limits,
}

impl Default for Ledgers {
    fn default() -> Self {
        let limits = Limits::default();
        Self { quotas: Ledger::new(limits.quota_keys), logins: Ledger::new(limits.quota_keys), limits }
    }
}

impl Run<'_> {
    fn ask(&mut self, index: usize, step: &Step, asked: &Asked) -> Option<Failure> {
        let world = World { policy: self.policy.clone(), sets: asked.sets.clone(), ..World::default() };
        let wall = self.suite.start + step.at;
        let question = asked.request.question(self.policy, &Web::default(), wall);
        let now = Tick::default().plus(step.at);
        for round in 1..=asked.times {
            let logins = Logins { ledger: &self.ledgers.logins, rates: login_rates(&self.ledgers.limits) };
            let told = ask(&world, &question, Quotas::Kept { ledger: &self.ledgers.quotas, logins, now });
            self.requests += 1;
            self.coverage.note(&told);
            let differences = differences(&asked.expected, &told);
            if !differences.is_empty() {
                let why = told.denial().map(why).unwrap_or_default();
                return Some(Failure {
                    line: step.line,
                    request: request(index, round, step, asked),
                    differences,
                    why,
                });
            }
            if let End::Decided(Decision { verdict: Verdict::Allow(permit), .. }) = &told.end {
                self.held.note(permit, wall);
            }
        }
        None
    }

    fn sweep(&mut self, step: &Step, expected: &BTreeSet<String>) -> Option<Failure> {
        let swept = self.held.sweep(&self.policy.ttl, self.suite.start + step.at);
        let stopped =
            |(due, most)| format!("{due} groups are due, and a sweep that is not forced removes {most} at most");
        let why = swept.as_ref().err().copied().map(stopped).unwrap_or_default();
        let (found, list) = (swept.unwrap_or_default(), |set: &BTreeSet<String>| format!("{set:?}"));
        if found == *expected && why.is_empty() {
            return None;
        }
        let differences = vec![Difference { what: "swept", expected: list(expected), found: list(&found) }];
        let request = format!("a sweep at {}", humantime::format_duration(step.at));
        Some(Failure { line: step.line, request, differences, why })
    }
}

fn why(denial: &Denial) -> String {
    let more = if denial.detail.is_empty() { denial.public_text() } else { denial.detail.clone() };
    format!("{}: {more}", denial.reason.code())
}

fn request(index: usize, round: u32, step: &Step, asked: &Asked) -> String {
    let round = if asked.times > 1 { format!(", time {round} of {}", asked.times) } else { String::new() };
    let at = humantime::format_duration(step.at);
    format!("request {} at {at}{round}: {} {}", index + 1, asked.request.method, asked.request.target)
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
