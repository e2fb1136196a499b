//! Whose turn it is at the gateway: writes to one group in the order of their arrival, few at once, bounded queues.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Groups that share a lock only wait a little longer.
const LOCKS: u16 = 256;

/// The turns of writes.
pub(super) struct Order {
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
            room: Arc::new(Semaphore::new(in_flight + queue)),
            in_flight: Arc::new(Semaphore::new(in_flight)),
            groups: (0..LOCKS).map(group).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits for the turn of a write to the group at `path`; none where a queue is full.
    pub(super) async fn enter(&self, path: &str) -> Option<Turn> {
        let slot = usize::try_from(self.hasher.hash_one(path) % u64::from(LOCKS)).unwrap_or_default();
        let group = self.groups.get(slot)?;
        let rooms = [group.room.clone().try_acquire_owned().ok()?, self.room.clone().try_acquire_owned().ok()?];
        // The group first: one that waits for its group must not hold a place that another group could use.
        let lock = group.lock.clone().lock_owned().await;
        let in_flight = self.in_flight.clone().acquire_owned().await.ok()?;
        Some(Turn { _group: lock, _in_flight: in_flight, _rooms: rooms })
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
            async move { order.enter("/a").await.is_some() }
        });
        while order.room.available_permits() > 10 {
            tokio::task::yield_now().await;
        }
        assert!(order.enter("/a").await.is_none(), "the group's queue is full");
        assert!(order.enter(&other.unwrap()).await.is_some(), "another group is served");
        drop(first);
        assert!(waiting.await.unwrap(), "the one that waited has its turn");
    }
}
