//! Which series of a body were seen: one 64-bit hash each, whatever the order of their labels.
//!
//! The hash is keyed anew for each process, and a collision could only refuse the push of the one who made it. Beside it
//! stands the gateway's own, see [`SeriesHash`]: what is two metrics and has one hash there is refused.

mod gateway;
mod hash;
mod names;

pub use gateway::SeriesHash;
pub(super) use hash::of_name;

use super::limits::{LabelRules, LabelVerdict, Rules};
use foldhash::fast::RandomState;
use hash::{AsItIs, Hashes, of_label, of_number};
use names::Names;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;

/// The series seen so far, and the one that is being read.
pub(super) struct SeriesSet<'b> {
    seen: Hashes,
    rules: &'b Rules<'b>,
    labels: Option<&'b LabelRules<'b>>,
    /// The labels of the path, added up.
    path: u64,
    /// The labels of the series being read, added up: a sum, so that their order does not matter.
    sum: u64,
    /// Those without a value: to Prometheus they are none, to the gateway they are.
    empty: u64,
    /// What the gateway replaces or adds: lines that differ in it are metrics apart to its parser, and one to its store.
    replaced: u64,
    /// The metrics of more than one line, each with its labels as spelled.
    spelled: HashMap<u64, u64, BuildHasherDefault<AsItIs>>,
    /// The label that belongs to the type.
    special: u64,
    /// Which of the required labels were seen, bit by bit.
    required: u64,
    names: Names<'b>,
    scratch: Vec<u8>,
    /// The labels as the gateway stores them: first those of the path, then those of the series being read.
    stored: Vec<(&'b [u8], Range<usize>)>,
    /// Their values, one behind the other.
    values: Vec<u8>,
    /// How many of them, and how many bytes, are of the path.
    of_path: (usize, usize),
    sorted: Vec<(&'b [u8], Range<usize>)>,
    text: Vec<u8>,
    /// The gateway's hashes, each with the metric that has it.
    taken: HashMap<u64, u64, RandomState>,
}

/// Two metrics that are one to the gateway.
pub(super) const COLLIDES: &str = "the gateway would take it for another metric of the body, though it is not: their \
                                   hashes are the same; change a name or a value";

/// Bytes of a line with a series as it mostly is, for the room that is made at first.
const SERIES_BYTES: usize = 64;
/// Series that room is made for at first.
const MOST_EXPECTED: usize = 4096;

impl<'b> SeriesSet<'b> {
    /// For a body of that many bytes.
    pub(super) fn new(rules: &'b Rules<'b>, bytes: usize) -> Self {
        let (mut path, mut stored, mut values) = (0_u64, Vec::new(), Vec::new());
        for (name, value) in rules.overwritten {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            // An empty label is none in a path, but for the instance that the gateway gives to all.
            path = path.wrapping_add(of_label(of_name(name), value));
            store(&mut stored, &mut values, name, value);
        }
        Self {
            of_path: (stored.len(), values.len()),
            stored,
            values,
            sorted: Vec::new(),
            text: Vec::new(),
            taken: HashMap::default(),
            seen: Hashes::with_capacity_and_hasher(
                (bytes / SERIES_BYTES).min(MOST_EXPECTED),
                BuildHasherDefault::new(),
            ),
            rules,
            labels: rules.labels,
            path,
            sum: 0,
            empty: 0,
            replaced: 0,
            spelled: HashMap::default(),
            special: 0,
            required: 0,
            names: Names::default(),
            scratch: Vec::new(),
        }
    }

    /// Begins a series.
    pub(super) fn begin(&mut self) {
        (self.sum, self.special, self.required) = (0, 0, 0);
        (self.empty, self.replaced) = (0, 0);
        self.names.begin();
        let (labels, bytes) = self.of_path;
        self.stored.truncate(labels);
        self.values.truncate(bytes);
    }

    /// The label name that is likely to come next.
    pub(super) fn expected_name(&self) -> &'b [u8] {
        self.names.expected()
    }

    /// Adds a label; false where the name stands a second time.
    pub(super) fn label(&mut self, name: &'b [u8], value: &[u8]) -> bool {
        let Some(known) = self.names.add(name, || self.rules.overwrites(name)) else { return false };
        let hash = of_label(known.hash, value);
        if !known.overwritten {
            store(&mut self.stored, &mut self.values, name, value);
        }
        let to = if known.overwritten || (value.is_empty() && name == b"instance") {
            &mut self.replaced
        } else if value.is_empty() {
            &mut self.empty
        } else {
            &mut self.sum
        };
        *to = to.wrapping_add(hash);
        true
    }

    /// Adds a label whose value may still have escapes.
    pub(super) fn text_label(&mut self, name: &'b [u8], value: &[u8], escaped: bool) -> bool {
        if !escaped {
            return self.label(name, value);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        unescape(value, &mut scratch);
        let fresh = self.label(name, &scratch);
        self.scratch = scratch;
        fresh
    }

    /// Adds the label that belongs to the type; its value counts as a number: `1` and `1.0` are one bucket.
    pub(super) fn number(&mut self, name: &'b [u8], value: f64) -> bool {
        let Some(known) = self.names.add(name, || self.rules.overwrites(name)) else { return false };
        self.special = of_number(known.hash, value);
        true
    }

    /// What the policy has against a label, whose value may still have escapes, if anything.
    pub(super) fn refusal(&mut self, name: &[u8], value: &[u8], escaped: bool) -> Option<String> {
        let rules = self.labels.filter(|_| !self.rules.overwrites(name))?;
        let value = if escaped {
            unescape(value, &mut self.scratch);
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
        match (rules.judge)(name, &value) {
            LabelVerdict::Free => None,
            LabelVerdict::Value => Some(format!("the value of the label {name} may not be pushed")),
            LabelVerdict::Denied => Some(format!("the label {name} may not be pushed")),
        }
    }

    /// The first label that the policy demands and the series lacks.
    pub(super) fn missing(&self) -> Option<&'b str> {
        let rules = self.labels?;
        let missing = |(at, _): &(usize, &&str)| self.required >> (at % 64) & 1 == 0;
        rules.required.iter().enumerate().find(missing).map(|(_, name)| *name)
    }

    /// Ends the series; false where a sample of the name with that hash and of these labels was seen before.
    pub(super) fn insert(&mut self, name: u64) -> bool {
        self.seen.insert(name.wrapping_add(self.sum).wrapping_add(self.special))
    }

    /// Whether a line of a metric that has several spells its labels as the others do.
    pub(super) fn belongs(&mut self, metric: u64) -> bool {
        let spelled = metric.wrapping_add(self.replaced);
        *self.spelled.entry(metric).or_insert(spelled) == spelled
    }

    /// What tells the metric being read, of the family whose name has that hash, apart from all others of the body.
    pub(super) fn metric(&self, family: u64) -> u64 {
        family.wrapping_add(self.sum).wrapping_add(self.empty).wrapping_add(self.path)
    }

    /// The gateway's hash of the metric being read; none where it is that of another metric of the body.
    pub(super) fn stored(&mut self, family: &[u8], metric: u64) -> Option<u64> {
        self.sorted.clone_from(&self.stored);
        if self.sorted.iter().all(|(name, _)| *name != b"instance") {
            self.sorted.push((b"instance", 0..0));
        }
        self.sorted.sort_unstable_by_key(|(name, _)| *name);
        let values = &self.values;
        let labels = self.sorted.iter().map(|(name, at)| (*name, values.get(at.clone()).unwrap_or_default()));
        let hash = gateway::of_sorted(family, labels, &mut self.text);
        (*self.taken.entry(hash).or_insert(metric) == metric).then_some(hash)
    }
}

/// Adds a label behind the others.
fn store<'b>(stored: &mut Vec<(&'b [u8], Range<usize>)>, values: &mut Vec<u8>, name: &'b [u8], value: &[u8]) {
    let start = values.len();
    values.extend_from_slice(value);
    stored.push((name, start..values.len()));
}

/// Undoes the escapes of a label value, which are known to be legal.
fn unescape(spelled: &[u8], out: &mut Vec<u8>) {
    out.clear();
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
