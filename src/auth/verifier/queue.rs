//! Who waits for a worker: a short line for each source, served in turn, so that one source that guesses never keeps
//! another from logging in.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;

/// Jobs that wait, bounded, for all workers.
pub(super) struct Queue<J> {
    capacity: usize,
    waiting: Mutex<Waiting<J>>,
    more: Condvar,
}

struct Waiting<J> {
    /// The source whose turn it is stands first. No line is empty.
    lines: VecDeque<(String, VecDeque<J>)>,
    closed: bool,
}

impl<J> Queue<J> {
    /// Room for `capacity` jobs, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        let waiting = Waiting { lines: VecDeque::new(), closed: false };
        Self { capacity: capacity.max(1), waiting: Mutex::new(waiting), more: Condvar::new() }
    }

    /// Adds a job of a source. Where there is no room, the latest job of the source with the longest line makes some, as
    /// long as that line stays no shorter than the newcomer's.
    ///
    /// # Errors
    /// The job that goes without: another's, or this one.
    pub(super) fn push(&self, source: &str, job: J) -> Result<(), J> {
        let mut waiting = self.waiting.lock();
        let own = waiting.line(source).map_or(0, |line| line.len());
        let all: usize = waiting.lines.iter().map(|(_, line)| line.len()).sum();
        let longest = waiting.lines.iter_mut().map(|(_, line)| line).max_by_key(|line| line.len());
        let displaced = match longest {
            Some(longest) if all >= self.capacity && longest.len() > own + 1 => longest.pop_back(),
            _ if all >= self.capacity => return Err(job),
            _ => None,
        };
        match waiting.line(source) {
            Some(line) => line.push_back(job),
            None => waiting.lines.push_back((source.to_owned(), VecDeque::from([job]))),
        }
        drop(waiting);
        self.more.notify_one();
        displaced.map_or(Ok(()), Err)
    }

    /// The next job, each source in its turn; waits for one. None once the queue is closed.
    pub(super) fn next(&self) -> Option<J> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some((source, mut line)) = waiting.lines.pop_front() {
                let job = line.pop_front();
                if !line.is_empty() {
                    waiting.lines.push_back((source, line));
                }
                if job.is_some() {
                    return job;
                }
            }
            self.more.wait(&mut waiting);
        }
    }

    /// Lets the workers go, and forgets who waits.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.lines.clear();
        drop(waiting);
        self.more.notify_all();
    }
}

impl<J> Waiting<J> {
    fn line(&mut self, source: &str) -> Option<&mut VecDeque<J>> {
        self.lines.iter_mut().find(|(name, _)| name == source).map(|(_, line)| line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(queue: &Queue<&'static str>, count: usize) -> Vec<&'static str> {
        (0..count).filter_map(|_| queue.next()).collect()
    }

    #[test]
    fn sources_take_turns_and_each_keeps_its_order() {
        let queue = Queue::new(8);
        for (source, job) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("c", "c2")] {
            assert_eq!(queue.push(source, job), Ok(()));
        }
        assert_eq!(order(&queue, 3), ["a1", "b1", "c1"]);
        assert_eq!(queue.push("b", "b2"), Ok(()));
        assert_eq!(order(&queue, 4), ["a2", "c2", "b2", "a3"]);
    }

    #[test]
    fn who_has_the_longest_line_makes_room() {
        let queue = Queue::new(4);
        for job in ["a1", "a2", "a3", "a4"] {
            assert_eq!(queue.push("a", job), Ok(()));
        }
        assert_eq!(queue.push("a", "a5"), Err("a5"), "its own line is the longest");
        assert_eq!(queue.push("b", "b1"), Err("a4"), "the latest of the longest line goes");
        assert_eq!(queue.push("b", "b2"), Err("a3"), "until the lines are equal");
        assert_eq!(queue.push("b", "b3"), Err("b3"));
        assert_eq!(queue.push("c", "c1"), Err("b2"));
        assert_eq!(queue.push("d", "d1"), Err("a2"));
        assert_eq!(queue.push("e", "e1"), Err("e1"), "everybody waits with one");
        assert_eq!(order(&queue, 4), ["a1", "b1", "c1", "d1"]);
        queue.close();
        assert_eq!(queue.next(), None);
    }

    proptest! {
        /// Nothing is lost: what was pushed waits, is told to go, or was taken.
        #[test]
        fn every_job_is_kept_or_told(jobs in proptest::collection::vec(0_usize..4, 1..40), capacity in 1_usize..6) {
            let queue = Queue::new(capacity);
            let (mut told, mut taken) = (Vec::new(), Vec::new());
            for (job, source) in jobs.iter().enumerate() {
                told.extend(queue.push(&source.to_string(), job).err());
                if job % 7 == 6 {
                    taken.extend(queue.next());
                }
            }
            let waiting: usize = queue.waiting.lock().lines.iter().map(|(_, line)| line.len()).sum();
            prop_assert!(waiting <= capacity);
            taken.extend((0..waiting).filter_map(|_| queue.next()));
            let mut all: Vec<usize> = told.into_iter().chain(taken).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..jobs.len()).collect::<Vec<_>>());
        }
    }
}
