//! Lines on their way to standard error: a reader that stalls must not stall the proxy.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Lines that wait at most, and their bytes; beyond, they are dropped and counted.
const MOST: usize = 1024;
const MOST_BYTES: usize = 1024 * 1024;

/// Takes lines without ever waiting.
#[derive(Clone)]
pub(super) struct Queue {
    lines: SyncSender<String>,
    /// Bytes on their way.
    waiting: Arc<AtomicUsize>,
}

/// The queue of the process, for its end.
static INSTALLED: OnceLock<Queue> = OnceLock::new();

impl Queue {
    /// Writes to `target` on a thread of its own; none where there can be no thread.
    pub(super) fn start(target: impl Write + Send + 'static) -> Option<Self> {
        let (lines, taken) = sync_channel(MOST);
        let queue = Self { lines, waiting: Arc::default() };
        let waiting = queue.waiting.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&taken, &waiting, target)).ok()?;
        Some(queue)
    }

    /// Hands a line over; false where there is no room for it.
    pub(super) fn put(&self, line: String) -> bool {
        let bytes = line.len();
        let waiting = self.waiting.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        let taken = waiting <= MOST_BYTES && self.lines.try_send(line).is_ok();
        if !taken {
            self.waiting.fetch_sub(bytes, Ordering::SeqCst);
        }
        taken
    }

    /// Is waited for by [`flush`].
    pub(super) fn install(self) {
        let _ = INSTALLED.set(self);
    }
}

fn write(lines: &Receiver<String>, waiting: &AtomicUsize, mut target: impl Write) {
    for line in lines {
        // A reader that went away must not end the proxy.
        let _ = target.write_all(line.as_bytes());
        waiting.fetch_sub(line.len(), Ordering::SeqCst);
    }
}

/// Waits until what was logged is written, but not for long: the reader may never come back.
pub fn flush() {
    const STEP: Duration = Duration::from_millis(2);
    const STEPS: u32 = 500;
    let Some(queue) = INSTALLED.get() else { return };
    for _ in 0..STEPS {
        if queue.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        std::thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    /// Writes a line when it is told to.
    struct Gate(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.recv().map_err(|_| std::io::Error::other("closed"))?;
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_no_time() {
        let (open, gate) = channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let queue = Queue::start(Gate(gate, written.clone())).unwrap();
        // One more than there is room for may be in the hand of the thread, from whenever it was quick enough.
        let taken: Vec<_> = (0..3 * MOST).filter(|n| queue.put(format!("{n}\n"))).collect();
        assert!((MOST..=MOST + 1).contains(&taken.len()), "{}", taken.len());
        taken.iter().for_each(|_| open.send(()).unwrap());
        while queue.waiting.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let expected: String = taken.iter().map(|n| format!("{n}\n")).collect();
        assert_eq!(text, expected, "in order, none twice");
    }
}
