//! All sets of one program, and which of them are served: no network, no clock, no log. What it writes and reads blocks
//! on the file system.

use super::RangeSets;
use super::event::{Event, What};
use super::feed::{Feed, Wanted};
use super::held::UnixTime;
use super::set::Set;
use super::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// How long a source may be silent before that is said.
pub const WARN_AGE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
const DAY: u64 = 24 * 60 * 60;

/// What becomes of a set whose source has been silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastAge {
    /// It is served all the same: a list that is a month old is still 99 % right.
    Keep,
    /// It is not served, as if it were not there.
    Deny,
}

/// How long a source may be silent.
#[derive(Clone, Copy, Debug)]
pub struct MaxAge {
    /// Default: 30 d.
    pub age: Duration,
    /// What becomes of the set then.
    pub then: PastAge,
}

impl Default for MaxAge {
    fn default() -> Self {
        Self { age: Duration::from_secs(30 * DAY), then: PastAge::Keep }
    }
}

/// All sets.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    max_age: MaxAge,
    /// The sets of each feed.
    feeds: Vec<Vec<Aging>>,
}

/// A set and what was said of its age.
#[derive(Debug)]
struct Aging {
    set: Set,
    /// Days that were said; a warning comes once a day.
    said: Option<u64>,
}

impl Keeper {
    /// The sets of those feeds; nothing is known of them yet.
    pub fn new(feeds: &[Feed], store: Store, max_age: MaxAge) -> Self {
        let aging =
            |feed: &Feed| feed.lists.iter().map(|list| Aging { set: Set::new(feed, list), said: None }).collect();
        Self { store, max_age, feeds: feeds.iter().map(aging).collect() }
    }

    /// Keeps the sets of other feeds from now on; what is held of those that stay is kept. Answers the names of those that
    /// do not.
    pub fn change(&mut self, feeds: &[Feed]) -> Vec<String> {
        let mut before: Vec<Aging> = self.feeds.drain(..).flatten().collect();
        let mut aging = |feed: &Feed, list: &Wanted| {
            let fresh = Aging { set: Set::new(feed, list), said: None };
            let same = before.iter().position(|old| old.set.is_as(&fresh.set));
            same.map_or(fresh, |at| before.swap_remove(at))
        };
        self.feeds = feeds.iter().map(|feed| feed.lists.iter().map(|list| aging(feed, list)).collect()).collect();
        before.into_iter().map(|aging| aging.set.name).collect()
    }

    /// Every set.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.feeds.iter().flatten().map(|aging| &aging.set)
    }

    /// Takes over what is kept on disk of sets of which nothing is held.
    pub fn load(&mut self, now: UnixTime) -> Vec<Event> {
        let store = self.store.clone();
        self.each(None, |set| if set.held().is_some() { Vec::new() } else { set.load(&store, now) })
    }

    /// Takes the sets that a feed still lacks from a document that was brought along, written at `verified`.
    pub fn seed(&mut self, feed: usize, document: &[u8], verified: UnixTime, now: UnixTime) -> Vec<Event> {
        self.each(Some(feed), |set| {
            if set.held().is_some() { Vec::new() } else { set.seed(document, verified.min(now), now) }
        })
    }

    /// Judges the document of a feed.
    pub fn offer(&mut self, feed: usize, document: &[u8], now: UnixTime) -> Vec<Event> {
        let store = self.store.clone();
        self.each(Some(feed), |set| set.offer(&store, document, now))
    }

    /// The document of a feed is still the one that its sets are of.
    pub fn confirm(&mut self, feed: usize, now: UnixTime) -> Vec<Event> {
        let store = self.store.clone();
        self.each(Some(feed), |set| set.confirm(&store, now))
    }

    /// Whether all sets of a feed are held.
    pub fn holds(&self, feed: usize) -> bool {
        self.feeds.get(feed).is_some_and(|sets| sets.iter().all(|aging| aging.set.held().is_some()))
    }

    /// Whether an operator could approve something.
    pub fn waits_for_approval(&self) -> bool {
        self.store.keeps() && self.sets().any(|set| set.refused().is_some())
    }

    /// Lets in what an operator has approved.
    pub fn take_approvals(&mut self, now: UnixTime) -> Vec<Event> {
        let store = self.store.clone();
        self.each(None, |set| set.take_approval(&store, now))
    }

    /// What time alone changes: graces that end, lists that grow old.
    pub fn pass(&mut self, now: UnixTime) -> Vec<Event> {
        let max_age = self.max_age;
        let mut events = Vec::new();
        for aging in self.feeds.iter_mut().flatten() {
            let removed = aging.set.expire(now);
            let ended = (removed > 0).then_some(What::Ended { removed });
            let told = ended.into_iter().chain(aging.old(max_age, now));
            events.extend(told.map(|what| Event { set: aging.set.name.clone(), what }));
        }
        events
    }

    /// The sets that are served now.
    pub fn served(&self, now: UnixTime) -> RangeSets {
        let fresh = |set: &&Set| {
            let age = set.held().map(|held| held.age(now)).unwrap_or_default();
            self.max_age.then == PastAge::Keep || age <= self.max_age.age
        };
        let served = |set: &Set| Some((set.name.clone(), Arc::clone(set.served()?)));
        self.sets().filter(fresh).filter_map(served).collect()
    }

    fn each(&mut self, feed: Option<usize>, mut work: impl FnMut(&mut Set) -> Vec<What>) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, sets) in self.feeds.iter_mut().enumerate() {
            if feed.is_some_and(|feed| feed != index) {
                continue;
            }
            for Aging { set, .. } in sets {
                let told = work(set);
                events.extend(told.into_iter().map(|what| Event { set: set.name.clone(), what }));
            }
        }
        events
    }
}

impl Aging {
    /// A warning once a day, from the third day on, and at once where the list becomes older than allowed.
    fn old(&mut self, max_age: MaxAge, now: UnixTime) -> Option<What> {
        let age = self.set.held()?.age(now);
        let past = age > max_age.age;
        if age < WARN_AGE && !past {
            self.said = None;
            return None;
        }
        // Days from the limit on are counted apart, so that crossing it is said whenever it happens.
        let day = age.as_secs() / DAY + if past { 1 << 32 } else { 0 };
        (self.said.replace(day) != Some(day)).then_some(What::Old {
            age,
            past,
            served: !past || max_age.then == PastAge::Keep,
        })
    }
}
