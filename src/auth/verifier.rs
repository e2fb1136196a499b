//! The one place where passwords are hashed: one thread, one arena, one short queue.
//!
//! A hash takes megabytes and tens of milliseconds. Allocated per hash, that memory stays with the allocator and grows
//! with every login, so the arena is allocated once; and one worker means that no flood of logins multiplies it.

use super::PasswordHash;
use super::phc::{PhcError, new_arena};
use crate::secret::Secret;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
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

/// Verifies passwords on a thread of its own, one at a time. Dropping it ends the thread.
pub struct Verifier {
    /// The way to the worker; none until it has been started.
    jobs: Mutex<Option<SyncSender<Job>>>,
    hashes: Arc<AtomicU64>,
    max_memory_kib: u32,
    queue: usize,
}

struct Job {
    hashes: Arc<[PasswordHash]>,
    password: Secret,
    reply: oneshot::Sender<Option<usize>>,
}

impl Verifier {
    /// Starts the worker with an arena of `max_memory_kib` KiB, allocated and touched here and kept until the end, and
    /// room for `queue` jobs (at least 1) that wait behind the one at work.
    ///
    /// With 0 KiB no hash fits and nothing is started. Where the memory or the thread cannot be had, every
    /// [`verify`](Self::verify) tries again and answers [`Busy::Worker`] until they can.
    pub fn new(max_memory_kib: u32, queue: usize) -> Self {
        let verifier = Self { jobs: Mutex::new(None), hashes: Arc::default(), max_memory_kib, queue };
        if max_memory_kib > 0 {
            let _ = verifier.worker();
        }
        verifier
    }

    /// Another verifier with an arena of `max_memory_kib`, to take the place of this one; it counts on where this one is.
    pub fn with_memory(&self, max_memory_kib: u32) -> Self {
        let hashes = Arc::clone(&self.hashes);
        let verifier = Self { jobs: Mutex::new(None), hashes, max_memory_kib, queue: self.queue };
        let _ = verifier.worker();
        verifier
    }

    /// The size of the arena, KiB.
    pub fn max_memory_kib(&self) -> u32 {
        self.max_memory_kib
    }

    /// The position of the first of `hashes` that `password` matches; `None` if it matches none of them.
    ///
    /// Every hash is computed, whichever matches. Waiting and computing together take at most `deadline`; a job that
    /// nobody waits for any more is not begun. Runs inside a tokio runtime with time enabled.
    pub async fn verify(
        &self,
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
        let (reply, answer) = oneshot::channel();
        let job = Job { hashes, password, reply };
        let worker = self.worker().map_err(|_| Busy::Worker)?;
        worker.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Busy::Queue,
            TrySendError::Disconnected(_) => Busy::Worker,
        })?;
        match timeout(deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Busy::Worker),
            Err(_) => Err(Busy::Deadline),
        }
    }

    /// Whether the arena is large enough for `hash`; if not, [`verify`](Self::verify) can only answer [`Busy::Memory`].
    pub fn fits(&self, hash: &PasswordHash) -> bool {
        hash.memory_kib() <= self.max_memory_kib
    }

    /// How many hashes were begun since the start, decoys included.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// The way to the worker, which is started if it is not running.
    fn worker(&self) -> io::Result<SyncSender<Job>> {
        let mut jobs = self.jobs.lock();
        match &*jobs {
            Some(worker) => Ok(worker.clone()),
            None => Ok(jobs.insert(start(self.queue, self.computation()?)?).clone()),
        }
    }

    fn computation(&self) -> io::Result<impl FnMut(&Job) -> Result<Option<usize>, PhcError> + Send + 'static> {
        let mut arena = new_arena(self.max_memory_kib).ok_or(io::ErrorKind::OutOfMemory)?;
        let counter = Arc::clone(&self.hashes);
        Ok(move |job: &Job| {
            job.hashes.iter().enumerate().try_fold(None, |found: Option<usize>, (index, hash)| {
                counter.fetch_add(1, Ordering::Relaxed);
                // No early end at a match: the time taken must not tell which hash it was, or that there was one.
                let matched = hash.matches(&job.password, &mut arena)?;
                Ok(found.or(matched.then_some(index)))
            })
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("max_memory_kib", &self.max_memory_kib).finish_non_exhaustive()
    }
}

fn start<F>(queue: usize, compute: F) -> io::Result<SyncSender<Job>>
where
    F: FnMut(&Job) -> Result<Option<usize>, PhcError> + Send + 'static,
{
    let (sender, receiver) = sync_channel(queue.max(1));
    thread::Builder::new().name("password".to_owned()).spawn(move || work(&receiver, compute))?;
    Ok(sender)
}

/// Answers jobs until the last sender is gone. A job that fails is answered by dropping its reply.
fn work<F>(jobs: &Receiver<Job>, mut compute: F)
where
    F: FnMut(&Job) -> Result<Option<usize>, PhcError>,
{
    for job in jobs {
        if job.reply.is_closed() {
            continue;
        }
        // All that a panic can leave half done is the arena, and the next hash overwrites it before reading it.
        if let Ok(Ok(answer)) = catch_unwind(AssertUnwindSafe(|| compute(&job))) {
            // The caller may have left in the meantime; then nobody wants the answer.
            let _ = job.reply.send(answer);
        }
    }
}

#[cfg(test)]
mod tests;
