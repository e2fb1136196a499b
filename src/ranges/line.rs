//! The line to one feed: what is asked next, when, and what came.

use super::ask::{AskError, Asker};
use super::feed::{Feed, Origin};
use crate::clock::Tick;
use crate::fetch::{Answer, Outcome, SetupError, Timeouts, jitter, next_delay};
use crate::state::sha256;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;

/// How often a file on this machine is read.
const FILE_INTERVAL: Duration = Duration::from_secs(5);
/// A file that has just changed is read again after this time, before it is believed: writers need a moment, and half of
/// a list may be a list too.
const SETTLING: Duration = Duration::from_secs(1);

/// All lines of one policy.
#[derive(Debug)]
pub struct Lines(pub(super) Vec<Line>);

impl Lines {
    /// Lines to those feeds, verified with the certificates of `ca_file` too.
    ///
    /// # Errors
    ///
    /// The first feed that cannot be asked, and why.
    pub fn new(feeds: Vec<Feed>, ca_file: Option<&Path>) -> Result<Self, SetupError> {
        Self::patient(feeds, ca_file, Timeouts::default())
    }

    pub(super) fn patient(feeds: Vec<Feed>, ca_file: Option<&Path>, timeouts: Timeouts) -> Result<Self, SetupError> {
        feeds.into_iter().map(|feed| Line::new(feed, ca_file, timeouts)).collect::<Result<_, _>>().map(Self)
    }

    /// The names of all sets.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|line| line.feed.lists.iter().map(|list| list.name.as_str()))
    }
}

/// One feed.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) feed: Feed,
    asker: Asker,
    due: Tick,
    pub(super) failures: u32,
    etag: Option<String>,
    running: Option<JoinHandle<Result<Answer, AskError>>>,
    file: Seen,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct Seen {
    /// Of the content that was read last.
    last: Option<String>,
    /// Of the content that was given on last, and whether it was good.
    given: Option<(String, bool)>,
    error: Option<String>,
}

/// What a feed says.
#[derive(Debug)]
pub(super) enum Said {
    /// Nothing that matters.
    Nothing,
    /// What is held is still right; on the network, in so many words.
    Same { not_modified: bool },
    /// A document to be judged.
    Document(Vec<u8>),
    /// Nothing, and why.
    Error(AskError),
}

impl Line {
    fn new(feed: Feed, ca_file: Option<&Path>, timeouts: Timeouts) -> Result<Self, SetupError> {
        let asker = Asker::new(&feed, ca_file, timeouts)?;
        let (due, failures) = (Tick::default(), 0);
        Ok(Self { feed, asker, due, failures, etag: None, running: None, file: Seen::default() })
    }

    const fn is_file(&self) -> bool {
        matches!(self.feed.origin, Origin::File(_))
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Asks if it is time to, and if nothing is on its way already.
    pub(super) fn ask_if_due(&mut self, now: Tick, wall: SystemTime) {
        if self.running.is_none() && self.due <= now {
            let (asker, etag) = (self.asker.clone(), self.etag.clone());
            self.running = Some(tokio::spawn(async move { asker.ask(etag.as_deref(), wall).await }));
        }
    }

    /// What came since it was asked. `holds`: whether all of its sets are held.
    pub(super) async fn hear(&mut self, holds: bool) -> Said {
        let Some(running) = self.running.take_if(|running| running.is_finished()) else { return Said::Nothing };
        match running.await {
            Ok(Ok(Answer::NotModified)) => Said::Same { not_modified: true },
            Ok(Ok(Answer::Body { bytes, .. })) if self.is_file() => self.file.read(bytes, holds),
            Ok(Ok(Answer::Body { bytes, etag })) => {
                self.etag = etag;
                Said::Document(bytes)
            }
            Ok(Err(error)) => Said::Error(error),
            Err(error) => Said::Error(AskError::File { path: self.feed.name.clone().into(), why: error.to_string() }),
        }
    }

    /// Notes how the document was judged, and gives the time to the next.
    pub(super) fn judged(&mut self, good: bool, now: Tick) -> Duration {
        if let Some((_, was_good)) = &mut self.file.given {
            *was_good = good;
        }
        if !good {
            // The next answer must bring the document again.
            self.etag = None;
        }
        self.next(good, None, now)
    }

    /// Notes a failure; gives the time to the next attempt, and whether it is worth saying.
    pub(super) fn failed(&mut self, error: &AskError, now: Tick) -> (Duration, bool) {
        let text = error.to_string();
        let said = self.file.error.replace(text.clone()).is_some_and(|said| said == text);
        (self.next(false, error.wait(), now), !(said && self.is_file()))
    }

    /// Notes that there was nothing to judge.
    pub(super) fn pause(&mut self, now: Tick) {
        self.due = now.plus(SETTLING);
    }

    fn next(&mut self, good: bool, wait: Option<Duration>, now: Tick) -> Duration {
        self.failures = if good { 0 } else { self.failures.saturating_add(1) };
        let outcome = if good { Outcome::Success } else { Outcome::Failure { attempt: self.failures, wait } };
        let delay = if self.is_file() { FILE_INTERVAL } else { next_delay(outcome, self.feed.interval, jitter()) };
        self.due = now.plus(delay);
        delay
    }
}

impl Seen {
    fn read(&mut self, bytes: Vec<u8>, holds: bool) -> Said {
        self.error = None;
        let now = sha256(&bytes);
        let settled = self.last.replace(now.clone()).as_ref() == Some(&now);
        match &self.given {
            Some((given, true)) if *given == now => Said::Same { not_modified: false },
            Some((given, false)) if *given == now => Said::Nothing,
            _ if settled || !holds => {
                self.given = Some((now, false));
                Said::Document(bytes)
            }
            _ => Said::Nothing,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
