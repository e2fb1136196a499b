//! The label names of a series, of which none stands twice. Nearly always they are those of the series before, in the
//! same order: then there is nothing to look for.

use super::hash::of_name;
use super::work;

/// Names up to which a list is searched fast. Beyond, they are sorted, and equal ones found side by side.
pub(super) const FEW: usize = 32;

/// A name in a series.
#[derive(Clone, Copy)]
pub(in crate::payload) struct Name<'b> {
    pub(in crate::payload) text: &'b [u8],
    /// Where it begins in what leads to its value.
    pub(in crate::payload) at: usize,
    /// Whether the gateway replaces the label by one of the path.
    pub(super) overwritten: bool,
}

/// A name that may come again.
struct Known<'b> {
    name: Name<'b>,
    /// In text, all from the value before, or from the brace, up to its own value.
    lead: &'b [u8],
    hash: u64,
}

/// The names of the series that is being read.
pub(super) struct Names<'b> {
    /// Its first names and, as long as they agree, behind them the further ones of the series before.
    list: Vec<Known<'b>>,
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

    /// Adds the name that stood at this place in the series before, if what led to its value there does so here.
    pub(super) fn again(&mut self, leads: impl FnOnce(&[u8]) -> bool) -> Option<Name<'b>> {
        let expected = self.list.get(self.own).filter(|expected| leads(expected.lead))?;
        work(1);
        self.own += 1;
        Some(expected.name)
    }

    /// The hash of the name at that place.
    pub(super) fn hash(&self, at: usize, text: &[u8]) -> u64 {
        self.list.get(at).filter(|_| at < self.own).map_or_else(|| of_name(text), |known| known.hash)
    }

    /// Adds a name, to whose value `lead` leads; none where it stands among the first few already.
    pub(super) fn add(
        &mut self,
        text: &'b [u8],
        (lead, at): (&'b [u8], usize),
        overwritten: impl FnOnce() -> bool,
    ) -> Option<Name<'b>> {
        if let Some(known) = self.list.get_mut(self.own) {
            if known.name.text == text {
                work(1);
                (known.lead, known.name.at) = (lead, at);
                self.own += 1;
                return Some(known.name);
            }
            self.list.truncate(self.own);
        }
        self.generation = self.generation.wrapping_add(1);
        let name = Name { text, at, overwritten: overwritten() };
        if self.own == FEW {
            work(1);
            return Some(name);
        }
        work(self.own + 1);
        let hash = of_name(text);
        if self.list.iter().any(|known| known.hash == hash) {
            return None;
        }
        self.list.push(Known { name, lead, hash });
        self.own += 1;
        Some(name)
    }
}
