//! Keeps the sets current: takes over what is on disk, asks every feed at once, then again and again.
//!
//! A feed that fails or publishes nonsense changes nothing but the time of the next attempt. A list that is a month old
//! is still 99 % right, so keeping it costs nothing, while dropping it would turn every failure of the network into
//! refused pushes.

use super::RangeSets;
use super::ask::read_file;
use super::event::{Event, What};
use super::github;
use super::held::{UnixTime, unix};
use super::keeper::{Keeper, MaxAge};
use super::line::{Line, Lines, Said};
use super::report::Report;
use super::store::Store;
use crate::clock::Clock;
use crate::metrics::RangeMetrics;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often it looks whether something is due, was approved, or grew old.
const PULSE: Duration = Duration::from_secs(1);
/// The same while an answer is on its way.
const BUSY_PULSE: Duration = Duration::from_millis(20);

/// Lines that take the place of all others, and what takes the policy that wants them into use.
pub type Change = (Lines, Box<dyn FnOnce() + Send>);

/// What all sets are kept with.
pub struct Settings {
    /// Where they are kept.
    pub store: Store,
    /// A meta document of GitHub, for sets of which nothing is kept.
    pub seed_file: Option<PathBuf>,
    /// How long a source may be silent.
    pub max_age: MaxAge,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
    /// Where is counted what happens.
    pub metrics: RangeMetrics,
}

/// Keeps the sets of all feeds current.
pub struct Refresher {
    settings: Settings,
    lines: Vec<Line>,
    keeper: Arc<Mutex<Keeper>>,
    report: Report,
    published: RangeSets,
}

impl Refresher {
    /// Keeps the sets of those lines.
    pub fn new(lines: Lines, settings: Settings) -> Self {
        let keeper = Keeper::new(&feeds(&lines), settings.store.clone(), settings.max_age);
        Self {
            keeper: Arc::new(Mutex::new(keeper)),
            lines: lines.0,
            report: Report { metrics: settings.metrics.clone() },
            published: RangeSets::new(),
            settings,
        }
    }

    /// Publishes what is kept, asks at once and from then on periodically; ends only by being dropped.
    ///
    /// `publish` is called with the whole map each time that it changes, and must not block. A set that is missing in it
    /// is not known; none in it is empty. What comes through `changes` takes the place of all lines; what is held of sets
    /// that stay is kept, and of the others nothing is published once the policy of the change is in use.
    pub async fn run(mut self, mut changes: mpsc::Receiver<Change>, publish: impl Fn(Arc<RangeSets>) + Send + Sync) {
        self.load().await;
        loop {
            self.round(&publish).await;
            let pulse = if self.lines.iter().any(Line::is_busy) { BUSY_PULSE } else { PULSE };
            tokio::select! {
                Some((lines, adopt)) = changes.recv() => {
                    adopt();
                    self.change(lines).await;
                }
                () = tokio::time::sleep(pulse) => {}
            }
        }
    }

    /// Takes over what is kept on disk, or else the seed file.
    async fn load(&mut self) {
        let now = self.now();
        self.tell(move |keeper| keeper.load(now)).await;
        let github = self.lines.iter().position(|line| line.feed.name == github::NAME);
        let (Some(file), Some(feed)) = (self.settings.seed_file.clone(), github) else { return };
        self.tell(move |keeper| if keeper.holds(feed) { Vec::new() } else { seed(keeper, feed, &file, now) }).await;
    }

    async fn change(&mut self, lines: Lines) {
        let gone = self.keeper.lock().change(&feeds(&lines));
        self.report.forget(&gone);
        if !gone.is_empty() {
            // The policy was taken into use without them: one that is on disk, and good by its new rules, must come anew.
            self.published.clear();
        }
        let mut before = std::mem::take(&mut self.lines);
        // A feed that stays is asked when it is due, not at each change of the policy.
        let keep = |line: Line| {
            let same = before.iter().position(|old| old.feed == line.feed);
            same.map_or(line, |at| before.swap_remove(at))
        };
        self.lines = lines.0.into_iter().map(keep).collect();
        self.load().await;
    }

    /// Looks once at everything.
    async fn round(&mut self, publish: &(impl Fn(Arc<RangeSets>) + Sync)) {
        for index in 0..self.lines.len() {
            self.hear(index).await;
            let clock = &self.settings.clock;
            if let Some(line) = self.lines.get_mut(index) {
                line.ask_if_due(clock.tick(), clock.wall());
            }
        }
        let now = self.now();
        if self.keeper.lock().waits_for_approval() {
            self.tell(move |keeper| keeper.take_approvals(now)).await;
        }
        let mut keeper = self.keeper.lock();
        let events = keeper.pass(now);
        self.report.events(&keeper, &events, now);
        self.report.gauges(&keeper, now);
        let served = keeper.served(now);
        drop(keeper);
        if served != self.published {
            self.published = served;
            publish(Arc::new(self.published.clone()));
        }
    }

    /// Takes what a feed has answered meanwhile.
    async fn hear(&mut self, index: usize) {
        let (now, tick) = (self.now(), self.settings.clock.tick());
        let holds = self.keeper.lock().holds(index);
        let Some(line) = self.lines.get_mut(index).filter(|line| line.is_busy()) else { return };
        let said = line.hear(holds).await;
        if line.is_busy() {
            return;
        }
        let good = match said {
            Said::Nothing => return line.pause(tick),
            Said::Error(error) => {
                let (retry, new) = line.failed(&error, tick);
                if new {
                    self.report.fetch_failed(&line.feed.name, &error, line.failures, retry, holds);
                }
                return;
            }
            Said::Same { not_modified } => {
                if not_modified {
                    self.report.not_modified(&line.feed.name);
                }
                self.tell(move |keeper| keeper.confirm(index, now)).await
            }
            Said::Document(bytes) => self.tell(move |keeper| keeper.offer(index, &bytes, now)).await,
        };
        if let Some(line) = self.lines.get_mut(index) {
            line.judged(good, tick);
        }
    }

    /// Does what may wait for the disk, tells what came of it, and answers whether nothing was refused.
    async fn tell(&self, work: impl FnOnce(&mut Keeper) -> Vec<Event> + Send + 'static) -> bool {
        let keeper = Arc::clone(&self.keeper);
        match tokio::task::spawn_blocking(move || work(&mut keeper.lock())).await {
            Ok(events) => {
                self.report.events(&self.keeper.lock(), &events, self.now());
                !events.iter().any(|event| matches!(event.what, What::Refused { .. }))
            }
            Err(error) => {
                tracing::error!(msg = "ranges not kept", %error);
                false
            }
        }
    }

    fn now(&self) -> UnixTime {
        unix(self.settings.clock.wall())
    }
}

fn feeds(lines: &Lines) -> Vec<super::feed::Feed> {
    lines.0.iter().map(|line| line.feed.clone()).collect()
}

/// Takes the sets that GitHub's feed lacks from a file; it is as old as the file.
fn seed(keeper: &mut Keeper, feed: usize, file: &Path, now: UnixTime) -> Vec<Event> {
    let written = std::fs::metadata(file).and_then(|metadata| metadata.modified()).map_or(0, unix);
    match read_file(file) {
        Ok(document) => keeper.seed(feed, &document, written, now),
        Err(error) => {
            let error = format!("the seed file {}: {error}", file.display());
            vec![Event { set: github::NAME.to_owned(), what: What::NotLoaded { error } }]
        }
    }
}

#[cfg(test)]
mod tests;
