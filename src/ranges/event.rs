//! What happens to a set, as values; the log, the metrics and the command line each tell it in their own way.

use super::guard::Refusal;
use super::list::ListError;
use std::time::Duration;

/// Why a list does not take the place of the one that is held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error("{0}")]
    List(#[from] ListError),
    /// The guard refuses it.
    #[error("{0}")]
    Guard(#[from] Refusal),
}

impl Unfit {
    /// The kind, for a metric.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::List(error) => error.kind(),
            Self::Guard(refusal) => refusal.kind(),
        }
    }

    /// Whether an operator can let it in.
    pub fn approvable(&self) -> bool {
        matches!(self, Self::Guard(refusal) if refusal.approvable())
    }
}

/// What happened to which set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The name of the set.
    pub set: String,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing was kept of it.
    NotStored,
    /// It was taken over from disk.
    Loaded {
        /// Whether the clock is behind the time of the last success.
        in_future: bool,
    },
    /// What is kept came from elsewhere and is not used.
    OtherOrigin {
        /// From where.
        origin: String,
    },
    /// What is kept cannot be used.
    NotLoaded {
        /// Why.
        error: String,
    },
    /// It was taken over from the seed file.
    Seeded,
    /// The source gave the list that is held.
    Confirmed,
    /// A new list is held.
    Updated {
        /// Prefixes that came.
        added: usize,
        /// Prefixes that left; they are served until their grace is over.
        removed: usize,
    },
    /// A new list was not accepted.
    Refused {
        /// Why.
        unfit: Unfit,
        /// Whether an older list is served.
        kept: bool,
    },
    /// An operator let a refused list in.
    Approved,
    /// There is an approval, but it cannot be read.
    ApprovalUnread {
        /// Why.
        error: String,
    },
    /// The grace of prefixes is over, and they are not served any more.
    Ended {
        /// How many.
        removed: usize,
    },
    /// The source has not given or confirmed the list for long.
    Old {
        /// For how long.
        age: Duration,
        /// Whether that is longer than allowed.
        past: bool,
        /// Whether it is served all the same.
        served: bool,
    },
    /// It could not be written to disk.
    NotSaved {
        /// Why.
        error: String,
    },
}
