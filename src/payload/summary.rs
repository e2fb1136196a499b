//! What a body holds.

use super::fault::Fault;
use super::kind::Kind;
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
}

impl Family {
    pub(super) fn new(name: &[u8], kind: Kind, mut metrics: Vec<u64>) -> Self {
        // Of other types each line is a metric, and none stands twice.
        if !kind.suffixes().is_empty() {
            metrics.sort_unstable();
            metrics.dedup();
        }
        Self { name: std::str::from_utf8(name).unwrap_or_default().to_owned(), kind, metrics }
    }
}

/// What is wrong with a family beside the others, of which `kind` answers the type: its name is that of a part of a
/// histogram or summary.
pub(super) fn collision(name: &[u8], kind: impl Fn(&[u8]) -> Option<Kind>) -> Option<String> {
    let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
        let base = name.strip_suffix(suffix.as_bytes())?;
        kind(base)?.suffixes().contains(&suffix).then_some(base)
    })?;
    let (name, base) = (String::from_utf8_lossy(name), String::from_utf8_lossy(base));
    Some(format!("the metric {name} has the name of a part of {base}; write TYPE {base} before it, or rename it"))
}
