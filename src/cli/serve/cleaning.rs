//! What looks after the gateway beside requests: the sweeps, and the watch on its scrape.

use crate::clock::Clock;
use crate::doctor::Watchdog;
use crate::janitor::Resident;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::proxy::Upstream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cleaning")]
pub(super) struct Cleaning {
    /// How often groups are removed that are older than the policy's ttl keeps them; 0s for never. The first sweep under
    /// changed rules only reports
    #[arg(long = "sweep.interval", env = "PUSHGUARD_SWEEP_INTERVAL", value_name = "DURATION")]
    #[arg(default_value = "1h", value_parser = interval)]
    sweep: Duration,
    /// How often it is looked whether the gateway answers and can be scraped; 0s for never
    #[arg(long = "watchdog.interval", env = "PUSHGUARD_WATCHDOG_INTERVAL", value_name = "DURATION")]
    #[arg(default_value = "30s", value_parser = interval)]
    watchdog: Duration,
}

impl Cleaning {
    pub(super) fn start(
        &self,
        upstream: &Arc<Upstream>,
        live: &Arc<Live>,
        (clock, metrics): (&Arc<dyn Clock>, &Arc<Metrics>),
        state_dir: Option<&Path>,
    ) {
        let (upstream, live, clock, metrics) = (upstream.clone(), live.clone(), clock.clone(), metrics.clone());
        if !self.watchdog.is_zero() {
            let watchdog = Watchdog { upstream: upstream.clone(), metrics: metrics.clone(), interval: self.watchdog };
            tokio::spawn(watchdog.run());
        }
        if !self.sweep.is_zero() {
            let state = state_dir.map(Resident::state_file);
            let resident = Resident { upstream, live, clock, metrics, interval: self.sweep, state };
            tokio::spawn(resident.run());
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
    let duration = crate::config::duration(text).filter(|d| d.is_zero() || range.contains(d));
    duration.ok_or_else(|| "expected 1s to 7d, or 0s for never".to_owned())
}
