//! Room for connections: in all, and for one source.
//!
//! Who waits for a request holds a place that somebody else could use: where none is left, the connection that has
//! waited longest gives way. So silent connections keep nobody out, however many addresses they come from.

use crate::policy::{Limit, source_value};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Counts open connections.
pub struct Connections {
    most: usize,
    most_of_source: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_source: HashMap<Arc<str>, usize>,
    /// Places whose connections wait for a request, in the order in which they began to.
    waiting: BTreeMap<u64, Waiter>,
    waits: u64,
}

#[derive(Clone)]
struct Waiter {
    source: Option<Arc<str>>,
    call: Arc<Call>,
}

/// Asks a connection to give way.
#[derive(Default)]
struct Call {
    given: AtomicBool,
    notify: Notify,
}

/// A place; it is free again when dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    source: Option<Arc<str>>,
    call: Arc<Call>,
}

/// As long as it lives, its place can be called for.
pub(super) struct Waiting<'p> {
    place: &'p Place,
    number: u64,
}

impl Connections {
    /// At most `most` at once, and `most_of_source` from one source.
    pub fn new(most: usize, most_of_source: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_source, open: Mutex::default() })
    }

    /// Takes a place for a connection from `source`; without one only the total counts. None where there is no room.
    /// Also answers which limit was in the way, whether or not another connection gave way.
    pub(super) fn enter(self: &Arc<Self>, source: Option<IpAddr>) -> (Option<Place>, Option<Limit>) {
        let source = source.map(|address| Arc::from(source_value(address)));
        let mut open = self.open.lock();
        let mut met = None;
        if let Some(source) = &source
            && open.of(source) >= self.share(&open)
        {
            let own = open.of(source) >= self.most_of_source;
            met = Some(if own { Limit::SourceConnections } else { Limit::Connections });
            if !open.call_oldest(|waiter| waiter.source.as_ref() == Some(source)) {
                return (None, met);
            }
        }
        if open.all >= self.most {
            met = Some(Limit::Connections);
            if !open.call_oldest(|_| true) {
                return (None, met);
            }
        }
        open.add(source.as_ref());
        (Some(Place { connections: self.clone(), source, call: Arc::default() }), met)
    }

    /// As many as may come from one source: it leaves at least as many for others. Who waits gives way, so that a crowd
    /// of silent connections takes nobody's share.
    fn share(&self, open: &Open) -> usize {
        let room = self.most.saturating_sub(open.all).saturating_add(open.waiting.len());
        self.most_of_source.min(room).max(1)
    }
}

impl Open {
    fn of(&self, source: &Arc<str>) -> usize {
        self.by_source.get(source).copied().unwrap_or(0)
    }

    fn add(&mut self, source: Option<&Arc<str>>) {
        self.all += 1;
        if let Some(source) = source {
            *self.by_source.entry(source.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, source: Option<&Arc<str>>) {
        self.all = self.all.saturating_sub(1);
        let Some(source) = source else { return };
        if let Some(left) = self.by_source.get_mut(source) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.by_source.remove(source);
            }
        }
    }

    /// Takes the place of the one that has waited longest.
    fn call_oldest(&mut self, fits: impl Fn(&Waiter) -> bool) -> bool {
        let oldest = self.waiting.iter().find(|(_, waiter)| fits(waiter)).map(|(number, _)| *number);
        let Some(waiter) = oldest.and_then(|number| self.waiting.remove(&number)) else { return false };
        waiter.call.given.store(true, Ordering::SeqCst);
        waiter.call.notify.notify_one();
        self.remove(waiter.source.as_ref());
        true
    }
}

impl Place {
    /// Counts the connection, so far nobody's, for the source that the peer announced; false where that has no room.
    pub(super) fn belongs_to(&mut self, source: IpAddr) -> bool {
        let source: Arc<str> = Arc::from(source_value(source));
        let mut open = self.connections.open.lock();
        if open.of(&source) >= self.connections.share(&open) {
            return false;
        }
        *open.by_source.entry(source.clone()).or_default() += 1;
        drop(open);
        self.source = Some(source);
        true
    }

    /// Says that nothing is being done for the connection.
    pub(super) fn waits(&self) -> Waiting<'_> {
        let mut open = self.connections.open.lock();
        let number = open.waits;
        open.waits += 1;
        open.waiting.insert(number, Waiter { source: self.source.clone(), call: self.call.clone() });
        Waiting { place: self, number }
    }
}

impl Waiting<'_> {
    /// Comes to its end when the place is called for.
    pub(super) async fn called(&self) {
        self.place.call.notify.notified().await;
    }

    /// Ends the wait; false where the place was called for meanwhile and the connection must end.
    pub(super) fn end(self) -> bool {
        drop(self.place.connections.open.lock().waiting.remove(&self.number));
        !self.place.call.given.load(Ordering::SeqCst)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.place.connections.open.lock().waiting.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One that gave way was counted out then.
        if !self.call.given.load(Ordering::SeqCst) {
            self.connections.open.lock().remove(self.source.as_ref());
        }
    }
}

#[cfg(test)]
mod tests;
