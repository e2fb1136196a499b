//! The label names of a series, of which none stands twice. Nearly always they are those of the series before, in the
//! same order: then there is nothing to look for.

use super::hash::of_name;
use super::work;

/// Names up to which a list is searched fast. Beyond, they are sorted, and equal ones found side by side.
pub(super) const FEW: usize = 32;

/// A name in a series.
struct Name<'b> {
    text: &'b [u8],
    hash: u64,
    /// Whether the gateway replaces the label by one of the path.
    overwritten: bool,
}

/// The names of the series that is being read.
pub(super) struct Names<'b> {
    /// Its first names and, as long as they agree, behind them the further ones of the series before.
    list: Vec<Name<'b>>,
    /// How many of the list are its own.
    own: usize,
    /// Another whenever a name was new.
    generation: usize,
}

impl<'b> Names<'b> {
    pub(super) fn new() -> Self {
        Self { list: Vec::with_capacity(8), own: 0, generation: 0 }
    }

    /// Begins a series.
    pub(super) fn begin(&mut self) {
        self.own = 0;
    }

    /// The same number as long as every series begins with names of the one before, in their order.
    pub(super) fn generation(&self) -> usize {
        self.generation
    }

    /// The name that stood at this place in the series before.
    pub(super) fn expected(&self) -> &'b [u8] {
        self.list.get(self.own).map_or(&[], |name| name.text)
    }

    /// The hash of the name at that place.
    pub(super) fn hash(&self, at: usize, text: &[u8]) -> u64 {
        self.list.get(at).filter(|_| at < self.own).map_or_else(|| of_name(text), |name| name.hash)
    }

    /// Adds a name; answers whether the gateway replaces the label, or none where it stands among the first few already.
    pub(super) fn add(&mut self, text: &'b [u8], overwritten: impl FnOnce() -> bool) -> Option<bool> {
        if let Some(known) = self.list.get(self.own) {
            if std::ptr::eq(known.text, text) || known.text == text {
                work(1);
                self.own += 1;
                return Some(known.overwritten);
            }
            self.list.truncate(self.own);
        }
        self.generation = self.generation.wrapping_add(1);
        let overwritten = overwritten();
        if self.own == FEW {
            work(1);
            return Some(overwritten);
        }
        work(self.own + 1);
        let hash = of_name(text);
        if self.list.iter().any(|known| known.hash == hash) {
            return None;
        }
        self.list.push(Name { text, hash, overwritten });
        self.own += 1;
        Some(overwritten)
    }
}
