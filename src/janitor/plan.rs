//! What becomes of a group.

use super::doubt::Doubt;
use crate::groups::{Group, Labels};
use crate::policy::Ttl;
use std::time::Duration;

/// A group that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its key.
    pub labels: Labels,
    /// The paths to delete it by.
    pub paths: Vec<String>,
    /// Its last sign of life, since 1970 by the gateway's clock.
    pub activity: Duration,
    /// How long ago that was.
    pub age: Duration,
    /// How long the rule keeps it.
    pub max_age: Duration,
    /// The place of the rule in the list.
    pub rule: usize,
    /// Its series.
    pub series: usize,
}

/// Why a group stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Its last push is not old enough.
    Fresh,
    /// The rule says never.
    Protected,
    /// No rule names its job.
    NoRule,
    /// The gateway tells no time of a push.
    AgeUnknown,
    /// The gateway's clock has jumped, so that it may seem older than it is.
    ClockInDoubt,
    /// It has no spelling that means this group for sure.
    Unspellable,
}

impl Kept {
    /// As it stands in reports.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Protected => "protected",
            Self::NoRule => "without a rule",
            Self::AgeUnknown => "of unknown age",
            Self::ClockInDoubt => "not judged, the gateway's clock has jumped",
            Self::Unspellable => "that cannot be named for sure",
        }
    }
}

/// Judges a group at `date`, the gateway's time since 1970.
pub(super) fn judge(group: &Group, ttl: &Ttl, date: Duration, doubt: &Doubt) -> Result<Due, Kept> {
    let (rule, max_age) = match ttl.rule(group.labels.job()) {
        None => return Err(Kept::NoRule),
        Some((_, rule)) if rule.max_age.is_none() => return Err(Kept::Protected),
        Some((place, rule)) => (place, rule.max_age.unwrap_or(Duration::MAX)),
    };
    let activity = group.activity().ok_or(Kept::AgeUnknown)?;
    let age = date.saturating_sub(activity);
    if age <= max_age {
        return Err(Kept::Fresh);
    }
    if age <= max_age.saturating_add(doubt.slack(date, max_age)) {
        return Err(Kept::ClockInDoubt);
    }
    let paths = group.paths();
    if paths.is_empty() {
        return Err(Kept::Unspellable);
    }
    Ok(Due { labels: group.labels.clone(), paths, activity, age, max_age, rule, series: group.series() })
}

/// The most groups that one sweep removes: 10, or a fifth of all. More is rarely what somebody meant.
pub const fn most_at_once(groups: usize) -> usize {
    let fifth = groups / 5;
    if fifth > 10 { fifth } else { 10 }
}
