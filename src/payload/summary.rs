//! What a body holds.

use super::fault::Fault;
use super::kind::Kind;
use std::collections::HashMap;
use std::sync::Arc;

/// What a body holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Series. A replacement without one is a delete.
    pub series: usize,
    /// Its metric families, those without a sample apart.
    pub families: Arc<[Family]>,
    /// What a policy in report mode would have refused.
    pub would_deny: Vec<Fault>,
}

/// A metric family as the gateway would store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// A hash of each metric with the labels that the gateway gives it, each once, see [`super::SeriesHash`].
    pub metrics: Vec<u64>,
    /// Bytes that it takes at most of the gateway's page, see [`super::page`].
    pub bytes: usize,
}

impl Family {
    pub(super) fn new(name: &[u8], kind: Kind, mut metrics: Vec<u64>, bytes: usize) -> Self {
        // Of other types each line is a metric, and none stands twice.
        if !kind.suffixes().is_empty() {
            metrics.sort_unstable();
            metrics.dedup();
        }
        Self { name: std::str::from_utf8(name).unwrap_or_default().to_owned(), kind, metrics, bytes }
    }
}

/// What is wrong with the families beside each other: one has the name of a part of a histogram or summary.
pub(super) fn collision(families: &[Family]) -> Option<String> {
    let mut parts = families.iter().filter_map(|family| Some((family, part(&family.name)?))).peekable();
    parts.peek()?;
    let with_parts = families.iter().filter(|family| !family.kind.suffixes().is_empty());
    let kinds: HashMap<&str, Kind> = with_parts.map(|family| (family.name.as_str(), family.kind)).collect();
    let (Family { name, .. }, (base, _)) =
        parts.find(|(_, (base, suffix))| kinds.get(base).is_some_and(|kind| kind.suffixes().contains(suffix)))?;
    Some(format!("the metric {name} has the name of a part of {base}; write TYPE {base} before it, or rename it"))
}

/// The metric that a name would be a part of, and the suffix that says so.
fn part(name: &str) -> Option<(&str, &str)> {
    // Those of a histogram are all that there are.
    Kind::Histogram.suffixes().iter().find_map(|suffix| Some((name.strip_suffix(suffix)?, *suffix)))
}
