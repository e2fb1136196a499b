//! What a replay found, counted.

use super::judge::{Judged, Why};
use super::timeline::Timeline;
use super::top::Top;
use crate::access_log::{LineError, Recorded};
use crate::request::Target;
use std::collections::BTreeMap;

/// Examples that are kept of each kind.
const EXAMPLES: usize = 3;
/// Requests of a kind that are looked at for examples; those that look the same are one.
const TRIED: u64 = 1000;
/// Kinds that are kept apart.
const KINDS: usize = 1000;

/// One line that stands for its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// `FILE:LINE`
    pub place: String,
    /// What was asked, or the line itself where it could not be read; shortened.
    pub text: String,
}

/// Requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// How many of them were answered with success then.
    pub passed_then: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

impl Group {
    /// Counts one more.
    pub fn count(&mut self, passed_then: bool, example: impl FnOnce() -> Example) {
        self.count += 1;
        self.passed_then += u64::from(passed_then);
        if self.examples.len() < EXAMPLES && self.count <= TRIED {
            let example = example();
            if self.examples.iter().all(|known| known.text != example.text) {
                self.examples.push(example);
            }
        }
    }
}

/// Counts one more of a kind; beyond a number of kinds all further ones are one.
pub(super) fn group<K: Ord>(groups: &mut BTreeMap<K, Group>, kind: K, other: K) -> &mut Group {
    let known = groups.len() < KINDS || groups.contains_key(&kind);
    groups.entry(if known { kind } else { other }).or_default()
}

/// The whole report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Lines that were read.
    pub lines: u64,
    /// Lines about something else.
    pub other_events: u64,
    /// Requests that would have passed.
    pub allowed: u64,
    /// Of these, pushes whose body is not in the log.
    pub bodies_unseen: u64,
    /// Requests that would have been refused.
    pub denied: BTreeMap<Why, Group>,
    /// Requests that passed only because a rule reports.
    pub would_deny: BTreeMap<Why, Group>,
    /// Requests of which the log does not tell enough, by what is missing.
    pub undecided: BTreeMap<String, Group>,
    /// Lines that could not be read, by what was wrong.
    pub unread: BTreeMap<String, Group>,
    /// Jobs that were written or would have been.
    pub jobs: Top,
    /// Client addresses.
    pub sources: Top,
    /// Principals.
    pub principals: Top,
    /// Over time.
    pub timeline: Timeline,
}

impl Report {
    /// Counts a line that was read, and what would have become of it.
    pub fn request(&mut self, place: impl Fn() -> String, recorded: &Recorded<'_>, judged: &Judged) {
        let passed_then = (200..400).contains(&recorded.then.status);
        let example = || Example { place: place(), text: shown(recorded) };
        let (kind, principal) = match judged {
            Judged::Allowed { principal, would_deny } => {
                self.allowed += 1;
                self.bodies_unseen += u64::from(matches!(recorded.target, Ok(Target::Group(_))));
                if let Some(why) = would_deny {
                    group(&mut self.would_deny, why.clone(), other()).count(passed_then, example);
                }
                (0, principal.as_ref())
            }
            Judged::Denied { principal, why } => {
                group(&mut self.denied, why.clone(), other()).count(passed_then, example);
                (1, principal.as_ref())
            }
            Judged::Undecided(missing) => {
                group(&mut self.undecided, missing.clone(), String::new()).count(passed_then, example);
                (2, None)
            }
        };
        if let Ok(Target::Group(key)) = &recorded.target {
            self.jobs.count(key.job());
        }
        self.sources.count(&recorded.source.to_string());
        self.principals.count(principal.map_or("none", |name| name));
        if let Some(time) = recorded.time {
            self.timeline.count(time, kind);
        }
    }

    /// Counts a line that is no request to judge.
    pub fn line(&mut self, place: impl Fn() -> String, line: &str, error: &LineError) {
        let example = || Example { place: place(), text: line.chars().take(160).collect() };
        match error {
            LineError::OtherEvent => self.other_events += 1,
            LineError::Settled(reason) => {
                let why = Why { reason: reason.clone(), rule: None };
                group(&mut self.denied, why, other()).count(false, example);
            }
            LineError::Form(what) => {
                group(&mut self.unread, (*what).to_owned(), String::new()).count(false, example);
            }
        }
    }

    /// Requests that were judged.
    pub fn requests(&self) -> u64 {
        self.allowed + self.denied() + self.undecided()
    }

    /// Requests that would have been refused.
    pub fn denied(&self) -> u64 {
        self.denied.values().map(|group| group.count).sum()
    }

    /// Requests that would have been refused and passed then.
    pub fn newly_denied(&self) -> u64 {
        self.denied.values().map(|group| group.passed_then).sum()
    }

    /// Requests that are not decided.
    pub fn undecided(&self) -> u64 {
        self.undecided.values().map(|group| group.count).sum()
    }

    /// Lines that could not be read.
    pub fn unread(&self) -> u64 {
        self.unread.values().map(|group| group.count).sum()
    }
}

fn other() -> Why {
    Why { reason: "others".to_owned(), rule: None }
}

/// What was asked, in one line.
pub(super) fn shown(recorded: &Recorded<'_>) -> String {
    let text = format!("{} {} {}", recorded.method.as_str(), recorded.shown_target(), recorded.context());
    text.chars().take(240).collect()
}
