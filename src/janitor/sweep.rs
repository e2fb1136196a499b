//! The order of a sweep.

use super::doubt::Doubt;
use super::plan::{Due, judge, most_at_once};
use super::report::{Report, Row, What};
use crate::clock::Tick;
use crate::groups::{Group, Labels};
use crate::policy::Ttl;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a reading is good for. Under it many groups go by one reading, which is large where there are many.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// How often a group is looked for after its `DELETE`, which the gateway puts in a queue.
const LOOKS: u32 = 5;

/// How far a sweep goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Says what is due.
    Report,
    /// Removes it, unless that is more than [`most_at_once`].
    Remove,
    /// Removes it, however much it is.
    Force,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read all groups: [`Sweep::begin`], [`Sweep::see`] for each, [`Sweep::end`].
    Read {
        /// Whether to wait a moment before, since a group is still being removed.
        pause: bool,
    },
    /// Take the lock of the group, ask [`Sweep::still_due`] and delete it by its paths; then [`Sweep::removed`].
    Remove(Box<Due>),
    /// Nothing more.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Plan,
    Remove,
    /// How many looks have been taken.
    Verify(u32),
    Done,
}

/// One sweep.
pub struct Sweep {
    ttl: Ttl,
    doubt: Doubt,
    mode: Mode,
    phase: Phase,
    rows: BTreeMap<Labels, Row>,
    report: Report,
    /// When the last whole reading began and ended.
    reading: Option<(Tick, Tick)>,
    /// The gateway's time at the reading that is under way.
    date: Duration,
    /// When it began.
    begun: Tick,
    /// What it has shown of the groups that are due.
    seen: BTreeMap<Labels, Option<Duration>>,
    /// The next group to remove lies behind it.
    cursor: Option<Labels>,
}

impl Sweep {
    /// A sweep by these rules.
    pub fn new(ttl: Ttl, doubt: Doubt, mode: Mode) -> Self {
        Self {
            ttl,
            doubt,
            mode,
            phase: Phase::Plan,
            rows: BTreeMap::new(),
            report: Report::default(),
            reading: None,
            date: Duration::ZERO,
            begun: Tick::default(),
            seen: BTreeMap::new(),
            cursor: None,
        }
    }

    /// What to do next, at `now`.
    pub fn step(&mut self, now: Tick) -> Step {
        match self.phase {
            Phase::Plan => Step::Read { pause: false },
            Phase::Verify(looks) => Step::Read { pause: looks > 0 },
            Phase::Done => Step::Done,
            Phase::Remove => {
                let Some(due) = self.next_due() else {
                    let removed = self.rows.values().any(|row| row.what == What::Removed);
                    self.phase = if removed { Phase::Verify(0) } else { Phase::Done };
                    return self.step(now);
                };
                match self.reading {
                    Some((_, ended)) if now.since(ended) <= GOOD_FOR => Step::Remove(Box::new(due)),
                    _ => Step::Read { pause: false },
                }
            }
        }
    }

    fn next_due(&self) -> Option<Due> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = self.cursor.as_ref().map_or(Unbounded, Excluded);
        let mut rest = self.rows.range((from, Unbounded)).map(|(_, row)| row);
        rest.find(|row| row.what == What::Due).map(|row| row.due.clone())
    }

    /// A reading begins: `date` is the gateway's time since 1970, `now` and `wall` are ours from before it was asked.
    pub fn begin(&mut self, date: Duration, now: Tick, wall: Duration) {
        self.date = date;
        self.begun = now;
        self.seen.clear();
        if self.phase == Phase::Plan {
            self.rows.clear();
            self.report = Report { date, jumped: self.doubt.observe(date, now, wall), ..Report::default() };
        }
    }

    /// A group of the reading.
    pub fn see(&mut self, group: &Group) {
        if self.phase != Phase::Plan {
            if self.rows.contains_key(&group.labels) {
                self.seen.insert(group.labels.clone(), group.activity());
            }
            return;
        }
        self.report.groups += 1;
        match judge(group, &self.ttl, self.date, &self.doubt) {
            Ok(due) => drop(self.rows.insert(due.labels.clone(), Row { due, what: What::Due })),
            Err(why) => *self.report.kept.entry(why).or_default() += 1,
        }
    }

    /// The reading was whole and ended at `now`. Where one fails, the sweep ends with what it has: [`Sweep::report`].
    pub fn end(&mut self, now: Tick) {
        match self.phase {
            Phase::Plan => self.planned(),
            Phase::Remove => {
                self.recheck();
                self.reading = Some((self.begun, now));
            }
            Phase::Verify(looks) => self.verify(looks),
            Phase::Done => {}
        }
    }

    fn planned(&mut self) {
        let most = most_at_once(self.report.groups);
        if self.mode != Mode::Force && self.rows.len() > most {
            self.report.stopped_beyond = Some(most);
        }
        let goes_on = self.mode != Mode::Report && self.report.stopped_beyond.is_none();
        self.phase = if goes_on { Phase::Remove } else { Phase::Done };
    }

    /// What is no longer there, or has been pushed since, is left alone.
    fn recheck(&mut self) {
        for (labels, row) in self.rows.iter_mut().filter(|(_, row)| row.what == What::Due) {
            match self.seen.get(labels) {
                None => row.what = What::Gone,
                Some(activity) if *activity != Some(row.due.activity) => row.what = What::PushedAgain,
                Some(_) => {}
            }
        }
    }

    fn verify(&mut self, looks: u32) {
        let still_there =
            |row: &Row| row.what == What::Removed && self.seen.get(&row.due.labels) == Some(&Some(row.due.activity));
        if self.rows.values().any(still_there) && looks + 1 < LOOKS {
            self.phase = Phase::Verify(looks + 1);
            return;
        }
        let left: Vec<Labels> =
            self.rows.iter().filter(|(_, row)| still_there(row)).map(|(labels, _)| labels.clone()).collect();
        for labels in left {
            self.removed(&labels, Err("the gateway took the DELETE, but the group is still there".to_owned()));
        }
        self.phase = Phase::Done;
    }

    /// Asked under the lock of the group, at `now`: whether it may still be removed. `last_write` is the end of the last
    /// write to it that went through this process.
    pub fn still_due(&mut self, due: &Due, last_write: Option<Tick>, now: Tick) -> bool {
        let Some((begun, ended)) = self.reading else { return false };
        // Waiting for the lock takes time: an old reading says nothing any more. The step comes again.
        if now.since(ended) > GOOD_FOR {
            return false;
        }
        // A write behind the beginning of the reading may be missing in it; and whatever the gateway's clock says, ours
        // tells how long ago the last one was.
        if last_write.is_some_and(|last| last >= begun || now.since(last) <= due.max_age) {
            self.set(&due.labels, What::PushedAgain);
            return false;
        }
        self.report.window = self.report.window.max(now.since(begun));
        true
    }

    /// What came of a group's `DELETE`; where [`Sweep::still_due`] said no, this is not called.
    pub fn removed(&mut self, labels: &Labels, outcome: Result<(), String>) {
        self.set(labels, outcome.map_or_else(What::Failed, |()| What::Removed));
        self.cursor = self.cursor.take().max(Some(labels.clone()));
    }

    fn set(&mut self, labels: &Labels, what: What) {
        if let Some(row) = self.rows.get_mut(labels) {
            row.what = what;
        }
    }

    /// Groups that are due, and how many of them have been dealt with.
    pub fn progress(&self) -> (usize, usize) {
        let open = self.rows.values().filter(|row| row.what == What::Due).count();
        (self.rows.len(), self.rows.len() - open)
    }

    /// What is known of the gateway's clock now.
    pub fn doubt(&self) -> &Doubt {
        &self.doubt
    }

    /// What it has come to so far.
    pub fn report(&self) -> Report {
        Report { rows: self.rows.values().cloned().collect(), ..self.report.clone() }
    }
}
