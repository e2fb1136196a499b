//! The label names of a series, of which none stands twice. Nearly always they are those of the series before, in the
//! same order: then there is nothing to look for.

use super::hash::{Hashes, of_name};
use super::work;

/// Names beyond which a set is searched faster than a list.
const FEW: usize = 32;

/// A name in a series.
#[derive(Clone, Copy)]
pub(super) struct Name<'b> {
    text: &'b [u8],
    pub(super) hash: u64,
    /// Whether the gateway replaces the label by one of the path.
    pub(super) overwritten: bool,
}

/// The names of the series that is being read.
#[derive(Default)]
pub(super) struct Names<'b> {
    /// Its first names and, as long as they agree, behind them the further ones of the series before.
    list: Vec<Name<'b>>,
    /// How many of the list are its own.
    own: usize,
    /// All of them, where they are not few.
    many: Hashes,
}

impl<'b> Names<'b> {
    /// Begins a series.
    pub(super) fn begin(&mut self) {
        self.own = 0;
        self.many.clear();
    }

    /// The name that stood at this place in the series before.
    pub(super) fn expected(&self) -> &'b [u8] {
        self.list.get(self.own).map_or(&[], |name| name.text)
    }

    /// Adds a name; none where it stands a second time.
    pub(super) fn add(&mut self, text: &'b [u8], overwritten: impl FnOnce() -> bool) -> Option<Name<'b>> {
        if let Some(known) = self.list.get(self.own) {
            if std::ptr::eq(known.text, text) || known.text == text {
                work(1);
                self.own += 1;
                return Some(*known);
            }
            self.list.truncate(self.own);
        }
        let name = Name { text, hash: of_name(text), overwritten: overwritten() };
        if self.own < FEW {
            work(self.own + 1);
            if self.list.iter().any(|known| known.hash == name.hash) {
                return None;
            }
            self.list.push(name);
            self.own += 1;
            return Some(name);
        }
        work(1);
        if self.many.is_empty() {
            self.many.extend(self.list.iter().map(|known| known.hash));
        }
        self.many.insert(name.hash).then_some(name)
    }
}
