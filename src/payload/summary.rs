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
}

impl Family {
    pub(super) fn new(name: &[u8], kind: Kind, mut metrics: Vec<u64>) -> Self {
        // Of other types each line is a metric, and none stands twice.
        if !kind.suffixes().is_empty() {
            metrics.sort_unstable();
            metrics.dedup();
        }
        Self { name: String::from_utf8_lossy(name).into_owned(), kind, metrics }
    }
}

/// A family that has the name of a part of a histogram or summary beside it.
pub(super) fn collision(families: &[Family]) -> Option<String> {
    if !families.iter().any(|family| !family.kind.suffixes().is_empty()) {
        return None;
    }
    let kinds: HashMap<&str, Kind> = families.iter().map(|family| (family.name.as_str(), family.kind)).collect();
    families.iter().find_map(|family| {
        let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
            let base = family.name.strip_suffix(suffix)?;
            kinds.get(base)?.suffixes().contains(&suffix).then_some(base)
        })?;
        let name = &family.name;
        Some(format!("the metric {name} has the name of a part of {base}; write TYPE {base} before it, or rename it"))
    })
}
