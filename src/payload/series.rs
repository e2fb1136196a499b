//! Which series of a body were seen: one 64-bit hash each, whatever the order of their labels.
//!
//! The hash is keyed anew for each process, and a collision could only refuse the push of the one who made it.

use foldhash::fast;
use foldhash::quality::RandomState;
use std::collections::HashSet;
use std::hash::BuildHasher;

/// The series seen so far, and the one that is being read.
pub(super) struct SeriesSet<'g> {
    seen: HashSet<u64, fast::RandomState>,
    hasher: RandomState,
    overwritten: &'g [&'g str],
    /// The hash of the series being read: a sum, so that the order of labels does not matter.
    sum: u64,
    /// Hashes of the label names of the series being read.
    names: Vec<u64>,
}

impl<'g> SeriesSet<'g> {
    /// `overwritten` are labels that the gateway replaces with those of the path: they do not tell series apart.
    pub(super) fn new(overwritten: &'g [&'g str]) -> Self {
        let (seen, hasher) = (HashSet::default(), RandomState::default());
        Self { seen, hasher, overwritten, sum: 0, names: Vec::new() }
    }

    /// Begins a series.
    pub(super) fn begin(&mut self, name: &[u8]) {
        self.sum = self.hasher.hash_one(name);
        self.names.clear();
    }

    /// Adds a label; false where the name stands a second time. An empty value is the same as no label.
    pub(super) fn label(&mut self, name: &[u8], value: &[u8]) -> bool {
        let hash = self.hasher.hash_one((name, value));
        self.add(name, (!value.is_empty()).then_some(hash))
    }

    /// Adds a label whose value counts as a number: `1` and `1.0` are one bucket.
    pub(super) fn number(&mut self, name: &[u8], value: f64) -> bool {
        let hash = self.hasher.hash_one((name, (value + 0.0).to_bits()));
        self.add(name, Some(hash))
    }

    fn add(&mut self, name: &[u8], hash: Option<u64>) -> bool {
        let name_hash = self.hasher.hash_one(name);
        if self.names.contains(&name_hash) {
            return false;
        }
        self.names.push(name_hash);
        if let Some(hash) = hash
            && !self.overwritten.iter().any(|label| label.as_bytes() == name)
        {
            self.sum = self.sum.wrapping_add(hash);
        }
        true
    }

    /// Ends the series; false where it was seen before.
    pub(super) fn insert(&mut self) -> bool {
        self.seen.insert(self.sum)
    }
}
