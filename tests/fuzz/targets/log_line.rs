//! No line of a log ends the program, and what is read of one can be judged by a policy and told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::access_log::read_line;
use pushguard::policy::{Policy, World};
use pushguard::replay::{Judge, Report, html, text};
use pushguard::request::RoutePrefix;
use std::sync::Arc;
use std::time::SystemTime;

fuzz_target!(|line: &str| {
    let world = World { policy: Arc::new(Policy::default()), ..World::default() };
    let mut judge = Judge::new(world, Some("default".into()), None, SystemTime::UNIX_EPOCH);
    let mut report = Report::default();
    match read_line(line, &RoutePrefix::default()) {
        Ok(recorded) => {
            let judged = judge.judge(&recorded);
            report.request(String::new, &recorded, &judged);
        }
        Err(error) => report.line(String::new, line, &error),
    }
    // Whatever it is, it is counted once.
    assert_eq!(report.requests() + report.other_events + report.unread(), 1);
    assert!(!text(&report).is_empty());
    let page = html(&report, "policy");
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
});
