//! What the gateway's clock is worth. Ages are differences of its own times, so that a constant error does no harm; a
//! jump does: what was pushed before it seems older or younger by as much. Jumps that are noticed are held against every
//! age until all that was pushed before them has outlived its time.

use crate::clock::Tick;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What two readings may differ by without a jump: times in HTTP have whole seconds, and answers take a while.
const TOLERANCE: i128 = 10;

/// The jumps that were noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// The gateway's clock less ours, seconds, at the last sweep.
    offset: Option<i64>,
    /// All jumps since, in seconds, however directed.
    jumped: u64,
    /// The gateway's time behind the last of them, seconds since 1970.
    since: u64,
    /// The last sweep of this process: the gateway's time in seconds, and ours.
    #[serde(skip)]
    last: Option<(i128, Tick)>,
}

impl Doubt {
    /// Compares the gateway's time with our clocks; answers the seconds of a jump that was noticed. `tick` cannot jump,
    /// so it judges within the process; `wall` only from one process to the next.
    pub fn observe(&mut self, date: Duration, tick: Tick, wall: Duration) -> Option<u64> {
        let (date, wall) = (i128::from(date.as_secs()), i128::from(wall.as_secs()));
        let offset = i64::try_from(date - wall).unwrap_or(i64::MAX);
        let moved = match self.last {
            Some((then, at)) => date - then - i128::from(tick.since(at).as_secs()),
            None => self.offset.map_or(0, |before| i128::from(offset) - i128::from(before)),
        };
        self.last = Some((date, tick));
        self.offset = Some(offset);
        if moved.abs() <= TOLERANCE {
            return None;
        }
        let seconds = u64::try_from(moved.abs()).unwrap_or(u64::MAX);
        self.jumped = self.jumped.saturating_add(seconds);
        self.since = u64::try_from(date).unwrap_or_default();
        Some(seconds)
    }

    /// How much older than it is a group may seem, under a rule that keeps groups for `max_age`.
    pub fn slack(&self, date: Duration, max_age: Duration) -> Duration {
        let passed = date.saturating_sub(Duration::from_secs(self.since));
        if self.jumped == 0 || passed > max_age { Duration::ZERO } else { Duration::from_secs(self.jumped) }
    }
}
