//! How long a whole request may take.

use crate::clock::{Clock, Tick};
use crate::policy::{Limit, Limits};
use std::time::Duration;

/// What is left of the time for a request.
#[derive(Clone, Copy)]
pub(super) struct Time<'c> {
    clock: &'c dyn Clock,
    started: Tick,
    whole: Duration,
}

impl<'c> Time<'c> {
    /// A request whose first byte came at `started`.
    pub(super) fn new(clock: &'c dyn Clock, started: Tick, limits: &Limits) -> Self {
        Self { clock, started, whole: limits.request }
    }

    /// Since the first byte.
    pub(super) fn spent(&self) -> Duration {
        self.clock.tick().since(self.started)
    }

    /// The time for a part of the request, and what limits it: that part's own limit, or the end of the request.
    pub(super) fn part(&self, own: Duration, limit: Limit) -> (Duration, Limit) {
        let left = self.whole.saturating_sub(self.spent());
        if left < own { (left, Limit::RequestTime) } else { (own, limit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_part_ends_with_the_request() {
        let clock = ManualClock::default();
        let limits = Limits { request: Duration::from_secs(10), ..Limits::default() };
        let time = Time::new(&clock, clock.tick(), &limits);
        let three = Duration::from_secs(3);
        assert_eq!(time.part(three, Limit::WriteTime), (three, Limit::WriteTime));
        clock.advance(Duration::from_secs(8));
        assert_eq!(time.part(three, Limit::WriteTime), (Duration::from_secs(2), Limit::RequestTime));
        clock.advance(three);
        assert_eq!(time.part(three, Limit::WriteTime), (Duration::ZERO, Limit::RequestTime));
    }
}
