//! Room for connections: in all, and for one source.

use crate::policy::source_value;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Counts open connections.
pub struct Connections {
    most: usize,
    most_of_source: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_source: HashMap<String, usize>,
}

/// A place; it is free again when dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    source: Option<String>,
}

impl Connections {
    /// At most `most` at once, and `most_of_source` from one source.
    pub fn new(most: usize, most_of_source: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_source, open: Mutex::default() })
    }

    /// Takes a place for a connection from `source`; without one only the total counts. None where there is no room.
    pub(super) fn enter(self: &Arc<Self>, source: Option<IpAddr>) -> Option<Place> {
        let source = source.map(source_value);
        let mut open = self.open.lock();
        if open.all >= self.most {
            return None;
        }
        if let Some(source) = &source {
            let of_source = open.by_source.get(source).copied().unwrap_or(0);
            if of_source >= self.most_of_source {
                return None;
            }
            open.by_source.insert(source.clone(), of_source + 1);
        }
        open.all += 1;
        Some(Place { connections: self.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.all = open.all.saturating_sub(1);
        let Some(source) = &self.source else { return };
        if let Some(left) = open.by_source.get_mut(source) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                open.by_source.remove(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_all_places_and_places_come_back() {
        let connections = Connections::new(3, 2);
        let from = |text: &str| connections.enter(Some(text.parse().unwrap()));
        let (first, second) = (from("192.0.2.1"), from("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(from("192.0.2.1").is_none(), "its share is taken");
        let other = from("2001:db8::1");
        assert!(other.is_some(), "another source has room");
        assert!(from("192.0.2.9").is_none() && connections.enter(None).is_none(), "all places are taken");
        drop((first, second, other));
        assert!(connections.open.lock().by_source.is_empty(), "nothing is remembered of who is gone");
        let (one, two) = (from("2001:db8::1"), from("2001:db8::2"));
        assert!(one.is_some() && two.is_some() && from("2001:db8::3").is_none(), "a /64 is one source");
        assert!(connections.enter(None).is_some(), "a proxy has no share, only the total");
    }
}
