//! The gateway's groups as they are told, one by one: of each only what is kept is held.

use super::{Bounds, Learned, LearnedFamily};
use crate::groups::{Family, Group};
use crate::payload::Kind;
use crate::request::GroupingKey;
use std::collections::HashSet;
use std::sync::Arc;

/// Groups that are kept of one answer.
const MOST_GROUPS: usize = 20_000;
/// Bytes of a metric name that is kept. No push through pushguard has a longer one.
const MOST_NAME_BYTES: usize = 1024;

/// What the gateway holds, as far as it is told and the bounds go.
pub struct Learning {
    bounds: Bounds,
    groups: Vec<Learned>,
    odd: usize,
    names: HashSet<Arc<str>>,
    families: usize,
    metrics: usize,
    key_bytes: usize,
}

impl Learning {
    /// Nothing yet.
    pub fn new(bounds: &Bounds) -> Self {
        let bounds = *bounds;
        Self { bounds, groups: Vec::new(), odd: 0, names: HashSet::new(), families: 0, metrics: 0, key_bytes: 0 }
    }

    /// A group.
    pub fn add(&mut self, group: Group) {
        let mut labels = group.labels.into_map();
        // Where a metric hides the key, this one may be the gateway's addition; a push through pushguard has none such.
        if group.instance_unsure && labels.get("instance").is_some_and(String::is_empty) {
            labels.remove("instance");
        }
        let job = labels.remove("job").unwrap_or_default();
        match GroupingKey::new(&job, labels) {
            Ok(key) if self.has_room(&key) => {
                let families = group.families.into_iter().filter_map(|family| self.family(family)).collect();
                self.groups.push(Learned { key, families });
            }
            _ => self.odd += 1,
        }
    }

    /// The groups, and how many more than are kept, or with a key that no push through pushguard has.
    pub fn finish(self) -> (Vec<Learned>, usize) {
        (self.groups, self.odd)
    }

    fn has_room(&mut self, key: &GroupingKey) -> bool {
        self.key_bytes = self.key_bytes.saturating_add(key.upstream_path().len());
        self.groups.len() < MOST_GROUPS && self.key_bytes <= self.bounds.key_bytes.saturating_mul(2)
    }

    fn family(&mut self, family: Family) -> Option<LearnedFamily> {
        let kind = Kind::read(family.kind.as_bytes())?;
        let name = self.name(&family.name)?;
        let mut metrics = family.hashes;
        self.metrics = self.metrics.saturating_add(metrics.len());
        if self.metrics > self.bounds.metrics {
            metrics = Vec::new();
        }
        Some(LearnedFamily { name, kind, metrics, bytes: family.bytes })
    }

    /// Whether there is room for one more family of that name.
    fn name(&mut self, name: &str) -> Option<Arc<str>> {
        if self.families >= self.bounds.families || name.len() > MOST_NAME_BYTES {
            return None;
        }
        self.families += 1;
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        let name: Arc<str> = (self.names.len() < self.bounds.names).then(|| name.into())?;
        self.names.insert(name.clone());
        Some(name)
    }
}
