//! The hash by which the gateway tells metrics apart.
//!
//! At every push and every scrape it refuses a metric whose hash it has seen before, and looks no further. The hash has
//! no key, so that whoever can choose a name or a value can choose metrics that collide: what the gateway would take for
//! one metric has to be one here as well.

use xxhash_rust::xxh64::xxh64;

const SEPARATOR: u8 = 0xff;

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
        of_sorted(family, labels, &mut Vec::new())
    }

    /// The hash. A metric without an `instance` has an empty one in the gateway.
    pub fn value(mut self) -> u64 {
        if self.labels.iter().all(|(name, _)| *name != b"instance") {
            self.labels.push((b"instance", b""));
        }
        self.labels.sort_unstable();
        of_sorted(self.family, self.labels.into_iter(), &mut Vec::new())
    }
}

/// The hash of a metric whose labels are sorted; `text` is room that is used again.
pub(super) fn of_sorted<'l>(
    family: &[u8],
    labels: impl Iterator<Item = (&'l [u8], &'l [u8])>,
    text: &mut Vec<u8>,
) -> u64 {
    text.clear();
    text.extend_from_slice(family);
    text.push(SEPARATOR);
    for (name, value) in labels {
        for part in [name, value] {
            text.extend_from_slice(part);
            text.push(SEPARATOR);
        }
    }
    xxh64(text, 0)
}
