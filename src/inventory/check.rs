//! What stands against a write: the pure part.

use super::names::{Counts, NameId, place};
use super::state::{Group, Held, State, bytes_of_times, times};
use super::{Bounds, Change, Clash, Holder, Refusal, Reservation, With};
use crate::groups::{TIMES, is_counted};
use crate::payload::{Family, Kind};
use std::collections::HashSet;

/// Clashes that one report shows.
const MOST_CLASHES: usize = 3;
/// Groups that one clash names.
const MOST_HOLDERS: usize = 8;

pub(super) fn check(state: &State, reservation: &Reservation, bounds: &Bounds) -> Result<(), Refusal> {
    if reservation.change == Change::Delete {
        return Ok(());
    }
    let path = reservation.key.upstream_path();
    let own = state.groups().get(path.as_str());
    if own.is_none() {
        let most = reservation.most_groups;
        if state.owned_by(&reservation.principal) >= most {
            return Err(Refusal::OwnGroups(most));
        }
        if state.groups().len() >= bounds.groups || state.key_bytes() + path.len() > bounds.key_bytes {
            return Err(Refusal::AllGroups(bounds.groups));
        }
    }
    let fresh = reservation.families.iter().filter(|family| state.names().find(&family.name).is_none()).count();
    let crowded =
        state.names().len() + fresh > bounds.names || state.families() + reservation.families.len() > bounds.families;
    if crowded && !reservation.families.is_empty() {
        return Err(Refusal::Names);
    }
    room(state, reservation, own, bounds)?;
    let clashes = Search { state, reservation, own, times: times(&reservation.key) }.clashes();
    if clashes.is_empty() { Ok(()) } else { Err(Refusal::Clash(clashes)) }
}

/// Whether there is room for what the push brings, beside what stays.
fn room(state: &State, reservation: &Reservation, own: Option<&Group>, bounds: &Bounds) -> Result<(), Refusal> {
    let families = &reservation.families;
    let metrics = families.iter().map(|family| family.metrics.len()).sum();
    if exceeds(state.pushed(), metrics, bounds.metrics, || {
        given_way(state, reservation, own, |held| held.metrics.len())
    }) {
        return Err(Refusal::Metrics(bounds.metrics));
    }
    let times = if own.is_none() { bytes_of_times(&reservation.key) } else { 0 };
    let bytes = families.iter().map(|family| family.bytes).fold(times, usize::saturating_add);
    if exceeds(state.page(), bytes, bounds.page, || given_way(state, reservation, own, |held| held.bytes)) {
        return Err(Refusal::Page(bounds.page));
    }
    Ok(())
}

/// Whether more is brought than gives way, and all of it is more than may be.
fn exceeds(held: usize, brought: usize, most: usize, given_way: impl FnOnce() -> usize) -> bool {
    let sum = held.saturating_add(brought);
    // What gives way is looked for only where that decides.
    sum > most && {
        let given_way = given_way();
        brought > given_way && sum.saturating_sub(given_way) > most
    }
}

/// The sum over what the group itself holds and the push takes the place of.
fn given_way(state: &State, reservation: &Reservation, own: Option<&Group>, size: impl Fn(&Held) -> usize) -> usize {
    let names: HashSet<NameId> = reservation.families.iter().filter_map(|f| state.names().find(&f.name)).collect();
    let replaced = |held: &&Held| reservation.change == Change::Replace || names.contains(&held.name);
    own.into_iter().flat_map(|own| &own.stored).filter(replaced).map(size).sum()
}

struct Search<'s> {
    state: &'s State,
    reservation: &'s Reservation,
    own: Option<&'s Group>,
    /// The hashes of the group's times.
    times: [u64; 2],
}

impl Search<'_> {
    fn clashes(&self) -> Vec<Clash> {
        let pushed: HashSet<&str> = self.reservation.families.iter().map(|family| family.name.as_str()).collect();
        let families = self.reservation.families.iter().filter_map(|family| self.clash(family, &pushed));
        families.chain(self.late_times()).take(MOST_CLASHES).collect()
    }

    /// The times that a new group brings, where their hashes are taken.
    fn late_times(&self) -> Option<Clash> {
        if self.own.is_some() {
            return None;
        }
        let (name, holder) =
            TIMES.into_iter().zip(self.times).find_map(|(name, time)| Some((name, self.state.holder(time)?)))?;
        let time = Family { name: name.to_owned(), kind: Kind::Gauge, metrics: Vec::new(), bytes: 0 };
        Some(self.found(&time, With::Hash, |group| group.number == holder))
    }

    fn clash(&self, family: &Family, pushed: &HashSet<&str>) -> Option<Clash> {
        let with = self.other_type(family).or_else(|| self.part(family, pushed));
        if let Some((with, id, kind)) = with {
            let holds = |group: &Group| group.held().any(|held| held.name == id && held.kind == kind);
            return Some(self.found(family, with, holds));
        }
        if family.metrics.iter().any(|metric| self.times.contains(metric) || is_counted(*metric)) {
            return Some(self.found(family, With::Hash, |_| false));
        }
        let number = self.own.map(|group| group.number);
        let mut holders = family.metrics.iter().filter_map(|metric| self.state.holder(*metric));
        let holder = holders.find(|holder| Some(*holder) != number)?;
        let id = self.state.names().find(&family.name);
        let of_that_name = |group: &&Group| group.number == holder && group.held().any(|held| Some(held.name) == id);
        let with =
            if self.state.groups().values().any(|group| of_that_name(&group)) { With::Metric } else { With::Hash };
        Some(self.found(family, with, |group| group.number == holder))
    }

    fn found(&self, family: &Family, with: With, holds: impl Fn(&Group) -> bool) -> Clash {
        let mut groups: Vec<&Group> = self.state.groups().values().filter(|group| holds(group)).collect();
        groups.sort_by(|a, b| a.key.cmp(&b.key));
        let holder = |group: &&Group| Holder { key: group.key.clone(), owner: group.owner.clone() };
        Clash {
            name: family.name.clone(),
            kind: family.kind,
            with,
            holders: groups.iter().take(MOST_HOLDERS).map(holder).collect(),
            count: groups.len(),
        }
    }

    /// The same name with another type.
    fn other_type(&self, family: &Family) -> Option<(With, NameId, Kind)> {
        let id = self.state.names().find(&family.name)?;
        // What the group itself holds of that name gives way to what is pushed.
        let kind = remaining(self.state.names().counts(id), self.own_counts(id)).find(|kind| *kind != family.kind)?;
        Some((With::Type(kind), id, kind))
    }

    /// A name that one of the two would take for its own part.
    fn part(&self, family: &Family, pushed: &HashSet<&str>) -> Option<(With, NameId, Kind)> {
        let whole =
            Kind::Histogram.suffixes().iter().filter_map(|suffix| Some((*suffix, family.name.strip_suffix(suffix)?)));
        let wholes = whole.flat_map(|(suffix, base)| {
            self.stays(base, pushed).filter(move |(_, kind)| kind.suffixes().contains(&suffix)).map(move |f| (base, f))
        });
        if let Some((base, (id, kind))) = wholes.into_iter().next() {
            return Some((With::Part { name: base.to_owned(), kind }, id, kind));
        }
        let parts = family.kind.suffixes().iter().map(|suffix| format!("{}{suffix}", family.name));
        parts.into_iter().find_map(|name| {
            let (id, kind) = self.stays(&name, pushed).next()?;
            Some((With::Part { name, kind }, id, kind))
        })
    }

    /// As which types a name stays at the gateway beside what is pushed.
    fn stays(&self, name: &str, pushed: &HashSet<&str>) -> impl Iterator<Item = (NameId, Kind)> + use<> {
        let found = self.state.names().find(name).map(|id| {
            let gives_way = self.reservation.change == Change::Replace || pushed.contains(name);
            let own = if gives_way { self.own_counts(id) } else { [0; 5] };
            remaining(self.state.names().counts(id), own).map(move |kind| (id, kind))
        });
        found.into_iter().flatten()
    }

    fn own_counts(&self, id: NameId) -> Counts {
        let mut counts = [0; 5];
        for held in self.own.into_iter().flat_map(Group::held).filter(|held| held.name == id) {
            if let Some(count) = counts.get_mut(place(held.kind)) {
                *count += 1;
            }
        }
        counts
    }
}

/// The types that others hold.
fn remaining(all: Counts, own: Counts) -> impl Iterator<Item = Kind> {
    let pairs = Kind::ALL.into_iter().zip(all.into_iter().zip(own));
    pairs.filter(|(_, (all, own))| all > own).map(|(kind, _)| kind)
}
