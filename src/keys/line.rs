//! One issuer: when it is asked, and what is made of its answer.

use super::discovery::{self, DiscoveryError};
use super::{Keys, store};
use crate::auth::token::{KeySet, KeySetError, MAX_KEY_SET_BYTES};
use crate::clock::{Clock, Tick};
use crate::fetch::{
    Answer, Ask, Client, ClientSettings, FetchError, Outcome, SetupError, Timeouts, Url, check_url, jitter, next_delay,
};
use crate::policy::Published;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Notify, watch};

/// Time between two good answers, ±10 %.
const INTERVAL: Duration = Duration::from_secs(30 * 60);
/// The shortest time between two times that it is asked because a key is not known.
const COOL_DOWN: Duration = Duration::from_secs(60);
/// A request waits for the answer, so it may not take long.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(3), total: Duration::from_secs(8) };

/// Whom to ask, and how.
#[derive(Clone)]
pub(super) struct Source {
    /// The issuer's name in the policy.
    pub(super) name: Arc<str>,
    issuer: String,
    published: Published,
    /// Asks for the keys, where the policy says where they are, or else for what says it.
    first: Client,
}

/// Why there are no new keys.
#[derive(Debug, Error)]
enum AskError {
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    Discovery(#[from] DiscoveryError),
    #[error("{0}")]
    Setup(#[from] SetupError),
    #[error("{0}")]
    Keys(#[from] KeySetError),
    #[error("an answer that stands for nothing")]
    NotModified,
}

impl AskError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.kind(),
            Self::Discovery(_) => "discovery",
            Self::Keys(_) => "keys",
            Self::Setup(_) | Self::NotModified => "other",
        }
    }
}

impl Source {
    pub(super) fn new(name: Arc<str>, issuer: &str, published: &Published) -> Result<Self, SetupError> {
        let url = match &published.jwks_url {
            Some(url) => check_url(url)?,
            None => discovery::url(issuer)?,
        };
        let first = Client::new(settings(url, published))?;
        Ok(Self { name, issuer: issuer.to_owned(), published: published.clone(), first })
    }

    /// Whether it asks the same in the same way.
    pub(super) fn asks_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.published == other.published
    }

    /// What keys that are held or on disk must have come from.
    pub(super) fn origin(&self) -> String {
        format!("{} by {}", self.issuer, self.first.url())
    }

    async fn ask(&self, clock: &dyn Clock) -> Result<(String, KeySet), AskError> {
        let keys = if self.published.jwks_url.is_some() {
            get(&self.first, MAX_KEY_SET_BYTES, clock).await?
        } else {
            let document = get(&self.first, discovery::MAX_BYTES, clock).await?;
            let url = discovery::keys_url(&document, &self.issuer, self.first.url())?;
            get(&Client::new(settings(url, &self.published))?, MAX_KEY_SET_BYTES, clock).await?
        };
        let set = KeySet::parse(&keys)?;
        Ok((String::from_utf8(keys).map_err(|_| KeySetError::Shape)?, set))
    }
}

fn settings(url: Url, published: &Published) -> ClientSettings {
    let Published { ca_file, bearer_file, .. } = published.clone();
    ClientSettings { ca_file, token_file: bearer_file, timeouts: TIMEOUTS, ..ClientSettings::new(url) }
}

async fn get(client: &Client, max_bytes: usize, clock: &dyn Clock) -> Result<Vec<u8>, AskError> {
    let ask = Ask { accept: "application/json", headers: &[], etag: None, max_bytes };
    match client.get(ask, clock.wall()).await? {
        Answer::Body { bytes, .. } => Ok(bytes),
        Answer::NotModified => Err(AskError::NotModified),
    }
}

/// An issuer that is asked.
pub(super) struct Line {
    pub(super) source: Source,
    asked: Mutex<Asked>,
    wake: Notify,
    /// Counts the answers, good or bad.
    answers: watch::Sender<u64>,
}

struct Asked {
    /// When it was asked last.
    at: Option<Tick>,
    /// Whether an answer is on its way; at first it is.
    busy: bool,
    stopped: bool,
}

impl Line {
    pub(super) fn new(source: Source) -> Self {
        let asked = Asked { at: None, busy: true, stopped: false };
        Self { source, asked: Mutex::new(asked), wake: Notify::new(), answers: watch::Sender::new(0) }
    }

    /// Ends its task.
    pub(super) fn stop(&self) {
        self.asked.lock().stopped = true;
        self.wake.notify_one();
    }

    /// Asks, unless it was asked less than a minute ago; tells where to wait for the answer, if one is on its way.
    pub(super) fn want(&self, now: Tick) -> Option<watch::Receiver<u64>> {
        let mut asked = self.asked.lock();
        // Before the answer can come.
        let answered = self.answers.subscribe();
        if asked.busy {
            return Some(answered);
        }
        if asked.at.is_some_and(|at| now.since(at) < COOL_DOWN) {
            return None;
        }
        asked.busy = true;
        self.wake.notify_one();
        Some(answered)
    }

    /// Takes over what is on disk, then asks at once and from then on when it is due or wanted; ends when stopped.
    pub(super) async fn run(self: Arc<Self>, keys: Arc<Keys>) {
        self.load(&keys).await;
        let mut failures = 0;
        while !self.asked.lock().stopped {
            let delay = self.turn(&keys, &mut failures).await;
            self.until_due_or_wanted(delay).await;
        }
    }

    async fn until_due_or_wanted(&self, delay: Duration) {
        let mut due = std::pin::pin!(tokio::time::sleep(delay));
        loop {
            tokio::select! {
                () = &mut due => return self.asked.lock().busy = true,
                () = self.wake.notified() => {
                    let asked = self.asked.lock();
                    // Else what was wanted has been answered already.
                    if asked.busy || asked.stopped {
                        return;
                    }
                }
            }
        }
    }

    async fn load(self: &Arc<Self>, keys: &Keys) {
        let Some(folder) = keys.settings.folder.clone() else { return };
        let (name, origin, now) = (self.source.name.clone(), self.source.origin(), keys.settings.clock.wall());
        match tokio::task::spawn_blocking(move || store::load(&folder, &name, &origin, now)).await {
            Ok(Ok(Some(set))) => {
                tracing::info!(msg = "keys loaded", issuer = &*self.source.name, keys = set.len());
                keys.publish(self, set);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(msg = "stored keys not used", issuer = &*self.source.name, %error),
            Err(error) => tracing::warn!(msg = "stored keys not used", issuer = &*self.source.name, %error),
        }
    }

    /// Asks once and tells those who wait; answers when to ask again.
    async fn turn(self: &Arc<Self>, keys: &Keys, failures: &mut u32) -> Duration {
        let clock = &*keys.settings.clock;
        self.asked.lock().at = Some(clock.tick());
        let answer = self.source.ask(clock).await;
        let name = &*self.source.name;
        let outcome = match answer {
            Ok((text, set)) => {
                *failures = 0;
                tracing::info!(msg = "keys fetched", issuer = name, keys = set.len());
                keys.settings.metrics.fetched(name, clock.wall());
                keys.publish(self, set);
                self.tell();
                self.save(keys, text).await;
                Outcome::Success
            }
            Err(error) => {
                *failures = failures.saturating_add(1);
                tracing::warn!(msg = "keys not fetched", issuer = name, %error, failures = *failures,
                    detail = "those that are held stay");
                keys.settings.metrics.failed(name, error.kind());
                self.tell();
                let wait = if let AskError::Fetch(error) = &error { error.wait() } else { None };
                Outcome::Failure { attempt: *failures, wait }
            }
        };
        next_delay(outcome, INTERVAL, jitter())
    }

    fn tell(&self) {
        self.asked.lock().busy = false;
        self.answers.send_modify(|answers| *answers += 1);
    }

    async fn save(&self, keys: &Keys, text: String) {
        let Some(folder) = keys.settings.folder.clone() else { return };
        let (name, origin, now) = (self.source.name.clone(), self.source.origin(), keys.settings.clock.wall());
        match tokio::task::spawn_blocking(move || store::save(&folder, &name, &origin, text, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(msg = "keys not kept", issuer = &*self.source.name, %error),
            Err(error) => tracing::warn!(msg = "keys not kept", issuer = &*self.source.name, %error),
        }
    }
}
