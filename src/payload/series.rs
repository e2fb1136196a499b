//! Which series of a body were seen, told apart as the gateway tells them: by the one hash that it has of each.
//!
//! What is two metrics and has one hash there is refused here; see [`SeriesHash`]. So nothing is lost by looking at the
//! hash alone, but for labels without a value, which the gateway keeps and Prometheus does not.

mod gateway;
mod hash;
mod layout;
mod names;
mod sort;

pub use gateway::SeriesHash;
pub(super) use hash::of_name;
pub(super) use names::Name;

use super::limits::{LabelRefusal, LabelRules, Rules};
use super::page;
use foldhash::fast::RandomState;
use hash::{of_label, of_line, of_number};
use layout::{Label, Layout};
use names::Names;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

/// The series seen so far, and the one that is being read.
pub(super) struct SeriesSet<'b> {
    /// The hashes that are taken, each with what its metric's lines have in common. The gateway's have no key, so that
    /// the map has one of its own.
    taken: HashMap<u64, u64, RandomState>,
    /// Of the line before: its labels as spelled, and the hashes of its metric.
    before: Option<(u64, (u64, u64))>,
    /// The family of the line before, and the hash of its name.
    family: (&'b [u8], u64),
    rules: &'b Rules<'b>,
    policy: Option<&'b LabelRules<'b>>,
    /// The labels of the series being read.
    labels: Vec<Label<'b>>,
    /// Which of them belongs to the type, and the hash of its value.
    special: Option<(usize, u64)>,
    /// Whether one has no value: to Prometheus it is none, to the gateway it is.
    empty: bool,
    /// Which of the required labels were seen, bit by bit.
    required: u64,
    names: Names<'b>,
    layout: Layout<'b>,
    scratch: Vec<u8>,
    /// Bytes of the labels on the gateway's page: those of the path, and the series' own.
    path_bytes: usize,
    own_bytes: usize,
}

/// Why a line cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash<'b> {
    /// What the gateway, or Prometheus, takes for the same stood before.
    Twice,
    /// One of its many labels stands twice; this is the second time.
    Label(&'b [u8]),
    /// It is of a metric whose other lines spell their labels in another way.
    Spelling,
}

impl fmt::Display for Clash<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice => f.write_str(
                "the same series stands twice (labels of the path replace those in the body, an empty label is none)",
            ),
            Self::Label(name) => write!(f, "the label {} stands twice", String::from_utf8_lossy(name)),
            Self::Spelling => f.write_str(
                "the lines of one histogram or summary differ in a label that is empty or that the path replaces; give \
                 all of them the same, or leave it out",
            ),
        }
    }
}

/// What the lines of a metric have in common that is one line.
const WHOLE: u64 = 0;

/// Bytes of a line with a series as it mostly is, for the room that is made at first.
const SERIES_BYTES: usize = 80;
/// Series that room is made for at first.
const MOST_EXPECTED: usize = 4096;

impl<'b> SeriesSet<'b> {
    /// For a body of that many bytes.
    pub(super) fn new(rules: &'b Rules<'b>, bytes: usize) -> Self {
        let expected = (bytes / SERIES_BYTES).min(MOST_EXPECTED);
        Self {
            taken: HashMap::with_capacity_and_hasher(expected, RandomState::default()),
            before: None,
            family: (&[], of_name(&[])),
            rules,
            policy: rules.labels,
            labels: Vec::with_capacity(8),
            special: None,
            empty: false,
            required: 0,
            names: Names::new(),
            layout: Layout::new(rules.overwritten),
            scratch: Vec::new(),
            own_bytes: 0,
            path_bytes: rules.overwritten.iter().map(|(n, v)| page::label(n.as_bytes(), v.as_bytes())).sum(),
        }
    }

    /// Begins a series.
    pub(super) fn begin(&mut self) {
        self.labels.clear();
        (self.special, self.empty, self.required, self.own_bytes) = (None, false, 0, 0);
        self.names.begin();
    }

    /// Adds the label name that stood at this place in the series before, if what led to its value there does so here.
    pub(super) fn again(&mut self, leads: impl FnOnce(&[u8]) -> bool) -> Option<Name<'b>> {
        self.names.again(leads)
    }

    /// Adds a label name, with what leads to its value and where in that it begins; none where it stands a second time
    /// and they are few.
    pub(super) fn name(&mut self, name: &'b [u8], lead: (&'b [u8], usize)) -> Option<Name<'b>> {
        self.names.add(name, lead, || self.rules.overwrites(name))
    }

    /// How many labels the series has so far.
    pub(super) fn labels(&self) -> usize {
        self.labels.len()
    }

    /// Bytes that a line of the series takes of the gateway's page for its name and labels, as they were spelled.
    pub(super) fn named_bytes(&self, family: &[u8]) -> usize {
        family.len() + self.path_bytes + self.own_bytes
    }

    /// Adds the label of the last name. The value may still have escapes; it has one spelling, so that equal values are
    /// equal bytes.
    pub(super) fn label(&mut self, name: &Name<'b>, value: &'b [u8], escaped: bool) {
        let label = Label { name: name.text, value, escaped, stored: !name.overwritten };
        self.empty |= label.is_empty();
        if label.is_shown() {
            self.own_bytes += page::spelled_label(name.text.len(), value.len());
        }
        self.labels.push(label);
    }

    /// Adds the label of the last name, which belongs to the type; its value counts as a number: `1` and `1.0` are one
    /// bucket.
    pub(super) fn number(&mut self, name: &Name<'b>, value: f64) {
        self.special = Some((self.labels.len(), of_number(value)));
        self.labels.push(Label { name: name.text, value: &[], escaped: false, stored: false });
    }

    /// What the policy has against a label, whose value may still have escapes, if anything.
    #[inline]
    pub(super) fn judge(&mut self, name: &[u8], value: &[u8], escaped: bool) -> Option<LabelRefusal> {
        match self.policy {
            Some(rules) => self.judge_by(rules, name, value, escaped),
            None => None,
        }
    }

    fn judge_by(&mut self, rules: &LabelRules<'_>, name: &[u8], value: &[u8], escaped: bool) -> Option<LabelRefusal> {
        if self.rules.overwrites(name) {
            return None;
        }
        let value = if escaped {
            self.scratch.clear();
            layout::unescape(value, &mut self.scratch);
            self.scratch.as_slice()
        } else {
            value
        };
        let (name, value) = (std::str::from_utf8(name).unwrap_or(""), String::from_utf8_lossy(value));
        // An empty value is the same as no label.
        if value.is_empty() {
            return None;
        }
        if let Some(at) = rules.required.iter().position(|required| *required == name) {
            self.required |= 1 << (at % 64);
        }
        (rules.judge)(name, &value)
    }

    /// The first label that the policy demands and the series lacks.
    pub(super) fn missing(&self) -> Option<&'b str> {
        let rules = self.policy?;
        let missing = |(at, _): &(usize, &&str)| self.required >> (at % 64) & 1 == 0;
        rules.required.iter().enumerate().find(missing).map(|(_, name)| *name)
    }

    /// Ends a metric of the family of that name; answers the gateway's hash of it.
    pub(super) fn metric(&mut self, family: &'b [u8]) -> Result<u64, Clash<'b>> {
        let hashes = self.hashes(family)?;
        self.take(hashes, WHOLE)
    }

    /// Ends a line of a metric that has several; `line` tells which of them it is, but for the label of its type.
    /// Answers the gateway's hash of the metric, and whether it is its first line.
    pub(super) fn piece(&mut self, family: &'b [u8], line: u64) -> Result<(u64, bool), Clash<'b>> {
        let spelled = self.spelled(family);
        let (hashes, first) = match self.before {
            Some((before, hashes)) if before == spelled => (hashes, false),
            _ => {
                let hashes = self.hashes(family)?;
                let first = !self.taken.contains_key(&hashes.0);
                self.take(hashes, spelled)?;
                self.before = Some((spelled, hashes));
                (hashes, first)
            }
        };
        let line = of_line(line, hashes.1, self.special.map_or(0, |(_, hash)| hash));
        self.take((line, line), WHOLE)?;
        Ok((hashes.0, first))
    }

    /// Takes the hashes of a metric for lines that have `common` in common.
    fn take(&mut self, (hash, bare): (u64, u64), common: u64) -> Result<u64, Clash<'b>> {
        self.take_one(hash, common)?;
        if bare != hash {
            self.take_one(bare, common)?;
        }
        Ok(hash)
    }

    fn take_one(&mut self, hash: u64, common: u64) -> Result<(), Clash<'b>> {
        match self.taken.entry(hash) {
            Entry::Vacant(free) => drop(free.insert(common)),
            Entry::Occupied(known) if common == WHOLE || *known.get() == WHOLE => return Err(Clash::Twice),
            Entry::Occupied(known) if *known.get() != common => return Err(Clash::Spelling),
            Entry::Occupied(_) => {}
        }
        Ok(())
    }

    /// The gateway's hash of the series, and what it would be without the labels that have no value.
    fn hashes(&mut self, family: &'b [u8]) -> Result<(u64, u64), Clash<'b>> {
        self.layout.arrange(self.names.generation(), &self.labels, self.special.map(|(at, _)| at));
        let hash = self.layout.hash(family, &self.labels).map_err(Clash::Label)?;
        let bare = if self.empty { self.layout.hash_without_empty(family, &self.labels) } else { Ok(hash) };
        Ok((hash, bare.map_err(Clash::Label)?))
    }

    /// The family and all labels as they are spelled, but for the one of the type: a sum, so that their order does not
    /// matter.
    fn spelled(&mut self, family: &'b [u8]) -> u64 {
        if !std::ptr::eq(self.family.0, family) {
            self.family = (family, of_name(family));
        }
        let special = self.special.map(|(at, _)| at);
        let others = self.labels.iter().enumerate().filter(|(at, _)| Some(*at) != special);
        others.fold(self.family.1, |sum, (at, label)| {
            sum.wrapping_add(of_label(self.names.hash(at, label.name), label.value))
        })
    }
}

#[cfg(not(test))]
fn work(_: usize) {}
#[cfg(test)]
pub(super) use counted::work;

/// Counts what is done for the tests, which hold it against the bytes.
#[cfg(test)]
pub(super) mod counted {
    use std::cell::Cell;

    thread_local! { static DONE: Cell<usize> = const { Cell::new(0) }; }

    pub(in crate::payload) fn work(steps: usize) {
        DONE.set(DONE.get() + steps);
    }

    pub(in crate::payload) fn take() -> usize {
        DONE.replace(0)
    }
}
