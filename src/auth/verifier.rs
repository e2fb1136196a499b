//! The one place where passwords are hashed: one thread, or a few, each with its arena, behind one short queue.
//!
//! A hash takes megabytes and tens of milliseconds. Allocated per hash, that memory stays with the allocator and grows
//! with every login, so each arena is allocated once; and a fixed number of workers means that no flood of logins
//! multiplies it.

mod queue;

use super::PasswordHash;
use super::phc::{PhcError, new_arena};
use crate::secret::Secret;
use parking_lot::Mutex;
use queue::Queue;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Why no answer was given. It says nothing about the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Busy {
    /// As many jobs are waiting as may wait.
    #[error("too many passwords are waiting to be verified")]
    Queue,
    /// The deadline passed first.
    #[error("the password was not verified in time")]
    Deadline,
    /// The worker failed at this job, or could not be reached.
    #[error("the password verifier failed")]
    Worker,
    /// A stored hash needs more memory than the arena has; waiting does not help.
    #[error("a stored password hash needs more memory than was set aside at start")]
    Memory,
}

/// Verifies passwords on threads of its own. Dropping it ends them.
pub struct Verifier {
    queue: Arc<Queue<Job>>,
    /// How many workers run; started ones never end before the queue closes.
    running: Mutex<usize>,
    hashes: Arc<AtomicU64>,
    /// The arena that each worker has before its next hash, KiB.
    arena_kib: Arc<AtomicU32>,
    workers: usize,
}

/// How much a verifier may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The arena of each worker at first, KiB.
    pub memory_kib: u32,
    /// Workers, at least one.
    pub workers: usize,
    /// Jobs that wait behind those at work, at least one.
    pub queue: usize,
}

struct Job {
    hashes: Arc<[PasswordHash]>,
    password: Secret,
    reply: oneshot::Sender<Result<Option<usize>, Busy>>,
}

impl Verifier {
    /// Starts the workers, each with an arena that is allocated and touched here and kept until the end.
    ///
    /// With 0 KiB nothing is started before it is needed. Where the memory or a thread cannot be had, every
    /// [`verify`](Self::verify) tries again, and answers [`Busy::Worker`] as long as there is no worker at all.
    pub fn new(size: Size) -> Self {
        let verifier = Self {
            queue: Arc::new(Queue::new(size.queue)),
            running: Mutex::new(0),
            hashes: Arc::default(),
            arena_kib: Arc::new(size.memory_kib.into()),
            workers: size.workers,
        };
        if size.memory_kib > 0 {
            let _ = verifier.start();
        }
        verifier
    }

    /// Makes the arenas at least so large. Each worker gives back the one that it has before it takes the larger one,
    /// and not before its next job, so that there are never both and no job fails of it.
    pub fn make_room(&self, memory_kib: u32) {
        self.arena_kib.fetch_max(memory_kib, Ordering::SeqCst);
    }

    /// The position of the first of `hashes` that `password` matches; `None` if it matches none of them.
    ///
    /// Every hash is computed, whichever matches. Waiting and computing together take at most `deadline`; a job that
    /// nobody waits for any more is not begun. Jobs of one `source` wait in one line, and lines are served in turn. Runs
    /// inside a tokio runtime with time enabled.
    pub async fn verify(
        &self,
        source: &str,
        hashes: Arc<[PasswordHash]>,
        password: Secret,
        deadline: Duration,
    ) -> Result<Option<usize>, Busy> {
        if hashes.iter().any(|hash| !self.fits(hash)) {
            return Err(Busy::Memory);
        }
        if hashes.is_empty() {
            return Ok(None);
        }
        self.start()?;
        let (reply, answer) = oneshot::channel();
        if let Err(displaced) = self.queue.push(source, Job { hashes, password, reply }) {
            // Its caller may have left in the meantime; then nobody wants the answer.
            let _ = displaced.reply.send(Err(Busy::Queue));
        }
        match timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Busy::Worker),
            Err(_) => Err(Busy::Deadline),
        }
    }

    /// Whether the arena is large enough for `hash`; if not, [`verify`](Self::verify) can only answer [`Busy::Memory`].
    pub fn fits(&self, hash: &PasswordHash) -> bool {
        hash.memory_kib() <= self.arena_kib.load(Ordering::SeqCst)
    }

    /// How many hashes were begun since the start, decoys included.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// Starts the workers that do not run yet. One that does is enough.
    fn start(&self) -> Result<(), Busy> {
        let mut running = self.running.lock();
        while *running < self.workers.max(1) {
            let started = self.computation().and_then(|compute| start(self.queue.clone(), compute));
            match started {
                Ok(()) => *running += 1,
                Err(_) if *running == 0 => return Err(Busy::Worker),
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn computation(&self) -> io::Result<impl FnMut(&Job) -> Result<Option<usize>, PhcError> + Send + 'static> {
        let (wanted, counter) = (Arc::clone(&self.arena_kib), Arc::clone(&self.hashes));
        let mut held = wanted.load(Ordering::SeqCst);
        let mut arena = new_arena(held).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(move |job: &Job| {
            let needed = wanted.load(Ordering::SeqCst);
            if held < needed {
                (held, arena) = (0, Vec::new());
                arena = new_arena(needed).ok_or(PhcError::Compute(argon2::Error::OutOfMemory))?;
                held = needed;
            }
            job.hashes.iter().enumerate().try_fold(None, |found: Option<usize>, (index, hash)| {
                counter.fetch_add(1, Ordering::Relaxed);
                // No early end at a match: the time taken must not tell which hash it was, or that there was one.
                let matched = hash.matches(&job.password, &mut arena)?;
                Ok(found.or(matched.then_some(index)))
            })
        })
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("arena_kib", &self.arena_kib).finish_non_exhaustive()
    }
}

fn start<F>(queue: Arc<Queue<Job>>, compute: F) -> io::Result<()>
where
    F: FnMut(&Job) -> Result<Option<usize>, PhcError> + Send + 'static,
{
    thread::Builder::new().name("password".to_owned()).spawn(move || work(&queue, compute)).map(drop)
}

/// Answers jobs until the queue closes. A job that fails is answered by dropping its reply.
fn work<F>(jobs: &Queue<Job>, mut compute: F)
where
    F: FnMut(&Job) -> Result<Option<usize>, PhcError>,
{
    while let Some(job) = jobs.next() {
        if job.reply.is_closed() {
            continue;
        }
        // All that a panic can leave half done is the arena, and the next hash overwrites it before reading it.
        if let Ok(Ok(answer)) = catch_unwind(AssertUnwindSafe(|| compute(&job))) {
            // The caller may have left in the meantime; then nobody wants the answer.
            let _ = job.reply.send(Ok(answer));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
