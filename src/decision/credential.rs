//! Who sends a request: nobody, a user with a password, a run with a token, or whoever shows a certificate.

use super::challenge::challenged;
use super::decide::{Checked, Request};
use super::{Claim, Denial, Facts, LoginFailure, Reason, TokenClaim, text};
use crate::auth::Flaw;
use crate::auth::token::{Claims, Verified};
use crate::policy::{Basic, Principal, TokenRule, Unfit, World};
use crate::request::{Certificate, Credential, Head, San};
use crate::secret::Secret;
use std::sync::Arc;
use std::time::Duration;

/// What is known of the one who asks.
pub(super) enum Known<'w> {
    /// Who it is.
    Principal(&'w Principal),
    /// A password says who it is, if it holds.
    Claim(Claim),
    /// A token says who it is, if it holds.
    Token(TokenClaim),
}

type Candidate<'w> = (usize, &'w Principal);

pub(super) fn credential<'w>(
    world: &World,
    candidates: &[Candidate<'w>],
    head: &Head,
    request: &Request<'_>,
    facts: &Facts,
) -> Checked<Known<'w>> {
    let fault = facts.token.as_ref().and_then(|verified| verified.as_ref().err());
    identify(world, candidates, head, request, facts)
        .map_err(|denial| challenged(*denial, head, candidates.iter().map(|(_, p)| *p), fault).into())
}

fn identify<'w>(
    world: &World,
    candidates: &[Candidate<'w>],
    head: &Head,
    request: &Request<'_>,
    facts: &Facts,
) -> Checked<Known<'w>> {
    let presented = head.credential.as_ref().map_err(|e| rejected(Flaw::Malformed, &e.to_string()))?;
    match presented {
        None => anonymous(candidates, request).map(Known::Principal),
        Some(Credential::Bearer(token)) => bearer(candidates, token, facts),
        Some(Credential::Certificate(shown)) => certificate(candidates, shown, request).map(Known::Principal),
        Some(Credential::Basic { username, password }) => basic(world, candidates, (username, password), facts),
    }
}

fn rejected(flaw: Flaw, found: &str) -> Denial {
    Denial::new(Reason::CredentialRejected).hint(text::CREDENTIAL_REJECTED).flaw(flaw, found)
}

fn basic<'w>(
    world: &World,
    candidates: &[Candidate<'w>],
    (username, password): (&String, &Secret),
    facts: &Facts,
) -> Checked<Known<'w>> {
    let with_password = || candidates.iter().filter_map(|(i, p)| p.basic.as_ref().map(|basic| (*i, *p, basic)));
    if with_password().next().is_none() {
        return Err(rejected(Flaw::PasswordNotTaken, "").into());
    }
    // To the end of the list: where a name is found must not tell that it is there.
    let named = |candidate: &(usize, &Principal, &Basic)| candidate.2.username == *username;
    let found = with_password().fold(None, |found, candidate| found.or(Some(candidate).filter(named)));
    match (&facts.login, found) {
        (None, _) => Ok(Known::Claim(Claim {
            principal: found.map(|(index, ..)| index),
            username: username.clone(),
            password: password.clone(),
            hashes: found.map_or(&world.policy.decoy, |(_, _, basic)| &basic.hashes).clone(),
        })),
        (Some(Ok(())), Some((_, principal, _))) => Ok(Known::Principal(principal)),
        (Some(Err(LoginFailure::Throttled { rule, wait })), _) => {
            Err(Denial::new(Reason::LoginThrottled).hint(text::throttled(*wait)).exhausted(rule.clone(), *wait).into())
        }
        (Some(Err(LoginFailure::Busy)), _) => {
            Err(Denial::new(Reason::VerifierBusy).retry_after(Duration::from_secs(1)).into())
        }
        (Some(_), None) => Err(rejected(Flaw::UserUnknown, "").into()),
        (Some(Err(LoginFailure::Rejected)), Some(_)) => Err(rejected(Flaw::PasswordWrong, "").into()),
    }
}

/// The first principal whose rule fits the token; only issuers that a candidate takes are asked for.
fn bearer<'w>(candidates: &[Candidate<'w>], token: &Secret, facts: &Facts) -> Checked<Known<'w>> {
    let rules = candidates.iter().filter_map(|(_, p)| p.token.as_ref().map(|rule| (*p, rule)));
    let rules: Vec<(&Principal, &TokenRule)> = rules.collect();
    if rules.is_empty() {
        return Err(rejected(Flaw::TokenNotTaken, "").into());
    }
    let verified = match &facts.token {
        None => {
            let mut issuers = Vec::new();
            for (_, rule) in rules {
                if !issuers.iter().any(|known| Arc::ptr_eq(known, &rule.issuer)) {
                    issuers.push(rule.issuer.clone());
                }
            }
            return Ok(Known::Token(TokenClaim { token: token.clone(), issuers }));
        }
        Some(Err(fault)) => return Err(text::token_fault(fault).into()),
        Some(Ok(verified)) => verified,
    };
    let mut unfit = Vec::new();
    for (principal, rule) in rules.into_iter().filter(|(_, rule)| rule.issuer.token.name == verified.issuer) {
        match rule.fits(&verified.claims) {
            Ok(()) => return Ok(Known::Principal(principal)),
            Err(why) => unfit.push((principal, rule, why)),
        }
    }
    Err(claims_not_granted(&unfit, verified).into())
}

fn claims_not_granted(unfit: &[(&Principal, &TokenRule, Unfit)], verified: &Verified) -> Denial {
    let event = unfit.iter().find(|(.., why)| matches!(why, Unfit::Event(_)));
    let flaw = if event.is_some() { Flaw::TokenEventNotGranted } else { Flaw::TokenClaimsNotGranted };
    let found: Vec<String> = unfit.iter().map(|(principal, _, why)| format!("{}: {why}", principal.name)).collect();
    let run = unfit.first().map(|(_, rule, _)| rule.issuer.shown(&verified.claims)).unwrap_or_default();
    Denial::new(Reason::CredentialRejected).hint(text::not_granted(flaw, &run)).flaw(flaw, &found.join("; "))
}

/// The first principal that one of its names is granted. A connection has its certificate whatever is asked over it, so
/// where nobody is known by one it is as good as none.
fn certificate<'w>(candidates: &[Candidate<'w>], shown: &Certificate, request: &Request<'_>) -> Checked<&'w Principal> {
    let mut rules = candidates.iter().filter_map(|(_, p)| p.certificate.as_ref().map(|rule| (*p, rule))).peekable();
    if rules.peek().is_none() {
        return anonymous(candidates, request);
    }
    match rules.find(|(_, rule)| rule.fits(shown)) {
        Some((principal, _)) => Ok(principal),
        None => {
            let denial = Denial::new(Reason::CredentialRejected).hint(text::CERTIFICATE_REJECTED);
            Err(denial.flaw(Flaw::CertificateNotGranted, &names(shown)).into())
        }
    }
}

fn names(certificate: &Certificate) -> String {
    let shown = |san: &San| san.to_string().chars().take(200).collect::<String>();
    let names: Vec<String> = certificate.names.iter().take(8).map(shown).collect();
    if names.is_empty() { "it has no name that a policy can ask for".to_owned() } else { names.join(" ") }
}

/// Without a credential: the first anonymous candidate that is granted the request.
fn anonymous<'w>(candidates: &[Candidate<'w>], request: &Request<'_>) -> Checked<&'w Principal> {
    let granted = |p: &&Principal| p.grant_for(request.operation, request.key, Claims::none()).is_ok();
    let mut anonymous = candidates.iter().map(|(_, p)| *p).filter(|p| p.anonymous);
    if let Some(principal) = anonymous.clone().find(granted) {
        return Ok(principal);
    }
    match anonymous.next() {
        Some(principal) if candidates.iter().all(|(_, p)| !p.proves_itself()) => Ok(principal),
        _ => {
            let password = candidates.iter().any(|(_, p)| p.basic.is_some());
            let token = candidates.iter().any(|(_, p)| p.token.is_some());
            let certificate = candidates.iter().any(|(_, p)| p.certificate.is_some());
            let hint = text::credential_missing(password, token, certificate);
            Err(Denial::new(Reason::CredentialMissing).hint(hint).into())
        }
    }
}
