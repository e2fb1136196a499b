//! The plan, the order of a sweep, and a gateway that is a model.

mod model;
mod orders;
mod simulation;

use super::doubt::Doubt;
use super::plan::{Kept, judge, most_at_once};
use crate::clock::Tick;
use crate::groups::{Family, Group, Labels};
use crate::policy::{Pattern, Ttl, TtlRule};
use proptest::prelude::*;
use std::time::Duration;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ttl(rules: &[(&str, Option<u64>)]) -> Ttl {
    let rule = |(job, age): &(&str, Option<u64>)| TtlRule {
        jobs: vec![Pattern::read(job).unwrap()],
        max_age: age.map(Duration::from_secs),
    };
    Ttl(rules.iter().map(rule).collect())
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn group(job: &str, pushed: u64, failed: u64) -> Group {
    Group {
        labels: labels(&[("job", job)]),
        pushed: Some(secs(pushed)),
        failed: Some(secs(failed)),
        last_push_successful: Some(pushed >= failed),
        families: vec![Family {
            name: "m".to_owned(),
            kind: "GAUGE".to_owned(),
            series: 2,
            hashes: Vec::new(),
            bytes: 0,
        }],
        ..Group::default()
    }
}

#[test]
fn a_group_goes_only_where_a_rule_its_age_and_its_name_agree() {
    let rules = ttl(&[("backup-*", None), ("ci", Some(100))]);
    let verdict = |group: &Group, date: u64| judge(group, &rules, secs(date), &Doubt::default()).map(|due| due.age);
    assert_eq!(verdict(&group("ci", 1000, 0), 1101), Ok(secs(101)));
    assert_eq!(verdict(&group("ci", 1000, 0), 1100), Err(Kept::Fresh), "as old as it may be");
    assert_eq!(verdict(&group("ci", 1000, 1050), 1101), Err(Kept::Fresh), "a push that failed is a sign of life");
    assert_eq!(verdict(&group("ci", 0, 1000), 1101), Ok(secs(101)));
    assert_eq!(verdict(&group("ci", 5000, 0), 1101), Err(Kept::Fresh), "a push in the future");
    assert_eq!(verdict(&group("backup-db", 1, 0), 9999), Err(Kept::Protected));
    assert_eq!(verdict(&group("web", 1, 0), 9999), Err(Kept::NoRule));
    assert_eq!(verdict(&group("ci", 0, 0), 9999), Err(Kept::AgeUnknown));
    let untold = Group { failed: None, ..group("ci", 1, 0) };
    assert_eq!(verdict(&untold, 9999), Err(Kept::AgeUnknown));
    let odd = Group { labels: labels(&[("job", "ci"), ("U__x", "1")]), ..group("ci", 1, 0) };
    assert_eq!(verdict(&odd, 9999), Err(Kept::Unspellable));
}

#[test]
fn a_jump_of_the_clock_counts_against_every_age_until_it_is_outlived() {
    let (rules, wall) = (ttl(&[("ci", Some(100))]), |s: u64| secs(s));
    let tick = |s: u64| Tick::default().plus(secs(s));
    let mut doubt = Doubt::default();
    assert_eq!(doubt.observe(secs(1000), tick(0), wall(9000)), None, "a constant error does no harm");
    assert_eq!(doubt.observe(secs(1060), tick(60), wall(9060)), None);
    assert_eq!(doubt.observe(secs(1120), tick(120), wall(99_999)), None, "our own wall clock may jump");
    assert_eq!(doubt.observe(secs(5180), tick(180), wall(99_999)), Some(4000));
    let verdict = |pushed, date, doubt: &Doubt| judge(&group("ci", pushed, 0), &rules, secs(date), doubt).map(|_| ());
    assert_eq!(verdict(1110, 5180, &doubt), Err(Kept::ClockInDoubt), "70 s old, and seems to be 4070");
    assert_eq!(verdict(1000, 5280, &doubt), Ok(()), "older than the jump explains");
    assert_eq!(verdict(1110, 5281, &doubt), Ok(()), "older than the rule, by time since the jump");
    let text = serde_json::to_string(&doubt).unwrap();
    let mut restarted: Doubt = serde_json::from_str(&text).unwrap();
    assert_eq!(restarted.observe(secs(5200), tick(0), wall(100_019)), None, "the same distance as before the restart");
    let mut moved: Doubt = serde_json::from_str(&text).unwrap();
    assert_eq!(moved.observe(secs(5200), tick(0), wall(99_719)), Some(300), "another distance");
}

#[test]
fn the_breaker_lets_ten_go_or_a_fifth() {
    let at: Vec<usize> = [0, 1, 10, 50, 54, 55, 1000].into_iter().map(most_at_once).collect();
    assert_eq!(at, [10, 10, 10, 10, 10, 11, 200]);
}

proptest! {
    #[test]
    fn a_group_younger_than_its_rule_never_goes(
        age in 1..10_000u64, pushed in 0..2_000_000u64, failed in 0..2_000_000u64, date in 0..3_000_000u64,
    ) {
        let verdict = judge(&group("ci", pushed, failed), &ttl(&[("ci", Some(age))]), secs(date), &Doubt::default());
        prop_assert_eq!(verdict.is_ok(), pushed.max(failed) > 0 && date > pushed.max(failed) + age);
    }
}
