//! Whose turn it is at the gateway: writes to one group in the order of their arrival, few at once, a bounded queue.

use std::hash::{BuildHasher, RandomState};
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// Groups that share a lock only wait a little longer.
const LOCKS: usize = 256;

/// The turns of writes.
pub(super) struct Order {
    room: Semaphore,
    in_flight: Semaphore,
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

/// A turn; the next one begins when it is dropped.
pub(super) struct Turn<'a> {
    _group: MutexGuard<'a, ()>,
    _in_flight: SemaphorePermit<'a>,
    _room: SemaphorePermit<'a>,
}

impl Order {
    /// At most `in_flight` at once and `queue` waiting.
    pub(super) fn new(in_flight: usize, queue: usize) -> Self {
        Self {
            room: Semaphore::new(in_flight + queue),
            in_flight: Semaphore::new(in_flight),
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits for the turn of a write to the group at `path`; none where the queue is full.
    pub(super) async fn enter(&self, path: &str) -> Option<Turn<'_>> {
        let room = self.room.try_acquire().ok()?;
        let slot = usize::try_from(self.hasher.hash_one(path) % 256).unwrap_or_default();
        // The group first: one that waits for its group must not hold a place that another group could use.
        let group = self.locks.get(slot)?.lock().await;
        let in_flight = self.in_flight.acquire().await.ok()?;
        Some(Turn { _group: group, _in_flight: in_flight, _room: room })
    }
}
