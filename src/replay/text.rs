//! The report for a terminal.

use super::judge::Why;
use super::report::{Group, Report};
use super::top::Top;
use std::collections::BTreeMap;

/// The whole report.
pub fn text(report: &Report) -> String {
    let requests = report.requests();
    let mut out = format!("{} requests in {} lines\n\n", grouped(requests), grouped(report.lines));
    let rows = [("allowed", report.allowed), ("denied", report.denied()), ("undecided", report.undecided())];
    for (name, count) in rows {
        out.push_str(&format!("  {name:<10} {:>14}  {:>6}\n", grouped(count), percent(count, requests)));
    }
    if report.newly_denied() > 0 {
        let count = grouped(report.newly_denied());
        out.push_str(&format!("\n{count} of the denied were answered with success then.\n"));
    }
    if report.bodies_unseen > 0 {
        let count = grouped(report.bodies_unseen);
        out.push_str(&format!("\n{count} of the allowed are writes; bodies are in no log and were not judged.\n"));
    }
    out.push_str(&whys("Denied, by reason and rule", &report.denied));
    out.push_str(&whys("Passed only because the rule reports", &report.would_deny));
    out.push_str(&groups("Undecided, by what the log does not tell", &report.undecided));
    out.push_str(&groups("Lines that could not be read", &report.unread));
    for (title, top) in [("Jobs", &report.jobs), ("Sources", &report.sources), ("Principals", &report.principals)] {
        out.push_str(&self::top(title, top));
    }
    out
}

fn whys(title: &str, groups: &BTreeMap<Why, Group>) -> String {
    let named = groups.iter().map(|(why, group)| (shown(why), group));
    section(title, named.collect())
}

fn groups(title: &str, groups: &BTreeMap<String, Group>) -> String {
    let name = |name: &String| if name.is_empty() { "others".to_owned() } else { name.clone() };
    section(title, groups.iter().map(|(kind, group)| (name(kind), group)).collect())
}

fn section(title: &str, mut named: Vec<(String, &Group)>) -> String {
    if named.is_empty() {
        return String::new();
    }
    named.sort_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(&b.0)));
    let mut out = format!("\n{title}\n");
    for (name, group) in named {
        let then = match group.passed_then {
            0 => String::new(),
            passed => format!("  ({} passed then)", grouped(passed)),
        };
        out.push_str(&format!("  {:>14}  {name}{then}\n", grouped(group.count)));
        for example in &group.examples {
            out.push_str(&format!("                  {}: {}\n", example.place, example.text));
        }
    }
    out
}

fn top(title: &str, top: &Top) -> String {
    let first = top.first(10);
    if first.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{title}\n");
    for (name, count) in first {
        let shown: String = name.chars().take(100).collect();
        out.push_str(&format!("  {:>14}  {shown:?}\n", grouped(count)));
    }
    if top.error() > 0 {
        out.push_str(&format!(
            "  there were too many to count apart; a number can be {} too high\n",
            grouped(top.error())
        ));
    }
    out
}

/// The reason and its rule.
pub(super) fn shown(why: &Why) -> String {
    match &why.rule {
        Some(rule) => format!("{} by {rule}", why.reason),
        None => why.reason.clone(),
    }
}

/// `1,234,567`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share in tenths of a percent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}
