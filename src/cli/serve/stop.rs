//! How the process ends: first it says so, then it takes no more, then it finishes what it has.

use super::signals::{Signal, Signals};
use crate::proxy::{Service, Upstream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How long the parts of an end may take.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct StopFlags {
    /// How long requests are still taken after SIGTERM, while /-/ready says no: whoever sends them here learns of the end
    /// late. SIGINT does without
    #[arg(long = "web.drain-delay", env = "PUSHGUARD_WEB_DRAIN_DELAY", value_name = "DURATION")]
    #[arg(default_value = "5s", value_parser = duration)]
    drain_delay: Duration,
    /// How long requests may go on after that
    #[arg(long = "web.shutdown-timeout", env = "PUSHGUARD_WEB_SHUTDOWN_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "20s", value_parser = duration)]
    shutdown_timeout: Duration,
}

/// What comes to its end.
pub(super) struct Running {
    /// What `/-/ready` answers by.
    pub(super) ready: Arc<AtomicBool>,
    /// Turns true when no connection is promised to live on.
    pub(super) draining: watch::Sender<bool>,
    /// Turns true when nothing more is taken.
    pub(super) stopping: watch::Sender<bool>,
    /// The listeners.
    pub(super) services: Vec<Service>,
    /// Requests being answered.
    pub(super) in_flight: Arc<AtomicUsize>,
    /// The gateway: a write to it goes on even where nobody waits for its answer.
    pub(super) upstream: Arc<Upstream>,
}

impl StopFlags {
    /// Comes to the end after a signal; a second one is the end at once.
    pub(super) async fn run(self, signal: Signal, mut signals: Signals, running: Running) {
        let delay = match signal {
            Signal::Terminate => self.drain_delay,
            Signal::Interrupt => Duration::ZERO,
        };
        running.ready.store(false, Ordering::SeqCst);
        running.draining.send_replace(true);
        let in_flight = running.in_flight.load(Ordering::SeqCst);
        tracing::info!(msg = "stopping", in_flight, drain_seconds = delay.as_secs_f64());
        let end = async {
            tokio::time::sleep(delay).await;
            running.stopping.send_replace(true);
            let drained = tokio::time::timeout(self.shutdown_timeout, drained(&running.in_flight, &running.upstream));
            for service in running.services {
                service.stopped().await;
            }
            drained.await
        };
        tokio::select! {
            ended = end => match ended {
                Ok(()) => tracing::info!(msg = "stopped"),
                Err(_) => tracing::warn!(msg = "requests cut after the time to stop"),
            },
            _ = signals.wait() => tracing::warn!(msg = "stopped at once by a second signal"),
        }
    }
}

/// Waits until nothing is being answered and nothing written.
async fn drained(in_flight: &AtomicUsize, upstream: &Upstream) {
    while in_flight.load(Ordering::SeqCst) > 0 || upstream.is_writing() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = crate::config::duration(text).filter(|d| *d <= Duration::from_secs(3600));
    duration.ok_or_else(|| "expected 0s to 1h".to_owned())
}
