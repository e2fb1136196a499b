//! `pushguard ranges approve`

use super::kept::{check_origin, time};
use super::show::prefixes;
use crate::cli::range_flags::ListFlags;
use crate::cli::{Outcome, complain, say};
use crate::ranges::store::Store;
use std::path::PathBuf;

/// Let in a list that the guard refused.
#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    /// The list
    #[arg(value_name = "NAME")]
    set: String,
    /// The folder in which pushguard serve keeps it
    #[arg(long = "state.dir", env = "PUSHGUARD_STATE_DIR", value_name = "DIR")]
    state_dir: PathBuf,
    #[command(flatten)]
    lists: ListFlags,
}

impl Approve {
    /// Of exactly the list that was refused last: another one needs another approval.
    pub(super) fn run(&self) -> Outcome {
        let (store, set) = (Store::new(Some(&self.state_dir)), &self.set);
        let refused = match store.refused(set) {
            Ok(Some(refused)) => refused,
            Ok(None) => {
                complain(format_args!("no list {set:?} waits for an approval in {}", self.state_dir.display()));
                return Outcome::Invalid;
            }
            Err(error) => {
                complain(error);
                return Outcome::Undecided;
            }
        };
        if let Err(message) = check_origin(&self.lists, set, &refused.origin) {
            complain(message);
            return Outcome::Undecided;
        }
        let what =
            format!("{set}: {} prefixes of {}: {}", prefixes(refused.prefixes.iter()), time(refused.at), refused.why);
        if !refused.approvable {
            complain(format_args!("{what}; this cannot be approved"));
            return Outcome::Invalid;
        }
        if let Err(error) = store.approve(set, &refused) {
            complain(error);
            return Outcome::Undecided;
        }
        if say(format_args!("{what}\napproved")) { Outcome::Ok } else { Outcome::Undecided }
    }
}
