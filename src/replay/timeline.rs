//! How many requests passed and were refused, over time, in bounded memory.

use std::time::{Duration, SystemTime};

/// Buckets that are kept at most.
const MOST: usize = 96;

/// How many buckets become one where there are too many, by how long they are: from a second to minutes, hours and days.
const STEPS: &[(u64, usize)] =
    &[(1, 5), (5, 3), (15, 4), (60, 5), (300, 3), (900, 4), (3600, 6), (21_600, 4), (86_400, 7)];

/// Counts over time: `allowed`, `denied`, `undecided`. Buckets grow where the log goes on.
#[derive(Clone, Debug)]
pub struct Timeline {
    start: Option<u64>,
    /// Seconds of a bucket.
    width: u64,
    buckets: Vec<[u64; 3]>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { start: None, width: 1, buckets: Vec::new() }
    }
}

impl Timeline {
    /// Counts one more of a kind: 0 allowed, 1 denied, 2 undecided. A time before the first counts as the first.
    pub fn count(&mut self, time: SystemTime, kind: usize) {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let start = *self.start.get_or_insert(seconds);
        let since = seconds.saturating_sub(start);
        loop {
            let at = usize::try_from(since / self.width).unwrap_or(usize::MAX);
            if at < MOST {
                if self.buckets.len() <= at {
                    self.buckets.resize(at + 1, [0; 3]);
                }
                if let Some(count) = self.buckets.get_mut(at).and_then(|bucket| bucket.get_mut(kind)) {
                    *count += 1;
                }
                return;
            }
            let step = STEPS.iter().find(|(width, _)| *width == self.width).map_or(2, |(_, step)| *step);
            self.width = self.width.saturating_mul(u64::try_from(step).unwrap_or(2));
            self.buckets = self.buckets.chunks(step).map(sum).collect();
        }
    }

    /// The buckets.
    pub fn buckets(&self) -> &[[u64; 3]] {
        &self.buckets
    }

    /// When it begins, and how long a bucket is.
    pub fn scale(&self) -> Option<(SystemTime, Duration)> {
        let start = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.start?))?;
        Some((start, Duration::from_secs(self.width)))
    }
}

fn sum(buckets: &[[u64; 3]]) -> [u64; 3] {
    buckets.iter().fold([0; 3], |[a, b, c], [x, y, z]| [a + x, b + y, c + z])
}
