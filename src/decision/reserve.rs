//! Whether the gateway can hold what a write brings, beside all that it holds. Never only reported: what clashes keeps
//! others out.

use super::decide::{Checked, Who};
use super::trail::{Notes, Stage};
use super::{Denial, Facts, Reason, found};
use crate::auth::token::ClaimPath;
use crate::inventory::{Change, Clash, Holder, Refusal, Reservation, With};
use crate::payload::Family;
use crate::policy::{GroupsPer, Operation, PayloadLimits, Policy, Principal};
use crate::request::GroupingKey;
use std::sync::Arc;

/// Groups that a refusal names.
const SHOWN: usize = 3;

/// What to reserve, unless it was reserved already.
pub(super) fn reserve(
    (who, limits): (Who<'_>, &PayloadLimits),
    (key, change): (&GroupingKey, Change),
    families: &Arc<[Family]>,
    facts: &Facts,
    notes: &mut Notes,
) -> Checked<Option<Reservation>> {
    notes.enter(Stage::Store);
    match &facts.reserved {
        None => Ok(Some(Reservation {
            key: key.clone(),
            principal: owner(who, &limits.groups_per),
            change,
            families: families.clone(),
            most_groups: limits.max_groups,
        })),
        Some(Ok(())) => {
            notes.passed(found::reserved);
            Ok(None)
        }
        Some(Err(refusal)) => Err(refused(refusal, who, &owner(who, &limits.groups_per)).into()),
    }
}

/// Whose the groups are that are made: of a token, by default its repository's or subject's, so that one cannot take the
/// room of another.
fn owner(who: Who<'_>, per: &GroupsPer) -> Arc<str> {
    let Some(principal) = who.principal else { return "none".into() };
    let claim = counted_claim(principal, per).filter(|_| who.by_token);
    match claim.and_then(|claim| who.claims.text(&claim)) {
        Some(value) => shared(principal, &value),
        None => principal.name.clone(),
    }
}

/// Whose a group is that was there before. Where its key does not tell, it is of whoever pushes to it next.
pub fn learned_owner(policy: &Policy, key: &GroupingKey) -> Option<Arc<str>> {
    let (principal, claims) = policy.pusher(key)?;
    match counted_claim(principal, &principal.payload.groups_per) {
        Some(claim) => claims.text(&claim).map(|value| shared(principal, &value)),
        None => Some(principal.name.clone()),
    }
}

/// The claim of tokens that their groups are counted by.
fn counted_claim(principal: &Principal, per: &GroupsPer) -> Option<ClaimPath> {
    let rule = principal.token.as_ref()?;
    match per {
        GroupsPer::Run => ClaimPath::read(rule.issuer.preset.counted()).ok(),
        GroupsPer::Principal => None,
        GroupsPer::Claim(claim) => Some(claim.clone()),
    }
}

/// The share of those for whom the claim has that value.
fn shared(principal: &Principal, value: &str) -> Arc<str> {
    format!("{} {value:?}", principal.name).into()
}

fn refused(refusal: &Refusal, who: Who<'_>, name: &str) -> Denial {
    match refusal {
        Refusal::OwnGroups(most) => Denial::new(Reason::GroupLimitReached)
            .hint(format!(
                "you have {most} groups, as many as you may; delete some that nothing pushes to any longer, and do not \
                 put what is new in each run into the path"
            ))
            .detail(format!("{name} has {most} live groups, payload.max_groups")),
        Refusal::AllGroups(most) => Denial::new(Reason::GroupLimitReached)
            .hint("the gateway has as many groups as it may; delete some that nothing pushes to any longer")
            .detail(format!("{most} live groups in all, --upstream.max-groups, or their paths are very long")),
        Refusal::Names => Denial::new(Reason::GroupLimitReached)
            .hint("the gateway has as many metric names as it may; delete groups that nothing pushes to any longer")
            .detail("more metric names or families than are kept"),
        Refusal::Metrics(most) => Denial::new(Reason::GroupLimitReached)
            .hint("the gateway has as many metrics as it may; delete groups that nothing pushes to any longer, or push less")
            .detail(format!("more than {most} metrics in all, --upstream.max-metrics")),
        Refusal::Page(most) => Denial::new(Reason::GroupLimitReached)
            .hint("the gateway's page, which is everybody's scrape, would be too long; delete groups that nothing pushes to \
                   any longer, push less, or shorter label values")
            .detail(format!("more than {most} bytes of metrics in all, a quarter of --upstream.max-page")),
        Refusal::Clash(clashes) => {
            let hints: Vec<String> = clashes.iter().map(|clash| hint(clash, who)).collect();
            let details: Vec<String> = clashes.iter().map(detail).collect();
            Denial::new(Reason::GroupConflict).hint(hints.join("; ")).detail(details.join("; "))
        }
    }
}

/// What the one who pushed is told: nothing of others but the type, and of its own groups which it may delete.
fn hint(clash: &Clash, who: Who<'_>) -> String {
    let Clash { name, kind, with, holders, count } = clash;
    let text = match with {
        With::Type(stored) => format!(
            "{name} is stored as {stored} and pushed as {kind}; push it as {stored} (# TYPE {name} {stored}), or rename it"
        ),
        With::Part { name: other, kind: stored } => format!(
            "{name}, a {kind}, cannot be stored beside {other}, a {stored}: one has the name of a part of the other; \
             rename it"
        ),
        With::Metric => format!(
            "{name} is stored with the very same labels in another group, whose path says what here the body says, or \
             the other way round; push it to one group only"
        ),
        With::Hash => format!(
            "the gateway would take {name} for another metric that it has or will have: their hashes are the same; change a \
             label value"
        ),
    };
    let may_delete = |holder: &&Holder| {
        who.principal.is_some_and(|p| p.grant_for(Operation::Delete, Some(&holder.key), who.claims).is_ok())
    };
    let own: Vec<String> = holders.iter().filter(may_delete).map(|holder| holder.key.upstream_path()).collect();
    if own.len() < holders.len() || own.is_empty() {
        return text;
    }
    let rest = match count.saturating_sub(own.len().min(SHOWN)) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("{text}, or first delete your own {}{rest}", own.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
}

/// What the operator is told: who has it.
fn detail(clash: &Clash) -> String {
    let what = match &clash.with {
        With::Type(kind) => format!("a {kind}"),
        With::Part { name, kind } => format!("beside {name}, a {kind},"),
        With::Metric => "the same metric".to_owned(),
        With::Hash if clash.holders.is_empty() => {
            return format!("{} has the hash of a metric that the gateway makes itself", clash.name);
        }
        With::Hash => "a metric with the hash of another".to_owned(),
    };
    let shown = clash.holders.iter().take(SHOWN).map(|holder| {
        let owner = holder.owner.as_deref().map_or_else(String::new, |owner| format!(" of {owner}"));
        format!("{:?}{owner}", holder.key)
    });
    let more = if clash.count > SHOWN { format!(" and {} more", clash.count - SHOWN) } else { String::new() };
    format!("{} is {what} in {}{more}", clash.name, shown.collect::<Vec<_>>().join(", "))
}
