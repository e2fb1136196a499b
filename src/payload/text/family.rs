//! Metric families of one body: which line belongs to which, and what its type makes of it.

use std::collections::HashMap;

/// A metric type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

impl Kind {
    /// The gateway takes any case.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let known = [
            (&b"counter"[..], Self::Counter),
            (b"gauge", Self::Gauge),
            (b"histogram", Self::Histogram),
            (b"summary", Self::Summary),
            (b"untyped", Self::Untyped),
        ];
        known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, kind)| kind)
    }

    /// The label that the type keeps for itself; its value is a number.
    pub(super) fn special_label(self, role: Role) -> Option<&'static [u8]> {
        match (self, role) {
            (Self::Histogram, _) => Some(b"le"),
            (Self::Summary, _) => Some(b"quantile"),
            _ => None,
        }
    }
}

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
}

#[derive(Debug, Default)]
pub(super) struct Family<'b> {
    name: &'b [u8],
    pub(super) kind: Option<Kind>,
    pub(super) help: bool,
    pub(super) sampled: bool,
}

impl Family<'_> {
    /// A family whose samples come before a type is untyped for good.
    pub(super) fn begin_sample(&mut self) -> Kind {
        self.sampled = true;
        *self.kind.get_or_insert(Kind::Untyped)
    }
}

/// All families, by name.
pub(super) struct Families<'b> {
    list: Vec<Family<'b>>,
    by_name: HashMap<&'b [u8], usize>,
    /// Lines of one family mostly follow each other.
    last: Option<(&'b [u8], Resolved)>,
    scrap: Family<'b>,
}

const SUFFIXES: [(&[u8], Role); 3] = [(b"_bucket", Role::Bucket), (b"_sum", Role::Sum), (b"_count", Role::Count)];

impl<'b> Families<'b> {
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), by_name: HashMap::new(), last: None, scrap: Family::default() }
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

    /// The family of a name: its own, that of a histogram or summary whose suffix it has, or a new one.
    pub(super) fn resolve(&mut self, name: &'b [u8]) -> Resolved {
        if let Some((last, resolved)) = self.last
            && last == name
        {
            return resolved;
        }
        let resolved = self.look_up(name);
        self.last = Some((name, resolved));
        resolved
    }

    fn look_up(&mut self, name: &'b [u8]) -> Resolved {
        if let Some(family) = self.by_name.get(name) {
            return Resolved { family: *family, role: Role::Itself };
        }
        for (suffix, role) in SUFFIXES {
            let Some(base) = name.strip_suffix(suffix).and_then(|base| self.by_name.get(base)) else { continue };
            let kind = self.list.get(*base).and_then(|family| family.kind);
            if kind == Some(Kind::Histogram) || (kind == Some(Kind::Summary) && role != Role::Bucket) {
                return Resolved { family: *base, role };
            }
        }
        self.list.push(Family { name, ..Family::default() });
        self.by_name.insert(name, self.list.len() - 1);
        Resolved { family: self.list.len() - 1, role: Role::Itself }
    }

    /// A family that has the name of a part of a histogram or summary.
    pub(super) fn collision(&self) -> Option<String> {
        let sampled = |family: &&Family<'_>| family.sampled;
        self.list.iter().filter(sampled).find_map(|family| {
            let base = SUFFIXES.iter().find_map(|(suffix, role)| {
                let base = family.name.strip_suffix(*suffix)?;
                let owner = self.list.get(*self.by_name.get(base)?)?;
                let parts =
                    owner.kind == Some(Kind::Histogram) || (owner.kind == Some(Kind::Summary) && *role != Role::Bucket);
                (parts && owner.sampled).then_some(base)
            })?;
            let (name, base) = (String::from_utf8_lossy(family.name), String::from_utf8_lossy(base));
            Some(format!(
                "the metric {name} has the name of a part of {base}; write TYPE {base} before it, or rename it"
            ))
        })
    }
}
