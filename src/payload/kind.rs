//! Metric types.

use std::fmt;

/// A metric type, as the gateway stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `counter`
    Counter,
    /// `gauge`
    Gauge,
    /// `summary`
    Summary,
    /// `untyped`, and every metric without a `# TYPE`.
    Untyped,
    /// `histogram`
    Histogram,
}

impl Kind {
    /// Every type, by its number in protobuf.
    pub const ALL: [Self; 5] = [Self::Counter, Self::Gauge, Self::Summary, Self::Untyped, Self::Histogram];

    /// The name in `# TYPE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
            Self::Histogram => "histogram",
        }
    }

    /// The type of that name in any case, as the gateway reads it.
    pub fn read(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes().eq_ignore_ascii_case(text))
    }

    /// What names of samples of this type may end in: another metric of such a name would be taken for a part of it.
    pub const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Histogram => &["_bucket", "_sum", "_count"],
            Self::Summary => &["_sum", "_count"],
            _ => &[],
        }
    }

    /// The label that the type keeps for itself; its value is a number.
    pub(super) const fn special_label(self) -> Option<&'static [u8]> {
        match self {
            Self::Histogram => Some(b"le"),
            Self::Summary => Some(b"quantile"),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
