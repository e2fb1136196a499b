//! What the gateway holds, as far as it matters to the next push: which groups live and whose they are, which metric
//! name has which type, and which group holds which metric.
//!
//! The gateway holds every push against all that it has, and a push that it refuses leaves a failed group behind, or
//! keeps others out. So what would clash is found here, before it is sent. First owner wins.
//!
//! Everything is bounded. What a push will change is reserved before it goes, and counts from then on; what became of it
//! is settled when the gateway has answered. Groups that come and go without pushguard are learned from the gateway.

mod check;
mod learn;
mod learning;
mod names;
mod state;
mod ticket;

pub use learn::{Learned, LearnedFamily};
pub use learning::Learning;
pub use ticket::{Settled, Ticket};

use crate::payload::{Family, Kind};
use crate::request::GroupingKey;
use parking_lot::Mutex;
use state::State;
use std::sync::Arc;

/// How much is kept at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Live groups. A gateway that has more already keeps them, and gets no new one.
    pub groups: usize,
    /// Bytes of their paths.
    pub key_bytes: usize,
    /// Different metric names.
    pub names: usize,
    /// Metric families of all groups together.
    pub families: usize,
    /// Metrics of all groups together. A push that would bring more is refused: of what is not kept, nobody could tell
    /// whether another has its hash.
    pub metrics: usize,
    /// Bytes of the gateway's page, which is everybody's scrape, see [`page`](crate::payload::page).
    pub page: usize,
}

impl Bounds {
    /// At most that many live groups and metrics, and a page of the gateway of so many bytes.
    pub fn new(groups: usize, metrics: usize, page_bytes: u64) -> Self {
        // As protobuf the page may have three times what is counted, and the gateway's own metrics are on it as well.
        let page = usize::try_from(page_bytes / 4).unwrap_or(usize::MAX);
        Self { groups, key_bytes: 8 * 1024 * 1024, names: 20_000, families: 100_000, metrics, page }
    }
}

/// Shares of the bounds that operators set: 1 is full, what was pushed around the proxy can make it more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// Of live groups.
    pub groups: f64,
    /// Of metrics.
    pub metrics: f64,
    /// Of the gateway's page.
    pub page: f64,
}

fn share(held: usize, most: usize) -> f64 {
    let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    number(held) / number(most.max(1))
}

/// What a write does to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It replaces the families that it holds.
    Push,
    /// It replaces all families.
    Replace,
    /// It removes the group.
    Delete,
}

/// What a write is about to change.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The group.
    pub key: GroupingKey,
    /// Who writes; a new group is counted for it.
    pub principal: Arc<str>,
    /// What becomes of the group.
    pub change: Change,
    /// What the body holds.
    pub families: Arc<[Family]>,
    /// How many groups the principal may have.
    pub most_groups: usize,
}

/// Why a write is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The principal has as many groups as it may have.
    OwnGroups(usize),
    /// The gateway has as many groups as it may have.
    AllGroups(usize),
    /// More metric names or families than are kept.
    Names,
    /// More metrics than are kept.
    Metrics(usize),
    /// A longer page of the gateway than may be.
    Page(usize),
    /// It clashes with what other groups hold, or with the rest of its own.
    Clash(Vec<Clash>),
}

/// A family that cannot be stored beside another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The name that was pushed.
    pub name: String,
    /// The type that it was pushed with.
    pub kind: Kind,
    /// With what it clashes.
    pub with: With,
    /// The first of the groups that hold that.
    pub holders: Vec<Holder>,
    /// How many groups hold it.
    pub count: usize,
}

/// With what a family clashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    /// The same name has another type.
    Type(Kind),
    /// One of the two has the name of a part of the other.
    Part {
        /// The name that is stored.
        name: String,
        /// Its type.
        kind: Kind,
    },
    /// A group holds the very same metric: its path says what here the body says, or the other way round.
    Metric,
    /// A metric of another name or other labels has its hash in the gateway: one of a group, or, where none holds it, one
    /// of the gateway's own.
    Hash,
}

/// A group that is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The group.
    pub key: GroupingKey,
    /// Whose it is, where that is known.
    pub owner: Option<Arc<str>>,
}

/// What the gateway holds.
pub struct Inventory {
    state: Mutex<State>,
    bounds: Bounds,
}

impl Inventory {
    /// Nothing is known yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { state: Mutex::new(State::default()), bounds }
    }

    /// Reserves what a write will change, unless it must not be sent.
    ///
    /// # Errors
    /// Why it must not.
    pub fn reserve(self: &Arc<Self>, reservation: &Reservation) -> Result<Ticket, Refusal> {
        let mut state = self.state.lock();
        check::check(&state, reservation, &self.bounds)?;
        let id = state.begin(reservation);
        Ok(Ticket::new(Arc::clone(self), reservation.key.upstream_path().into(), id, reservation.change))
    }

    /// Live groups.
    pub fn groups(&self) -> usize {
        self.state.lock().groups().len()
    }

    /// How much of its bounds is used.
    pub fn used(&self) -> Used {
        let (state, bounds) = (self.state.lock(), &self.bounds);
        Used {
            groups: share(state.groups().len(), bounds.groups),
            metrics: share(state.pushed(), bounds.metrics),
            page: share(state.page(), bounds.page),
        }
    }

    /// Different metric names.
    pub fn names(&self) -> usize {
        self.state.lock().names().len()
    }

    /// The moment before the gateway is asked what it holds; for [`Inventory::learn`].
    pub fn mark(&self) -> u64 {
        self.state.lock().time()
    }

    /// Takes over what the gateway said that it holds. Groups that were written to since `mark` are known better here.
    /// `owner` says whose a group is that nobody is known to have written.
    pub fn learn(&self, mark: u64, learned: Vec<Learned>, owner: impl Fn(&GroupingKey) -> Option<Arc<str>>) {
        self.state.lock().learn(mark, learned, owner, self.bounds.metrics);
    }

    fn settle(&self, path: &str, id: u64, change: Change, settled: Settled) {
        self.state.lock().settle(path, id, change, settled);
    }
}

#[cfg(test)]
mod tests;
