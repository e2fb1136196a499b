//! The hash by which the gateway tells metrics apart.
//!
//! At every push and every scrape it refuses a metric whose hash it has seen before, and looks no further. The hash has
//! no key, so that whoever can choose a name or a value can choose metrics that collide: what the gateway would take for
//! one metric has to be one here as well.

use xxhash_rust::xxh64::{Xxh64, xxh64};

/// Stands behind the name of the family, each name of a label and each value.
pub(super) const SEPARATOR: u8 = 0xff;

/// The hash of a metric: of the name of its family and its labels, `le` and `quantile` apart.
#[derive(Clone, Debug)]
pub struct SeriesHash<'l> {
    family: &'l [u8],
    labels: Vec<(&'l [u8], &'l [u8])>,
}

impl<'l> SeriesHash<'l> {
    /// Begins with the name of the family.
    pub fn new(family: &'l [u8]) -> Self {
        Self { family, labels: Vec::new() }
    }

    /// Adds a label, in any order.
    pub fn label(&mut self, name: &'l [u8], value: &'l [u8]) {
        self.labels.push((name, value));
    }

    /// The hash of a metric that was not pushed, with exactly these labels, which are sorted.
    pub fn of_others(family: &[u8], labels: impl Iterator<Item = (&'l [u8], &'l [u8])>) -> u64 {
        of_sorted(family, labels)
    }

    /// The hash. A metric without an `instance` has an empty one in the gateway.
    pub fn value(mut self) -> u64 {
        if self.labels.iter().all(|(name, _)| *name != b"instance") {
            self.labels.push((b"instance", b""));
        }
        self.labels.sort_unstable();
        of_sorted(self.family, self.labels.into_iter())
    }
}

/// The hash of a metric whose labels are sorted.
fn of_sorted<'l>(family: &[u8], labels: impl Iterator<Item = (&'l [u8], &'l [u8])>) -> u64 {
    let mut hash = Parts::new(family);
    labels.for_each(|(name, value)| [name, value].into_iter().for_each(|part| hash.add(part)));
    hash.value()
}

/// The hash of parts that stand nowhere in one piece.
pub(super) struct Parts(Xxh64);

impl Parts {
    pub(super) fn new(family: &[u8]) -> Self {
        let mut parts = Self(Xxh64::new(0));
        parts.add(family);
        parts
    }

    pub(super) fn add(&mut self, part: &[u8]) {
        self.0.update(part);
        self.0.update(&[SEPARATOR]);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.digest()
    }
}

/// The hash of a family and its sorted labels, spelled one behind the other.
pub(super) fn of_text(text: &[u8]) -> u64 {
    xxh64(text, 0)
}
