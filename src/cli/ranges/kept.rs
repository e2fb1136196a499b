//! The lists that a command is about: those on disk, or without a state folder those that GitHub publishes now.

use crate::cli::range_flags::ListFlags;
use crate::cli::{Outcome, complain};
use crate::clock::{Clock, SystemClock};
use crate::fetch::Answer;
use crate::policy;
use crate::ranges::event::{Event, What};
use crate::ranges::feed::{Feed, INTERVAL, Wanted};
use crate::ranges::github;
use crate::ranges::held::{Held, UnixTime, unix};
use crate::ranges::keeper::{Keeper, MaxAge};
use crate::ranges::list::{Form, Pointer};
use crate::ranges::store::{RefusedList, Store};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The set of a command that names none.
pub(super) const DEFAULT: &str = "actions";

/// Which lists.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The lists, by name; those of GitHub are called by their keys (default: all that are kept, else actions)
    #[arg(long = "set", value_name = "NAME")]
    pub(super) sets: Vec<String>,
    /// The folder in which pushguard serve keeps them; without one, GitHub is asked
    #[arg(long = "state.dir", env = "PUSHGUARD_STATE_DIR", value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) lists: ListFlags,
}

/// One list.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) origin: String,
    /// What is held of it, if anything is.
    pub(super) held: Option<Held>,
    /// What waits to be approved.
    pub(super) refused: Option<RefusedList>,
}

impl Which {
    /// Reads the lists, or says why it cannot.
    pub(super) fn read(&self) -> Result<Vec<Kept>, Outcome> {
        let kept = match &self.state_dir {
            Some(_) => self.on_disk(),
            None => self.as_published(),
        };
        kept.map_err(|message| {
            complain(message);
            Outcome::Undecided
        })
    }

    /// The one list that is asked for, as it is kept, or as it is published now.
    pub(super) fn only(&self, published: bool) -> Result<Kept, String> {
        let name = match self.sets.as_slice() {
            [] => DEFAULT.to_owned(),
            [name] => name.clone(),
            _ => return Err("name one --set".to_owned()),
        };
        if published {
            let one = Self { sets: vec![name], state_dir: None, lists: self.lists.clone() };
            return one.as_published()?.pop().ok_or_else(|| "nothing is published".to_owned());
        }
        if self.state_dir.is_none() {
            return Err("name the folder in which it is kept with --state.dir".to_owned());
        }
        self.one(&Store::new(self.state_dir.as_deref()), name)
    }

    fn on_disk(&self) -> Result<Vec<Kept>, String> {
        let store = Store::new(self.state_dir.as_deref());
        let folder = self.state_dir.clone().unwrap_or_default();
        let there = store.names().map_err(|error| format!("{}: {error}", folder.display()))?;
        let names = if self.sets.is_empty() { there.into_iter().collect() } else { self.sets.clone() };
        if names.is_empty() {
            return Err(format!("{}: no address list is kept there", folder.display()));
        }
        names.into_iter().map(|name| self.one(&store, name)).collect()
    }

    fn one(&self, store: &Store, name: String) -> Result<Kept, String> {
        let good = store.good(&name).map_err(|error| error.to_string())?;
        let refused = store.refused(&name).map_err(|error| error.to_string())?;
        let origin = good.as_ref().map(|good| &good.origin).or(refused.as_ref().map(|refused| &refused.origin));
        let Some(origin) = origin.cloned() else { return Err(format!("no list {name:?} is kept")) };
        check_origin(&self.lists, &name, &origin)?;
        Ok(Kept { name, origin, held: good.map(|good| good.held), refused })
    }

    fn as_published(&self) -> Result<Vec<Kept>, String> {
        let names = if self.sets.is_empty() { vec![DEFAULT.to_owned()] } else { self.sets.clone() };
        let feeds = feeds(&self.lists, &names)?;
        let mut keeper = Keeper::new(&feeds, Store::new(None), MaxAge::default());
        for (event, name) in ask(&self.lists, &feeds, &mut keeper)?.iter().zip(&names) {
            if let What::Refused { unfit, .. } = &event.what {
                return Err(format!("{name}: {unfit}"));
            }
        }
        let kept = |set: &crate::ranges::set::Set| Kept {
            name: set.name.clone(),
            origin: set.origin.clone(),
            held: set.held().cloned(),
            refused: None,
        };
        Ok(keeper.sets().map(kept).collect())
    }
}

/// GitHub's feed with those keys.
pub(super) fn feeds(flags: &ListFlags, keys: &[String]) -> Result<Vec<Feed>, String> {
    let wanted = |key: &String| {
        let form = Form::Json(Pointer::key(key.as_str()));
        let known = github::KEYS.contains(&key.as_str());
        let wanted = Wanted { name: key.clone(), form, allow_private: false };
        known.then_some(wanted).ok_or_else(|| format!("{key:?} is no list of GitHub: {}", github::KEYS.join(", ")))
    };
    let github = keys.iter().map(wanted).collect::<Result<_, _>>()?;
    flags.feeds(&policy::Ranges { github, feeds: Vec::new() }, INTERVAL)
}

/// Whether a list of GitHub that is kept came from where the flags say.
pub(super) fn check_origin(flags: &ListFlags, name: &str, origin: &str) -> Result<(), String> {
    if !github::KEYS.contains(&name) {
        return Ok(());
    }
    let feeds = feeds(flags, &[name.to_owned()])?;
    let wanted = feeds.iter().flat_map(|feed| feed.lists.iter().map(|list| feed.origin_of(list))).next();
    if wanted.as_deref() == Some(origin) {
        return Ok(());
    }
    Err(format!("{name} came from {origin}; if that is right, name it with --ranges.github-url"))
}

/// Asks every feed once and gives what it says to the keeper.
pub(super) fn ask(flags: &ListFlags, feeds: &[Feed], keeper: &mut Keeper) -> Result<Vec<Event>, String> {
    let askers = flags.askers(feeds)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let mut events = Vec::new();
    for (index, (asker, feed)) in askers.iter().zip(feeds).enumerate() {
        match runtime.block_on(asker.ask(None, now())) {
            Ok(Answer::Body { bytes, .. }) => events.extend(keeper.offer(index, &bytes, unix(now()))),
            Ok(Answer::NotModified) => {}
            Err(error) => return Err(format!("{}: {error}", feed.name)),
        }
    }
    Ok(events)
}

/// The time now.
pub(super) fn now() -> SystemTime {
    SystemClock::new().wall()
}

/// A time in words.
pub(super) fn time(seconds: UnixTime) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.map_or_else(|| seconds.to_string(), |time| humantime::format_rfc3339_seconds(time).to_string())
}
