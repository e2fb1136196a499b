//! The outcome of tests, for a person.

use super::{Coverage, Failure, Ran};
use crate::policy::Policy;
use std::path::Path;

/// The outcome of the tests of one file.
pub fn text(file: &Path, ran: &[Ran], skipped: usize, coverage: Option<(&Coverage, &Policy)>) -> String {
    let mut out = format!("{}\n", file.display());
    for test in ran {
        let mark = if test.failure.is_none() { "ok  " } else { "FAIL" };
        out.push_str(&format!("  {mark}  {} ({})\n", test.name, count(test.requests, "request")));
        if let Some(failure) = &test.failure {
            out.push_str(&failed(file, failure));
        }
    }
    let failed = ran.iter().filter(|test| test.failure.is_some()).count();
    out.push_str(&format!("  {}, {failed} failed", count(ran.len(), "test")));
    if skipped > 0 {
        out.push_str(&format!(", {skipped} filtered out"));
    }
    out.push('\n');
    let Some((coverage, policy)) = coverage else { return out };
    for (what, missed) in [("grants", coverage.grants_missed(policy)), ("reasons", coverage.reasons_missed(policy))] {
        if !missed.is_empty() {
            out.push_str(&format!("  {what} that no test reached: {}\n", missed.join(", ")));
        }
    }
    out
}

fn failed(file: &Path, failure: &Failure) -> String {
    let line = failure.line.map(|line| format!(":{line}")).unwrap_or_default();
    let mut out = format!("        {}{line}: {}\n", file.display(), failure.request);
    for difference in &failure.differences {
        out.push_str(&format!("          - {:<11} {}\n", difference.what, difference.expected));
        out.push_str(&format!("          + {:<11} {}\n", difference.what, difference.found));
    }
    if !failure.why.is_empty() {
        out.push_str(&format!("          it was refused: {}\n", failure.why));
    }
    out
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
