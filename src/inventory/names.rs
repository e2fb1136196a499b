//! Metric names, each once, with how many groups hold it as which type.

use crate::payload::Kind;
use std::collections::HashMap;
use std::sync::Arc;

/// A known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NameId(usize);

/// How often a name is held, by type in the order of [`Kind::ALL`].
pub(super) type Counts = [u32; 5];

/// All names.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_name: HashMap<Arc<str>, NameId>,
    slots: Vec<(Arc<str>, Counts)>,
    free: Vec<NameId>,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<NameId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn counts(&self, id: NameId) -> Counts {
        self.slots.get(id.0).map_or([0; 5], |(_, counts)| *counts)
    }

    /// Counts a holder.
    pub(super) fn add(&mut self, name: &str, kind: Kind) -> NameId {
        let id = self.find(name).unwrap_or_else(|| self.insert(name.into()));
        if let Some(count) = self.count(id, kind) {
            *count += 1;
        }
        id
    }

    fn insert(&mut self, name: Arc<str>) -> NameId {
        let slot = (name.clone(), [0; 5]);
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(free) = self.slots.get_mut(id.0) {
                    *free = slot;
                }
                id
            }
            None => {
                self.slots.push(slot);
                NameId(self.slots.len() - 1)
            }
        };
        self.by_name.insert(name, id);
        id
    }

    /// A holder less; a name without any is forgotten.
    pub(super) fn remove(&mut self, id: NameId, kind: Kind) {
        if let Some(count) = self.count(id, kind) {
            *count = count.saturating_sub(1);
        }
        if self.counts(id) == [0; 5]
            && let Some((name, _)) = self.slots.get(id.0)
            && self.by_name.remove(name).is_some()
        {
            self.free.push(id);
        }
    }

    fn count(&mut self, id: NameId, kind: Kind) -> Option<&mut u32> {
        self.slots.get_mut(id.0)?.1.get_mut(place(kind))
    }
}

/// Where a type stands in [`Counts`].
pub(super) fn place(kind: Kind) -> usize {
    Kind::ALL.iter().position(|other| *other == kind).unwrap_or_default()
}
