//! The groups that a test has pushed, and what a sweep would remove of them.

use crate::clock::Tick;
use crate::decision::{Permit, Work};
use crate::groups::{Group, Labels};
use crate::janitor::{Doubt, Mode, Sweep};
use crate::policy::Ttl;
use crate::request::GroupingKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// Groups with the time of their last push, as a gateway would hold them that had none before.
#[derive(Default)]
pub(super) struct Held(BTreeMap<GroupingKey, SystemTime>);

impl Held {
    /// Does what the gateway would do.
    pub(super) fn note(&mut self, permit: &Permit, now: SystemTime) {
        match permit.work() {
            // Emptying a group leaves its push times behind, and so the group.
            Work::Push(key) | Work::Replace(key) | Work::Empty(key) => drop(self.0.insert(key.clone(), now)),
            Work::Delete(key) => drop(self.0.remove(key)),
            Work::Read(_) => {}
        }
    }

    /// Sweeps, as `serve` does; answers the paths of what is gone.
    ///
    /// # Errors
    /// So much is due that a sweep stops: how many groups, and how many may go at once.
    pub(super) fn sweep(&mut self, ttl: &Ttl, now: SystemTime) -> Result<BTreeSet<String>, (usize, usize)> {
        let mut sweep = Sweep::new(ttl.clone(), Doubt::default(), Mode::Report);
        sweep.begin(since_1970(now), Tick::default(), since_1970(now));
        for (key, pushed) in &self.0 {
            sweep.see(&group(key, *pushed));
        }
        sweep.end(Tick::default());
        let report = sweep.report();
        if let Some(most) = report.stopped_beyond {
            return Err((report.rows.len(), most));
        }
        let due: BTreeSet<Labels> = report.rows.into_iter().map(|row| row.due.labels).collect();
        let gone = self.0.keys().filter(|key| due.contains(&labels(key))).map(GroupingKey::upstream_path).collect();
        self.0.retain(|key, _| !due.contains(&labels(key)));
        Ok(gone)
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn labels(key: &GroupingKey) -> Labels {
    let job = ("job".to_owned(), key.job().to_owned());
    key.labels().clone().into_iter().chain([job]).collect()
}

fn group(key: &GroupingKey, pushed: SystemTime) -> Group {
    Group { labels: labels(key), pushed: Some(since_1970(pushed)), failed: Some(Duration::ZERO), ..Group::default() }
}
