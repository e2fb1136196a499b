//! The guard of a set: whether a new list may take the place of the one that is held. Pure: time is an argument.
//!
//! Lists are compared by the addresses that they cover, never by bytes or by the number of their entries: real lists
//! come in two spellings, and once fell from 311 entries to 8 while they grew. IPv4 (in addresses) and IPv6 (in /64
//! networks) are each judged alone. Real changes lose at most 0.2 % and gain at most 6 %.

mod refusal;
mod special;

pub use refusal::{Family, Refusal};
pub use special::special_purpose;

use super::held::{GRACE, Held, Leaving, UnixTime};
use super::list::MAX_PREFIXES;
use super::prefix::Prefix;
use crate::prefix_set::PrefixSet;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// The broadest prefixes: real lists have /15 and /29 at most.
pub const BROADEST: (u8, u8) = (12, 29);
/// The broadest prefixes that an operator can approve.
pub const BROADEST_APPROVED: (u8, u8) = (8, 19);
/// The most that a list may cover: a sixteenth of all IPv4 addresses (ten times the longest real list), and four times a
/// /29 in /64 networks.
pub const MOST: (u64, u128) = (1 << 28, 1 << 37);
/// The part of the served addresses that a list may lose, in hundredths.
pub const MOST_LOST: u128 = 20;
/// How much longer than what has been served for [`GRACE`] a list may be, in hundredths.
pub const MOST_GAINED: u128 = 100;

/// Which lists a set takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether somebody else publishes the list. A list of one's own takes effect at once, whatever it says.
    pub fetched: bool,
    /// Whether special-purpose addresses may be in it.
    pub allow_private: bool,
}

/// What would take the place of `held` if `new` were accepted at `now`.
///
/// What `held` lists already was accepted once, by rule or by an operator, and is not judged again.
///
/// # Errors
///
/// See [`Refusal`]; what is held stays then, untouched. `approved` overrides those that [`Refusal::approvable`] names.
pub fn accept(
    held: Option<&Held>,
    new: &[IpNet],
    rules: Rules,
    now: UnixTime,
    approved: bool,
) -> Result<Held, Refusal> {
    let new: BTreeSet<Prefix> = new.iter().map(|net| Prefix::new(*net)).collect();
    judge(held, &new, rules, now, approved)?;
    let mut next = replace(held, &new, rules, now);
    if approved {
        next.approved = now;
    }
    match next.listed.len().saturating_add(next.leaving.len()) {
        count if count > 2 * MAX_PREFIXES => Err(Refusal::TooMany { count }),
        _ => Ok(next),
    }
}

/// Whether a set that was kept may still be served under `rules`.
///
/// # Errors
///
/// Where it is empty, or holds what no approval could have let in.
pub fn readmit(held: &Held, rules: Rules) -> Result<(), Refusal> {
    if held.listed.is_empty() {
        return Err(Refusal::Empty);
    }
    let mut prefixes = held.listed.keys().chain(held.leaving.keys());
    prefixes.try_for_each(|prefix| prefix_fits(*prefix, rules, true))
}

fn judge(
    held: Option<&Held>,
    new: &BTreeSet<Prefix>,
    rules: Rules,
    now: UnixTime,
    approved: bool,
) -> Result<(), Refusal> {
    if new.is_empty() {
        return Err(Refusal::Empty);
    }
    if new.len() > MAX_PREFIXES {
        return Err(Refusal::TooMany { count: new.len() });
    }
    if held.is_some_and(|held| held.listed.keys().eq(new)) {
        return Ok(());
    }
    let known = |prefix: &Prefix| {
        held.is_some_and(|held| held.listed.contains_key(prefix) || held.leaving.contains_key(prefix))
    };
    for prefix in new {
        prefix_fits(*prefix, rules, approved || known(prefix))?;
    }
    if !rules.fetched || approved {
        return Ok(());
    }
    let covered = coverage(new.iter().copied());
    let served = held.map(|held| held.set(now).coverage()).unwrap_or_default();
    for (family, covered, most) in both(covered, (MOST.0.max(served.0), MOST.1.max(served.1))) {
        if covered > most {
            return Err(Refusal::TooLarge { family, covered, most });
        }
    }
    held.map_or(Ok(()), |held| compare(held, new, covered, now))
}

/// The rules on what changes.
fn compare(held: &Held, new: &BTreeSet<Prefix>, covered: (u64, u128), now: UnixTime) -> Result<(), Refusal> {
    // What an operator let go is not missed a second time.
    let let_go = |prefix: &Prefix| held.leaving.get(prefix).is_some_and(|leaving| leaving.left <= held.approved);
    let kept: Vec<Prefix> = held.served(now).map(|(prefix, _)| prefix).filter(|prefix| !let_go(prefix)).collect();
    let all = coverage(kept.iter().chain(new).copied());
    let lost = (all.0.saturating_sub(covered.0), all.1.saturating_sub(covered.1));
    for (family, lost, of) in both(lost, coverage(kept.iter().copied())) {
        if lost.saturating_mul(100) > of.saturating_mul(MOST_LOST) {
            return Err(Refusal::Loss { family, lost, of });
        }
    }
    for (family, covered, of) in both(covered, coverage(settled(held, now))) {
        // A family that was not there has nothing to be compared with; the ceiling holds for it.
        if of > 0 && covered.saturating_sub(of).saturating_mul(100) > of.saturating_mul(MOST_GAINED) {
            return Err(Refusal::Growth { family, covered, of });
        }
    }
    Ok(())
}

/// What has been served for as long as the grace lasts, or was approved, or else the oldest of what is served: growth
/// is measured against it, so that many small steps are no way around the rule.
fn settled(held: &Held, now: UnixTime) -> impl Iterator<Item = Prefix> {
    let oldest = held.served(now).map(|(_, since)| since).min().unwrap_or_default();
    let limit = now.saturating_sub(GRACE.as_secs()).max(oldest).max(held.approved);
    held.served(now).filter(move |(_, since)| *since <= limit).map(|(prefix, _)| prefix)
}

fn prefix_fits(prefix: Prefix, rules: Rules, approved: bool) -> Result<(), Refusal> {
    let special = special_purpose(prefix.net());
    let private = rules.allow_private || !rules.fetched;
    // Where all of it is special, nobody on the internet has an address in it, however broad it is.
    let whole = special.is_some_and(|(_, whole)| whole);
    let (v4, v6) = match (rules.fetched, approved) {
        (true, false) => BROADEST,
        (true, true) => BROADEST_APPROVED,
        (false, _) => (1, 1),
    };
    let least = if prefix.net().addr().is_ipv4() { v4 } else { v6 };
    match special {
        _ if prefix.net().prefix_len() < least && !whole => Err(Refusal::TooBroad { prefix, least }),
        Some((range, _)) if !private => Err(Refusal::Special { prefix, range }),
        _ => Ok(()),
    }
}

fn replace(held: Option<&Held>, new: &BTreeSet<Prefix>, rules: Rules, now: UnixTime) -> Held {
    let (no_list, no_leaving) = (BTreeMap::new(), BTreeMap::new());
    let (listed, leaving) = held.map_or((&no_list, &no_leaving), |held| (&held.listed, &held.leaving));
    let still = |prefix: &Prefix| leaving.get(prefix).filter(|leaving| now < leaving.ends());
    let since = |prefix: &Prefix| {
        // What comes back within its grace was never away.
        listed.get(prefix).copied().or_else(|| still(prefix).map(|leaving| leaving.since)).unwrap_or(now)
    };
    let next: BTreeMap<Prefix, UnixTime> = new.iter().map(|prefix| (*prefix, since(prefix))).collect();
    let mut gone: BTreeMap<Prefix, Leaving> = BTreeMap::new();
    if rules.fetched {
        let before = leaving.iter().filter(|(_, leaving)| now < leaving.ends()).map(|(prefix, l)| (*prefix, *l));
        let fresh = listed.iter().map(|(prefix, since)| (*prefix, Leaving { since: *since, left: now }));
        gone = before.chain(fresh).filter(|(prefix, _)| !new.contains(prefix)).collect();
    }
    let same = held.is_some_and(|held| held.listed.keys().eq(new.iter()));
    let changed = held.filter(|_| same).map_or(now, |held| held.changed);
    let approved = held.map_or(0, |held| held.approved);
    Held { verified: now, changed, approved, listed: next, leaving: gone }
}

fn coverage(prefixes: impl Iterator<Item = Prefix>) -> (u64, u128) {
    PrefixSet::from_prefixes(prefixes.map(Prefix::net)).coverage()
}

/// Both families, each with its two figures.
fn both(a: (u64, u128), b: (u64, u128)) -> impl Iterator<Item = (Family, u128, u128)> {
    [(Family::V4, u128::from(a.0), u128::from(b.0)), (Family::V6, a.1, b.1)].into_iter()
}

#[cfg(test)]
mod tests;
