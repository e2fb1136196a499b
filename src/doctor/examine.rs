//! All that can be said of a gateway, as a list.

use super::flags::Flags;
use super::scrape::Scrape;
use crate::groups::Group;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Somebody can do harm by it, or is harmed.
    Bad,
}

impl Level {
    /// As it is printed.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Bad => "BAD",
        }
    }
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub about: &'static str,
    /// What was found, and what to do.
    pub text: String,
}

fn finding(level: Level, about: &'static str, text: impl Into<String>) -> Finding {
    Finding { level, about, text: text.into() }
}

/// Judges what was found. `around` are addresses of this machine under which the gateway answered, too; `profiling` is
/// whether it serves its profiles.
pub fn examine(scrape: &Scrape, flags: &Flags, around: &[String], profiling: bool, date: Duration) -> Vec<Finding> {
    let mut list = vec![finding(Level::Ok, "version", flags.version.clone())];
    list.push(scraped(scrape));
    list.extend(scrape.culprits.iter().map(|c| finding(Level::Bad, "group", format!("{} {}", c.group, c.why))));
    list.push(reachable(flags, around, profiling));
    list.extend(by_flags(flags));
    list.extend(stock(&scrape.groups, date));
    list
}

fn scraped(scrape: &Scrape) -> Finding {
    match &scrape.broken {
        None => finding(Level::Ok, "scrape", "the metrics page is well"),
        Some(why) if scrape.culprits.is_empty() => {
            finding(Level::Bad, "scrape", format!("broken: {why}; no group could be made out that does it"))
        }
        Some(why) => finding(Level::Bad, "scrape", format!("broken: {why}; --heal removes the groups below")),
    }
}

fn reachable(flags: &Flags, around: &[String], profiling: bool) -> Finding {
    const REMEDY: &str =
        "start it with --web.listen-address=127.0.0.1:9092, or let a network policy admit pushguard alone";
    let profiles = if profiling { ", its profiles too" } else { "" };
    let open = flags.open_addresses();
    match (around.is_empty(), open.is_empty()) {
        (false, _) => {
            finding(Level::Bad, "reachable", format!("it answers under {}{profiles}; {REMEDY}", around.join(", ")))
        }
        (true, false) => {
            finding(Level::Note, "reachable", format!("it listens on {}{profiles}; {REMEDY}", open.join(", ")))
        }
        (true, true) => finding(Level::Ok, "reachable", "on loopback only"),
    }
}

fn by_flags(flags: &Flags) -> Vec<Finding> {
    let bad = [
        ("web.enable-admin-api", "one request deletes everything; start it without --web.enable-admin-api"),
        ("web.enable-lifecycle", "one request ends it; start it without --web.enable-lifecycle"),
        (
            "push.disable-consistency-check",
            "metrics that clash are stored and break every scrape; start it without --push.disable-consistency-check",
        ),
    ];
    let mut list: Vec<Finding> = bad
        .iter()
        .filter(|(flag, _)| flags.is_set(flag))
        .map(|(flag, text)| finding(Level::Bad, "flag", format!("{flag}: {text}")))
        .collect();
    if flags.is_set("push.enable-utf8-names") {
        list.push(finding(Level::Note, "flag", "push.enable-utf8-names: a label U__NAME means another label there"));
    }
    if !flags.has("persistence.file") {
        list.push(finding(Level::Note, "flag", "persistence.file is not set: a restart loses all groups"));
    }
    list
}

fn stock(groups: &[Group], date: Duration) -> Vec<Finding> {
    const DAY: u64 = 86_400;
    let series: usize = groups.iter().map(Group::series).sum();
    let mut list = vec![finding(Level::Ok, "groups", format!("{} groups, {series} series", groups.len()))];
    let age = |group: &Group| group.activity().map(|at| date.saturating_sub(at));
    let old: Vec<(Duration, &Group)> = groups
        .iter()
        .filter_map(|group| Some((age(group)?, group)))
        .filter(|(age, _)| age.as_secs() > 30 * DAY)
        .collect();
    if let Some((age, oldest)) = old.iter().max_by_key(|(age, _)| *age) {
        let (days, count) = (age.as_secs() / DAY, old.len());
        let text = format!("{count} were last pushed more than 30d ago, the oldest {days}d ago: {}", oldest.labels);
        list.push(finding(Level::Note, "groups", text));
    }
    let mut biggest: Vec<&Group> = groups.iter().filter(|group| group.series() >= 1000).collect();
    biggest.sort_by_key(|group| std::cmp::Reverse(group.series()));
    for group in biggest.iter().take(3) {
        list.push(finding(Level::Note, "groups", format!("{} series in {}", group.series(), group.labels)));
    }
    list.extend(conflicts(groups));
    list
}

/// Names that are pushed with several types: whoever comes later is refused.
fn conflicts(groups: &[Group]) -> Vec<Finding> {
    let mut kinds: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for group in groups {
        for family in &group.families {
            let jobs = kinds.entry(&family.name).or_default().entry(&family.kind).or_default();
            jobs.insert(group.labels.job());
        }
    }
    let clash = kinds.into_iter().filter(|(_, kinds)| kinds.len() > 1);
    let told = clash.map(|(name, kinds)| {
        let kind = |(kind, jobs): (&str, BTreeSet<&str>)| {
            let some: Vec<String> = jobs.iter().take(3).map(|job| format!("{job:?}")).collect();
            format!("{kind} in {}", some.join(", "))
        };
        let kinds: Vec<String> = kinds.into_iter().map(kind).collect();
        finding(Level::Bad, "types", format!("{:?} is {}; the scrape may fail at random", name, kinds.join(" and ")))
    });
    told.collect()
}
