//! Keeps the named sets current: loads the last good document from disk, fetches at once, then again and again.
//!
//! A failed refresh changes nothing but the time of the next one. A list that is a month old is still 99 % right, so
//! keeping it costs nothing, while dropping it would turn every failure of the network into refused pushes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::fetch;
use super::github::Document;
use super::store::{Store, Stored};
use super::{RangeSets, compile};
use crate::clock::Clock;
use crate::fetch::{Client, ClientSettings, Outcome, Url, jitter, next_delay};

pub use super::fetch::{FetchError, Fetched};

/// GitHub's own meta endpoint.
pub const DEFAULT_URL: &str = "https://api.github.com/meta";
/// Time between two good refreshes, ±10 %: four requests a day out of the 60 an hour that one address shares.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);
/// The shortest interval towards `https` URLs. A mirror on this machine (`http`) may be asked every second.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);

const MIN_LOCAL_INTERVAL: Duration = Duration::from_secs(1);

/// What to fetch, how often, and with what.
pub struct Settings {
    /// The meta endpoint. Default: [`DEFAULT_URL`].
    pub url: Url,
    /// The keys of the document that become sets, `actions` for instance. At least one.
    pub keys: BTreeSet<String>,
    /// Time between two good refreshes, at least [`MIN_INTERVAL`]. Default: [`DEFAULT_INTERVAL`].
    pub interval: Duration,
    /// Where the last good document is kept.
    pub store: Store,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
}

/// Why no refresher can be made of these settings.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No key is selected, so that there would be nothing to match against.
    #[error("no key of the document is selected")]
    NoKeys,
    /// The interval would spend the request budget that one address shares.
    #[error("an interval of {0:?} is too short: at least 5 minutes, or 1 second for http to this machine")]
    Interval(Duration),
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] crate::fetch::SetupError),
}

/// Keeps the sets of one endpoint current.
pub struct Refresher {
    settings: Settings,
    client: Client,
}

/// What lasts from one attempt to the next.
#[derive(Default)]
struct Progress {
    held: Option<Arc<Document>>,
    etag: Option<String>,
    failures: u32,
}

impl Refresher {
    /// Checks the settings and makes the client.
    ///
    /// # Errors
    ///
    /// See [`SetupError`]; all of them are mistakes of the configuration or of the machine that no retry mends.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let client = Client::new(ClientSettings::new(settings.url.clone()))?;
        if settings.keys.is_empty() {
            return Err(SetupError::NoKeys);
        }
        let local = settings.url.scheme() == "http";
        if settings.interval < if local { MIN_LOCAL_INTERVAL } else { MIN_INTERVAL } {
            return Err(SetupError::Interval(settings.interval));
        }
        Ok(Self { client, settings })
    }

    /// Publishes the stored sets, then fetches at once and from then on periodically; ends only by being dropped.
    ///
    /// `publish` is called with the whole map each time a document was loaded or fetched, also an equal one, and never
    /// with less than all selected keys. It is called before the document is saved and must not block.
    pub async fn run(self, publish: impl Fn(Arc<RangeSets>) + Send + Sync + 'static) {
        let mut progress = Progress::default();
        self.restore(&mut progress, &publish).await;
        loop {
            let delay = self.turn(&mut progress, &publish).await;
            tokio::time::sleep(delay).await;
        }
    }

    /// Asks the endpoint once. `etag` is what an earlier answer came with, of which the caller still holds the
    /// document.
    ///
    /// # Errors
    ///
    /// See [`FetchError`]; nothing of a bad answer is used.
    pub async fn fetch_once(&self, etag: Option<&str>) -> Result<Fetched, FetchError> {
        let Settings { keys, clock, .. } = &self.settings;
        fetch::fetch(&self.client, keys, etag, clock.wall()).await
    }

    async fn restore(&self, progress: &mut Progress, publish: &(impl Fn(Arc<RangeSets>) + Sync)) {
        let Settings { url, keys, store, .. } = &self.settings;
        let (store, url, keys) = (store.clone(), url.clone(), keys.clone());
        match tokio::task::spawn_blocking(move || store.load(url.as_str(), &keys)).await {
            Ok(Ok(Some(stored))) => {
                let age = self.age(&stored);
                publish(announce("ranges loaded", &stored.document, age));
                progress.held = Some(Arc::new(stored.document));
            }
            Ok(Ok(None)) => tracing::info!(msg = "no stored ranges"),
            Ok(Err(error)) => tracing::warn!(msg = "stored ranges not used", %error),
            Err(error) => tracing::warn!(msg = "stored ranges not used", %error),
        }
    }

    /// One attempt: fetches, publishes and saves. Gives the time to sleep before the next.
    async fn turn(&self, progress: &mut Progress, publish: &(impl Fn(Arc<RangeSets>) + Sync)) -> Duration {
        let fetched = self.fetch_once(progress.etag.as_deref()).await;
        let outcome = match &fetched {
            Ok(_) => Outcome::Success,
            Err(error) => Outcome::Failure { attempt: progress.failures.saturating_add(1), wait: error.wait() },
        };
        let delay = next_delay(outcome, self.settings.interval, jitter());
        match fetched {
            Ok(Fetched::NotModified) => tracing::info!(msg = "ranges not modified"),
            Ok(Fetched::Document { document, etag }) => {
                publish(announce("ranges updated", &document, Duration::ZERO));
                progress.held = Some(Arc::new(document));
                progress.etag = etag;
            }
            Err(error) => {
                progress.failures = progress.failures.saturating_add(1);
                let kept = progress.held.is_some();
                let (failures, retry_seconds) = (progress.failures, delay.as_secs());
                tracing::warn!(msg = "ranges refresh failed", %error, failures, retry_seconds, kept);
                return delay;
            }
        }
        progress.failures = 0;
        self.save(progress.held.clone()).await;
        delay
    }

    /// Also after a 304: the stored time moves on, and a save that failed before is made up for.
    async fn save(&self, held: Option<Arc<Document>>) {
        let Some(document) = held else { return };
        let Settings { url, store, clock, .. } = &self.settings;
        let (store, url, wall) = (store.clone(), url.clone(), clock.wall());
        match tokio::task::spawn_blocking(move || store.save(url.as_str(), wall, &document)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(msg = "ranges not saved", %error),
            Err(error) => tracing::warn!(msg = "ranges not saved", %error),
        }
    }

    fn age(&self, stored: &Stored) -> Duration {
        self.settings.clock.wall().duration_since(stored.fetched_at).unwrap_or_default()
    }
}

/// Logs what is about to be published, one line for each set.
fn announce(msg: &'static str, document: &Document, age: Duration) -> Arc<RangeSets> {
    let sets = compile(document);
    for (set, ranges) in &sets {
        let prefixes = document.sets.get(set).map_or(0, Vec::len);
        let (addresses, networks) = ranges.coverage();
        let ipv6_networks = u64::try_from(networks).unwrap_or(u64::MAX);
        tracing::info!(msg, set, prefixes, addresses, ipv6_networks, age_seconds = age.as_secs());
    }
    Arc::new(sets)
}

#[cfg(test)]
mod tests;
