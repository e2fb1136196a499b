//! Log lines on standard error, logfmt or JSON, one per event: `time level msg` and what the event adds.
//!
//! Nothing waits for a line to be written, and a flood of refusals or warnings is cut to a rate.

mod format;
mod panics;
mod queue;
mod sample;

pub use format::{Format, rfc3339};
pub use queue::flush;

use crate::clock::Clock;
use format::{Field, Value};
use queue::Queue;
use sample::Sampler;
use std::sync::Arc;
use tracing::field::Visit;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// What is logged, and how.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How lines are written.
    pub format: Format,
    /// Events of that level and above; of libraries only errors, since below that they quote what clients send.
    pub level: Level,
    /// Lines a second of each kind of refusal or warning; zero for all.
    pub per_second: u64,
}

/// Why a line was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Too many of its kind came in a second.
    Sampled,
    /// The reader of the log stalls.
    Stalled,
}

/// Turns events into lines.
pub struct LogLayer<W> {
    settings: Settings,
    clock: Arc<dyn Clock>,
    sampler: Sampler,
    lost: Box<dyn Fn(Lost) + Send + Sync>,
    write: W,
}

impl<W: Fn(String) -> bool> LogLayer<W> {
    /// A layer that hands lines to `write`, which says whether it took them, and tells `lost` of the others.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, lost: Box<dyn Fn(Lost) + Send + Sync>, write: W) -> Self {
        Self { sampler: Sampler::new(settings.per_second), settings, clock, lost, write }
    }

    /// Whether the line is written; how many like it were not, where some were not.
    fn admitted(&self, level: Level, fields: &mut Vec<Field>) -> bool {
        let of = |name: &str| fields.iter().find(|field| field.name == name).map_or("", Field::text);
        // What is allowed is bounded by quotas, and errors of our own are rare: neither is anybody's to multiply.
        let refusal = of("verdict") == "deny" || of("verdict") == "error";
        if level != Level::WARN && !refusal {
            return true;
        }
        let kind = format!("{} {}", of("msg"), of("reason"));
        match self.sampler.admits(kind, self.clock.tick()) {
            Some(0) => true,
            Some(missed) => {
                fields.push(Field { name: "not_logged", value: Value::Bare(missed.to_string()) });
                true
            }
            None => false,
        }
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(String) -> bool + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let ours = metadata.target().starts_with(env!("CARGO_PKG_NAME"));
        let most = if ours { self.settings.level } else { Level::ERROR };
        if *metadata.level() > most {
            return;
        }
        let mut fields = vec![
            Field { name: "time", value: Value::Text(rfc3339(self.clock.wall())) },
            Field { name: "level", value: Value::Text(metadata.level().as_str().to_ascii_lowercase()) },
        ];
        event.record(&mut Collect(&mut fields));
        if !self.admitted(*metadata.level(), &mut fields) {
            (self.lost)(Lost::Sampled);
        } else if !(self.write)(self.settings.format.line(&fields)) {
            (self.lost)(Lost::Stalled);
        }
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

/// Installs the log for the process, on standard error. A second call changes nothing.
pub fn install(settings: Settings, clock: Arc<dyn Clock>, lost: Box<dyn Fn(Lost) + Send + Sync>) {
    let Some(queue) = Queue::start(std::io::stderr()) else { return };
    queue.clone().install();
    let layer = LogLayer::new(settings, clock, lost, move |line| queue.put(line));
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    let _ = tracing_log::LogTracer::builder().with_max_level(tracing_log::log::LevelFilter::Error).init();
    panics::install();
}

#[cfg(test)]
mod tests;
