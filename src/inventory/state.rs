//! Groups and what they hold, and the sums over all of them.

use super::names::{NameId, Names};
use super::{Change, Reservation, Settled};
use crate::groups::{self, TIMES};
use crate::payload::{Family, Kind, page};
use crate::request::GroupingKey;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// A family of a group.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) name: NameId,
    pub(super) kind: Kind,
    /// Its metrics by their hashes; empty where the gateway told more than can be kept apart.
    pub(super) metrics: Box<[u64]>,
    /// Bytes that it takes at most of the gateway's page.
    pub(super) bytes: usize,
}

/// A group that the gateway has, or is about to have.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: GroupingKey,
    pub(super) owner: Option<Arc<str>>,
    pub(super) number: u32,
    /// The hashes of its times.
    pub(super) times: [u64; 2],
    /// Bytes of the lines of its times.
    pub(super) bytes: usize,
    /// Whether the gateway is known to have it.
    pub(super) exists: bool,
    pub(super) stored: Vec<Held>,
    /// Writes on their way.
    pub(super) pending: Vec<(u64, Vec<Held>)>,
    /// When it last changed.
    pub(super) touched: u64,
}

impl Group {
    /// All that it holds or may soon hold.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        self.stored.iter().chain(self.pending.iter().flat_map(|(_, held)| held))
    }
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct State {
    groups: HashMap<Arc<str>, Group>,
    owned: HashMap<Arc<str>, usize>,
    names: Names,
    /// The number of the group that holds a metric, and how often it does.
    metrics: HashMap<u64, (u32, u32), RandomState>,
    /// How many of them were pushed.
    pushed: usize,
    key_bytes: usize,
    /// Bytes of all on the gateway's page.
    page: usize,
    families: usize,
    time: u64,
    next_number: u32,
}

impl State {
    pub(super) fn groups(&self) -> &HashMap<Arc<str>, Group> {
        &self.groups
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn families(&self) -> usize {
        self.families
    }

    pub(super) fn key_bytes(&self) -> usize {
        self.key_bytes
    }

    pub(super) fn time(&self) -> u64 {
        self.time
    }

    pub(super) fn owned_by(&self, owner: &str) -> usize {
        self.owned.get(owner).copied().unwrap_or_default()
    }

    /// How many metrics are held, the times of groups apart.
    pub(super) fn pushed(&self) -> usize {
        self.pushed
    }

    /// Bytes of the gateway's page at most, but for the gateway's own metrics.
    pub(super) fn page(&self) -> usize {
        self.page
    }

    /// The number of the group that holds a metric.
    pub(super) fn holder(&self, metric: u64) -> Option<u32> {
        self.metrics.get(&metric).map(|(number, _)| *number)
    }

    /// Counts what a write will bring; answers the number of the write.
    pub(super) fn begin(&mut self, reservation: &Reservation) -> u64 {
        let path: Arc<str> = reservation.key.upstream_path().into();
        self.time += 1;
        let id = self.time;
        if !self.groups.contains_key(&path) {
            if reservation.change == Change::Delete {
                return id;
            }
            self.insert(path.clone(), reservation.key.clone(), None);
        }
        let Some(group) = self.groups.get(&path) else { return id };
        let (number, known) = (group.number, group.owner.is_some());
        // A delete brings nothing.
        let brought = if reservation.change == Change::Delete { &[] } else { &*reservation.families };
        let held = brought.iter().map(|family| self.hold(number, family, usize::MAX)).collect();
        let adopts = !known && reservation.change != Change::Delete;
        if adopts {
            *self.owned.entry(reservation.principal.clone()).or_default() += 1;
        }
        if let Some(group) = self.groups.get_mut(&path) {
            if adopts {
                group.owner = Some(reservation.principal.clone());
            }
            group.pending.push((id, held));
            group.touched = id;
        }
        id
    }

    /// What became of a write.
    pub(super) fn settle(&mut self, path: &str, id: u64, change: Change, settled: Settled) {
        let Some(group) = self.groups.get_mut(path) else { return };
        let Some(at) = group.pending.iter().position(|(other, _)| *other == id) else { return };
        let (_, held) = group.pending.remove(at);
        self.time += 1;
        group.touched = self.time;
        let gone = match (settled, change) {
            (Settled::Unsent, _) => held,
            (Settled::Refused, Change::Delete) | (Settled::Unknown, Change::Delete) => held,
            (Settled::Refused, _) => {
                group.exists = true;
                held
            }
            (Settled::Applied, Change::Delete) => {
                group.exists = false;
                std::mem::take(&mut group.stored)
            }
            (Settled::Applied, Change::Replace) => {
                group.exists = true;
                std::mem::replace(&mut group.stored, held)
            }
            (Settled::Applied, Change::Push) => {
                group.exists = true;
                replace(&mut group.stored, held, |old, new| old.name == new.name)
            }
            // Either the old or the new; until the gateway is asked, both.
            (Settled::Unknown, _) => {
                group.exists = true;
                let mut held = held;
                for new in &mut held {
                    let old = group.stored.iter().find(|old| old.name == new.name && old.kind == new.kind);
                    let more = old.map_or(0, |old| old.bytes.saturating_sub(new.bytes));
                    new.bytes += more;
                    self.page = self.page.saturating_add(more);
                }
                replace(&mut group.stored, held, |old, new| old.name == new.name && old.kind == new.kind)
            }
        };
        let (number, empty) = (group.number, !group.exists && group.pending.is_empty());
        self.let_go(number, gone);
        if empty {
            self.remove(path);
        }
    }

    pub(super) fn insert(&mut self, path: Arc<str>, key: GroupingKey, owner: Option<Arc<str>>) {
        self.next_number = self.next_number.wrapping_add(1);
        self.key_bytes += path.len();
        if let Some(owner) = &owner {
            *self.owned.entry(owner.clone()).or_default() += 1;
        }
        let (number, times, bytes) = (self.next_number, times(&key), bytes_of_times(&key));
        self.page = self.page.saturating_add(bytes);
        times.iter().for_each(|time| self.take(number, *time));
        let group = Group {
            key,
            owner,
            number,
            times,
            bytes,
            exists: false,
            stored: Vec::new(),
            pending: Vec::new(),
            touched: 0,
        };
        self.groups.insert(path, group);
    }

    pub(super) fn remove(&mut self, path: &str) {
        let Some(group) = self.groups.remove(path) else { return };
        self.key_bytes = self.key_bytes.saturating_sub(path.len());
        if let Some(owner) = &group.owner
            && let Some(count) = self.owned.get_mut(owner)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.owned.remove(owner);
            }
        }
        self.page = self.page.saturating_sub(group.bytes);
        group.times.iter().for_each(|time| self.leave(group.number, *time));
        self.let_go(group.number, group.stored);
        for (_, held) in group.pending {
            self.let_go(group.number, held);
        }
    }

    /// Puts what the gateway said in the place of what is stored.
    pub(super) fn restore(&mut self, path: &str, families: impl IntoIterator<Item = Family>, most_metrics: usize) {
        let Some(number) = self.groups.get(path).map(|group| group.number) else { return };
        let held = families.into_iter().map(|family| self.hold(number, &family, most_metrics)).collect();
        let Some(group) = self.groups.get_mut(path) else { return };
        group.exists = true;
        let gone = std::mem::replace(&mut group.stored, held);
        self.let_go(number, gone);
    }

    fn hold(&mut self, number: u32, family: &Family, most: usize) -> Held {
        let Family { name, kind, metrics, bytes } = family;
        let (kind, bytes) = (*kind, *bytes);
        self.families += 1;
        self.page = self.page.saturating_add(bytes);
        let id = self.names.add(name, kind);
        let known = metrics.len().saturating_add(self.pushed) <= most;
        let metrics: &[u64] = if known { metrics } else { &[] };
        self.pushed += metrics.len();
        metrics.iter().for_each(|metric| self.take(number, *metric));
        Held { name: id, kind, metrics: metrics.into(), bytes }
    }

    fn let_go(&mut self, number: u32, held: Vec<Held>) {
        for Held { name, kind, metrics, bytes } in held {
            self.families = self.families.saturating_sub(1);
            self.page = self.page.saturating_sub(bytes);
            self.names.remove(name, kind);
            self.pushed = self.pushed.saturating_sub(metrics.len());
            metrics.iter().for_each(|metric| self.leave(number, *metric));
        }
    }

    fn take(&mut self, number: u32, metric: u64) {
        let holder = self.metrics.entry(metric).or_insert((number, 0));
        // Of two groups that hold the same, which only the gateway can bring about, the first counts.
        if holder.0 == number {
            holder.1 += 1;
        }
    }

    fn leave(&mut self, number: u32, metric: u64) {
        let Some(holder) = self.metrics.get_mut(&metric).filter(|holder| holder.0 == number) else { return };
        holder.1 = holder.1.saturating_sub(1);
        if holder.1 == 0 {
            self.metrics.remove(&metric);
        }
    }
}

/// The hashes of a group's times.
pub(super) fn times(key: &GroupingKey) -> [u64; 2] {
    let labels = key.labels().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    groups::times(labels.chain(std::iter::once(("job", key.job()))))
}

/// Bytes of the lines of a group's times on the gateway's page.
pub(super) fn bytes_of_times(key: &GroupingKey) -> usize {
    let labels = key.labels().iter().map(|(name, value)| page::label(name.as_bytes(), value.as_bytes()));
    let named = labels.sum::<usize>() + page::label(b"job", key.job().as_bytes());
    TIMES.iter().map(|name| page::metric(name.len() + named)).sum()
}

/// Puts the new in, and takes the old out that gives way to it.
fn replace(stored: &mut Vec<Held>, new: Vec<Held>, gives_way: impl Fn(&Held, &Held) -> bool) -> Vec<Held> {
    let (gone, mut kept): (Vec<Held>, Vec<Held>) =
        stored.drain(..).partition(|old| new.iter().any(|new| gives_way(old, new)));
    kept.extend(new);
    *stored = kept;
    gone
}
