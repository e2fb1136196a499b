//! Lines that come as fast as strangers make them: of each kind only so many a second.

use crate::clock::Tick;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// Kinds of lines that are told apart: messages and reasons of the program itself, so few.
const KINDS: usize = 256;

/// What was let through of each kind in the current second.
pub(super) struct Sampler {
    per_second: u64,
    kinds: Mutex<HashMap<String, Second>>,
}

#[derive(Clone, Copy)]
struct Second {
    began: Tick,
    seen: u64,
}

impl Sampler {
    /// Lets `per_second` lines of each kind through; zero for all.
    pub(super) fn new(per_second: u64) -> Self {
        Self { per_second, kinds: Mutex::default() }
    }

    /// Whether a line of that kind is written; where it is, how many were not since the last one.
    pub(super) fn admits(&self, kind: String, now: Tick) -> Option<u64> {
        if self.per_second == 0 {
            return Some(0);
        }
        let mut kinds = self.kinds.lock();
        if kinds.len() >= KINDS && !kinds.contains_key(&kind) {
            return Some(0);
        }
        let second = kinds.entry(kind).or_insert(Second { began: now, seen: 0 });
        let over = now.since(second.began) >= Duration::from_secs(1);
        let missed = second.seen.saturating_sub(self.per_second);
        if over {
            *second = Second { began: now, seen: 1 };
            return Some(missed);
        }
        second.seen += 1;
        (second.seen <= self.per_second).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_its_rate_and_every_line_is_accounted_for() {
        let sampler = Sampler::new(10);
        let at = |millis| Tick::default().plus(Duration::from_millis(millis));
        let (mut written, mut missed) = (0, 0);
        for millisecond in 0..=5000 {
            if let Some(more) = sampler.admits("request quota_exhausted".to_owned(), at(millisecond)) {
                (written, missed) = (written + 1, missed + more);
            }
        }
        assert_eq!(written, 51, "ten in each of five seconds, and the first of the sixth");
        assert_eq!(missed, 5001 - written);
        assert_eq!(sampler.admits("request job_not_granted".to_owned(), at(4999)), Some(0), "another kind");
        let all = Sampler::new(0);
        assert!((0..1000).all(|_| all.admits(String::new(), at(0)) == Some(0)));
    }
}
