//! How and what is logged.

use crate::clock::Clock;
use crate::logging::{self, Lost};
use crate::metrics::Metrics;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct LogFlags {
    /// How log lines are written
    #[arg(long = "log.format", env = "PUSHGUARD_LOG_FORMAT", value_name = "FORMAT", value_enum)]
    #[arg(default_value = "logfmt")]
    format: logging::Format,
    /// What is logged: error, warn, info, debug
    #[arg(long = "log.level", env = "PUSHGUARD_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    level: tracing::Level,
    /// Lines a second for each reason of refusal and each warning; the rest is counted. 0 for all
    #[arg(long = "log.max-refusals", env = "PUSHGUARD_LOG_MAX_REFUSALS", value_name = "N", default_value_t = 10)]
    refusals: u64,
}

impl LogFlags {
    /// Logs from now on; lines that are lost are counted.
    pub(super) fn install(&self, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) {
        let settings = logging::Settings { format: self.format, level: self.level, per_second: self.refusals };
        logging::install(settings, clock, Box::new(move |lost| metrics.log.count(lost == Lost::Stalled)));
    }
}
