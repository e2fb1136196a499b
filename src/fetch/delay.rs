//! When to ask again.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

const FIRST_RETRY: Duration = Duration::from_secs(30);
/// The longest wait that a server can ask for. GitHub's own never exceed an hour; a wrong or hostile header must not
/// silence us for good.
const MAX_ASKED_WAIT: Duration = Duration::from_secs(6 * 60 * 60);

/// How one attempt ended, as far as the time of the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The source gave or confirmed a good document.
    Success,
    /// It did not.
    Failure {
        /// How many attempts have failed in a row, this one included: from 1.
        attempt: u32,
        /// How long the server asked to be left alone, if it did.
        wait: Option<Duration>,
    },
}

/// How long to sleep after an attempt. `jitter` is the chance in it, as a fraction of 2^32.
///
/// After a success: `interval` ±10 %. After the n-th failure in a row: 30 s·2^(n-1) to twice that, growing until the
/// span is half of `interval` to all of it; and never before the server's own wait is over, where that is at most 6 h.
pub fn next_delay(outcome: Outcome, interval: Duration, jitter: u32) -> Duration {
    match outcome {
        Outcome::Success => (interval - interval / 10).saturating_add(fraction(interval / 5, jitter)),
        Outcome::Failure { attempt, wait } => {
            let factor = 2u32.saturating_pow(attempt.saturating_sub(1));
            let least = FIRST_RETRY.saturating_mul(factor).min(interval / 2);
            let asked = wait.unwrap_or_default();
            // A little later than asked, so that not all who were told the same time come back at once.
            let asked = asked.saturating_add(fraction(asked / 10, jitter)).min(MAX_ASKED_WAIT);
            least.saturating_add(fraction(least, jitter)).max(asked)
        }
    }
}

/// `whole`·`part`/2^32.
fn fraction(whole: Duration, part: u32) -> Duration {
    let nanos = (whole.as_nanos() * u128::from(part)) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Chance for [`next_delay`]; the middle where the system has none to give.
pub fn jitter() -> u32 {
    let mut bytes = [0; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(_) => u32::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_at_their_edges() {
        let secs = Duration::from_secs;
        let failure = |attempt, wait: Option<u64>| Outcome::Failure { attempt, wait: wait.map(secs) };
        let cases = [
            (Outcome::Success, 21600, 19440, 23760),
            (failure(1, None), 21600, 30, 60),
            (failure(2, None), 21600, 60, 120),
            (failure(9, None), 21600, 7680, 15360),
            (failure(10, None), 21600, 10800, 21600),
            (failure(u32::MAX, None), 21600, 10800, 21600),
            (failure(0, None), 21600, 30, 60),
            (failure(1, Some(10)), 21600, 30, 60),
            (failure(1, Some(3600)), 21600, 3600, 3960),
            (failure(1, Some(3600)), 300, 3600, 3960),
            (failure(1, Some(u64::MAX)), 300, 21600, 21600),
            (failure(20, Some(60)), 172_800, 86400, 172_800),
            (failure(5, None), 1, 0, 1),
        ];
        for (outcome, interval, least, most) in cases {
            let [low, high] = [0, u32::MAX].map(|jitter| next_delay(outcome, secs(interval), jitter));
            let text = format!("{outcome:?} every {interval} s: {low:?} to {high:?}");
            assert!(low >= secs(least) && low < secs(least + 1), "{text}");
            assert!(high <= secs(most) && high + secs(1) > secs(most), "{text}");
        }
    }

    proptest! {
        #[test]
        fn delays_keep_their_bounds(
            attempt: u32,
            jitter: u32,
            interval in 1u64..u64::MAX,
            wait in prop::option::of(any::<u64>()),
        ) {
            let interval = Duration::from_nanos(interval);
            let wait = wait.map(Duration::from_secs);
            let success = next_delay(Outcome::Success, interval, jitter);
            let tenth = interval / 10;
            prop_assert!(success >= interval - tenth && success <= interval + tenth + Duration::from_nanos(9));
            let failure = next_delay(Outcome::Failure { attempt, wait }, interval, jitter);
            prop_assert!(failure >= FIRST_RETRY.min(interval / 2));
            prop_assert!(failure >= wait.unwrap_or_default().min(MAX_ASKED_WAIT), "earlier than asked");
            prop_assert!(failure <= interval.max(MAX_ASKED_WAIT));
        }
    }
}
