//! Grants that cover what was seen, for a person to read before they are used.

use crate::access_log::{Recorded, Who};
use crate::request::{Method, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Jobs of one principal that are told apart, and label names of one job.
const MOST: usize = 500;

/// What was seen of one job.
#[derive(Clone, Debug, Default)]
struct Seen {
    count: u64,
    operations: BTreeSet<&'static str>,
    /// For each label in how many requests it stood, and its value while it was always the same.
    labels: BTreeMap<String, (u64, Option<String>)>,
}

/// What was seen of whom.
#[derive(Clone, Debug, Default)]
pub struct Suggestion {
    /// By principal and job.
    seen: BTreeMap<String, BTreeMap<String, Seen>>,
    /// Requests that were too many kinds to tell apart.
    beyond: u64,
}

impl Suggestion {
    /// Notes a request that was answered with success then.
    pub fn note(&mut self, recorded: &Recorded<'_>) {
        let Ok(Target::Group(key)) = &recorded.target else { return };
        let operation = match recorded.method {
            Method::Post => "push",
            Method::Put if recorded.then.operation == "delete" || recorded.bytes == Some(0) => "delete",
            Method::Put => "replace",
            Method::Delete => "delete",
            _ => return,
        };
        if !(200..300).contains(&recorded.then.status) {
            return;
        }
        let who = match &recorded.who {
            Who::Principal(name) | Who::User(name) => name.to_string(),
            Who::Token { issuer, .. } => format!("token-of-{issuer}"),
            Who::Certificate(names) => {
                let name = names.first().map(|san| san.name.as_str()).unwrap_or_default();
                let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
                format!("certificate-of-{}", name.chars().take(48).map(plain).collect::<String>())
            }
            Who::Nobody | Who::Impostor | Who::Unknown => "unnamed".to_owned(),
        };
        let jobs = self.seen.entry(who).or_default();
        if jobs.len() >= MOST && !jobs.contains_key(key.job()) {
            self.beyond += 1;
            return;
        }
        let seen = jobs.entry(key.job().to_owned()).or_default();
        seen.count += 1;
        seen.operations.insert(operation);
        for (name, value) in key.labels() {
            if seen.labels.len() >= MOST && !seen.labels.contains_key(name) {
                self.beyond += 1;
                continue;
            }
            let (count, same) = seen.labels.entry(name.clone()).or_insert_with(|| (0, Some(value.clone())));
            *count += 1;
            same.take_if(|same| same != value);
        }
    }

    /// The grants, as YAML.
    pub fn yaml(&self) -> String {
        let mut out = String::from(
            "# Grants that cover what the log shows. Read them: whoever pushed what should not be pushed is in them too.\n\
             principals:\n",
        );
        for (who, jobs) in &self.seen {
            out.push_str(&format!("  {}:\n    grants:\n", quoted(who)));
            for (job, seen) in jobs {
                out.push_str(&grant(job, seen));
            }
        }
        if self.seen.is_empty() {
            out = "# No write that was answered with success is in the log.\n".to_owned();
        }
        if self.beyond > 0 {
            out.push_str(&format!("# {} requests were of too many kinds to tell apart.\n", self.beyond));
        }
        out
    }
}

fn grant(job: &str, seen: &Seen) -> String {
    let operations: Vec<&str> = seen.operations.iter().copied().collect();
    let label = |(name, (count, same)): (&String, &(u64, Option<String>))| {
        let optional = if *count < seen.count { "?" } else { "" };
        // What was the same a few times only may be chance.
        let value = same.as_ref().filter(|_| *count >= 10).map_or("*".to_owned(), |value| pattern(value));
        format!("{}: {}", quoted(&format!("{name}{optional}")), quoted(&value))
    };
    let labels: Vec<String> = seen.labels.iter().map(label).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(", labels: {{ {} }}", labels.join(", ")) };
    format!(
        "      - {{ operations: [{}], job: {}{labels} }}   # {} requests\n",
        operations.join(", "),
        quoted(&pattern(job)),
        seen.count
    )
}

/// A text as a pattern that matches nothing else.
fn pattern(text: &str) -> String {
    text.chars().flat_map(|c| if "*\\{}".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

/// A text as YAML, bare where it cannot be taken for anything else.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let taken =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if word && !taken { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
