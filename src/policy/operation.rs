//! What a request does.

use std::fmt;

/// An operation on the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `POST`: replaces families of the same name in a group.
    Push,
    /// `PUT`: replaces a whole group.
    Replace,
    /// `DELETE`, and a `PUT` without a sample: empties a group.
    Delete,
    /// `GET /metrics`
    Scrape,
    /// `GET /api/v1/metrics` and `/api/v1/status`
    Inspect,
    /// `GET /`, `/status` and `/static/`
    Ui,
    /// `GET /-/healthy` and `/-/ready` of the gateway
    Probe,
}

impl Operation {
    /// Every operation.
    pub const ALL: &'static [Self] =
        &[Self::Push, Self::Replace, Self::Delete, Self::Scrape, Self::Inspect, Self::Ui, Self::Probe];

    /// The name in policies, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Scrape => "scrape",
            Self::Inspect => "inspect",
            Self::Ui => "ui",
            Self::Probe => "probe",
        }
    }

    /// Whether it changes a group, and so is about a job.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Push | Self::Replace | Self::Delete)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationSet(u8);

impl OperationSet {
    /// Push, replace and delete.
    pub fn writes() -> Self {
        Operation::ALL.iter().copied().filter(|o| o.writes()).collect()
    }

    /// All that only reads, except probes, which no quota counts unless it names them.
    pub fn reads() -> Self {
        [Operation::Scrape, Operation::Inspect, Operation::Ui].into_iter().collect()
    }

    /// Whether the operation is in the set.
    pub const fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The operations in the set.
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.iter().copied().filter(move |o| self.contains(*o))
    }

    const fn bit(operation: Operation) -> u8 {
        match operation {
            Operation::Push => 1,
            Operation::Replace => 2,
            Operation::Delete => 4,
            Operation::Scrape => 8,
            Operation::Inspect => 16,
            Operation::Ui => 32,
            Operation::Probe => 64,
        }
    }
}

impl FromIterator<Operation> for OperationSet {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self(operations.into_iter().fold(0, |set, o| set | Self::bit(o)))
    }
}
