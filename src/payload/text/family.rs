//! Metric families of one body: which line belongs to which, and what its type makes of it.

use crate::payload::kind::Kind;
use crate::payload::series::of_name;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// What a line is to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Itself,
    Bucket,
    Sum,
    Count,
}

/// The family of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    pub(super) family: usize,
    pub(super) role: Role,
    /// The hash of the name.
    pub(super) name: u64,
}

#[derive(Debug, Default)]
pub(super) struct Family<'b> {
    pub(super) name: &'b [u8],
    /// The hash of its name.
    pub(super) hash: u64,
    pub(super) kind: Option<Kind>,
    pub(super) help: bool,
    pub(super) sampled: bool,
    /// Its metrics in the gateway, each at least once.
    pub(super) metrics: Vec<u64>,
}

impl<'b> Family<'b> {
    /// A family whose samples come before a type is untyped for good.
    pub(super) fn begin_sample(&mut self) -> Kind {
        self.sampled = true;
        *self.kind.get_or_insert(Kind::Untyped)
    }

    /// Adds a metric; the lines of a histogram are one.
    pub(super) fn add(&mut self, metric: u64) {
        if self.metrics.last() != Some(&metric) {
            self.metrics.push(metric);
        }
    }
}

/// All families, by name.
pub(super) struct Families<'b> {
    list: Vec<Family<'b>>,
    by_name: HashMap<&'b [u8], usize, RandomState>,
    /// Lines of one family mostly follow each other.
    last: Option<(&'b [u8], Resolved)>,
    scrap: Family<'b>,
}

const SUFFIXES: [(&[u8], Role); 3] = [(b"_bucket", Role::Bucket), (b"_sum", Role::Sum), (b"_count", Role::Count)];

impl<'b> Families<'b> {
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), by_name: HashMap::default(), last: None, scrap: Family::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes back the family that the last [`Families::resolve`] made.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
        if let Some(family) = self.list.pop() {
            self.by_name.remove(family.name);
        }
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Family<'b> {
        self.list.get_mut(index).unwrap_or(&mut self.scrap)
    }

    /// The name that was resolved last.
    pub(super) fn last(&self) -> &'b [u8] {
        self.last.map_or(&[], |(name, _)| name)
    }

    /// The family of a name: its own, that of a histogram or summary whose suffix it has, or a new one.
    pub(super) fn resolve(&mut self, name: &'b [u8]) -> Resolved {
        if let Some((last, resolved)) = self.last
            && (std::ptr::eq(last, name) || last == name)
        {
            return resolved;
        }
        let resolved = self.look_up(name);
        self.last = Some((name, resolved));
        resolved
    }

    fn look_up(&mut self, name: &'b [u8]) -> Resolved {
        let hash = of_name(name);
        if let Some(family) = self.by_name.get(name) {
            return Resolved { family: *family, role: Role::Itself, name: hash };
        }
        for (suffix, role) in SUFFIXES {
            let Some(base) = name.strip_suffix(suffix).and_then(|base| self.by_name.get(base)) else { continue };
            let kind = self.list.get(*base).and_then(|family| family.kind);
            if kind == Some(Kind::Histogram) || (kind == Some(Kind::Summary) && role != Role::Bucket) {
                return Resolved { family: *base, role, name: hash };
            }
        }
        self.list.push(Family { name, hash, ..Family::default() });
        self.by_name.insert(name, self.list.len() - 1);
        Resolved { family: self.list.len() - 1, role: Role::Itself, name: hash }
    }

    /// The families that have samples. The gateway drops others.
    pub(super) fn into_sampled(self) -> impl Iterator<Item = (&'b [u8], Kind, Vec<u64>)> {
        let sampled = self.list.into_iter().filter(|family| family.sampled);
        sampled.map(|family| (family.name, family.kind.unwrap_or(Kind::Untyped), family.metrics))
    }
}
