//! THE ORDER: source, target, origin, credential, grant, declared body, quota, body, room at the gateway.
//!
//! Cheap before dear, public before secret, identity before quota, quota before parsing.

use super::candidates::{Candidates, candidates};
use super::credential::{Known, credential};
use super::reserve::reserve;
use super::step::ChargeEntry;
use super::trail::{Check, Notes, Stage};
use super::{Admission, Charge, Charged, Decision, Denial, Facts, Inspected, Permit, Reason, Step, Verdict};
use super::{Work, found, text};
use crate::auth::token::{Claims, Verified};
use crate::inventory::Change;
use crate::payload::Family;
use crate::policy::{Grant, Limit, Miss, Operation, PayloadLimits, Principal, QuotaRule, World};
use crate::request::{Encoding, GroupingKey, Head, Length, Method, Origin, Read, Target};
use std::net::IpAddr;
use std::sync::Arc;

/// Judges a request as far as the facts go, and says what to find out next.
///
/// Total, synchronous and pure: it knows no clock, socket, log or metric.
pub fn decide(world: &World, head: &Head, facts: &Facts) -> Step {
    walk(world, head, facts, &mut Notes::new(world, facts, false))
}

/// The same as [`decide`], and every check on the way to it.
pub fn explain(world: &World, head: &Head, facts: &Facts) -> (Step, Vec<Check>) {
    let mut notes = Notes::new(world, facts, true);
    let step = walk(world, head, facts, &mut notes);
    (step, notes.trail())
}

fn walk(world: &World, head: &Head, facts: &Facts, notes: &mut Notes) -> Step {
    let verdict = match judge(world, head, facts, notes) {
        Ok(Next::Permit(permit)) => Verdict::Allow(permit),
        Ok(Next::Step(step)) => {
            notes.asks(&step);
            return step;
        }
        Err(denial) => {
            notes.refused(&denial);
            Verdict::Deny(*denial)
        }
    };
    let (identity, would_deny) = (std::mem::take(&mut notes.identity), notes.would_deny.take());
    Step::Done(Decision { verdict, identity, would_deny, generation: world.generation })
}

enum Next {
    Step(Step),
    Permit(Permit),
}

pub(super) type Checked<T> = Result<T, Box<Denial>>;

fn judge(world: &World, head: &Head, facts: &Facts, notes: &mut Notes) -> Checked<Next> {
    let candidates = candidates(world, head, notes)?;
    let source = candidates.source;
    notes.enter(Stage::Target);
    let request = request(head)?;
    notes.identity.operation = Some(request.operation);
    notes.passed(|| found::target(head, request.operation));
    notes.enter(Stage::Origin);
    origin(head, &request)?;
    notes.passed(found::origin);
    let claims = token_claims(world, facts, notes);
    let asked = (world, head, facts, claims);
    let principal = match identify(asked, &request, &candidates, notes)? {
        Ok(principal) => principal,
        Err(step) => return Ok(Next::Step(step)),
    };
    notes.identity.preferred = principal.and_then(|p| p.from.prefers(source, &head.listener, &world.sets));
    let who = Who { principal, claims, by_token: facts.token.is_some() };
    grant(who, &request, notes)?;
    notes.enter(Stage::Declared);
    let limits = principal.map_or(&world.policy.default_payload, |p| &p.payload);
    declared_body(limits, head, &request)?;
    notes.passed(|| found::declared_body(head, limits));
    let charges = entries(world, who, &request, source, None, notes);
    if let Some(charge) = quota(charges, facts.charged, false, notes)? {
        return Ok(Next::Step(Step::Charge(charge)));
    }
    if !matches!(request.operation, Operation::Push | Operation::Replace) {
        return allow((who, limits), head, &request, &Arc::default(), facts, notes);
    }
    notes.enter(Stage::Payload);
    let Some(inspected) = &facts.body else {
        return Ok(Next::Step(Step::Inspect(Admission {
            principal: principal.map(|p| p.name.clone()),
            limits: limits.bound(claims),
            reports: notes.reports(limits.rules.mode),
        })));
    };
    let Inspected { summary, would_deny } = inspected.clone()?;
    match would_deny {
        Some(denial) => notes.would_refuse(denial, None),
        None => notes.passed(|| found::body(&summary, request.operation)),
    }
    if request.operation == Operation::Push || summary.series > 0 {
        return allow((who, limits), head, &request, &summary.families, facts, notes);
    }
    // A replacement without a sample is a delete: asked for anew, as if the head had said so.
    let emptied = Request { operation: Operation::Delete, ..request };
    notes.identity.operation = Some(emptied.operation);
    let principal = match identify(asked, &emptied, &candidates, notes)? {
        Ok(principal) => principal,
        Err(step) => return Ok(Next::Step(step)),
    };
    let (before, who) = (Some((who, request.operation)), Who { principal, ..who });
    grant(who, &emptied, notes)?;
    let charges = entries(world, who, &emptied, source, before, notes);
    if let Some(charge) = quota(charges, facts.charged_for_body, true, notes)? {
        return Ok(Next::Step(Step::Charge(charge)));
    }
    let limits = principal.map_or(limits, |p| &p.payload);
    allow((who, limits), head, &emptied, &summary.families, facts, notes)
}

/// Who asks: whom a credential proves, or without one the first that may. Nobody will do while the policy only reports.
fn identify<'w>(
    (world, head, facts, claims): (&World, &Head, &Facts, &Claims),
    request: &Request<'_>,
    candidates: &Candidates<'w>,
    notes: &mut Notes,
) -> Checked<Result<Option<&'w Principal>, Step>> {
    notes.enter(Stage::Credential);
    let principal = match credential(world, &candidates.list, head, request, facts) {
        Ok(Known::Principal(principal)) => Some(candidates.identified(principal, notes)),
        Ok(Known::Claim(claim)) => return Ok(Err(Step::Verify(claim))),
        Ok(Known::Token(claim)) => return Ok(Err(Step::VerifyToken(claim))),
        Err(denial) => {
            let denial = candidates.unless_unlisted(denial, head);
            let granted = |p: &Principal| p.grant_for(request.operation, request.key, claims).is_ok();
            candidates.unproven(head, granted, denial, notes)?
        }
    };
    notes.identity.principal = principal.map(|p| p.name.clone());
    Ok(Ok(principal))
}

/// The permit, once the gateway is known to have room for what a write brings.
fn allow(
    who: (Who<'_>, &PayloadLimits),
    head: &Head,
    request: &Request<'_>,
    families: &Arc<[Family]>,
    facts: &Facts,
    notes: &mut Notes,
) -> Checked<Next> {
    let change = match request.operation {
        Operation::Push => Change::Push,
        Operation::Replace => Change::Replace,
        // It empties the group, and makes it where it was not.
        Operation::Delete if head.method == Method::Put => Change::Replace,
        _ => Change::Delete,
    };
    if let Some(key) = request.key
        && let Some(reservation) = reserve(who, (key, change), families, facts, notes)?
    {
        return Ok(Next::Step(Step::Reserve(reservation)));
    }
    Ok(Next::Permit(permit(head, request)))
}

/// Who asks, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) principal: Option<&'a Principal>,
    pub(super) claims: &'a Claims,
    pub(super) by_token: bool,
}

impl<'a> Who<'a> {
    /// The principal's quotas; a token has a list of its own.
    fn quotas(self) -> &'a [QuotaRule] {
        let Some(principal) = self.principal else { return &[] };
        principal.token.as_ref().filter(|_| self.by_token).map_or(&principal.quotas, |rule| &rule.quotas)
    }
}

/// What a token says that holds, whomever it turns out to prove. The log has what the policy reads of it.
fn token_claims<'f>(world: &World, facts: &'f Facts, notes: &mut Notes) -> &'f Claims {
    let Some(Ok(Verified { issuer, claims })) = &facts.token else { return Claims::none() };
    let read = world.policy.read_claims.get(issuer).into_iter().flatten();
    notes.identity.issuer = Some(issuer.clone());
    notes.identity.claims = claims.selected(read);
    claims
}

/// What the request asks for, before anything is known of who asks.
pub(super) struct Request<'h> {
    pub(super) operation: Operation,
    pub(super) key: Option<&'h GroupingKey>,
    page: Option<&'h Read>,
}

fn request(head: &Head) -> Checked<Request<'_>> {
    let target = head.target.as_ref().map_err(text::target)?;
    match target {
        Target::Group(key) => {
            let operation = match head.method {
                Method::Post => Operation::Push,
                Method::Put if matches!(head.length, Length::Absent | Length::Exact(0)) => Operation::Delete,
                Method::Put => Operation::Replace,
                Method::Delete => Operation::Delete,
                _ => {
                    let denial = Denial::new(Reason::MethodNotAllowed).hint(text::WRITE_ONLY);
                    return Err(denial.allow("PUT, POST, DELETE").into());
                }
            };
            Ok(Request { operation, key: Some(key), page: None })
        }
        Target::Read(page) => {
            if head.method != Method::Get {
                let pushes = matches!(page, Read::Metrics | Read::Home);
                let hint = if pushes { text::NO_JOB } else { text::READ_ONLY };
                return Err(Denial::new(Reason::MethodNotAllowed).hint(hint).allow("GET").into());
            }
            let operation = match page {
                Read::Metrics => Operation::Scrape,
                Read::ApiMetrics | Read::ApiStatus => Operation::Inspect,
                Read::Home | Read::Status | Read::Static(_) => Operation::Ui,
                Read::Healthy | Read::Ready => Operation::Probe,
            };
            Ok(Request { operation, key: None, page: Some(page) })
        }
    }
}

/// A browser that remembers a password must not be ridden by another site.
fn origin(head: &Head, request: &Request<'_>) -> Checked<()> {
    match &head.origin {
        Origin::Foreign(shown) if request.operation.writes() => {
            Err(Denial::new(Reason::OriginNotAllowed).hint(text::ORIGIN).detail(shown.clone()).into())
        }
        _ => Ok(()),
    }
}

fn grant(who: Who<'_>, request: &Request<'_>, notes: &mut Notes) -> Checked<()> {
    notes.enter(Stage::Grant);
    let Some(principal) = who.principal else { return Ok(()) };
    match principal.grant_for(request.operation, request.key, who.claims) {
        Ok(grant) => {
            notes.identity.rule = Some(grant.name.clone());
            notes.passed(|| found::grant(grant, request.operation));
            Ok(())
        }
        Err((miss, nearest)) => {
            notes.identity.rule = nearest.filter(|_| miss != Miss::Operation).map(|grant| grant.name.clone());
            let denial = text::miss(&miss, nearest, principal, request.operation, request.key);
            let denial = match principal.token.as_ref().filter(|_| who.by_token) {
                Some(rule) => text::of_run(denial, &rule.issuer.shown(who.claims)),
                None => denial,
            };
            let of_operation = |grant: &&Grant| grant.operations.contains(request.operation);
            if let Some(grant) = principal.grants.iter().filter(of_operation).find(|g| notes.rule_reports(g.mode)) {
                notes.identity.rule = Some(grant.name.clone());
                notes.would_refuse(denial, Some(grant.name.clone()));
                return Ok(());
            }
            notes.excuse(Err(denial.into())).map(|_: Option<()>| ())
        }
    }
}

/// What the head declares of a body, before a quota is spent on it.
fn declared_body(limits: &PayloadLimits, head: &Head, request: &Request<'_>) -> Checked<()> {
    if !matches!(request.operation, Operation::Push | Operation::Replace) {
        let malformed = |hint: &str| Err(Denial::new(Reason::RequestMalformed).hint(hint).into());
        return match head.length {
            Length::Absent | Length::Exact(0) if head.method == Method::Put && head.encoding != Encoding::Identity => {
                malformed("a Content-Encoding without a body; did it get lost on the way?")
            }
            Length::Absent | Length::Exact(0) => Ok(()),
            _ => malformed("this request takes no body"),
        };
    }
    if let Encoding::Other(name) = &head.encoding {
        let detail = format!("Content-Encoding {name:?}");
        return Err(Denial::new(Reason::EncodingUnsupported).hint(text::ENCODING).detail(detail).into());
    }
    match head.length {
        Length::Absent => Err(Denial::new(Reason::LengthRequired).hint(text::LENGTH_REQUIRED).into()),
        Length::Exact(bytes) if bytes > limits.max_bytes => {
            let hint = format!("it has {bytes} bytes, at most {} are taken", limits.max_bytes);
            Err(Denial::new(Reason::PayloadTooLarge).limit(Limit::BodyBytes).hint(hint).into())
        }
        _ => Ok(()),
    }
}

/// The quotas that count the operation and, where the body changed it, did not count what it was before.
fn entries(
    world: &World,
    who: Who<'_>,
    request: &Request<'_>,
    source: IpAddr,
    before: Option<(Who<'_>, Operation)>,
    notes: &Notes,
) -> Vec<ChargeEntry> {
    let entry = |rule: &QuotaRule, owner| {
        ChargeEntry::new(rule, owner, rule.per.value(request.key, source, who.claims), notes.reports(rule.mode))
    };
    let counted = before.map(|(_, operation)| operation);
    let same = |other: Who<'_>| other.principal.map(|p| &p.name) == who.principal.map(|p| &p.name);
    let counted_for_it = before.filter(|(other, _)| same(*other)).and(counted);
    let applies = |rule: &QuotaRule, counted: Option<Operation>| {
        rule.operations.contains(request.operation) && !counted.is_some_and(|o| rule.operations.contains(o))
    };
    let own = who
        .quotas()
        .iter()
        .filter(|rule| applies(rule, counted_for_it))
        .map(|rule| entry(rule, who.principal.map(|p| &p.name)));
    let shared = world.policy.shared_quotas.iter().filter(|rule| applies(rule, counted)).map(|rule| entry(rule, None));
    own.chain(shared).collect()
}

/// The quotas to charge, unless they were charged already.
fn quota(
    entries: Vec<ChargeEntry>,
    charged: Option<Charged>,
    for_body: bool,
    notes: &mut Notes,
) -> Checked<Option<Charge>> {
    notes.enter(Stage::Quota);
    match charged {
        None if entries.is_empty() => {
            if !for_body {
                notes.passed(found::no_quota);
            }
            Ok(None)
        }
        None => Ok(Some(Charge { for_body, entries })),
        Some(Ok(())) => {
            notes.passed(|| found::quotas(&entries));
            Ok(None)
        }
        Some(Err((index, wait))) => {
            let Some(entry) = entries.get(index) else { return Ok(Some(Charge { for_body, entries })) };
            let denial = text::quota(entry, wait);
            if entry.reports {
                notes.would_refuse(denial, Some(entry.rule.clone()));
                return Ok(None);
            }
            notes.identity.rule = Some(entry.rule.clone());
            Err(denial.into())
        }
    }
}

fn permit(head: &Head, request: &Request<'_>) -> Permit {
    let work = match (request.key, request.page) {
        (Some(key), _) => match request.operation {
            Operation::Push => Work::Push(key.clone()),
            Operation::Replace => Work::Replace(key.clone()),
            _ if head.method == Method::Put => Work::Empty(key.clone()),
            _ => Work::Delete(key.clone()),
        },
        (None, page) => Work::Read(page.cloned().unwrap_or(Read::Metrics)),
    };
    Permit { operation: request.operation, work }
}
