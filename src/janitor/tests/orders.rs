//! The order of a sweep, step by step.

use super::{group, secs, ttl};
use crate::clock::Tick;
use crate::groups::Group;
use crate::janitor::{Doubt, Due, Mode, Report, Step, Sweep, What};
use std::time::Duration;

const DATE: u64 = 1_795_500_000;
const DAY: u64 = 86_400;

fn tick(millis: u64) -> Tick {
    Tick::default().plus(Duration::from_millis(millis))
}

fn sweep(mode: Mode) -> Sweep {
    Sweep::new(ttl(&[("keep", None), ("*", Some(30 * DAY))]), Doubt::default(), mode)
}

fn read(sweep: &mut Sweep, groups: &[Group], from: u64, to: u64) {
    sweep.begin(secs(DATE), tick(from), Duration::ZERO);
    groups.iter().for_each(|group| sweep.see(group));
    sweep.end(tick(to));
}

#[track_caller]
fn due(step: Step) -> Box<Due> {
    match step {
        Step::Remove(due) => due,
        other => panic!("expected a removal, got {other:?}"),
    }
}

fn old(job: &str) -> Group {
    group(job, DATE - 40 * DAY, 0)
}

fn texts(report: &Report) -> String {
    let mut lines = report.table();
    lines.push(report.summary());
    lines.join("\n")
}

#[test]
fn it_reads_again_before_it_removes_and_looks_afterwards() {
    let mut sweep = sweep(Mode::Remove);
    assert_eq!(sweep.step(tick(0)), Step::Read { pause: false });
    let fresh = group("fresh", DATE - 60, 0);
    read(&mut sweep, &[old("a"), old("b"), old("c"), fresh.clone(), group("keep", 1, 0)], 0, 10);
    assert_eq!(sweep.step(tick(10)), Step::Read { pause: false }, "the reading that made the plan removes nothing");
    let pushed_again = group("b", DATE - 1, 0);
    read(&mut sweep, &[old("a"), pushed_again.clone(), fresh.clone()], 20, 30);
    let a = due(sweep.step(tick(40)));
    assert_eq!(a.paths, ["/metrics/job/a"]);
    assert!(sweep.still_due(&a, None, tick(50)));
    sweep.removed(&a.labels, Ok(()));
    assert_eq!(sweep.step(tick(60)), Step::Read { pause: false }, "is it gone?");
    read(&mut sweep, &[old("a"), pushed_again.clone()], 70, 80);
    assert_eq!(sweep.step(tick(90)), Step::Read { pause: true }, "not yet");
    read(&mut sweep, &[pushed_again], 300, 310);
    assert_eq!(sweep.step(tick(320)), Step::Done);
    let report = sweep.report();
    assert_eq!(report.window, Duration::from_millis(30));
    insta::assert_snapshot!(texts(&report), @r#"
    LAST PUSH             AGE  KEPT FOR  RULE    SERIES  WHAT          GROUP
    2026-10-15T06:00:00Z  40d  30d       ttl[1]  2       removed       {job="a"}
    2026-10-15T06:00:00Z  40d  30d       ttl[1]  2       pushed again  {job="b"}
    2026-10-15T06:00:00Z  40d  30d       ttl[1]  2       gone          {job="c"}
    5 groups: 1 removed, 1 gone, 1 pushed again, 1 fresh, 1 protected
    "#);
}

#[test]
fn what_is_still_there_after_all_looks_has_failed() {
    let mut sweep = sweep(Mode::Remove);
    let groups = [old("a")];
    sweep.step(tick(0));
    read(&mut sweep, &groups, 0, 1);
    read(&mut sweep, &groups, 2, 3);
    let a = due(sweep.step(tick(4)));
    assert!(sweep.still_due(&a, None, tick(5)));
    sweep.removed(&a.labels, Ok(()));
    let mut looks = 0;
    while sweep.step(tick(6)) != Step::Done {
        read(&mut sweep, &groups, 6, 7);
        looks += 1;
    }
    assert_eq!(looks, 5);
    let report = sweep.report();
    assert!(matches!(&report.rows[0].what, What::Failed(why) if why.contains("still there")), "{report:?}");
}

#[test]
fn an_old_reading_removes_nothing() {
    let mut sweep = sweep(Mode::Remove);
    let groups = [old("a"), old("b")];
    sweep.step(tick(0));
    read(&mut sweep, &groups, 0, 1);
    read(&mut sweep, &groups, 2, 3);
    let a = due(sweep.step(tick(4)));
    assert!(!sweep.still_due(&a, None, tick(5000)), "it waited for the lock for too long");
    assert_eq!(sweep.step(tick(5000)), Step::Read { pause: false });
    read(&mut sweep, &groups, 5000, 5001);
    assert_eq!(due(sweep.step(tick(5002))).labels.job(), "a", "it comes again");
}

#[test]
fn our_own_clock_outvotes_the_gateways() {
    let mut sweep = sweep(Mode::Remove);
    let groups = [old("a"), old("b"), old("c")];
    sweep.step(tick(0));
    let later = 40 * DAY * 1000;
    read(&mut sweep, &groups, later, later + 1);
    read(&mut sweep, &groups, later + 2, later + 3);
    let a = due(sweep.step(tick(later + 4)));
    assert!(
        !sweep.still_due(&a, Some(tick(later + 2)), tick(later + 4)),
        "a write behind the beginning of the reading"
    );
    let b = due(sweep.step(tick(later + 5)));
    assert!(!sweep.still_due(&b, Some(tick(later - 29 * DAY * 1000)), tick(later + 5)), "a write 29 days ago");
    let c = due(sweep.step(tick(later + 6)));
    assert!(sweep.still_due(&c, Some(tick(later - 31 * DAY * 1000)), tick(later + 6)), "a write 31 days ago");
}

#[test]
fn more_than_may_go_at_once_stops_it_unless_forced() {
    let groups: Vec<Group> = (0..11).map(|n| old(&format!("j{n}"))).collect();
    for (mode, goes_on) in [(Mode::Remove, false), (Mode::Report, false), (Mode::Force, true)] {
        let mut sweep = sweep(mode);
        sweep.step(tick(0));
        read(&mut sweep, &groups, 0, 1);
        assert_eq!(sweep.step(tick(1)) != Step::Done, goes_on, "{mode:?}");
        assert_eq!(sweep.report().stopped_beyond, (mode != Mode::Force).then_some(10), "{mode:?}");
        assert_eq!(sweep.report().count("due"), 11);
    }
    let mut sweep = sweep(Mode::Report);
    sweep.step(tick(0));
    read(&mut sweep, &groups[..10], 0, 1);
    assert_eq!(sweep.step(tick(1)), Step::Done, "a report removes nothing");
    assert_eq!(sweep.report().stopped_beyond, None);
}

#[test]
fn the_document_for_programs() {
    let mut sweep = sweep(Mode::Report);
    sweep.step(tick(0));
    read(&mut sweep, &[old("a"), group("fresh", DATE, 0)], 0, 1);
    insta::assert_snapshot!(format!("{:#}", sweep.report().json(None)));
}
