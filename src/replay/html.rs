//! The report as one page that needs nothing else: no script, no font, no request.

mod chart;

use super::judge::Why;
use super::report::{Group, Report};
use super::text::{grouped, percent, shown};
use super::top::Top;
use crate::shown::markup;
use chart::chart;
use std::collections::BTreeMap;

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub fn html(report: &Report, policy: &str) -> String {
    let requests = report.requests();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>Replay of {0}</title><style>\n{STYLE}</style></head>\
         <body>\n<h1>What {0} would have done</h1>\n<div class=\"dim\">{1} requests in {2} lines</div>\n",
        markup(policy),
        grouped(requests),
        grouped(report.lines),
    );
    out.push_str(&summary(report));
    out.push_str(&chart(report));
    out.push_str(&whys("Denied, by reason and rule", "r", &report.denied));
    out.push_str(&whys("Passed only because the rule reports", "y", &report.would_deny));
    out.push_str(&groups("Undecided, by what the log does not tell", &report.undecided));
    out.push_str(&groups("Lines that could not be read", &report.unread));
    out.push_str("<div class=\"columns\">");
    for (title, top) in [("Jobs", &report.jobs), ("Sources", &report.sources), ("Principals", &report.principals)] {
        out.push_str(&self::top(title, top));
    }
    out.push_str("</div>\n</body></html>\n");
    out
}

/// The numbers that matter, those first that would surprise somebody.
fn summary(report: &Report) -> String {
    let requests = report.requests();
    let kinds =
        [("allowed", "g", report.allowed), ("denied", "r", report.denied()), ("undecided", "y", report.undecided())];
    let mut out = String::from("<div class=\"share\">");
    for (name, colour, count) in kinds.iter().filter(|(_, _, count)| *count > 0) {
        let title = format!("{} {name}", grouped(*count));
        out.push_str(&format!("<div class=\"{colour}\" style=\"flex:{count}\" title=\"{title}\"></div>"));
    }
    out.push_str("</div>\n<div class=\"cards\">");
    for (name, colour, count) in kinds {
        let share = percent(count, requests);
        let card = format!("<div class=\"card\"><i class=\"{colour}\"></i>{name}<b>{}</b>", grouped(count));
        out.push_str(&format!("{card}<span class=\"dim\">{share}</span></div>"));
    }
    if report.newly_denied() > 0 {
        let count = grouped(report.newly_denied());
        let about = "<span class=\"dim\">were answered with success then</span>";
        out.push_str(&format!("<div class=\"card hot\">of the denied<b>{count}</b>{about}</div>"));
    }
    out.push_str("</div>\n");
    if report.bodies_unseen > 0 {
        let count = grouped(report.bodies_unseen);
        out.push_str(&format!(
            "<p class=\"dim\">{count} of the allowed are writes; bodies are in no log and were not judged.</p>\n"
        ));
    }
    out
}

fn whys(title: &str, colour: &str, groups: &BTreeMap<Why, Group>) -> String {
    table(title, colour, groups.iter().map(|(why, group)| (shown(why), group)).collect())
}

fn groups(title: &str, groups: &BTreeMap<String, Group>) -> String {
    table(title, "y", groups.iter().map(|(name, group)| (name.clone(), group)).collect())
}

fn table(title: &str, colour: &str, mut rows: Vec<(String, &Group)>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(&b.0)));
    let most = rows.first().map_or(1, |(_, group)| group.count);
    let all = rows.iter().map(|(_, group)| group.count).sum();
    let mut out = format!("<h2>{title}</h2>\n<table class=\"kinds\">\n");
    for (name, group) in rows {
        let then = match group.passed_then {
            0 => String::new(),
            passed => format!(" <span class=\"pill\">{} passed then</span>", grouped(passed)),
        };
        let examples: String =
            group.examples.iter().map(|e| format!("{}: {}\n", markup(&e.place), markup(&e.text))).collect();
        let name = if name.is_empty() { "others" } else { &name };
        out.push_str(&format!(
            "<tr><td class=\"n\">{}</td><td class=\"n s\">{}</td>{}<td>{}{then}<details><summary>examples</summary>\
             <pre>{examples}</pre></details></td></tr>\n",
            grouped(group.count),
            percent(group.count, all),
            bar(group.count, most, colour),
            markup(name),
        ));
    }
    out + "</table>\n"
}

fn top(title: &str, top: &Top) -> String {
    let first = top.first(12);
    let most = first.first().map_or(1, |(_, count)| *count);
    if first.is_empty() {
        return String::new();
    }
    let mut out = format!("<section><h2>{title}</h2>\n<table>\n");
    for (name, count) in first {
        let short: String = name.chars().take(80).collect();
        let shown = if short.is_empty() { "(empty)".to_owned() } else { markup(&short) };
        out.push_str(&format!(
            "<tr><td>{shown}</td>{}<td class=\"n\">{}</td></tr>\n",
            bar(count, most, "g"),
            grouped(count)
        ));
    }
    out.push_str("</table>\n");
    if top.error() > 0 {
        let error = grouped(top.error());
        let message = format!("there were too many to count apart; a number can be {error} too high");
        out.push_str(&format!("<p class=\"dim\">{message}</p>\n"));
    }
    out + "</section>\n"
}

fn bar(count: u64, most: u64, colour: &str) -> String {
    let share = u128::from(count) * 100 / u128::from(most.max(1));
    format!("<td class=\"b\"><div class=\"{colour}\" style=\"width:{share}%\"></div></td>")
}
