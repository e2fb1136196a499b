//! What is held of one set: the prefixes of the last accepted list, and those that left it and are still served.

use super::prefix::Prefix;
use crate::prefix_set::PrefixSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// Whole seconds since 1970.
pub type UnixTime = u64;

/// A wall time in whole seconds since 1970; 0 for what lies before.
pub fn unix(wall: SystemTime) -> UnixTime {
    wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How long a prefix is served after it left the list: published lists go back to an older state within hours.
pub const GRACE: Duration = Duration::from_secs(48 * 60 * 60);

/// A prefix that left the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// When it came.
    pub since: UnixTime,
    /// When it was found missing.
    pub left: UnixTime,
}

/// One set as it is held and kept on disk. Only [`super::guard::accept`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// When the source last gave or confirmed the list.
    pub verified: UnixTime,
    /// When the list last changed.
    pub changed: UnixTime,
    /// When an operator last approved a list that the guard had refused; 0 where none ever did.
    pub approved: UnixTime,
    /// The accepted list: each prefix and when it came.
    pub listed: BTreeMap<Prefix, UnixTime>,
    /// What left it and is served until its grace is over.
    pub leaving: BTreeMap<Prefix, Leaving>,
}

impl Leaving {
    /// When it is no longer served.
    pub fn ends(self) -> UnixTime {
        self.left.saturating_add(GRACE.as_secs())
    }
}

impl Held {
    /// The prefixes that are served now, and since when each is.
    pub fn served(&self, now: UnixTime) -> impl Iterator<Item = (Prefix, UnixTime)> {
        let listed = self.listed.iter().map(|(prefix, since)| (*prefix, *since));
        let leaving = self.leaving.iter().filter(move |(_, leaving)| now < leaving.ends());
        listed.chain(leaving.map(|(prefix, leaving)| (*prefix, leaving.since)))
    }

    /// The addresses that are served now.
    pub fn set(&self, now: UnixTime) -> PrefixSet {
        PrefixSet::from_prefixes(self.served(now).map(|(prefix, _)| prefix.net()))
    }

    /// When the next prefix stops being served.
    pub fn next_end(&self, now: UnixTime) -> Option<UnixTime> {
        self.leaving.values().map(|leaving| leaving.ends()).filter(|end| now < *end).min()
    }

    /// How long ago the source last gave or confirmed the list; 0 where the clock went back.
    pub fn age(&self, now: UnixTime) -> Duration {
        Duration::from_secs(now.saturating_sub(self.verified))
    }
}
