//! Takes a changed policy into use while requests go on: whole, or not at all.

use super::lists::Lists;
use super::policy_file::{self, PolicyFile, Watched};
use crate::admin::ReloadRequest;
use crate::config::Loaded;
use crate::keys::{self, Keys};
use crate::policy::Policy;
use crate::proxy::Proxy;
use crate::ranges::Lines;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc::Receiver;
use tokio::task::spawn_blocking;

/// A change is looked at again after this time before it is taken for whole: writers need a moment, and half of a policy
/// may be a policy too.
const SETTLING: Duration = Duration::from_secs(1);

/// What asks for a reload.
pub(super) struct Triggers {
    /// The signal that asks for one.
    pub(super) hangup: Signal,
    /// `POST /-/reload`.
    pub(super) requests: Receiver<ReloadRequest>,
    /// How often the files are looked at; zero for never.
    pub(super) interval: Duration,
}

/// Reads the policy again when asked to, or when one of its files has changed.
pub(super) struct Reloader {
    pub(super) source: PolicyFile,
    /// What was read last, taken into use or not.
    pub(super) watched: Watched,
    pub(super) proxy: Arc<Proxy>,
    /// The address lists that are kept.
    pub(super) lists: Lists,
    /// Called with each policy that is about to be taken into use.
    pub(super) adopt: Box<dyn Fn(&Policy) + Send + Sync>,
}

impl Reloader {
    /// Waits for what asks for a reload, and does it; ends only by being dropped.
    pub(super) async fn run(mut self, mut triggers: Triggers) {
        loop {
            let request = tokio::select! {
                _ = triggers.hangup.recv() => None,
                Some(request) = triggers.requests.recv() => Some(request),
                () = self.changed(triggers.interval) => None,
            };
            let outcome = self.reload().await;
            if let Some(request) = request {
                // Who asked may be gone; the log has it all the same.
                let _ = request.send(outcome);
            }
        }
    }

    /// Waits until the files hold something else than at the last reading, and have held it for a moment.
    async fn changed(&self, interval: Duration) {
        if interval.is_zero() {
            return std::future::pending().await;
        }
        let (mut pause, mut seen) = (interval, self.watched.clone());
        loop {
            tokio::time::sleep(pause).await;
            let watched = self.watched.clone();
            let Ok(now) = spawn_blocking(move || watched.now()).await else { continue };
            let as_read = now.is_as(&self.watched);
            if !as_read && now.is_as(&seen) {
                return;
            }
            pause = if as_read { interval } else { interval.min(SETTLING) };
            seen = now;
        }
    }

    /// Reads the policy and takes it into use; answers its generation, or all its problems.
    async fn reload(&mut self) -> Result<u64, String> {
        let (source, watched, used) = (self.source.clone(), self.watched.clone(), self.proxy.live.load());
        let outcome = match spawn_blocking(move || source.reread(&watched, &used.policy)).await {
            Ok(reading) => {
                self.watched = reading.watched;
                reading.outcome.map_err(|problems| problems.to_string()).and_then(|loaded| self.with_lines(loaded))
            }
            Err(error) => Err(format!("the reading of the policy failed: {error}")),
        };
        let outcome = match outcome {
            Ok((loaded, lines, keys)) => {
                self.proxy.keys.change(keys);
                self.take(loaded, lines).await
            }
            Err(problems) => Err(problems),
        };
        outcome.inspect_err(|problems| {
            self.proxy.metrics.set_reload_failed();
            self.source.readings.refused(problems);
            for problem in problems.lines() {
                tracing::error!(msg = "policy problem", problem);
            }
            tracing::error!(msg = "policy not reloaded", detail = "the one in use stays");
        })
    }

    fn with_lines(&self, loaded: Loaded) -> Result<(Loaded, Lines, keys::Lines), String> {
        let lines = self.lists.lines(&loaded.policy)?;
        let keys = Keys::lines(&loaded.policy)?;
        Ok((loaded, lines, keys))
    }

    async fn take(&self, loaded: Loaded, lines: Lines) -> Result<u64, String> {
        policy_file::warn(&loaded);
        self.source.readings.taken(self.proxy.clock.wall(), &loaded.warnings);
        let new = loaded.policy;
        self.proxy.gate.adopt(&new);
        (self.adopt)(&new);
        let principals = new.principals.len();
        let generation = self.lists.change(new, lines).await?;
        self.proxy.metrics.set_reloaded(self.proxy.clock.wall());
        tracing::info!(msg = "policy reloaded", generation, principals);
        Ok(generation)
    }
}
