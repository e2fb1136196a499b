//! Log lines on standard error, logfmt or JSON, one per event: `time level msg` and what the event adds.

mod format;

pub use format::{Format, rfc3339};

use crate::clock::Clock;
use format::{Field, Value};
use std::io::Write;
use std::sync::Arc;
use tracing::field::Visit;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Turns events into lines.
pub struct LogLayer<W> {
    format: Format,
    level: Level,
    clock: Arc<dyn Clock>,
    quiet: &'static [&'static str],
    write: W,
}

impl<W: Fn(&[u8])> LogLayer<W> {
    /// A layer that writes events of `level` and above; of libraries only errors, since below that they quote what
    /// clients send, and of the parts in `quiet` nothing.
    pub fn new(format: Format, level: Level, clock: Arc<dyn Clock>, quiet: &'static [&'static str], write: W) -> Self {
        Self { format, level, clock, quiet, write }
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let ours = metadata.target().starts_with(env!("CARGO_PKG_NAME"));
        let most = if ours { self.level } else { Level::ERROR };
        if *metadata.level() > most {
            return;
        }
        let mut fields = vec![
            Field { name: "time", value: Value::Text(rfc3339(self.clock.wall())) },
            Field { name: "level", value: Value::Text(metadata.level().as_str().to_ascii_lowercase()) },
        ];
        event.record(&mut Collect(&mut fields));
        if fields.iter().any(|field| field.names_one_of(self.quiet)) {
            return;
        }
        (self.write)(self.format.line(&fields).as_bytes());
    }
}

struct Collect<'a>(&'a mut Vec<Field>);

impl Collect<'_> {
    fn add(&mut self, field: &tracing::field::Field, value: Value) {
        // Libraries call it `message`; the log has one name for it.
        let name = match field.name() {
            "message" => "msg",
            "log.target" => "target",
            // Where in a library's source it stands helps nobody who runs this.
            name if name.starts_with("log.") => return,
            name => name,
        };
        self.0.push(Field { name, value });
    }
}

impl Visit for Collect<'_> {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.add(field, Value::Bare(format!("{value:.6}")));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.add(field, Value::Text(format!("{value:?}")));
    }
}

/// Installs the log for the process. A second call changes nothing.
pub fn install(format: Format, level: Level, clock: Arc<dyn Clock>, quiet: &'static [&'static str]) {
    // A reader that went away must not end the proxy.
    let write = |line: &[u8]| drop(std::io::stderr().lock().write_all(line));
    let subscriber = tracing_subscriber::registry().with(LogLayer::new(format, level, clock, quiet, write));
    let _ = tracing::subscriber::set_global_default(subscriber);
    let _ = tracing_log::LogTracer::builder().with_max_level(tracing_log::log::LevelFilter::Error).init();
}

#[cfg(test)]
mod tests;
