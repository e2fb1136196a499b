//! The buckets of all rules: exact, bounded in memory, kept across reloads of the policy.

use super::{Rate, carry_over, charge, left, refund};
use crate::clock::Tick;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Shortest time between two sweeps. A sweep of 65,536 buckets takes below a millisecond, so a table that hostile keys
/// keep full costs less than half a percent of one core.
const SWEEP_GAP: Duration = Duration::from_millis(250);

/// Most buckets to reserve room for at once; beyond that the table grows as it fills.
const RESERVED: usize = 65_536;

/// One bucket to charge.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The rule, by a name of the policy: the overflow buckets are kept by it, so it never comes from a request.
    pub rule: &'a str,
    /// Whose rule it is, by a name of the policy as well; empty where it is everybody's. What overflows for one owner is
    /// nothing to another.
    pub owner: &'a str,
    /// Who is limited, in parts of any length and content. Parts do not run together: `["ab", "c"]` and `["a", "bc"]`
    /// are two buckets.
    pub key: &'a [&'a [u8]],
    /// What the rule grants to each key. One rule has one rate at a time.
    pub rate: Rate,
}

/// Why nothing was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Position of the exhausted entry among those given; of several the one with the longest wait.
    pub index: usize,
    /// Time until that entry would grant one more charge; never zero.
    pub wait: Duration,
}

/// The state of every bucket, for all threads.
///
/// It holds states and no rates, so a reload of the policy changes rates and refills nothing. A bucket takes 24 bytes
/// whatever its key: keys are kept as 128 bits of a hash whose key is drawn when the ledger is made.
///
/// At `capacity` it forgets the buckets that are full again, which changes nothing. If none are, keys that it does not
/// know share one overflow bucket per rule and owner until there is room: known keys keep their own, and a flood of
/// invented names competes with itself.
pub struct Ledger {
    hashers: [RandomState; 2],
    capacity: usize,
    table: Mutex<Table>,
}

type Id = [u64; 2];

/// Where a charge goes: to a bucket of the key's own or to the overflow bucket of its rule and owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Own(Id),
    Overflow(Id),
}

/// The identity of an entry: who, and by which rule of whom.
struct Name {
    key: Id,
    rule: Id,
}

struct Table {
    own: HashMap<Id, Tick>,
    overflow: HashMap<Id, Tick>,
    /// The latest time seen: threads read the clock before they take the lock, so times may arrive out of order.
    latest: Tick,
    /// No bucket of `own` is full again before this, so a sweep would find nothing.
    earliest: Tick,
    next_sweep: Tick,
}

impl Ledger {
    /// A ledger for at most `capacity` keys; with 0 every key shares the overflow bucket of its rule.
    pub fn new(capacity: usize) -> Self {
        let table = Table {
            own: HashMap::with_capacity(capacity.min(RESERVED)),
            overflow: HashMap::new(),
            latest: Tick::default(),
            earliest: Tick::default(),
            next_sweep: Tick::default(),
        };
        Self { hashers: [RandomState::new(), RandomState::new()], capacity, table: Mutex::new(table) }
    }

    /// Takes one charge from each of `entries` at `now`, or from none of them if any is exhausted.
    ///
    /// An entry given twice is charged twice.
    pub fn charge(&self, entries: &[Entry<'_>], now: Tick) -> Result<(), Exhausted> {
        let names: Vec<Name> = entries.iter().map(|entry| self.name(entry)).collect();
        self.table.lock().charge(entries, &names, now, self.capacity)
    }

    /// Gives one charge back to the bucket of `entry`, for a charge that was made and turned out not to count.
    ///
    /// A charge that went to an overflow bucket is not given back: whose it was is not known, and a refund must never
    /// grant to one key what another has paid.
    pub fn refund(&self, entry: &Entry<'_>) {
        let name = self.name(entry);
        let mut table = self.table.lock();
        if let Some(state) = table.own.get(&name.key).map(|state| refund(&entry.rate, *state)) {
            table.store(Place::Own(name.key), state);
        }
    }

    /// How many charges the bucket of `entry` would still grant at `now`.
    pub fn left(&self, entry: &Entry<'_>, now: Tick) -> u32 {
        let name = self.name(entry);
        let table = self.table.lock();
        let state = table.own.get(&name.key).or_else(|| table.overflow.get(&name.rule));
        left(&entry.rate, state.copied(), now.max(table.latest))
    }

    /// How many keys have a bucket of their own; at most the capacity.
    pub fn len(&self) -> usize {
        self.table.lock().own.len()
    }

    /// Whether no key has a bucket of its own.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rules, each for its owner, have an overflow bucket that still owes at `now`; above 0 the ledger is, or just was, full.
    pub fn overflowing(&self, now: Tick) -> usize {
        self.table.lock().overflow.values().filter(|state| **state > now).count()
    }

    fn name(&self, entry: &Entry<'_>) -> Name {
        let rule = [entry.rule.as_bytes(), entry.owner.as_bytes()];
        Name { key: self.id(rule.into_iter().chain(entry.key.iter().copied())), rule: self.id(rule.into_iter()) }
    }

    fn id<'a>(&self, parts: impl Iterator<Item = &'a [u8]> + Clone) -> Id {
        self.hashers.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            for part in parts.clone() {
                // The length first, so that no two lists of parts are one sequence of bytes.
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish()
        })
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("capacity", &self.capacity).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Table {
    fn charge(&mut self, entries: &[Entry<'_>], names: &[Name], now: Tick, capacity: usize) -> Result<(), Exhausted> {
        self.latest = self.latest.max(now);
        let now = self.latest;
        let places = self.places(names, now, capacity);
        let mut planned: Vec<(Place, Tick)> = Vec::with_capacity(entries.len());
        let mut exhausted: Option<Exhausted> = None;
        for (index, ((entry, name), place)) in entries.iter().zip(names).zip(places).enumerate() {
            let state = match planned.iter().rev().find(|(other, _)| *other == place) {
                Some((_, state)) => Some(*state),
                None => self.state(place, name, &entry.rate, now),
            };
            match charge(&entry.rate, state, now) {
                Ok(state) => planned.push((place, state)),
                Err(wait) if exhausted.is_none_or(|worst| worst.wait < wait) => {
                    exhausted = Some(Exhausted { index, wait });
                }
                Err(_) => {}
            }
        }
        match exhausted {
            Some(exhausted) => Err(exhausted),
            None => {
                planned.into_iter().for_each(|(place, state)| self.store(place, state));
                Ok(())
            }
        }
    }

    /// Chooses a bucket for each name: its own where it has one or there is room for one.
    fn places(&mut self, names: &[Name], now: Tick, capacity: usize) -> Vec<Place> {
        let unknown = names.iter().filter(|name| !self.own.contains_key(&name.key)).count();
        if self.own.len().saturating_add(unknown) > capacity {
            self.sweep(now);
        }
        let mut room = capacity.saturating_sub(self.own.len());
        let mut places: Vec<Place> = Vec::with_capacity(names.len());
        for name in names {
            let own = Place::Own(name.key);
            let known = self.own.contains_key(&name.key) || places.contains(&own);
            places.push(if known || room > 0 { own } else { Place::Overflow(name.rule) });
            room = room.saturating_sub(usize::from(!known));
        }
        places
    }

    /// The state in `place`, brought under today's rate of the rule.
    ///
    /// A key without a bucket starts where the overflow bucket of its rule stands: what that bucket still owes may be
    /// this key's, and starting afresh would grant it twice.
    fn state(&mut self, place: Place, name: &Name, rate: &Rate, now: Tick) -> Option<Tick> {
        let own = match place {
            Place::Own(id) => self.own.get_mut(&id),
            Place::Overflow(_) => None,
        };
        let state = own.or_else(|| self.overflow.get_mut(&name.rule))?;
        *state = carry_over(rate, *state, now);
        Some(*state)
    }

    fn store(&mut self, place: Place, state: Tick) {
        match place {
            Place::Own(id) => {
                self.earliest = self.earliest.min(state);
                self.own.insert(id, state);
            }
            Place::Overflow(id) => {
                self.overflow.insert(id, state);
            }
        }
    }

    /// Forgets the buckets that are full again, unless there can be none or the last sweep was a moment ago.
    fn sweep(&mut self, now: Tick) {
        if now < self.earliest || now < self.next_sweep {
            return;
        }
        self.own.retain(|_, state| *state > now);
        self.overflow.retain(|_, state| *state > now);
        self.earliest = self.own.values().copied().min().unwrap_or(now);
        self.next_sweep = now.plus(SWEEP_GAP);
    }
}

#[cfg(test)]
mod tests;
