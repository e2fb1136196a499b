//! How the labels of a series lie in the text that the gateway hashes: those of the path and its own, sorted by name.
//! Nearly always the names are those of the series before: then nothing is sorted, and what lies between the values
//! stands ready.

use super::gateway::{Parts, SEPARATOR, of_text};
use super::names::FEW;
use super::sort::{Agreeing, Numbered, sort_by_name};
use std::ops::Range;

/// A label of the series being read.
#[derive(Clone, Copy)]
pub(super) struct Label<'b> {
    pub(super) name: &'b [u8],
    /// May still have escapes.
    pub(super) value: &'b [u8],
    pub(super) escaped: bool,
    /// Whether it is in the text: the path does not replace it, nor does it belong to the type.
    pub(super) stored: bool,
}

impl Label<'_> {
    /// Whether it is on the gateway's page beside the labels of the path; an empty instance is on every line.
    pub(super) fn is_shown(&self) -> bool {
        self.stored && !(self.value.is_empty() && self.name == INSTANCE)
    }

    /// Whether Prometheus drops it, and the gateway does not.
    pub(super) fn is_empty(&self) -> bool {
        self.value.is_empty() && self.stored && self.name != INSTANCE
    }
}

/// The gateway gives an empty one to what has none.
const INSTANCE: &[u8] = b"instance";

/// The text of a series.
pub(super) struct Layout<'b> {
    /// What every series gets.
    given: Vec<Label<'b>>,
    /// The names that it is for: their generation, how many, and which is of the type.
    arranged: Option<(usize, usize, Option<usize>)>,
    /// The labels by name, first those that are given and behind them those of the series.
    order: Vec<Numbered>,
    /// Room for sorting many of them.
    open: Vec<Agreeing>,
    /// All bytes but those of the family and of the values of the series, one behind the other.
    fixed: Vec<u8>,
    /// The labels of the series in their order, each with the part of these bytes that follows its value.
    slots: Vec<(usize, Range<usize>)>,
    /// The text of the last series; its front, up to the first value, stays while family and names do.
    text: Vec<u8>,
    /// The length of that front where it is ready, and for which family it is.
    front: Option<(usize, &'b [u8])>,
}

impl<'b> Layout<'b> {
    /// With the labels of the path.
    pub(super) fn new(path: &'b [(&'b str, &'b str)]) -> Self {
        let given = |(name, value): (&'b str, &'b str)| Label {
            name: name.as_bytes(),
            value: value.as_bytes(),
            escaped: false,
            stored: true,
        };
        // The last one is for series without an instance of their own.
        let given = path.iter().copied().chain([("instance", "")]).map(given).collect();
        Self {
            given,
            arranged: None,
            order: Vec::with_capacity(16),
            open: Vec::new(),
            fixed: Vec::with_capacity(256),
            slots: Vec::with_capacity(8),
            text: Vec::with_capacity(512),
            front: None,
        }
    }

    /// Makes it fit the labels of a series.
    #[inline]
    pub(super) fn arrange(&mut self, generation: usize, labels: &[Label<'b>], special: Option<usize>) {
        let wanted = Some((generation, labels.len(), special));
        if self.arranged != wanted {
            self.arranged = wanted;
            self.rearrange(labels);
        }
    }

    fn rearrange(&mut self, labels: &[Label<'b>]) {
        self.front = None;
        self.sort(labels);
        // So many are hardly ever the same twice.
        if labels.len() <= FEW {
            self.lay_out(labels);
        }
    }

    fn lay_out(&mut self, labels: &[Label<'b>]) {
        self.fixed.clear();
        self.slots.clear();
        for (_, at) in &self.order {
            let Some(label) = part(&self.given, labels, *at).filter(|label| label.stored) else { continue };
            self.fixed.extend_from_slice(label.name);
            self.fixed.push(SEPARATOR);
            match at.checked_sub(self.given.len()) {
                Some(own) => self.slots.push((own, self.fixed.len()..0)),
                None => spell(label, &mut self.fixed),
            }
            self.fixed.push(SEPARATOR);
        }
        let mut end = self.fixed.len();
        for (_, behind) in self.slots.iter_mut().rev() {
            behind.end = end;
            end = behind.start;
        }
    }

    fn sort(&mut self, labels: &[Label<'b>]) {
        let path = self.given.split_last().map_or(&[][..], |(_, path)| path);
        let own = |label: &Label<'_>| label.stored && label.name == INSTANCE;
        let has_instance = path.iter().any(own) || labels.iter().any(own);
        self.order.clear();
        let given = 0..path.len() + usize::from(!has_instance);
        self.order.extend(given.chain(self.given.len()..self.given.len() + labels.len()).map(|at| (0, at)));
        sort_by_name(&mut self.order, &mut self.open, |at| {
            part(&self.given, labels, at).map_or(&[], |label| label.name)
        });
    }

    /// The gateway's hash of the series that it fits.
    ///
    /// # Errors
    /// It has many labels, and this one stands twice.
    pub(super) fn hash(&mut self, family: &'b [u8], labels: &[Label<'b>]) -> Result<u64, &'b [u8]> {
        if labels.len() > FEW {
            return self.hash_of(family, labels, |_| true);
        }
        let front = match self.front {
            Some((front, of)) if std::ptr::eq(of, family) => front,
            _ => self.begin(family),
        };
        self.text.truncate(front);
        for (label, behind) in &self.slots {
            if let Some(label) = labels.get(*label) {
                spell(label, &mut self.text);
            }
            self.text.extend_from_slice(self.fixed.get(behind.clone()).unwrap_or_default());
        }
        Ok(of_text(&self.text))
    }

    /// The same without the labels that have no value.
    pub(super) fn hash_without_empty(&mut self, family: &[u8], labels: &[Label<'b>]) -> Result<u64, &'b [u8]> {
        self.hash_of(family, labels, |label| !label.is_empty())
    }

    fn hash_of(
        &mut self,
        family: &[u8],
        labels: &[Label<'b>],
        wanted: impl Fn(&Label<'_>) -> bool,
    ) -> Result<u64, &'b [u8]> {
        let mut hash = Parts::new(family);
        // Among the series' own, equal names are side by side.
        let mut before: Option<(usize, &[u8])> = None;
        for (_, at) in &self.order {
            let own = *at >= self.given.len();
            let Some(label) = part(&self.given, labels, *at) else { continue };
            if own
                && let Some((other, name)) = before.replace((*at, label.name))
                && name == label.name
            {
                let later = part(&self.given, labels, other.max(*at)).unwrap_or(label);
                return Err(later.name);
            }
            if label.stored && (!own || wanted(label)) {
                hash.add(label.name);
                if label.escaped {
                    self.text.clear();
                    self.front = None;
                    unescape(label.value, &mut self.text);
                    hash.add(&self.text);
                } else {
                    hash.add(label.value);
                }
            }
        }
        Ok(hash.value())
    }

    fn begin(&mut self, family: &'b [u8]) -> usize {
        self.text.clear();
        self.text.extend_from_slice(family);
        self.text.push(SEPARATOR);
        let to = self.slots.first().map_or(self.fixed.len(), |(_, behind)| behind.start);
        self.text.extend_from_slice(self.fixed.get(..to).unwrap_or_default());
        self.front = Some((self.text.len(), family));
        self.text.len()
    }
}

fn part<'l, 'b>(given: &'l [Label<'b>], labels: &'l [Label<'b>], at: usize) -> Option<&'l Label<'b>> {
    given.get(at).or_else(|| labels.get(at - given.len()))
}

#[inline]
fn spell(label: &Label<'_>, text: &mut Vec<u8>) {
    if label.escaped {
        unescape(label.value, text);
    } else {
        text.extend_from_slice(label.value);
    }
}

/// Undoes the escapes of a label value, which are known to be legal, behind what there is.
pub(super) fn unescape(spelled: &[u8], out: &mut Vec<u8>) {
    let mut bytes = spelled.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(other) => out.push(*other),
                None => {}
            },
            byte => out.push(*byte),
        }
    }
}
