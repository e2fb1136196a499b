//! What a test sees of the log.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::Dispatch;
use tracing::field::{Field, Visit};

/// Takes the log of one thread as lines of text.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

pub struct Captured {
    log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

/// Makes every log line of this module known to tracing as wanted, before any thread reaches one.
///
/// With a single subscriber alive, tracing asks only the thread that reaches a line first, and a thread without a
/// subscriber switches that line off for all. With two that never end, it always asks all of them.
pub fn keep_lines() {
    static KEPT: OnceLock<[Dispatch; 2]> = OnceLock::new();
    KEPT.get_or_init(|| [Dispatch::new(Log::default()), Dispatch::new(Log::default())]);
}

impl Log {
    pub fn capture() -> Captured {
        let log = Self::default();
        Captured { log: log.clone(), _guard: tracing::subscriber::set_default(log) }
    }
}

impl Captured {
    pub fn lines(&self) -> Vec<String> {
        self.log.0.lock().unwrap().clone()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().contains("ranges")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
