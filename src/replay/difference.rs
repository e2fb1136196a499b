//! Where two policies decide the same traffic otherwise.

use super::json::with;
use super::judge::{Judged, Why};
use super::report::{Example, Group, group, shown as request};
use super::text::{grouped, shown};
use crate::access_log::Recorded;
use serde_json::{Value, json as value};
use std::collections::BTreeMap;

/// What becomes of a request under the new policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It was allowed and would be denied.
    NewlyDenied,
    /// It was allowed and could no longer be decided.
    NewlyUndecided,
    /// It would be allowed.
    NewlyAllowed,
    /// It is denied for something else, or no longer undecided.
    Otherwise,
}

impl Turn {
    const ALL: [Self; 4] = [Self::NewlyDenied, Self::NewlyUndecided, Self::NewlyAllowed, Self::Otherwise];

    const fn name(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly denied",
            Self::NewlyUndecided => "no longer decided",
            Self::NewlyAllowed => "newly allowed",
            Self::Otherwise => "decided otherwise",
        }
    }

    fn of(old: &Judged, new: &Judged) -> Self {
        match (old, new) {
            (Judged::Allowed { .. }, Judged::Denied { .. }) => Self::NewlyDenied,
            (Judged::Allowed { .. }, Judged::Undecided(_)) => Self::NewlyUndecided,
            (Judged::Denied { .. } | Judged::Undecided(_), Judged::Allowed { .. }) => Self::NewlyAllowed,
            _ => Self::Otherwise,
        }
    }
}

/// The decisions that change.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Requests that both policies were asked about.
    pub requests: u64,
    changed: BTreeMap<(Turn, String), Group>,
}

impl Differences {
    /// Compares what two policies say of one request.
    pub fn request(&mut self, place: impl Fn() -> String, recorded: &Recorded<'_>, old: &Judged, new: &Judged) {
        self.requests += 1;
        if old == new {
            return;
        }
        let kind = (Turn::of(old, new), format!("{} → {}", said(old), said(new)));
        let other = (Turn::Otherwise, "others".to_owned());
        let passed_then = (200..400).contains(&recorded.then.status);
        group(&mut self.changed, kind, other)
            .count(passed_then, || Example { place: place(), text: request(recorded) });
    }

    /// Requests that were granted and would be denied.
    pub fn newly_denied(&self) -> u64 {
        self.count(Turn::NewlyDenied)
    }

    fn count(&self, turn: Turn) -> u64 {
        self.of(turn).map(|(_, group)| group.count).sum()
    }

    fn of(&self, turn: Turn) -> impl Iterator<Item = (&str, &Group)> {
        let mut found: Vec<(&str, &Group)> = self
            .changed
            .iter()
            .filter(|((t, _), _)| *t == turn)
            .map(|((_, kind), group)| (kind.as_str(), group))
            .collect();
        found.sort_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(b.0)));
        found.into_iter()
    }

    fn changed(&self) -> u64 {
        self.changed.values().map(|group| group.count).sum()
    }
}

fn said(judged: &Judged) -> String {
    let by = |why: &Why| shown(why);
    match judged {
        Judged::Allowed { principal, would_deny: None } => {
            format!("allowed as {}", principal.as_deref().unwrap_or("nobody"))
        }
        Judged::Allowed { would_deny: Some(why), .. } => format!("allowed in report mode, else {}", by(why)),
        Judged::Denied { why, .. } => by(why),
        Judged::Undecided(missing) => format!("undecided ({missing})"),
    }
}

/// For a terminal: newly denied first.
pub fn text(differences: &Differences) -> String {
    let mut out = format!(
        "{} of {} requests are decided otherwise\n",
        grouped(differences.changed()),
        grouped(differences.requests)
    );
    for turn in Turn::ALL {
        let count = differences.count(turn);
        if count == 0 {
            continue;
        }
        out.push_str(&format!("\n{} {}\n", grouped(count), turn.name()));
        for (kind, group) in differences.of(turn) {
            out.push_str(&format!("  {:>14}  {kind}\n", grouped(group.count)));
            for example in &group.examples {
                out.push_str(&format!("                  {}: {}\n", example.place, example.text));
            }
        }
    }
    out
}

/// For a program.
pub fn json(differences: &Differences) -> Value {
    let changed = Turn::ALL.into_iter().flat_map(|turn| {
        differences.of(turn).map(move |(kind, group)| with(group, value!({ "turn": turn.name(), "change": kind })))
    });
    value!({
        "requests": differences.requests,
        "changed": differences.changed(),
        "newly_denied": differences.newly_denied(),
        "changes": changed.collect::<Vec<_>>(),
    })
}

/// A table for the summary of a job on GitHub.
pub fn github(differences: &Differences, old: &str, new: &str) -> String {
    let mut out = format!(
        "### {} → {}\n\n{} of {} recorded requests are decided otherwise.\n",
        cell(old),
        cell(new),
        grouped(differences.changed()),
        grouped(differences.requests)
    );
    if differences.changed() == 0 {
        return out;
    }
    out.push_str("\n| | requests | change | for example |\n|---|---:|---|---|\n");
    for turn in Turn::ALL {
        for (kind, group) in differences.of(turn) {
            let example = group.examples.first().map(|example| example.text.as_str()).unwrap_or_default();
            out.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                turn.name(),
                grouped(group.count),
                cell(kind),
                cell(example)
            ));
        }
    }
    out
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let escaped = plain.flat_map(|c| if "|`<>&*[]\\".contains(c) { vec!['\\', c] } else { vec![c] });
    escaped.collect()
}
