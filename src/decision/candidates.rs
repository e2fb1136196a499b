//! Who may be behind a request, by where it comes from.

use super::decide::Checked;
use super::trail::Notes;
use super::{Denial, Reason, found, text};
use crate::auth::Ground;
use crate::policy::{Admits, Mode, Principal, World, is_private};
use crate::request::{Credential, Head, SourceError};
use std::net::IpAddr;
use std::sync::Arc;

/// The principals that may be used from where the request comes.
pub(super) struct Candidates<'w> {
    /// With their places in the policy: first those whose sources admit it, then those with a source that only reports.
    pub(super) list: Vec<(usize, &'w Principal)>,
    /// How many of them are admitted.
    admitted: usize,
    /// Why nobody else is.
    refusal: Option<Box<Denial>>,
    /// Who might be, if the list that decides were at hand.
    unlisted: Vec<&'w Principal>,
    /// The client.
    pub(super) source: IpAddr,
}

/// The candidates. While the whole policy only reports, the peer and nobody will do.
pub(super) fn candidates<'w>(world: &'w World, head: &Head, notes: &mut Notes) -> Checked<Candidates<'w>> {
    let source = notes.excuse(head.source.as_ref().map_err(|error| Box::new(unknown(error))))?;
    let Some(source) = source.copied() else {
        let (list, unlisted, source) = (Vec::new(), Vec::new(), head.peer);
        return Ok(Candidates { list, admitted: 0, refusal: None, unlisted, source });
    };
    let (mut list, mut reporting, mut unlisted) = (Vec::new(), Vec::new(), Vec::new());
    for (index, principal) in world.policy.principals.iter().enumerate() {
        match principal.from.admits(source, &head.listener, &world.sets) {
            Admits::Yes => list.push((index, principal)),
            refused => {
                if refused == Admits::SetMissing {
                    unlisted.push(principal);
                }
                if reporting_source(principal, notes).is_some() {
                    reporting.push((index, principal));
                }
            }
        }
    }
    let admitted = list.len();
    if admitted > 0 {
        notes.passed(|| found::source(world, head, source, &list));
        if reporting.is_empty() {
            return Ok(Candidates { list, admitted, refusal: None, unlisted, source });
        }
    }
    let refusal = refused(source, head, !unlisted.is_empty());
    list.append(&mut reporting);
    match list.first().filter(|_| admitted == 0).and_then(|(_, first)| reporting_source(first, notes)) {
        Some(rule) => notes.would_refuse((*refusal).clone(), Some(rule)),
        None if admitted == 0 => {
            notes.excuse::<()>(Err(refusal.clone()))?;
        }
        None => {}
    }
    Ok(Candidates { list, admitted, refusal: Some(refusal), unlisted, source })
}

fn unknown(error: &SourceError) -> Denial {
    Denial::new(Reason::SourceUnknown).hint(text::SOURCE_UNKNOWN).detail(error.to_string())
}

fn refused(source: IpAddr, head: &Head, set_missing: bool) -> Box<Denial> {
    let reason = if set_missing { Reason::RangesUnavailable } else { Reason::SourceNotAllowed };
    let detail = format!("no principal may be used from {source} over the listener {:?}", head.listener);
    Denial::new(reason).hint(text::source(source, is_private(source))).detail(detail).into()
}

/// The source of a principal that lets everybody in, since it only reports.
fn reporting_source(principal: &Principal, notes: &Notes) -> Option<Arc<str>> {
    let source = principal.from.sources().iter().find(|source| notes.rule_reports(source.mode))?;
    Some(format!("sources.{}", source.name).into())
}

impl<'w> Candidates<'w> {
    /// Why the credential proves nobody: where it might prove one whom only a missing list keeps out, the list is what
    /// is wrong. Nothing of it depends on a user name, so that nobody learns which there are.
    pub(super) fn unless_unlisted(&self, denial: Box<Denial>, head: &Head) -> Box<Denial> {
        let kind: fn(&Principal) -> bool = match &head.credential {
            Ok(None) => |p| p.anonymous,
            Ok(Some(Credential::Basic { .. })) => |p| p.basic.is_some(),
            Ok(Some(Credential::Bearer(_))) => |p| p.token.is_some(),
            Ok(Some(Credential::Certificate(_))) => |p| p.certificate.is_some(),
            Err(_) => |_| false,
        };
        let open = match denial.flaw {
            None => denial.reason == Reason::CredentialMissing,
            Some(flaw) => flaw.ground() == Ground::Policy,
        };
        if open && self.unlisted.iter().any(|p| kind(p)) { refused(self.source, head, true) } else { denial }
    }

    /// The principal that it turned out to be; it may be one that only a reporting source lets in.
    pub(super) fn identified(&self, principal: &'w Principal, notes: &mut Notes) -> &'w Principal {
        let admitted = self.list.iter().take(self.admitted).any(|(_, p)| std::ptr::eq(*p, principal));
        if let (false, Some(refusal)) = (admitted || self.admitted == 0, &self.refusal) {
            notes.would_refuse((**refusal).clone(), reporting_source(principal, notes));
        }
        notes.passed(|| found::principal(principal));
        principal
    }

    /// Without proof: the principal whose credential only reports, or nobody while the whole policy does.
    ///
    /// # Errors
    /// The refusal, where the credential is enforced.
    pub(super) fn unproven(
        &self,
        head: &Head,
        granted: impl Fn(&Principal) -> bool,
        denial: Box<Denial>,
        notes: &mut Notes,
    ) -> Checked<Option<&'w Principal>> {
        let (passwords, tokens, certificates) = match &head.credential {
            Ok(Some(Credential::Basic { .. })) => (true, false, false),
            Ok(Some(Credential::Bearer(_))) => (false, true, false),
            Ok(Some(Credential::Certificate(_))) => (false, false, true),
            Ok(None) | Err(_) => (true, true, true),
        };
        let rules = || {
            self.list.iter().flat_map(|(_, p)| {
                let basic = p.basic.as_ref().filter(|_| passwords).map(|basic| (*p, "basic", basic.mode));
                let token = p.token.as_ref().filter(|_| tokens).map(|token| (*p, "token", token.mode));
                let certificate = p.certificate.as_ref().filter(|_| certificates);
                let certificate = certificate.map(|rule| (*p, "certificate", rule.mode));
                basic.into_iter().chain(token).chain(certificate)
            })
        };
        let is_named = |p: &Principal| match &head.credential {
            Ok(Some(Credential::Basic { username, .. })) => p.basic.as_ref().is_some_and(|b| b.username == *username),
            _ => false,
        };
        let reports = |(_, _, mode): &(&Principal, &str, Mode)| notes.rule_reports(*mode);
        // All of it is looked for, and to the end: what were left out for a user that there is would tell it.
        let named = rules().fold(None, |found, rule| found.or(Some(rule).filter(|(p, ..)| is_named(p))));
        let fitting = rules().filter(reports).find(|(p, ..)| granted(p));
        let any = rules().find(reports);
        let found = match named {
            Some(named) => Some(named).filter(reports),
            None => fitting.or(any),
        };
        let Some((principal, rule, _)) = found else { return notes.excuse(Err(denial)) };
        notes.would_refuse(*denial, Some(format!("{}.{rule}", principal.name).into()));
        Ok(Some(principal))
    }
}
