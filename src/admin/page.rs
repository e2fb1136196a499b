//! The status page: one HTML document that needs nothing else, no script, no picture, no other address.

use super::status::{PolicyStatus, SetStatus, Status};
use crate::recent::{Refusal, Tally, Verdict};
use crate::shown::markup as text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

const STYLE: &str = include_str!("page.css");

/// What the page may do: be styled by what stands in it, and nothing else.
pub(super) static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The whole document.
pub(super) fn render(status: &Status) -> String {
    let sections = [facts(status), policy(&status.policy), principals(status), refusals(status), sets(&status.sets)];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"refresh\" content=\"15\">\n\
         <title>pushguard</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header><h1>pushguard</h1>\
         <p>{version} · {now}</p></header>\n<main>\n{sections}</main>\n\
         <footer>Read-only, anew every 15 s. <a href=\"/metrics\">metrics</a> <a href=\"/-/ready\">ready</a> \
         <a href=\"/-/healthy\">healthy</a></footer>\n</body>\n</html>\n",
        version = text(status.version),
        now = moment(status.now),
        sections = sections.concat(),
    )
}

/// The figures on top.
fn facts(status: &Status) -> String {
    let (groups, most) = status.groups;
    let gateway = match (status.scrape_broken, status.seen.gateway.good, status.seen.gateway.bad) {
        (true, ..) => fact("gateway", "bad", "scrape fails", "pushguard doctor names the group"),
        (_, None, None) => fact("gateway", "", "not asked yet", &named(&status.gateway)),
        (_, Some((good, took)), bad) if bad.is_none_or(|(at, _)| at < good) => {
            let took = match took.as_millis() {
                0 => "under 1 ms".to_owned(),
                millis => format!("{millis} ms"),
            };
            let took = format!("{took}, {} ago", ago(status.now, good));
            fact("gateway", "good", "answers", &format!("{}, {took}", named(&status.gateway)))
        }
        (_, _, Some((at, reason))) => {
            fact("gateway", "bad", reason, &format!("{}, {} ago", named(&status.gateway), ago(status.now, at)))
        }
        (_, Some(_), None) => String::new(),
    };
    let ready = if status.ready { ("good", "ready") } else { ("bad", "not ready") };
    let policy = &status.policy;
    let broken = !policy.problems.is_empty();
    let state = if broken { ("bad", "not reloaded") } else { ("good", "in use") };
    let loaded = policy.loaded.map(|at| format!(", taken {} ago", ago(status.now, at))).unwrap_or_default();
    let enforced = match policy.reporting.len() {
        0 => fact("rules", "good", "enforced", "none only reports"),
        1 => fact("rules", "warn", "1 only reports", "see below"),
        n => fact("rules", "warn", &format!("{n} only report"), "see below"),
    };
    let room = if groups.saturating_mul(10) >= most.saturating_mul(9) { "warn" } else { "" };
    format!(
        "<section class=\"facts\" aria-label=\"state\">{}{gateway}{}{enforced}{}</section>\n",
        fact(
            "process",
            ready.0,
            ready.1,
            &format!("up {}, {}", ago(status.now, status.started), counted(status.connections, "connection"))
        ),
        fact("policy", state.0, state.1, &format!("generation {}{loaded}", policy.generation)),
        fact("groups", room, &groups.to_string(), &format!("of at most {most}")),
    )
}

fn counted(number: i64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn named(version: &str) -> String {
    if version.is_empty() { "version unknown".to_owned() } else { format!("version {version}") }
}

fn fact(name: &str, kind: &str, value: &str, more: &str) -> String {
    format!(
        "<div class=\"fact {kind}\"><h2>{}</h2><p class=\"value\">{}</p><p>{}</p></div>\n",
        text(name),
        text(value),
        text(more)
    )
}

fn policy(policy: &PolicyStatus) -> String {
    let mut html = format!("<section><h2>Policy</h2>\n<p><code>{}</code></p>\n", text(&policy.file));
    if !policy.problems.is_empty() {
        html += "<p class=\"bad\">What the file holds now was not taken into use:</p>\n";
        html += &list(policy.problems.iter().map(|problem| text(problem)));
    }
    if !policy.warnings.is_empty() {
        html += "<p class=\"warn\">It allows what it probably does not mean:</p>\n";
        html += &list(policy.warnings.iter().map(|warning| text(warning)));
    }
    if !policy.reporting.is_empty() {
        html += "<p class=\"warn\">What these refuse passes and is only told:</p>\n";
        html += &list(policy.reporting.iter().map(|(rule, until)| {
            let end = until.map_or_else(|| "without an end".to_owned(), |until| format!("until {}", moment(until)));
            format!("<code>{}</code> {end}", text(rule))
        }));
    }
    html + "</section>\n"
}

/// At most so many lines of a list are shown.
const LINES: usize = 50;

fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let left = items.len().saturating_sub(LINES);
    let mut html = "<ul>\n".to_owned();
    for item in items.take(LINES) {
        let _ = writeln!(html, "<li>{item}</li>");
    }
    if left > 0 {
        let _ = writeln!(html, "<li>and {left} more: see the log</li>");
    }
    html + "</ul>\n"
}

fn principals(status: &Status) -> String {
    let known = status.policy.principals.iter();
    let named: Vec<&str> = known.clone().map(|(name, _)| name.as_str()).collect();
    let gone = status.seen.principals.keys().filter(|name| !named.contains(&&***name));
    let gone = gone.map(|name| (&**name, if &**name == "none" { "nobody known" } else { "no longer there" }));
    let rows = known.map(|(name, how)| (name.as_str(), how.as_str())).chain(gone);
    let rows: Vec<String> = rows
        .take(LINES * 4)
        .map(|(name, how)| principal(name, how, status.seen.principals.get(name), status.now))
        .collect();
    if rows.is_empty() {
        return "<section><h2>Principals</h2>\n<p>The policy has none: it denies everything.</p></section>\n"
            .to_owned();
    }
    let head = ["principal", "proven by", "last requests", "passed", "refused", "last refusal", "seen"];
    format!("<section><h2>Principals</h2>\n{}</section>\n", table(&head, &rows.concat()))
}

fn principal(name: &str, how: &str, tally: Option<&Tally>, now: SystemTime) -> String {
    let Some(tally) = tally else {
        let cells = [("name", text(name)), ("", text(how)), ("", "–".to_owned())];
        let rest = ["num", "num", "", ""].map(|class| (class, "–".to_owned()));
        return row(&cells.into_iter().chain(rest).collect::<Vec<_>>());
    };
    let reason =
        if tally.reason.is_empty() { "–".to_owned() } else { format!("<code>{}</code>", text(tally.reason)) };
    row(&[
        ("name", text(name)),
        ("", text(how)),
        ("strip", strip(tally)),
        ("num", tally.counts.0.to_string()),
        ("num", tally.counts.1.to_string()),
        ("", reason),
        ("", format!("{} ago", ago(now, tally.at))),
    ])
}

/// One mark for each of the last requests, told apart by shape too.
fn strip(tally: &Tally) -> String {
    let count = |wanted: &[Verdict]| tally.last.iter().filter(|verdict| wanted.contains(verdict)).count();
    let (passed, refused) = (count(&[Verdict::Allowed, Verdict::Reported]), count(&[Verdict::Denied, Verdict::Failed]));
    let marks: String = tally
        .last
        .iter()
        .map(|verdict| match verdict {
            Verdict::Allowed => "<i class=\"a\">▪</i>",
            Verdict::Reported => "<i class=\"r\">▴</i>",
            Verdict::Denied => "<i class=\"d\">✕</i>",
            Verdict::Failed => "<i class=\"f\">▾</i>",
        })
        .collect();
    format!(
        "<span role=\"img\" aria-label=\"of the last {}: {passed} passed, {refused} refused\">{marks}</span>",
        tally.last.len()
    )
}

fn refusals(status: &Status) -> String {
    if status.seen.refusals.is_empty() {
        return "<section><h2>Last refusals</h2>\n<p>None since the start.</p></section>\n".to_owned();
    }
    let rows: String = status.seen.refusals.iter().map(|refusal| refused(refusal, status.now)).collect();
    let head = ["when", "reason", "principal", "operation", "job", "rule", "source", "request"];
    format!(
        "<section><h2>Last refusals</h2>\n<p class=\"note\">The last few of each reason. What clients sent is in the log \
         only, by the id of the request.</p>\n{}</section>\n",
        table(&head, &rows)
    )
}

fn refused(refusal: &Refusal, now: SystemTime) -> String {
    let passed = if refusal.reported { " <span class=\"warn\">passed, only told</span>" } else { "" };
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    row(&[
        (
            "when",
            format!("<time datetime=\"{0}\" title=\"{0}\">{1} ago</time>", moment(refusal.at), ago(now, refusal.at)),
        ),
        ("", format!("<code>{}</code>{passed}", text(refusal.reason))),
        ("name", or_none(refusal.principal.as_ref().map(|name| text(name)))),
        ("", text(refusal.operation)),
        ("job", if refusal.job.is_empty() { "–".to_owned() } else { text(&refusal.job) }),
        ("", or_none(refusal.rule.as_ref().map(|rule| text(rule)))),
        ("", or_none(refusal.source.map(|source| source.to_string()))),
        ("id", format!("<code>{}</code>", text(&refusal.request_id))),
    ])
}

fn sets(sets: &[SetStatus]) -> String {
    if sets.is_empty() {
        return String::new();
    }
    let rows: String = sets
        .iter()
        .map(|set| {
            let age = set.age.map_or_else(|| "–".to_owned(), |age| format!("{} ago", span(age)));
            let state = match (set.prefixes, set.refused) {
                (None, _) => "<span class=\"bad\">not there</span>",
                (_, true) => "<span class=\"warn\">a newer one was refused: pushguard ranges show</span>",
                (Some(_), false) => "<span class=\"good\">served</span>",
            };
            let prefixes = set.prefixes.map_or_else(|| "–".to_owned(), |count| count.to_string());
            row(&[("name", text(&set.name)), ("", state.to_owned()), ("num", prefixes), ("", age)])
        })
        .collect();
    let head = ["set", "state", "prefixes", "confirmed"];
    format!("<section><h2>Address lists</h2>\n{}</section>\n", table(&head, &rows))
}

fn table(head: &[&str], rows: &str) -> String {
    let head: String = head.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table></div>\n"
    )
}

fn row(cells: &[(&str, String)]) -> String {
    let cell = |(class, html): &(&str, String)| match *class {
        "" => format!("<td>{html}</td>"),
        class => format!("<td class=\"{class}\">{html}</td>"),
    };
    let cells: String = cells.iter().map(cell).collect();
    format!("<tr>{cells}</tr>\n")
}

fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn ago(now: SystemTime, then: SystemTime) -> String {
    span(now.duration_since(then).unwrap_or_default())
}

/// A time in its largest unit, which is enough to look at.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
