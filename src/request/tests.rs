//! Every reader of bytes: what it takes, what it refuses and why, and the laws that hold for all bytes.

mod credential;
mod grouping_key;
mod head;
mod raw;
mod source;
mod target;

use proptest::prelude::*;

/// A configuration that keeps no files beside the sources.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Fails with all rows that fail, each as INPUT, EXPECTED, FOUND.
fn table<I: std::fmt::Debug, O: std::fmt::Debug + PartialEq>(rows: impl IntoIterator<Item = (I, O, O)>) {
    let failed = rows.into_iter().filter(|(_, expected, found)| expected != found);
    let failed: Vec<String> = failed
        .map(|(input, expected, found)| format!("{input:?}\n  expected {expected:?}\n  found    {found:?}"))
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
