//! Which series of a body were seen: one 64-bit hash each, whatever the order of their labels.
//!
//! The hash is keyed anew for each process, and a collision could only refuse the push of the one who made it.

use super::limits::{LabelRules, LabelVerdict, Rules};
use foldhash::fast;
use foldhash::quality::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::LazyLock;

/// One key for all bodies, so that series of different pushes can be compared.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// Adds up what tells a metric apart from others in the gateway: the name of its family and its labels, in any order.
#[derive(Clone, Copy, Debug)]
pub struct SeriesHash(u64);

impl SeriesHash {
    /// Begins with the name of the family.
    pub fn new(family: &[u8]) -> Self {
        Self(HASHER.hash_one(family))
    }

    /// Adds a label. The gateway tells an empty one from none, but for `instance`, which it gives to all.
    pub fn label(&mut self, name: &[u8], value: &[u8]) {
        if !value.is_empty() || name != b"instance" {
            self.0 = self.0.wrapping_add(HASHER.hash_one((name, value)));
        }
    }

    /// The sum.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// Names beyond which a set is searched faster than a list.
const FEW_NAMES: usize = 32;

/// The series seen so far, and the one that is being read.
pub(super) struct SeriesSet<'r> {
    hasher: &'static RandomState,
    seen: HashSet<u64, fast::RandomState>,
    rules: &'r Rules<'r>,
    labels: Option<&'r LabelRules<'r>>,
    /// The labels of the path, added up.
    path: u64,
    /// The labels of the series being read, added up: a sum, so that their order does not matter.
    sum: u64,
    /// Those without a value: to Prometheus they are none, to the gateway they are.
    empty: SeriesHash,
    /// What the gateway replaces or adds: lines that differ in it are metrics apart to its parser, and one to its store.
    replaced: u64,
    /// The metrics of more than one line, each with its labels as spelled.
    spelled: HashMap<u64, u64, fast::RandomState>,
    /// The label that belongs to the type.
    special: u64,
    /// Which of the required labels were seen, bit by bit.
    required: u64,
    names: Vec<u64>,
    many: HashSet<u64, fast::RandomState>,
    scratch: Vec<u8>,
}

impl<'r> SeriesSet<'r> {
    pub(super) fn new(rules: &'r Rules<'r>) -> Self {
        let mut path = SeriesHash(0);
        for (name, value) in rules.overwritten {
            path.label(name.as_bytes(), value.as_bytes());
        }
        Self {
            hasher: &HASHER,
            seen: HashSet::default(),
            rules,
            labels: rules.labels,
            path: path.value(),
            sum: 0,
            empty: SeriesHash(0),
            replaced: 0,
            spelled: HashMap::default(),
            special: 0,
            required: 0,
            names: Vec::new(),
            many: HashSet::default(),
            scratch: Vec::new(),
        }
    }

    /// Begins a series.
    pub(super) fn begin(&mut self) {
        (self.sum, self.special, self.required) = (0, 0, 0);
        (self.empty, self.replaced) = (SeriesHash(0), 0);
        self.names.clear();
        self.many.clear();
    }

    /// Adds a label; false where the name stands a second time.
    pub(super) fn label(&mut self, name: &[u8], value: &[u8]) -> bool {
        let fresh = self.fresh(name);
        if !fresh {
            return false;
        }
        if self.rules.overwrites(name) || (value.is_empty() && name == b"instance") {
            self.replaced = self.replaced.wrapping_add(self.hasher.hash_one((name, value)));
        } else if value.is_empty() {
            self.empty.label(name, value);
        } else {
            self.sum = self.sum.wrapping_add(self.hasher.hash_one((name, value)));
        }
        true
    }

    /// Adds a label of the text format, whose value is still as spelled.
    pub(super) fn spelled_label(&mut self, name: &[u8], value: &[u8]) -> bool {
        if memchr::memchr(b'\\', value).is_none() {
            return self.label(name, value);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        unescape(value, &mut scratch);
        let fresh = self.label(name, &scratch);
        self.scratch = scratch;
        fresh
    }

    /// Adds the label that belongs to the type; its value counts as a number: `1` and `1.0` are one bucket.
    pub(super) fn number(&mut self, name: &[u8], value: f64) -> bool {
        self.special = self.hasher.hash_one((name, (value + 0.0).to_bits()));
        self.fresh(name)
    }

    fn fresh(&mut self, name: &[u8]) -> bool {
        let hash = self.hasher.hash_one(name);
        work(self.names.len().min(FEW_NAMES) + 1);
        if self.names.len() < FEW_NAMES {
            let fresh = !self.names.contains(&hash);
            self.names.push(hash);
            return fresh;
        }
        if self.many.is_empty() {
            self.many.extend(self.names.iter().copied());
        }
        self.many.insert(hash)
    }

    /// What the policy has against a label, whose value may still be as spelled, if anything.
    pub(super) fn refusal(&mut self, name: &[u8], value: &[u8], spelled: bool) -> Option<String> {
        let rules = self.labels.filter(|_| !self.rules.overwrites(name))?;
        let value = if spelled {
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
    pub(super) fn missing(&self) -> Option<&'r str> {
        let rules = self.labels?;
        let missing = |(at, _): &(usize, &&str)| self.required >> (at % 64) & 1 == 0;
        rules.required.iter().enumerate().find(missing).map(|(_, name)| *name)
    }

    /// Ends the series; false where a sample of that name and these labels was seen before.
    pub(super) fn insert(&mut self, name: &[u8]) -> bool {
        self.seen.insert(self.hasher.hash_one(name).wrapping_add(self.sum).wrapping_add(self.special))
    }

    /// Whether a line of a metric that has several spells its labels as the others do.
    pub(super) fn belongs(&mut self, metric: u64) -> bool {
        let spelled = metric.wrapping_add(self.replaced);
        *self.spelled.entry(metric).or_insert(spelled) == spelled
    }

    /// What tells the metric being read apart from all others in the gateway.
    pub(super) fn metric(&self, family: &[u8]) -> u64 {
        let body = self.sum.wrapping_add(self.empty.value());
        self.hasher.hash_one(family).wrapping_add(body).wrapping_add(self.path)
    }
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
