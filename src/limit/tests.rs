use super::*;
use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use proptest::prelude::*;
use std::num::NonZeroU32;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn rate(burst: u32, period: Duration) -> Rate {
    Rate::new(burst, period).unwrap()
}

fn at(nanos: u64) -> Tick {
    Tick::from_nanos(nanos)
}

fn seconds(seconds: u64) -> Tick {
    Tick::default().plus(Duration::from_secs(seconds))
}

/// Charges at each of `gaps` after the one before; the times that were granted.
fn granted(rate: &Rate, start: Tick, gaps: &[u64]) -> Vec<u64> {
    let (mut now, mut state, mut times) = (start, None, Vec::new());
    for gap in gaps {
        now = now.plus(Duration::from_nanos(*gap));
        if let Ok(next) = charge(rate, state, now) {
            state = Some(next);
            times.push(now.as_nanos());
        }
    }
    times
}

#[test]
fn rates_that_limit_nothing_or_never_refill_are_refused() {
    let cases = [
        (1, Duration::from_nanos(1), true),
        (1, Duration::ZERO, false),
        (0, SECOND, false),
        (10, Duration::from_nanos(10), true),
        (10, Duration::from_nanos(9), false),
        (u32::MAX, SECOND, false),
        (u32::MAX, 5 * SECOND, true),
        (1, Duration::from_nanos(LONGEST_PERIOD), true),
        (1, Duration::from_nanos(LONGEST_PERIOD + 1), false),
        (1, Duration::MAX, false),
    ];
    for (burst, period, accepted) in cases {
        assert_eq!(Rate::new(burst, period).is_some(), accepted, "{burst} per {period:?}");
    }
    let uneven = rate(7, MINUTE);
    assert_eq!((uneven.burst(), uneven.period()), (7, MINUTE));
    assert!(uneven.interval() * 7 >= MINUTE, "rounded down: {:?}", uneven.interval());
}

#[test]
fn a_bucket_grants_its_burst_and_then_one_per_interval() {
    let rate = rate(10, MINUTE);
    let mut state = None;
    for index in 0..10 {
        state = Some(charge(&rate, state, seconds(5)).unwrap_or_else(|wait| panic!("charge {index} waits {wait:?}")));
    }
    let cases = [
        (seconds(5), Err(6 * SECOND)),
        (seconds(10), Err(SECOND)),
        (at(10_999_999_999), Err(Duration::from_nanos(1))),
        (seconds(11), Ok(seconds(71))),
        (seconds(65), Ok(seconds(71))),
        (seconds(66), Ok(seconds(72))),
    ];
    for (now, expected) in cases {
        assert_eq!(charge(&rate, state, now), expected, "at {now:?}");
    }
}

#[test]
fn an_even_longer_wait_saves_up_no_more_than_the_burst() {
    let rate = rate(3, MINUTE);
    let times = granted(&rate, Tick::default(), &[0, 3_600_000_000_000, 0, 0, 0, 0]);
    assert_eq!(times.len(), 1 + 3);
}

#[test]
fn a_milder_rule_does_not_wait_out_the_old_period() {
    let (old, new) = (rate(1, 60 * MINUTE), rate(60, MINUTE));
    let state = charge(&old, None, Tick::default()).unwrap();
    let carried = carry_over(&new, state, Tick::default());
    assert_eq!(charge(&new, Some(carried), Tick::default()), Err(SECOND));
    assert_eq!(carry_over(&old, state, Tick::default()), state, "an unchanged rate changes nothing");
}

#[test]
fn the_largest_rate_stays_in_range() {
    for burst in [1, 2, u32::MAX] {
        let rate = rate(burst, Duration::from_nanos(LONGEST_PERIOD));
        let start = at(LONGEST_PERIOD);
        let state = charge(&rate, None, start).unwrap();
        assert_eq!(state.since(start), rate.interval());
        assert!(charge(&rate, Some(rate.empty(start)), start).is_err(), "burst {burst}");
    }
}

fn rates() -> impl Strategy<Value = Rate> {
    (1_u32..50, 50_u64..5_000).prop_map(|(burst, period)| rate(burst, Duration::from_nanos(period)))
}

proptest! {
    #[test]
    fn no_window_grants_more_than_the_burst_and_what_came_back(
        rate in rates(),
        start in 0_u64..10_000,
        gaps in prop::collection::vec(prop_oneof![Just(0_u64), 0_u64..400], 1..300),
    ) {
        let times = granted(&rate, at(start), &gaps);
        let interval = u64::try_from(rate.interval().as_nanos()).unwrap();
        for (first, from) in times.iter().enumerate() {
            for (last, to) in times.iter().enumerate().skip(first) {
                let grants = u64::try_from(last - first + 1).unwrap();
                let most = u64::from(rate.burst()) + (to - from) / interval;
                prop_assert!(grants <= most, "{grants} grants from {from} to {to}, at most {most}");
            }
        }
    }

    #[test]
    fn it_grants_and_refuses_exactly_as_governor_does(
        burst in 1_u32..40,
        interval in 1_u64..1_000,
        gaps in prop::collection::vec(prop_oneof![Just(0_u64), 0_u64..3_000], 1..300),
    ) {
        let ours = rate(burst, Duration::from_nanos(interval) * burst);
        let quota = Quota::with_period(Duration::from_nanos(interval)).unwrap();
        let clock = FakeRelativeClock::default();
        let oracle = RateLimiter::direct_with_clock(quota.allow_burst(NonZeroU32::new(burst).unwrap()), clock.clone());
        let (mut now, mut state) = (Tick::default(), None);
        for gap in gaps {
            clock.advance(Duration::from_nanos(gap));
            now = now.plus(Duration::from_nanos(gap));
            let answer = charge(&ours, state, now);
            prop_assert_eq!(answer.is_ok(), oracle.check().is_ok(), "at {:?} in {:?}", now, state);
            state = answer.ok().or(state);
        }
    }

    #[test]
    fn the_wait_is_exact(rate in rates(), spent in 1_u32..100, now in 0_u64..10_000) {
        let mut state = None;
        for _ in 0..spent {
            state = charge(&rate, state, at(now)).ok().or(state);
        }
        if let Err(wait) = charge(&rate, state, at(now)) {
            prop_assert!(charge(&rate, state, at(now).plus(wait)).is_ok());
            prop_assert!(charge(&rate, state, at(now).plus(wait - Duration::from_nanos(1))).is_err());
        } else {
            prop_assert!(spent < rate.burst());
        }
    }

    #[test]
    fn a_refund_takes_back_its_charge_and_never_grants_more_than_a_full_bucket(
        rate in rates(),
        spent in 1_u32..50,
        refunds in 0_u32..100,
    ) {
        let spent = spent.min(rate.burst());
        let mut state = None;
        for _ in 0..spent {
            state = Some(charge(&rate, state, at(7)).unwrap());
        }
        for _ in 0..refunds {
            state = state.map(|state| refund(&rate, state));
        }
        let mut left = 0;
        while let Ok(next) = charge(&rate, state, at(7)) {
            state = Some(next);
            left += 1;
        }
        prop_assert_eq!(left, (rate.burst() - spent + refunds).min(rate.burst()));
    }
}
