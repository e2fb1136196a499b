//! What is kept of each set on disk: the held list, the last list that the guard refused, and an operator's approval of
//! it.
//!
//! Files `good-SET.json`, `refused-SET.json` and `approved-SET.json` in the folder `ranges` of the state folder. The
//! running program writes the first two, `pushguard ranges approve` the third.

use super::held::{Held, UnixTime};
use super::prefix::Prefix;
use crate::state::{StateError, StateFile, sha256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const GOOD: &str = "good-";
const REFUSED: &str = "refused-";
const APPROVED: &str = "approved-";
const END: &str = ".json";

/// Where the sets are kept; nowhere without a folder. Blocks on the file system: use it from a thread that may wait.
#[derive(Clone, Debug, Default)]
pub struct Store {
    folder: Option<PathBuf>,
}

/// What is kept of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Good {
    /// Where the list came from; see [`super::feed::Feed::origin_of`].
    pub origin: String,
    /// The set.
    pub held: Held,
}

/// A list that the guard refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedList {
    /// Where it came from.
    pub origin: String,
    /// When it first came.
    pub at: UnixTime,
    /// Why it was refused.
    pub why: String,
    /// Whether an operator can let it in.
    pub approvable: bool,
    /// The list.
    pub prefixes: BTreeSet<Prefix>,
}

/// An operator's word that a refused list is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    digest: String,
}

impl RefusedList {
    /// What an approval is about: this list and no other.
    fn digest(&self) -> String {
        let lines: Vec<String> = self.prefixes.iter().map(|prefix| format!("{prefix}\n")).collect();
        sha256(lines.concat().as_bytes())
    }
}

impl Store {
    /// A store in `DIR/ranges` of the state folder `DIR`. `None` keeps nothing: saving succeeds, loading finds nothing.
    pub fn new(state_folder: Option<&Path>) -> Self {
        Self { folder: state_folder.map(|folder| folder.join("ranges")) }
    }

    /// Whether anything outlives the process.
    pub const fn keeps(&self) -> bool {
        self.folder.is_some()
    }

    fn file(&self, start: &str, set: &str, kind: &'static str) -> Option<StateFile> {
        let folder = self.folder.as_ref()?;
        Some(StateFile::new(folder, format!("{start}{set}{END}"), kind, 1))
    }

    fn good_file(&self, set: &str) -> Option<StateFile> {
        self.file(GOOD, set, "address set")
    }

    fn refused_file(&self, set: &str) -> Option<StateFile> {
        self.file(REFUSED, set, "refused address set")
    }

    fn approval_file(&self, set: &str) -> Option<StateFile> {
        self.file(APPROVED, set, "approval of an address set")
    }

    /// What is kept of a set.
    ///
    /// # Errors
    ///
    /// Any state of the file but a good one or none.
    pub fn good(&self, set: &str) -> Result<Option<Good>, StateError> {
        self.good_file(set).map_or(Ok(None), |file| file.load())
    }

    /// Keeps a set.
    ///
    /// # Errors
    ///
    /// Where the file system refuses; what was kept before stays.
    pub fn save_good(&self, set: &str, good: &Good) -> Result<(), StateError> {
        self.good_file(set).map_or(Ok(()), |file| file.save(good))
    }

    /// The last refused list of a set.
    ///
    /// # Errors
    ///
    /// Any state of the file but a good one or none.
    pub fn refused(&self, set: &str) -> Result<Option<RefusedList>, StateError> {
        self.refused_file(set).map_or(Ok(None), |file| file.load())
    }

    /// Keeps a refused list, for an operator to see.
    ///
    /// # Errors
    ///
    /// Where the file system refuses.
    pub fn save_refused(&self, set: &str, refused: &RefusedList) -> Result<(), StateError> {
        self.refused_file(set).map_or(Ok(()), |file| file.save(refused))
    }

    /// Forgets the refused list of a set and the approval of it.
    ///
    /// # Errors
    ///
    /// Where the file system refuses.
    pub fn forget_refused(&self, set: &str) -> Result<(), StateError> {
        let files = [self.refused_file(set), self.approval_file(set)];
        files.into_iter().flatten().try_for_each(|file| file.remove())
    }

    /// Approves a refused list.
    ///
    /// # Errors
    ///
    /// Where the file system refuses.
    pub fn approve(&self, set: &str, refused: &RefusedList) -> Result<(), StateError> {
        let approval = Approval { digest: refused.digest() };
        self.approval_file(set).map_or(Ok(()), |file| file.save(&approval))
    }

    /// Whether an operator approved this very list.
    ///
    /// # Errors
    ///
    /// Any state of the file but a good one or none.
    pub fn is_approved(&self, set: &str, refused: &RefusedList) -> Result<bool, StateError> {
        let approval: Option<Approval> = self.approval_file(set).map_or(Ok(None), |file| file.load())?;
        Ok(approval.is_some_and(|approval| approval.digest == refused.digest()))
    }

    /// The names of all sets of which a list is kept, good or refused.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read; one that is not there holds nothing.
    pub fn names(&self) -> io::Result<BTreeSet<String>> {
        let Some(folder) = &self.folder else { return Ok(BTreeSet::new()) };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(END));
            let name = name.and_then(|name| name.strip_prefix(GOOD).or_else(|| name.strip_prefix(REFUSED)));
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }
}
