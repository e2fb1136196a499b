//! Who waits for a worker: a short line for each source, served in turn, so that sources that guess never keep another
//! from logging in; and every other time the source that was served least, so that who logs in for the first time need
//! not wait for a turn of all that guess.

use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};

/// After so many jobs, what was served before counts half.
const FORGETTING: u32 = 256;

/// Jobs that wait, bounded, for all workers.
pub(super) struct Queue<J> {
    capacity: usize,
    waiting: Mutex<Waiting<J>>,
    more: Condvar,
}

struct Waiting<J> {
    /// The source whose turn it is stands first. No line is empty.
    lines: VecDeque<(String, VecDeque<J>)>,
    /// How much each source was served lately; bounded, since what is halved to nothing is dropped.
    served: HashMap<String, u32>,
    since_forgetting: u32,
    /// Whether the line that was served least is next, and not the one whose turn it is.
    least_is_next: bool,
    closed: bool,
}

impl<J> Queue<J> {
    /// Room for `capacity` jobs, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        let (lines, served) = (VecDeque::new(), HashMap::new());
        let waiting = Waiting { lines, served, since_forgetting: 0, least_is_next: false, closed: false };
        Self { capacity: capacity.max(1), waiting: Mutex::new(waiting), more: Condvar::new() }
    }

    /// Adds a job of a source. Where there is no room, the latest job of the source with the longest line makes some, as
    /// long as that line stays no shorter than the newcomer's; of equal lines the one of the source that was served most,
    /// if that is more than the newcomer was: who has not logged in lately comes before those who keep guessing.
    ///
    /// # Errors
    /// The job that goes without: another's, or this one.
    pub(super) fn push(&self, source: &str, job: J) -> Result<(), J> {
        let mut waiting = self.waiting.lock();
        let all: usize = waiting.lines.iter().map(|(_, line)| line.len()).sum();
        let displaced = if all < self.capacity { None } else { waiting.make_room(source) };
        if all >= self.capacity && displaced.is_none() {
            return Err(job);
        }
        match waiting.line(source) {
            Some(line) => line.push_back(job),
            None => waiting.lines.push_back((source.to_owned(), VecDeque::from([job]))),
        }
        drop(waiting);
        self.more.notify_one();
        displaced.map_or(Ok(()), Err)
    }

    /// The next job; waits for one. None once the queue is closed.
    ///
    /// Of so many sources that wait, each is served within twice as many jobs, whoever comes behind it; and one that was
    /// served less than all others within two.
    pub(super) fn next(&self) -> Option<J> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some((source, mut line)) = waiting.next_line() {
                let job = line.pop_front();
                waiting.count(&source);
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
    /// Takes out the line that is served next.
    fn next_line(&mut self) -> Option<(String, VecDeque<J>)> {
        let served = |source: &str| self.served.get(source).copied().unwrap_or(0);
        let least = self.lines.iter().enumerate().min_by_key(|(_, (source, _))| served(source)).map(|(at, _)| at);
        let at = least.filter(|_| self.least_is_next).unwrap_or(0);
        self.least_is_next = !self.lines.is_empty() && !self.least_is_next;
        self.lines.remove(at)
    }

    /// The latest job of the line that has to make room for a newcomer, if one has.
    fn make_room(&mut self, newcomer: &str) -> Option<J> {
        let weight = |source: &str, waiting: usize| (waiting, self.served.get(source).copied().unwrap_or(0));
        let (_, own) = weight(newcomer, 0);
        let behind = self.line_length(newcomer) + 1;
        let heaviest = self.lines.iter().enumerate().max_by_key(|(_, (source, line))| weight(source, line.len()));
        let (at, (source, line)) = heaviest?;
        if (line.len(), weight(source, 0).1) <= (behind, own) {
            return None;
        }
        let (_, line) = self.lines.get_mut(at)?;
        let job = line.pop_back();
        if line.is_empty() {
            self.lines.remove(at);
        }
        job
    }

    fn line_length(&self, source: &str) -> usize {
        self.lines.iter().find(|(name, _)| name == source).map_or(0, |(_, line)| line.len())
    }

    /// Notes that a source was served.
    fn count(&mut self, source: &str) {
        *self.served.entry(source.to_owned()).or_insert(0) += 1;
        self.since_forgetting += 1;
        if self.since_forgetting == FORGETTING {
            self.since_forgetting = 0;
            self.served.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
    }

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

    #[test]
    fn who_was_not_served_lately_comes_before_those_who_were() {
        let queue = Queue::new(3);
        for source in ["a", "b", "c"] {
            assert_eq!(queue.push(source, "first"), Ok(()));
        }
        assert_eq!(order(&queue, 3).len(), 3, "all three were served");
        for (source, job) in [("a", "a"), ("b", "b"), ("c", "c")] {
            assert_eq!(queue.push(source, job), Ok(()));
        }
        assert_eq!(queue.push("a", "again"), Err("again"));
        let displaced = queue.push("new", "n").unwrap_err();
        assert!(["a", "b", "c"].contains(&displaced), "{displaced} made room");
        assert_eq!(queue.push("newer", "m").unwrap_err().len(), 1);
        let mut left = order(&queue, 3);
        left.sort_unstable();
        assert!(left.contains(&"n") && left.contains(&"m"), "{left:?}");
        for n in 0..10_000 {
            assert_eq!(queue.push(&n.to_string(), "x"), Ok(()));
            queue.next();
        }
        assert!(queue.waiting.lock().served.len() < 1024, "what was served is forgotten");
    }

    /// Sources that guess, each with a line as long as it can be, and one that comes anew.
    #[test]
    fn a_source_that_was_not_served_waits_for_two_jobs_at_most() {
        for (guessers, each) in [(1, 15), (3, 5), (15, 1)] {
            for served in 0..=20 {
                let queue = Queue::new(64);
                for turn in 0..served + each {
                    for guesser in 0..guessers {
                        assert_eq!(queue.push(&format!("g{guesser}"), "guess"), Ok(()));
                        if turn < served {
                            queue.next();
                        }
                    }
                }
                queue.next();
                assert_eq!(queue.push("clean", "clean"), Ok(()));
                // Where nobody was served before, it is one of them all.
                let taken = order(&queue, if served > 0 { 2 } else { guessers * each });
                assert!(taken.contains(&"clean"), "{guessers} with {each} each, served {served}: {taken:?}");
            }
        }
    }

    /// However many come anew, who waits in a line gets its turn.
    #[test]
    fn newcomers_do_not_starve_who_was_served_before() {
        let queue = Queue::new(64);
        for _ in 0..10 {
            assert_eq!(queue.push("office", "earlier"), Ok(()));
            queue.next();
        }
        for n in 0..7 {
            assert_eq!(queue.push(&format!("before{n}"), "before"), Ok(()));
        }
        assert_eq!(queue.push("office", "office"), Ok(()));
        let served = (0..16).map(|n| {
            assert_eq!(queue.push(&format!("new{n}"), "new"), Ok(()));
            queue.next().unwrap()
        });
        let served: Vec<_> = served.collect();
        assert!(served.contains(&"office"), "it waits for eight lines, and as many newcomers: {served:?}");
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
