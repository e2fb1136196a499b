//! When each group was last written through this process: our own clock's answer to whether a group is stale.

use crate::clock::{Clock, Tick};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Groups remembered; beyond, the half that was written longest ago is forgotten.
const MOST: usize = 65_536;

/// The end of the last write to each group. Groups are known by a keyed hash: two that share one only seem fresher.
#[derive(Default)]
pub(super) struct Writes {
    ends: Mutex<HashMap<u64, Tick>>,
    hasher: RandomState,
}

/// A write that is under way; its end is noted when it is dropped.
pub(super) struct Write {
    writes: Arc<Writes>,
    group: u64,
    clock: Arc<dyn Clock>,
}

impl Writes {
    /// A write to the group at `path` begins.
    pub(super) fn begun(self: &Arc<Self>, path: &str, clock: Arc<dyn Clock>) -> Write {
        Write { writes: self.clone(), group: self.hasher.hash_one(path), clock }
    }

    /// When the last one ended.
    pub(super) fn last(&self, path: &str) -> Option<Tick> {
        self.ends.lock().get(&self.hasher.hash_one(path)).copied()
    }

    fn note(&self, group: u64, end: Tick) {
        let mut ends = self.ends.lock();
        if ends.len() >= MOST && !ends.contains_key(&group) {
            let mut ticks: Vec<Tick> = ends.values().copied().collect();
            let (_, middle, _) = ticks.select_nth_unstable(MOST / 2);
            let middle = *middle;
            ends.retain(|_, end| *end > middle);
        }
        ends.insert(group, end);
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.writes.note(self.group, self.clock.tick());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn remembers_the_end_of_the_last_write_and_forgets_the_oldest() {
        let clock = ManualClock::default();
        let writes = Arc::new(Writes::default());
        let write = writes.begun("/metrics/job/a", Arc::new(clock.clone()));
        clock.advance(Duration::from_secs(5));
        assert_eq!(writes.last("/metrics/job/a"), None, "it has not ended");
        drop(write);
        assert_eq!(writes.last("/metrics/job/a"), Some(clock.tick()));
        for group in 0..u64::try_from(MOST).unwrap() {
            clock.advance(Duration::from_nanos(1));
            writes.note(group, clock.tick());
        }
        assert!(writes.ends.lock().len() <= MOST);
        assert_eq!(writes.last("/metrics/job/a"), None);
        assert!(writes.ends.lock().contains_key(&u64::try_from(MOST - 1).unwrap()));
    }
}
