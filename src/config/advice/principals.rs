//! Principals that nobody can turn out to be, and those that nothing limits.

use super::Advice;
use crate::policy::{From, Grant, Operation, Pattern, Per, Policy, Principal, QuotaRule};

pub(super) fn advise(advice: &mut Advice<'_>, policy: &Policy) {
    for (place, principal) in policy.principals.iter().enumerate() {
        let path = format!("principals.{}", principal.name);
        if matches!(&principal.from, From::Require(sources) if sources.iter().all(|source| source.is_empty())) {
            advice.say(&format!("{path}.from"), "no source admits an address, so that nobody can be this principal");
        }
        let earlier = policy.principals.iter().take(place).find(|earlier| earlier.precedes(principal));
        if let Some(earlier) = earlier {
            let message = format!(
                "nobody can be this principal: whose token fits it is {} above, whose claims ask for less; put the \
                 narrower one first",
                earlier.name
            );
            advice.say(&format!("{path}.token"), message);
        }
        let lists = std::iter::once(&principal.quotas).chain(principal.token.as_ref().map(|rule| &rule.quotas));
        // Who has nothing but a token is never counted by the other list.
        let by_token_alone = principal.basic.is_none() && principal.certificate.is_none() && principal.token.is_some();
        for list in lists.skip(usize::from(by_token_alone)) {
            if let Some(operation) = unlimited(principal, list, &policy.shared_quotas) {
                let message = format!(
                    "nothing limits how much it pushes in all: it chooses jobs or groups itself, and each that it \
                     chooses has a quota of its own; add quotas: [{{ per: principal, burst: 600, period: 1m }}] \
                     (operation {operation})"
                );
                advice.say(&path, message);
            }
        }
    }
}

/// A push or replacement that each quota counts apart for every job or group, where the principal can name as many as it
/// likes. Deletes only make room.
fn unlimited(principal: &Principal, own: &[QuotaRule], shared: &[QuotaRule]) -> Option<Operation> {
    let open = |operation: Operation, free: fn(&Grant) -> bool| {
        principal.grants.iter().any(|grant| grant.operations.contains(operation) && free(grant))
    };
    let limits = |rule: &QuotaRule, operation| {
        let in_all = match innermost(&rule.per) {
            Per::Job => !open(operation, jobs_are_free),
            Per::Group => !open(operation, |grant| jobs_are_free(grant) || labels_are_free(grant)),
            _ => true,
        };
        in_all && rule.operations.contains(operation)
    };
    let granted = |operation| principal.grants.iter().any(|grant| grant.operations.contains(operation));
    let adding = [Operation::Push, Operation::Replace].into_iter().filter(|operation| granted(*operation));
    adding.into_iter().find(|operation| !own.iter().chain(shared).any(|rule| limits(rule, *operation)))
}

/// What is counted for each value of a claim, which the client does not choose.
fn innermost(per: &Per) -> &Per {
    match per {
        Per::Each(_, per) => innermost(per),
        per => per,
    }
}

fn jobs_are_free(grant: &Grant) -> bool {
    grant.jobs.iter().any(is_free)
}

fn labels_are_free(grant: &Grant) -> bool {
    grant.further.is_some() || grant.labels.iter().any(|rule| is_free(&rule.value))
}

/// Whether the client chooses; what a claim decides it does not.
fn is_free(pattern: &Pattern) -> bool {
    pattern.has_star()
}
