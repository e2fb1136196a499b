//! `pushguard ranges fetch`

use super::kept::{DEFAULT, Which, ask, feeds, now};
use super::show::prefixes;
use crate::cli::{Outcome, complain, random, say};
use crate::config::{Secrets, load};
use crate::ranges::event::{Event, What};
use crate::ranges::feed::{Feed, INTERVAL};
use crate::ranges::held::unix;
use crate::ranges::keeper::{Keeper, MaxAge};
use crate::ranges::store::Store;
use ring::rand::SystemRandom;
use std::path::PathBuf;

/// Fetch lists once and keep them.
#[derive(Debug, clap::Args)]
pub(super) struct Fetch {
    /// Fetch the lists of this policy (default: GitHub's that --set names, else actions)
    #[arg(long = "policy.file", env = "PUSHGUARD_POLICY_FILE", value_name = "FILE", conflicts_with = "sets")]
    policy_file: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

impl Fetch {
    /// What was refused changes nothing of what is held. Approvals are taken first.
    pub(super) fn run(&self) -> Outcome {
        let feeds = match self.feeds() {
            Ok(feeds) => feeds,
            Err((message, outcome)) => {
                complain(message);
                return outcome;
            }
        };
        let mut keeper = Keeper::new(&feeds, Store::new(self.which.state_dir.as_deref()), MaxAge::default());
        let mut events = keeper.load(unix(now()));
        events.extend(keeper.take_approvals(unix(now())));
        let before = tell(&keeper, &events);
        match ask(&self.which.lists, &feeds, &mut keeper) {
            Ok(events) => before.max(tell(&keeper, &events)),
            Err(message) => {
                complain(message);
                Outcome::Undecided
            }
        }
    }

    fn feeds(&self) -> Result<Vec<Feed>, (String, Outcome)> {
        let undecided = |message| (message, Outcome::Undecided);
        let Some(file) = &self.policy_file else {
            let actions = vec![DEFAULT.to_owned()];
            let keys = if self.which.sets.is_empty() { &actions } else { &self.which.sets };
            return feeds(&self.which.lists, keys).map_err(undecided);
        };
        let loaded = load(file, Secrets::Optional, &mut random::decoys(&SystemRandom::new()));
        let policy = loaded.map_err(|problems| (problems.to_string(), Outcome::Invalid))?.policy;
        self.which.lists.feeds(&policy.ranges, INTERVAL).map_err(undecided)
    }
}

/// Prints what happened; the worst of it is the outcome.
fn tell(keeper: &Keeper, events: &[Event]) -> Outcome {
    let mut outcome = Outcome::Ok;
    for Event { set, what } in events {
        let held = keeper.sets().find(|held| held.name == *set).and_then(|held| held.held());
        let count = held.map(|held| prefixes(held.listed.keys())).unwrap_or_default();
        let line = match what {
            What::Updated { added, removed } => format!("{set}: {count} prefixes, {added} added, {removed} removed"),
            What::Confirmed => format!("{set}: {count} prefixes, unchanged"),
            What::Approved => format!("{set}: the refused list was approved"),
            What::Refused { unfit, kept } => {
                outcome = outcome.max(Outcome::Invalid);
                let stays = if *kept { "the old list stays" } else { "there is no older list" };
                let hint = if unfit.approvable() {
                    format!("; pushguard ranges approve {set} lets it in")
                } else {
                    String::new()
                };
                format!("{set}: refused, {stays}: {unfit}{hint}")
            }
            What::NotLoaded { error } | What::ApprovalUnread { error } => {
                complain(format_args!("{set}: {error}"));
                continue;
            }
            What::OtherOrigin { origin } => {
                complain(format_args!("{set}: what is kept came from {origin}; it is not used"));
                continue;
            }
            What::NotSaved { error } => {
                complain(format_args!("{set}: {error}"));
                outcome = Outcome::Undecided;
                continue;
            }
            What::NotStored | What::Loaded { .. } | What::Seeded | What::Ended { .. } | What::Old { .. } => continue,
        };
        if !say(line) {
            outcome = Outcome::Undecided;
        }
    }
    outcome
}
