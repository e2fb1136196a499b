//! The report for a program.

use super::judge::Why;
use super::report::{Example, Group, Report};
use super::top::Top;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The whole report as one object.
pub fn json(report: &Report) -> Value {
    json!({
        "lines": report.lines,
        "other_events": report.other_events,
        "requests": report.requests(),
        "allowed": report.allowed,
        "denied": report.denied(),
        "denied_that_passed_then": report.newly_denied(),
        "undecided": report.undecided(),
        "unread": report.unread(),
        "bodies_unseen": report.bodies_unseen,
        "denied_by": whys(&report.denied),
        "would_deny_by": whys(&report.would_deny),
        "undecided_by": groups(&report.undecided),
        "unread_by": groups(&report.unread),
        "jobs": top(&report.jobs),
        "sources": top(&report.sources),
        "principals": top(&report.principals),
    })
}

fn whys(groups: &BTreeMap<Why, Group>) -> Vec<Value> {
    let value =
        |(why, group): (&Why, &Group)| with(group, json!({ "reason": why.reason, "rule": why.rule.as_deref() }));
    groups.iter().map(value).collect()
}

fn groups(groups: &BTreeMap<String, Group>) -> Vec<Value> {
    groups.iter().map(|(what, group)| with(group, json!({ "what": what }))).collect()
}

/// A kind with its numbers.
pub(super) fn with(group: &Group, mut kind: Value) -> Value {
    let example = |example: &Example| json!({ "place": example.place, "text": example.text });
    if let Value::Object(kind) = &mut kind {
        kind.insert("count".to_owned(), group.count.into());
        kind.insert("passed_then".to_owned(), group.passed_then.into());
        kind.insert("examples".to_owned(), group.examples.iter().map(example).collect());
    }
    kind
}

fn top(top: &Top) -> Vec<Value> {
    top.first(100).into_iter().map(|(name, count)| json!({ "name": name, "count": count })).collect()
}
