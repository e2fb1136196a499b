//! The most frequent names, in bounded memory.

use std::collections::HashMap;

/// Names that are kept when there are too many; twice as many are counted at once.
const MOST: usize = 1000;

/// Counts of names. When there are too many the rarer half is forgotten, and a name that comes after that begins with the
/// highest count that was: no count is ever too small, and what is frequent stays.
#[derive(Clone, Debug, Default)]
pub struct Top {
    counts: HashMap<String, u64>,
    forgotten: u64,
}

impl Top {
    /// Counts one more.
    pub fn count(&mut self, name: &str) {
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        if self.counts.len() >= 2 * MOST {
            self.forget();
        }
        self.counts.insert(name.to_owned(), self.forgotten + 1);
    }

    fn forget(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        self.forgotten = counts.get(MOST).copied().unwrap_or(0);
        let least = self.forgotten;
        self.counts.retain(|_, count| *count > least);
    }

    /// The most frequent, most frequent first.
    pub fn first(&self, number: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(number);
        all
    }

    /// How much too high a count can be.
    pub fn error(&self) -> u64 {
        self.forgotten
    }
}
