//! Metric families of one body: which line belongs to which, and what its type makes of it.

use crate::payload::kind::Kind;
use crate::payload::page;
use crate::payload::summary::Family as Summed;
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

impl Role {
    /// One for each.
    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Itself => 0,
            Self::Bucket => 1,
            Self::Sum => 2,
            Self::Count => 3,
        }
    }

    /// Whether it is the line of a bucket or quantile, in a family that has such.
    pub(super) const fn is_part(self) -> bool {
        matches!(self, Self::Itself | Self::Bucket)
    }

    /// What is wrong with such a line of a family of that type, if anything; `special` tells whether it has the label of
    /// the type. The gateway takes these lines and drops their values, or what they have beyond whole numbers. Counts
    /// below zero are taken by 1.5.1 and refused by 1.11.2.
    pub(super) fn fault(self, kind: Kind, special: bool, value: f64) -> Option<&'static str> {
        Some(match (kind, self) {
            (Kind::Histogram, Self::Bucket | Self::Count) if value < 0.0 => "a histogram counts nothing below zero",
            (Kind::Histogram, Self::Bucket | Self::Count) if !is_count(value) => "a histogram counts in whole numbers",
            (Kind::Summary, Self::Count) if value < 0.0 => "a summary counts nothing below zero",
            (Kind::Summary, Self::Count) if !is_count(value) => "a summary counts in whole numbers",
            (Kind::Histogram, Self::Sum | Self::Count) if special => "a sum or a count has no le",
            (Kind::Summary, Self::Sum | Self::Count) if special => "a sum or a count has no quantile",
            (Kind::Histogram, Self::Itself) => "a histogram has only NAME_bucket, NAME_sum and NAME_count",
            (Kind::Histogram, Self::Bucket) if !special => "a histogram bucket needs the label le",
            (Kind::Summary, Self::Itself) if !special => "a summary value needs the label quantile",
            _ => return None,
        })
    }
}

/// Whether a value can be a count as the gateway keeps it, in 64 bits.
fn is_count(value: f64) -> bool {
    const END: f64 = 18_446_744_073_709_551_616.0;
    (0.0..END).contains(&value) && value.fract() == 0.0
}

/// The family of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    pub(super) family: usize,
    pub(super) role: Role,
}

#[derive(Debug, Default)]
pub(super) struct Family<'b> {
    pub(super) name: &'b [u8],
    pub(super) kind: Option<Kind>,
    pub(super) help: bool,
    pub(super) sampled: bool,
    /// Its metrics in the gateway, each at least once.
    pub(super) metrics: Vec<u64>,
    /// Bytes of its lines and its HELP on the gateway's page.
    pub(super) bytes: usize,
}

impl<'b> Family<'b> {
    /// A family whose samples come before a type is untyped for good.
    pub(super) fn begin_sample(&mut self) -> Kind {
        self.sampled = true;
        *self.kind.get_or_insert(Kind::Untyped)
    }

    /// Adds a line of a metric, which brings so many bytes; the lines of a histogram are one metric.
    pub(super) fn add(&mut self, metric: u64, bytes: usize) {
        self.bytes += bytes;
        if self.metrics.last() != Some(&metric) {
            if self.metrics.is_empty() {
                self.metrics.reserve(FIRST_ROOM);
            }
            self.metrics.push(metric);
        }
    }
}

/// All families, by name.
pub(super) struct Families<'b> {
    list: Vec<Family<'b>>,
    /// Their places, where they are not few.
    by_name: HashMap<&'b [u8], usize, RandomState>,
    /// Lines of one family mostly follow each other.
    last: Option<(&'b [u8], Resolved)>,
    scrap: Family<'b>,
}

/// Metrics that a family has room for at once.
const FIRST_ROOM: usize = 16;
/// Families up to which a list is searched fast.
const FEW: usize = 8;

const SUFFIXES: [(&[u8], Role); 3] = [(b"_bucket", Role::Bucket), (b"_sum", Role::Sum), (b"_count", Role::Count)];

impl<'b> Families<'b> {
    pub(super) fn new() -> Self {
        Self { list: Vec::with_capacity(8), by_name: HashMap::default(), last: None, scrap: Family::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The place of the family of that very name.
    fn find(&self, name: &[u8]) -> Option<usize> {
        match self.list.len() {
            0..=FEW => self.list.iter().position(|family| family.name == name),
            _ => self.by_name.get(name).copied(),
        }
    }

    fn push(&mut self, name: &'b [u8]) -> usize {
        self.list.push(Family { name, ..Family::default() });
        if self.list.len() > FEW {
            let known = self.by_name.len();
            self.by_name.extend(self.list.iter().enumerate().skip(known).map(|(at, family)| (family.name, at)));
        }
        self.list.len() - 1
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
        if let Some(family) = self.find(name) {
            return Resolved { family, role: Role::Itself };
        }
        for (suffix, role) in SUFFIXES {
            let Some(family) = name.strip_suffix(suffix).and_then(|base| self.find(base)) else { continue };
            let kind = self.list.get(family).and_then(|family| family.kind);
            if kind == Some(Kind::Histogram) || (kind == Some(Kind::Summary) && role != Role::Bucket) {
                return Resolved { family, role };
            }
        }
        Resolved { family: self.push(name), role: Role::Itself }
    }

    /// The families that have samples. The gateway drops others.
    pub(super) fn into_sampled(self) -> impl Iterator<Item = Summed> {
        let sampled = self.list.into_iter().filter(|family| family.sampled);
        sampled.map(|Family { name, kind, metrics, bytes, .. }| {
            Summed::new(name, kind.unwrap_or(Kind::Untyped), metrics, page::family(name) + bytes)
        })
    }
}
