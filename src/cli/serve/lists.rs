//! The address lists of the policy that is served.

use crate::cli::range_flags::{AgeFlags, ListFlags};
use crate::live::Live;
use crate::policy::Policy;
use crate::ranges::Lines;
use crate::ranges::refresh::{Change, Refresher, Settings};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot, watch};

/// Keeps the lists of the policy in use.
pub(super) struct Lists {
    flags: ListFlags,
    interval: Duration,
    changes: mpsc::Sender<Change>,
    live: Arc<Live>,
}

/// Waits for the lists of the first policy.
pub(super) struct Arrival {
    wanted: BTreeSet<String>,
    there: watch::Receiver<BTreeSet<String>>,
    most: Duration,
}

impl Lists {
    /// Starts to fetch the lists of a policy.
    pub(super) fn start(
        (flags, age): (&ListFlags, &AgeFlags),
        policy: &Policy,
        settings: Settings,
        live: Arc<Live>,
    ) -> Result<(Self, Arrival), String> {
        let (changes, receiver) = mpsc::channel(1);
        let lists = Self { flags: flags.clone(), interval: age.interval(), changes, live: live.clone() };
        let lines = lists.lines(policy)?;
        let wanted = lines.sets().map(str::to_owned).collect();
        let (sender, there) = watch::channel(BTreeSet::new());
        let refresher = Refresher::new(lines, settings);
        tokio::spawn(refresher.run(receiver, move |sets| {
            let names = sets.keys().cloned().collect();
            live.publish_sets(sets);
            sender.send_replace(names);
        }));
        Ok((lists, Arrival { wanted, there, most: age.ready_timeout }))
    }

    /// Lines to the lists of a policy.
    pub(super) fn lines(&self, policy: &Policy) -> Result<Lines, String> {
        self.flags.lines(self.flags.feeds(&policy.ranges, self.interval)?)
    }

    /// Takes a policy into use and keeps its lists from then on; answers its generation. Who publishes lists does it,
    /// so that none of those before comes behind the policy.
    pub(super) async fn change(&self, policy: Policy, lines: Lines) -> Result<u64, String> {
        let (live, (published, generation)) = (self.live.clone(), oneshot::channel());
        let adopt = Box::new(move || {
            // Who asked waits for it.
            let _ = published.send(live.publish_policy(policy));
        });
        if let Err(SendError((_, adopt))) = self.changes.send((lines, adopt)).await {
            adopt();
        }
        generation.await.map_err(|_| "the address lists are no longer kept; restart".to_owned())
    }
}

impl Arrival {
    /// Waits until every list is there, or long enough: who needs none of them must not wait for ever.
    pub(super) async fn wait(mut self) {
        let all = self.there.wait_for(|there| self.wanted.is_subset(there));
        if tokio::time::timeout(self.most, all).await.is_ok() {
            return;
        }
        let there = self.there.borrow().clone();
        let missing: Vec<&str> = self.wanted.difference(&there).map(String::as_str).collect();
        tracing::warn!(
            msg = "ready without address lists",
            missing = missing.join(","),
            detail = "those whom only they admit are refused with ranges_unavailable until they are there",
        );
    }
}

/// Says what an address list is not.
pub(super) fn warn(policy: &Policy) {
    let published = policy.ranges.github.iter().map(|list| list.name.as_str());
    let names: Vec<&str> = published.collect();
    if !names.is_empty() {
        tracing::warn!(
            msg = "an address list is no identity",
            sets = names.join(","),
            detail = "GitHub's list covers about half of a public cloud, and not all of GitHub: use it beside a \
                      credential, never instead",
        );
    }
}
