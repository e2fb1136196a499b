//! The report as one page that needs nothing else: no script, no font, no request.

use super::judge::Why;
use super::report::{Group, Report};
use super::text::{grouped, percent, shown};
use super::top::Top;
use crate::shown::markup;
use std::collections::BTreeMap;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2733;--dim:#64748b;--line:#e2e8f0;--page:#fff;--card:#f8fafc;--good:#2f9e6e;\
--bad:#d9485f;--open:#d9a441}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#94a3b8;--line:#2b3644;--page:#10161d;--card:#17202a}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:64rem;padding:2.5rem 1.5rem;background:var(--page);\
color:var(--ink);font:15px/1.55 system-ui,sans-serif}h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;\
margin:2.5rem 0 .75rem}.dim{color:var(--dim)}.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));\
gap:1rem;margin:1.5rem 0}.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem}\
.card b{display:block;font-size:1.6rem;font-variant-numeric:tabular-nums}.card i{display:inline-block;width:.6rem;\
height:.6rem;border-radius:50%;margin-right:.45rem}svg{width:100%;height:9rem;display:block}\
table{border-collapse:collapse;width:100%}td{padding:.35rem .5rem;border-top:1px solid var(--line);vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;width:7rem}td.b{width:30%}\
td.b div{height:.55rem;border-radius:.3rem;margin-top:.45rem;min-width:2px}\
details{color:var(--dim)}summary{cursor:pointer}pre{margin:.4rem 0;white-space:pre-wrap;overflow-wrap:anywhere;\
font:12.5px/1.5 ui-monospace,monospace}.g{background:var(--good)}.r{background:var(--bad)}.y{background:var(--open)}\
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:0 2rem}td{overflow-wrap:anywhere}.columns td.n{width:auto}.columns td.b{width:24%}";

/// The whole page.
pub fn html(report: &Report, policy: &str) -> String {
    let requests = report.requests();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Replay of {0}</title><style>{STYLE}</style></head><body>\n\
         <h1>What {0} would have done</h1>\n<div class=\"dim\">{1} requests in {2} lines</div>\n",
        markup(policy),
        grouped(requests),
        grouped(report.lines),
    );
    out.push_str("<div class=\"cards\">");
    let cards =
        [("allowed", "g", report.allowed), ("denied", "r", report.denied()), ("undecided", "y", report.undecided())];
    for (name, colour, count) in cards {
        let share = percent(count, requests);
        let card = format!("<div class=\"card\"><i class=\"{colour}\"></i>{name}<b>{}</b>", grouped(count));
        out.push_str(&format!("{card}<span class=\"dim\">{share}</span></div>"));
    }
    out.push_str("</div>\n");
    out.push_str(&remarks(report));
    out.push_str(&timeline(report));
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

fn remarks(report: &Report) -> String {
    let mut out = String::new();
    if report.newly_denied() > 0 {
        let count = grouped(report.newly_denied());
        out.push_str(&format!("<p>{count} of the denied were answered with success then.</p>\n"));
    }
    if report.bodies_unseen > 0 {
        let count = grouped(report.bodies_unseen);
        out.push_str(&format!(
            "<p class=\"dim\">{count} of the allowed are writes; bodies are in no log and were not judged.</p>\n"
        ));
    }
    out
}

/// Stacked bars over time: refused at the bottom, where changes are seen best.
fn timeline(report: &Report) -> String {
    let buckets = report.timeline.buckets();
    let Some((start, width)) = report.timeline.scale() else { return String::new() };
    let most = buckets.iter().map(|bucket| bucket.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let mut bars = String::new();
    for (index, [allowed, denied, undecided]) in buckets.iter().enumerate() {
        let mut top = 1000;
        for (count, colour) in [(denied, "bad"), (undecided, "open"), (allowed, "good")] {
            let height = u128::from(*count) * 1000 / u128::from(most);
            let height = u64::try_from(height).unwrap_or(0).max(u64::from(*count > 0) * 6);
            top -= i64::try_from(height).unwrap_or(0);
            if height > 0 {
                let x = index * 10;
                bars.push_str(&format!(
                    "<rect x=\"{x}\" y=\"{top}\" width=\"9\" height=\"{height}\" fill=\"var(--{colour})\"/>"
                ));
            }
        }
    }
    format!(
        "<h2>Over time</h2>\n<svg viewBox=\"0 0 {} 1000\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"requests over time\">{bars}</svg>\n<div class=\"dim\">from {}, {} a bar, at most {} requests \
         in one</div>\n",
        buckets.len() * 10,
        humantime::format_rfc3339_seconds(start),
        humantime::format_duration(width),
        grouped(most),
    )
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
    let mut out = format!("<h2>{title}</h2>\n<table>\n");
    for (name, group) in rows {
        let then = match group.passed_then {
            0 => String::new(),
            passed => format!(" <span class=\"dim\">({} passed then)</span>", grouped(passed)),
        };
        let examples: String =
            group.examples.iter().map(|e| format!("{}: {}\n", markup(&e.place), markup(&e.text))).collect();
        out.push_str(&format!(
            "<tr><td class=\"n\">{}</td>{}<td>{}{then}<details><summary>examples</summary><pre>{examples}</pre></details>\
             </td></tr>\n",
            grouped(group.count),
            bar(group.count, most, colour),
            markup(&name),
        ));
    }
    out + "</table>\n"
}

fn top(title: &str, top: &Top) -> String {
    let first = top.first(12);
    let most = first.first().map_or(1, |(_, count)| *count);
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
    out + "</table></section>\n"
}

fn bar(count: u64, most: u64, colour: &str) -> String {
    let share = u128::from(count) * 100 / u128::from(most.max(1));
    format!("<td class=\"b\"><div class=\"{colour}\" style=\"width:{share}%\"></div></td>")
}
