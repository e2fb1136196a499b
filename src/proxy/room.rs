//! Room that is shared fairly: memory for bodies, places for reads at the gateway.
//!
//! Nobody takes all of it: a holder gets more only while that leaves others as much as it then has, or a multiple of
//! that. So room is left for the next one, however many take what they can; and where only one asks, it gets half.

use crate::policy::source_value;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// Who room is counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A principal.
    Principal(Arc<str>),
    /// A source, for IPv6 its /64.
    Source(String),
}

impl Holder {
    pub(super) fn source(address: IpAddr) -> Self {
        Self::Source(source_value(address))
    }
}

/// A holder, and how many times what it holds must be left for others.
pub(super) type Share = (Holder, u64);

/// Some amount of room.
pub struct Room {
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    free: u64,
    held: HashMap<Holder, u64>,
}

/// A part of the room; it is free again when dropped.
pub(super) struct Taken {
    room: Arc<Room>,
    shares: Vec<Share>,
    amount: u64,
}

impl Room {
    /// Room of that size.
    pub fn new(size: u64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { free: size, held: HashMap::new() }), freed: Notify::new() })
    }

    /// Waits until there is room, in no order: a large demand must not keep small ones waiting.
    pub(super) async fn take(self: &Arc<Self>, shares: Vec<Share>, amount: u64) -> Taken {
        let mut taken = Taken { room: self.clone(), shares, amount: 0 };
        taken.grow(amount).await;
        taken
    }
}

impl State {
    /// Takes more for one who has `own` already, where that leaves enough for others.
    fn take(&mut self, shares: &[Share], own: u64, more: u64) -> bool {
        let Some(left) = self.free.checked_sub(more) else { return false };
        let fits = |(holder, times): &Share| {
            let held = self.held.get(holder).copied().unwrap_or(0);
            // What a holder takes for one purpose is never too much of its share: waiting would not make it less.
            held <= own || held.saturating_add(more).saturating_mul(*times) <= left
        };
        if !shares.iter().all(fits) {
            return false;
        }
        self.free = left;
        for (holder, _) in shares {
            *self.held.entry(holder.clone()).or_default() += more;
        }
        true
    }
}

impl Taken {
    /// Waits until there is room for more.
    pub(super) async fn grow(&mut self, more: u64) {
        let room = self.room.clone();
        loop {
            let mut freed = std::pin::pin!(room.freed.notified());
            // From here on nothing that becomes free is missed.
            freed.as_mut().enable();
            if self.try_grow(more) {
                return;
            }
            freed.await;
        }
    }

    fn try_grow(&mut self, more: u64) -> bool {
        let grown = self.room.state.lock().take(&self.shares, self.amount, more);
        if grown {
            self.amount += more;
        }
        grown
    }

    /// Gives back what is more than `amount`.
    pub(super) fn shrink(&mut self, amount: u64) {
        let excess = self.amount.saturating_sub(amount);
        if excess > 0 {
            self.give_back(excess);
        }
    }

    fn give_back(&mut self, amount: u64) {
        self.amount -= amount;
        let mut state = self.room.state.lock();
        state.free += amount;
        for (holder, _) in &self.shares {
            if let Some(held) = state.held.get_mut(holder) {
                *held = held.saturating_sub(amount);
                if *held == 0 {
                    state.held.remove(holder);
                }
            }
        }
        drop(state);
        self.room.freed.notify_waiters();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str) -> Holder {
        Holder::Principal(name.into())
    }

    fn take(room: &Arc<Room>, shares: &[Share], amount: u64) -> Option<Taken> {
        let mut taken = Taken { room: room.clone(), shares: shares.to_vec(), amount: 0 };
        taken.try_grow(amount).then_some(taken)
    }

    /// As much as the holder gets, one by one.
    fn all(room: &Arc<Room>, shares: &[Share]) -> Vec<Taken> {
        std::iter::from_fn(|| take(room, shares, 1)).collect()
    }

    #[test]
    fn nobody_takes_all_and_what_is_given_back_is_there_again() {
        let room = Room::new(24);
        let first = all(&room, &[(principal("a"), 1)]);
        assert_eq!(first.len(), 12, "half for one alone");
        let second = all(&room, &[(principal("b"), 1)]);
        assert_eq!(second.len(), 6, "half of what is left for the next");
        let source = Holder::source("192.0.2.1".parse().unwrap());
        let third = all(&room, &[(principal("c"), 1), (source, 2)]);
        assert_eq!(third.len(), 2, "a third of what is left, where twice as much must be left");
        let shares = [(principal("d"), 1)];
        let mut one = take(&room, &shares, 2).unwrap();
        assert!(take(&room, &shares, 1).is_none(), "it would leave less than it takes");
        assert!(one.try_grow(2), "but one demand gets all that is left");
        assert!(!one.try_grow(1));
        drop(one);
        drop((first, second, third));
        let state = room.state.lock();
        assert!(state.free == 24 && state.held.is_empty(), "nothing is remembered of who is gone");
    }

    #[tokio::test]
    async fn who_waits_gets_what_becomes_free() {
        let room = Room::new(8);
        let mut large = take(&room, &[(principal("a"), 1)], 8).unwrap();
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { drop(room.take(vec![(principal("b"), 1)], 3).await) }
        });
        tokio::task::yield_now().await;
        large.shrink(6);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        large.shrink(5);
        waiting.await.unwrap();
        large.shrink(9);
        assert_eq!(room.state.lock().free, 3, "it never grows");
    }
}
