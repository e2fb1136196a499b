//! A write between its reservation and the gateway's answer.

use super::{Change, Inventory};
use std::fmt;
use std::sync::Arc;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The gateway took it.
    Applied,
    /// The gateway refused it. It has the group from then on, with its old metrics.
    Refused,
    /// It was never sent.
    Unsent,
    /// The gateway may have taken it.
    Unknown,
}

/// A reservation. One that is dropped was not sent, or after [`Ticket::sent`] nobody knows.
pub struct Ticket {
    inventory: Arc<Inventory>,
    path: Arc<str>,
    id: u64,
    change: Change,
    fate: Settled,
}

impl Ticket {
    pub(super) fn new(inventory: Arc<Inventory>, path: Arc<str>, id: u64, change: Change) -> Self {
        Self { inventory, path, id, change, fate: Settled::Unsent }
    }

    /// The write goes out now.
    pub fn sent(&mut self) {
        self.fate = Settled::Unknown;
    }

    /// The gateway has answered, or will not.
    pub fn settle(mut self, settled: Settled) {
        self.fate = settled;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.inventory.settle(&self.path, self.id, self.change, self.fate);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("path", &self.path).field("fate", &self.fate).finish_non_exhaustive()
    }
}
