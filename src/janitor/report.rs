//! What a sweep came to.

use super::plan::{Due, Kept};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What became of a group that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing was tried: a dry run, or the breaker.
    Due,
    /// It is gone.
    Removed,
    /// It was gone before.
    Gone,
    /// A push came in between; it stays.
    PushedAgain,
    /// It is still there, or the gateway did not answer.
    Failed(String),
}

impl What {
    /// A word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Removed => "removed",
            Self::Gone => "gone",
            Self::PushedAgain => "pushed again",
            Self::Failed(_) => "failed",
        }
    }
}

/// One group that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The group.
    pub due: Due,
    /// What became of it.
    pub what: What,
}

/// The outcome of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Groups that the gateway held.
    pub groups: usize,
    /// How many stay, by why.
    pub kept: BTreeMap<Kept, usize>,
    /// Those that were due, sorted by labels.
    pub rows: Vec<Row>,
    /// Where more were due than may go at once: how many may.
    pub stopped_beyond: Option<usize>,
    /// The longest time from the beginning of a reading to a `DELETE` that relied on it.
    pub window: Duration,
    /// The gateway's time at the first reading.
    pub date: Duration,
    /// The seconds that the gateway's clock has jumped by since the last sweep.
    pub jumped: Option<u64>,
}

impl Report {
    /// How many came to that.
    pub fn count(&self, word: &str) -> usize {
        self.rows.iter().filter(|row| row.what.word() == word).count()
    }

    /// One line: `12 groups: 3 removed, 8 fresh, 1 protected`.
    pub fn summary(&self) -> String {
        let words = ["due", "removed", "gone", "pushed again", "failed"];
        let rows = words.iter().map(|word| (self.count(word), *word));
        let kept = self.kept.iter().map(|(why, count)| (*count, why.text()));
        let parts: Vec<String> =
            rows.chain(kept).filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let groups = if self.groups == 1 { "1 group".to_owned() } else { format!("{} groups", self.groups) };
        if parts.is_empty() { groups } else { format!("{groups}: {}", parts.join(", ")) }
    }

    /// The table of what was due, one line a group, with its head; empty where nothing was.
    pub fn table(&self) -> Vec<String> {
        let head = ["LAST PUSH", "AGE", "KEPT FOR", "RULE", "SERIES", "WHAT", "GROUP"].map(str::to_owned).to_vec();
        let rows = self.rows.iter().map(|row| {
            let what = match &row.what {
                What::Failed(why) => format!("failed: {why}"),
                what => what.word().to_owned(),
            };
            let due = &row.due;
            let rule = format!("ttl[{}]", due.rule);
            let series = due.series.to_string();
            let last = time(due.activity);
            vec![last, age_text(due.age), age_text(due.max_age), rule, series, what, due.labels.to_string()]
        });
        let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
        if lines.len() > 1 { align(&lines) } else { Vec::new() }
    }

    /// The same for programs, with why the sweep went no further.
    pub fn json(&self, error: Option<&str>) -> serde_json::Value {
        let rows = self.rows.iter().map(|row| {
            let due = &row.due;
            let labels: BTreeMap<&str, &str> = due.labels.iter().collect();
            serde_json::json!({
                "labels": labels,
                "last_push": time(due.activity),
                "age_seconds": due.age.as_secs(),
                "max_age_seconds": due.max_age.as_secs(),
                "rule": format!("ttl[{}]", due.rule),
                "series": due.series,
                "what": row.what.word(),
                "error": if let What::Failed(why) = &row.what { Some(why) } else { None },
            })
        });
        let rows: Vec<serde_json::Value> = rows.collect();
        let kept: BTreeMap<&str, usize> = self.kept.iter().map(|(why, count)| (why.text(), *count)).collect();
        serde_json::json!({
            "groups": self.groups,
            "kept": kept,
            "stopped_beyond": self.stopped_beyond,
            "window_seconds": self.window.as_secs_f64(),
            "gateway_time": time(self.date),
            "due": rows,
            "error": error,
        })
    }
}

/// A time since 1970, to the second.
fn time(since: Duration) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since.as_secs()));
    at.map(|at| humantime::format_rfc3339_seconds(at).to_string()).unwrap_or_default()
}

/// An age in its two largest units: `31d 4h`, `90s` as `1m 30s`.
pub fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
    let at = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(3);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in units.iter().skip(at).take(2) {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count}{name}"));
        }
    }
    parts.join(" ")
}

/// Columns under each other; the last is not padded.
fn align(lines: &[Vec<String>]) -> Vec<String> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |cells: &Vec<String>| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width - cell.chars().count() + 2));
        }
        text.trim_end().to_owned()
    };
    lines.iter().map(line).collect()
}
