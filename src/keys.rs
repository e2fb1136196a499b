//! The signing keys of issuers: fetched, kept on disk, and asked for anew when a token names a key that nobody knows.
//!
//! `discovery` reads the two documents that an issuer publishes, `line` asks one issuer, [`Keys`] runs a line for each
//! issuer of the policy and answers requests that wait for a key. Keys that are held stay until better ones come: an
//! issuer that is away, or publishes nonsense, changes nothing.

mod discovery;
mod line;
mod store;

use crate::auth::token::KeySet;
use crate::clock::Clock;
use crate::metrics::KeyMetrics;
use crate::policy::{IssuerKeys, KeySource, Policy};
use line::{Line, Source};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a request waits for a key.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What all lines share.
pub struct Settings {
    /// The folder that keys are kept in; none: in memory only.
    pub folder: Option<PathBuf>,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
    /// Where is counted what happens.
    pub metrics: KeyMetrics,
    /// Takes over what is known now. It must not block.
    pub publish: Box<dyn Fn(Arc<IssuerKeys>) + Send + Sync>,
    /// How long a request waits for a key at most.
    pub longest_wait: Duration,
}

/// Keeps the keys of all issuers that publish them.
pub struct Keys {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: BTreeMap<Arc<str>, Arc<Line>>,
    known: IssuerKeys,
}

/// Issuers to ask, ready to be asked.
pub struct Lines(Vec<Source>);

impl Keys {
    /// Keeps nothing yet.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self { settings, state: Mutex::default() })
    }

    /// What is to be asked for a policy.
    ///
    /// # Errors
    /// Why an issuer cannot be asked: a mistake of the policy or of the machine.
    pub fn lines(policy: &Policy) -> Result<Lines, String> {
        let published = policy.issuers.iter().filter_map(|(name, issuer)| match &issuer.keys {
            KeySource::Published(published) => Some((name, issuer, published)),
            KeySource::File(_) | KeySource::Missing => None,
        });
        let source = |(name, issuer, published): (&Arc<str>, &Arc<crate::policy::Issuer>, _)| {
            Source::new(name.clone(), &issuer.token.url, published).map_err(|error| format!("issuers.{name}: {error}"))
        };
        published.map(source).collect::<Result<_, _>>().map(Lines)
    }

    /// Asks those issuers from now on, and no others. A line that stays goes on; one that asks otherwise asks at once.
    /// Keys that came from elsewhere are gone before a policy that relies on the new place is taken into use.
    pub fn change(self: &Arc<Self>, lines: Lines) {
        let mut state = self.state.lock();
        let known = state.known.len();
        let mut before = std::mem::take(&mut state.lines);
        let mut started = Vec::new();
        for source in lines.0 {
            let name = source.name.clone();
            let line = match before.remove(&name) {
                Some(line) if line.source.asks_as(&source) => line,
                replaced => {
                    if replaced.as_ref().is_none_or(|line| line.source.origin() != source.origin()) {
                        state.known.remove(&name);
                    }
                    if let Some(line) = replaced {
                        line.stop();
                    }
                    let line = Arc::new(Line::new(source));
                    started.push(line.clone());
                    line
                }
            };
            state.lines.insert(name, line);
        }
        for (name, line) in before {
            line.stop();
            state.known.remove(&name);
            self.settings.metrics.forget(&name);
        }
        if state.known.len() < known {
            (self.settings.publish)(Arc::new(state.known.clone()));
        }
        drop(state);
        for line in started {
            tokio::spawn(line.run(self.clone()));
        }
    }

    /// Has the issuer asked anew, for a key that is not known, and waits for the answer, for a bounded time. It is
    /// asked at most once a minute, whoever wants it, and once for all who want it at one time.
    pub async fn wanted(&self, issuer: &str) {
        let Some(line) = self.state.lock().lines.get(issuer).cloned() else { return };
        let Some(mut answered) = line.want(self.settings.clock.tick()) else { return };
        // Nobody answers a line that was replaced meanwhile; the world is loaded anew all the same.
        let _ = timeout(self.settings.longest_wait, answered.changed()).await;
    }

    /// Takes over the keys of a line, unless another took its place.
    fn publish(&self, line: &Arc<Line>, keys: KeySet) {
        let mut state = self.state.lock();
        if state.lines.get(&line.source.name).is_some_and(|current| Arc::ptr_eq(current, line)) {
            self.settings.metrics.set_known(&line.source.name, keys.len());
            state.known.insert(line.source.name.clone(), Arc::new(keys));
            (self.settings.publish)(Arc::new(state.known.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
