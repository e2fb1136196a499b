//! Quotas: how much of something is granted, as a pure function of a state and a time.
//!
//! The rule is GCRA. The whole state of a bucket is one tick, the *theoretical arrival time*: the moment at which the
//! bucket would be full again. A tick in the past therefore means the same as no state at all, and that is what lets
//! the [`Ledger`] forget buckets without ever refilling one.

mod ledger;

use crate::clock::Tick;
use std::time::Duration;

pub use ledger::{Entry, Exhausted, Ledger};

/// Longest period of a rate, in nanoseconds: 146 years, so that no sum of a tick and a period saturates.
const LONGEST_PERIOD: u64 = 1 << 62;

/// `burst` charges at once, and one of them returned every `period / burst`.
///
/// A window `w` never grants more than `burst * (1 + w / period)`, wherever it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    burst: u32,
    period: u64,
    interval: u64,
}

impl Rate {
    /// A rate of `burst` charges (from 1) per `period` (from one nanosecond per charge, up to 146 years).
    ///
    /// `None` where either is zero or the period lies outside that range: such a rate would limit nothing, or never
    /// give anything back.
    pub fn new(burst: u32, period: Duration) -> Option<Self> {
        let nanos = u64::try_from(period.as_nanos()).ok()?;
        if burst == 0 || nanos < u64::from(burst) || nanos > LONGEST_PERIOD {
            return None;
        }
        // Rounded up: rounded down, a long window would grant more than the policy says.
        Some(Self { burst, period: nanos, interval: nanos.div_ceil(u64::from(burst)) })
    }

    /// Charges that a full bucket grants at once; at least 1.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The time in which an empty bucket fills up, as the policy gave it.
    pub const fn period(&self) -> Duration {
        Duration::from_nanos(self.period)
    }

    /// The time after which one charge is given back: `period / burst`, rounded up to a whole nanosecond.
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// How far ahead of now a state may lie with one charge still to be granted.
    fn tolerance(&self) -> Duration {
        Duration::from_nanos(self.interval.saturating_mul(u64::from(self.burst - 1)))
    }

    /// The state of a bucket that is empty at `now`: the furthest ahead that this rate can bring a state.
    fn empty(&self, now: Tick) -> Tick {
        now.plus(self.tolerance()).plus(self.interval())
    }
}

/// Takes one charge at `now` from a bucket in `state`; `None` is a full bucket.
///
/// `Ok` holds the new state. `Err` holds the time until the next charge would be granted, never zero; the state then
/// stays as it was.
pub fn charge(rate: &Rate, state: Option<Tick>, now: Tick) -> Result<Tick, Duration> {
    let state = state.map_or(now, |state| state.max(now));
    let wait = state.since(now.plus(rate.tolerance()));
    if wait.is_zero() { Ok(state.plus(rate.interval())) } else { Err(wait) }
}

/// How many charges a bucket in `state` would grant at `now`.
pub fn left(rate: &Rate, state: Option<Tick>, now: Tick) -> u32 {
    let owed = state.map_or(Duration::ZERO, |state| state.since(now));
    let spent = owed.as_nanos().div_ceil(u128::from(rate.interval));
    rate.burst.saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX))
}

/// Gives one charge back to a bucket in `state`.
///
/// The result may lie in the past, which is a full bucket and not more than that: a refund is never saved up.
pub fn refund(rate: &Rate, state: Tick) -> Tick {
    Tick::from_nanos(state.as_nanos().saturating_sub(rate.interval))
}

/// The state that `rate` makes of a state left behind by another rate.
///
/// After a policy made a rule milder, a bucket emptied under the old rule counts as empty under the new one, instead
/// of making its owner wait out the old period. Under an unchanged rate and a clock that never goes back this changes
/// nothing.
fn carry_over(rate: &Rate, state: Tick, now: Tick) -> Tick {
    state.min(rate.empty(now))
}

#[cfg(test)]
mod tests;
