//! A gateway with its clock, a guard in front of it, and pushers, in one thread that a seed repeats.

use super::labels;
use crate::clock::Tick;
use crate::groups::{Group, Labels};
use std::collections::BTreeMap;
use std::time::Duration;

/// A stored group: when it was last pushed, by the gateway's clock and in truth.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) pushed: u64,
    pub(super) failed: u64,
    /// Milliseconds of true time.
    pub(super) truly: u64,
}

/// The world of a simulation. True time goes on in milliseconds and never jumps.
pub(super) struct Model {
    pub(super) now: u64,
    /// The gateway's clock less true time, seconds.
    pub(super) skew: i64,
    /// When the guard was started: its ticks begin there.
    pub(super) started: u64,
    pub(super) groups: BTreeMap<Labels, Stored>,
    /// The end of the last write to a group through the guard, of this start.
    pub(super) writes: BTreeMap<Labels, Tick>,
}

/// True time begins at some date of 2026, in seconds.
const EPOCH: i64 = 1_795_500_000;

impl Model {
    pub(super) fn new() -> Self {
        Self { now: 0, skew: 0, started: 0, groups: BTreeMap::new(), writes: BTreeMap::new() }
    }

    pub(super) fn tick(&self) -> Tick {
        Tick::default().plus(Duration::from_millis(self.now - self.started))
    }

    /// The guard's wall clock is right.
    pub(super) fn wall(&self) -> Duration {
        Duration::from_secs(u64::try_from(EPOCH).unwrap() + self.now / 1000)
    }

    /// What the gateway's clock says, whole seconds.
    pub(super) fn date(&self) -> u64 {
        u64::try_from(EPOCH + i64::try_from(self.now / 1000).unwrap() + self.skew).unwrap()
    }

    /// A push that ends now.
    pub(super) fn push(&mut self, job: &str, through_guard: bool, accepted: bool) {
        let key = labels(&[("job", job)]);
        let date = self.date();
        let stored = self.groups.entry(key.clone()).or_insert(Stored { pushed: 0, failed: 0, truly: 0 });
        if accepted {
            stored.pushed = date;
        } else {
            stored.failed = date;
        }
        stored.truly = self.now;
        if through_guard {
            let tick = self.tick();
            self.writes.insert(key, tick);
        }
    }

    pub(super) fn restart_guard(&mut self) {
        self.started = self.now;
        self.writes.clear();
    }

    /// What the gateway would list.
    pub(super) fn listing(&self) -> Vec<Group> {
        let shown = |(labels, stored): (&Labels, &Stored)| Group {
            labels: labels.clone(),
            pushed: Some(Duration::from_secs(stored.pushed)),
            failed: Some(Duration::from_secs(stored.failed)),
            ..Group::default()
        };
        self.groups.iter().map(shown).collect()
    }
}
