//! Requests that are only imagined, asked of the function that judges real ones.
//!
//! What a dry run knows it answers as the gate would; what it cannot know it says, as an assumption that the answer
//! rests on or as the reason why there is none.

mod curl;
mod described;
mod recorded;
mod token;

pub use curl::{Curl, CurlError, Data};
pub use described::{Body, Described};
pub use token::Token;

use crate::clock::Tick;
use crate::decision::{
    Admission, Charge, Check, Claim, Decision, Denial, Facts, Inspected, LoginFailure, Outcome, Reason, Stage, Step,
    Verdict, explain,
};
use crate::gate::{self, LoginRates};
use crate::limit::Ledger;
use crate::policy::{World, source_value};
use crate::request::{Head, Length};
use std::time::SystemTime;

/// An imagined request.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its head, or why it is none.
    pub head: Result<Head, Denial>,
    /// Whether its credential is the right one.
    pub proof: Proof,
    /// What its token says, where that is known; else it is read from the token in the head.
    pub token: Option<Token>,
    /// Its body.
    pub body: Body,
    /// The time.
    pub now: SystemTime,
}

/// Whether a credential would hold. Dry runs hash no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is the right one.
    Right,
    /// It is not.
    Wrong,
    /// It is not known whether there was one.
    Unknown,
}

/// What quotas are charged in.
#[derive(Clone, Copy)]
pub enum Quotas<'l> {
    /// What was spent before is not known, so they are taken as unspent.
    Unknown,
    /// Charged at that time.
    Kept {
        /// What is spent.
        ledger: &'l Ledger,
        /// What is spent of failed logins.
        logins: Logins<'l>,
        /// The time.
        now: Tick,
    },
}

/// The budgets of failed logins.
#[derive(Clone, Copy)]
pub struct Logins<'l> {
    /// What is spent.
    pub ledger: &'l Ledger,
    /// What one source has.
    pub rates: LoginRates,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Told {
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// How it ended.
    pub end: End,
    /// What the answer rests on.
    pub assumed: Vec<String>,
}

/// The end of a dry run.
#[derive(Clone, Debug)]
pub enum End {
    /// It is decided.
    Decided(Decision),
    /// It was no request at all.
    NoRequest(Denial),
    /// It is not decided, for want of a fact.
    Undecided(Missing),
}

/// A fact without which there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// What is in the body.
    #[error("what is in the body is not known")]
    Body,
    /// What is in these address sets.
    #[error("the addresses of the set {} are not known", .0.join(", "))]
    Sets(Vec<String>),
    /// Over which listener it came.
    #[error("it is not told over which listener it came: --listener")]
    Listener,
    /// What the token says.
    #[error("what the token says is not known")]
    Token,
    /// Whether a credential was sent.
    #[error("it is not told whether a credential was sent")]
    Credential,
}

impl Told {
    /// The refusal, where it is one.
    pub fn denial(&self) -> Option<&Denial> {
        match &self.end {
            End::Decided(decision) => decision.denial(),
            End::NoRequest(denial) => Some(denial),
            End::Undecided(_) => None,
        }
    }

    /// `allow`, `deny` or `undecided`.
    pub fn verdict(&self) -> &'static str {
        match &self.end {
            End::Decided(Decision { verdict: Verdict::Allow(_), .. }) => "allow",
            End::Decided(_) | End::NoRequest(_) => "deny",
            End::Undecided(_) => "undecided",
        }
    }
}

/// Asks what would become of a request.
pub fn ask(world: &World, question: &Question, quotas: Quotas<'_>) -> Told {
    let head = match &question.head {
        Ok(head) => head,
        Err(denial) => {
            return Told { checks: Vec::new(), end: End::NoRequest(denial.clone()), assumed: Vec::new() };
        }
    };
    let (mut facts, mut assumed) = (Facts::at(question.now), Vec::new());
    let (mut checks, mut end) = loop {
        let (step, checks) = explain(world, head, &facts);
        match step {
            Step::VerifyToken(claim) => {
                let sent = || Token::sent(claim.token.expose());
                let token = question.token.clone().or_else(sent).ok_or(Missing::Token);
                match token.and_then(|token| token.verify(&claim, question.now, &mut assumed)) {
                    Ok(verified) => facts.token = Some(verified),
                    Err(missing) => break (checks, End::Undecided(missing)),
                }
            }
            Step::Verify(claim) => facts.login = Some(prove(&claim, question.proof, head, quotas, &mut assumed)),
            Step::Charge(charge) => {
                let charged = match quotas {
                    Quotas::Unknown => {
                        assumed.push(unspent(&charge));
                        Ok(())
                    }
                    Quotas::Kept { ledger, now, .. } => gate::charge(ledger, &charge, now),
                };
                *(if charge.for_body { &mut facts.charged_for_body } else { &mut facts.charged }) = Some(charged);
            }
            Step::Inspect(admission) => match &question.body {
                Body::Unknown => break (checks, End::Undecided(Missing::Body)),
                Body::Absent => facts.body = Some(inspect(&admission, head, &[])),
                Body::Bytes(bytes) => facts.body = Some(inspect(&admission, head, bytes)),
            },
            Step::Reserve(_) => {
                assumed.push("the gateway has room for it, and holds nothing that it clashes with".to_owned());
                facts.reserved = Some(Ok(()));
            }
            // Who keeps quotas keeps the sets as well, and what is not in them is not there.
            Step::Done(decision) if matches!(quotas, Quotas::Kept { .. }) => break (checks, End::Decided(decision)),
            Step::Done(decision) => break (checks, ended(world, decision)),
        }
    };
    if let (Proof::Unknown, Some(at)) = (question.proof, checks.iter().position(|c| c.stage == Stage::Credential)) {
        checks.truncate(at);
        end = End::Undecided(Missing::Credential);
    }
    if let (End::Undecided(Missing::Sets(_)), Some(last)) = (&end, checks.last_mut()) {
        last.outcome = Outcome::Asks;
    }
    if question.body == Body::Unknown && head.length == Length::Chunked {
        doubt(&mut checks, Stage::Declared, |_| "not known without the body".to_owned());
    }
    if facts.reserved.is_some() {
        doubt(&mut checks, Stage::Store, |note| format!("{note}, as far as can be told without asking it"));
    }
    if matches!(quotas, Quotas::Unknown) && facts.charged.is_some() {
        doubt(&mut checks, Stage::Quota, |note| format!("{note}, if one is left; that needs history"));
    }
    Told { checks, end, assumed }
}

/// A right password counts as one that was verified before: it touches no budget.
fn prove(
    claim: &Claim,
    proof: Proof,
    head: &Head,
    quotas: Quotas<'_>,
    assumed: &mut Vec<String>,
) -> Result<(), LoginFailure> {
    if claim.principal.is_none() || proof == Proof::Wrong {
        if let Quotas::Kept { logins, now, .. } = quotas {
            let source = source_value(*head.source.as_ref().unwrap_or(&head.peer));
            gate::charge_login(logins.ledger, &logins.rates, &source, &claim.username, now)?;
        }
        return Err(LoginFailure::Rejected);
    }
    assumed.push(format!("the password of {:?} is the right one", claim.username));
    Ok(())
}

fn unspent(charge: &Charge) -> String {
    let rules: Vec<&str> = charge.entries.iter().map(|entry| &*entry.rule).collect();
    format!("no quota is used up ({})", rules.join(", "))
}

/// Decodes the body and looks into it.
fn inspect(admission: &Admission, head: &Head, body: &[u8]) -> Result<Inspected, Denial> {
    let Some(mut decoder) = admission.decoder(head, body) else { return admission.inspect(head, body) };
    while decoder.step().map_err(|fault| admission.undecodable(&fault))? {}
    admission.inspect(head, &decoder.finish())
}

/// A list that is not at hand says nothing of the address.
fn ended(world: &World, decision: Decision) -> End {
    if decision.denial().is_none_or(|denial| denial.reason != Reason::RangesUnavailable) {
        return End::Decided(decision);
    }
    let missing = world.policy.set_names().into_iter().filter(|name| !world.sets.contains_key(*name));
    End::Undecided(Missing::Sets(missing.map(str::to_owned).collect()))
}

/// What passed only because it is not known.
fn doubt(checks: &mut [Check], stage: Stage, note: impl Fn(&str) -> String) {
    for check in checks.iter_mut().filter(|check| check.stage == stage && check.outcome == Outcome::Passed) {
        (check.outcome, check.note) = (Outcome::Asks, note(&check.note));
    }
}
