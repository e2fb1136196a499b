//! Whose turn it is at the gateway: writes to one group in the order of their arrival, few at once, bounded queues.

use crate::policy::Limit;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Groups that share a lock only wait a little longer.
const LOCKS: u16 = 256;

/// The turns of writes.
pub(super) struct Order {
    places: usize,
    room: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
    groups: Vec<Group>,
    hasher: RandomState,
}

/// The writes to one group: one at work, a few waiting, so that one slow group cannot fill the queue of all.
struct Group {
    room: Arc<Semaphore>,
    lock: Arc<Mutex<()>>,
}

/// A turn; the next one begins when it is dropped.
pub(super) struct Turn {
    _group: OwnedMutexGuard<()>,
    _in_flight: OwnedSemaphorePermit,
    _rooms: [OwnedSemaphorePermit; 2],
}

impl Order {
    /// At most `in_flight` at once, `queue` waiting, and `group_queue` of them for one group.
    pub(super) fn new(in_flight: usize, queue: usize, group_queue: usize) -> Self {
        let group = |_| Group { room: Arc::new(Semaphore::new(1 + group_queue)), lock: Arc::default() };
        Self {
            places: in_flight + queue,
            room: Arc::new(Semaphore::new(in_flight + queue)),
            in_flight: Arc::new(Semaphore::new(in_flight)),
            groups: (0..LOCKS).map(group).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Whether a write has its turn or waits for it.
    pub(super) fn is_busy(&self) -> bool {
        self.room.available_permits() < self.places
    }

    /// Waits for the turn of a write to the group at `path`.
    ///
    /// # Errors
    /// The limit of the queue that is full.
    pub(super) async fn enter(&self, path: &str) -> Result<Turn, Limit> {
        let slot = usize::try_from(self.hasher.hash_one(path) % u64::from(LOCKS)).unwrap_or_default();
        let group = self.groups.get(slot).ok_or(Limit::GroupQueue)?;
        let of_group = group.room.clone().try_acquire_owned().map_err(|_| Limit::GroupQueue)?;
        let of_all = self.room.clone().try_acquire_owned().map_err(|_| Limit::WriteQueue)?;
        // The group first: one that waits for its group must not hold a place that another group could use.
        let lock = group.lock.clone().lock_owned().await;
        let in_flight = self.in_flight.clone().acquire_owned().await.map_err(|_| Limit::WriteQueue)?;
        Ok(Turn { _group: lock, _in_flight: in_flight, _rooms: [of_group, of_all] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_group_keeps_order_and_cannot_fill_the_queue() {
        let order = Arc::new(Order::new(2, 10, 1));
        let other = (0..).map(|n| format!("/g/{n}")).find(|path| {
            order.hasher.hash_one(path) % u64::from(LOCKS) != order.hasher.hash_one("/a") % u64::from(LOCKS)
        });
        let first = order.enter("/a").await.unwrap();
        let waiting = tokio::spawn({
            let order = order.clone();
            async move { order.enter("/a").await.is_ok() }
        });
        while order.room.available_permits() > 10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(order.enter("/a").await.err(), Some(Limit::GroupQueue), "the group's queue is full");
        assert!(order.enter(&other.unwrap()).await.is_ok(), "another group is served");
        drop(first);
        assert!(waiting.await.unwrap(), "the one that waited has its turn");
    }
}
