//! Keeps the last good document on disk, so that a restart needs no network.
//!
//! What is read back is judged as strictly as what came from the network: a file that is damaged in any way is an error,
//! never a shorter list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::github::{Document, parse_prefix};
use crate::shown::shown;
use crate::state::{StateError, StateFile};

/// Where the last good document is kept. Blocks on the file system: call it from a thread that may wait.
#[derive(Clone, Debug, Default)]
pub struct Store {
    file: Option<StateFile>,
}

/// A document as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The sets of the keys that were asked for.
    pub document: Document,
    /// When the source last gave or confirmed it, to the second.
    pub fetched_at: SystemTime,
}

/// Why the kept document could not be read or written. Every text names the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read or written, or is not what was once written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file holds what another address served.
    #[error("{} holds the ranges of another URL, {found}; it is not used", path.display())]
    OtherUrl {
        /// The file.
        path: PathBuf,
        /// The URL in the file, escaped and shortened.
        found: String,
    },
    /// The file was written when fewer keys were selected.
    #[error("{} holds no set {key:?}; it is not used", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The first selected key that it lacks.
        key: String,
    },
}

impl Store {
    /// A store in `DIR/ranges` of the state folder `DIR`, which is created (mode 0700) at the first save. `None` keeps
    /// nothing: `save` succeeds and `load` finds nothing.
    pub fn new(state_folder: Option<PathBuf>) -> Self {
        let file = |folder: PathBuf| StateFile::new(&folder.join("ranges"), "github.json", "ranges", 1);
        Self { file: state_folder.map(file) }
    }

    /// Replaces the kept document. `fetched_at` is kept in whole seconds since 1970.
    ///
    /// # Errors
    ///
    /// Where the file system refuses; the document kept before stays.
    pub fn save(&self, url: &str, fetched_at: SystemTime, document: &Document) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        Ok(file.save(&Record::new(url, fetched_at, document))?)
    }

    /// The kept document of `url`, reduced to `keys`; `None` where none was ever kept.
    ///
    /// # Errors
    ///
    /// Any other state of the file is an error; nothing of the file is used then.
    pub fn load(&self, url: &str, keys: &BTreeSet<String>) -> Result<Option<Stored>, StoreError> {
        let Some(file) = &self.file else { return Ok(None) };
        let record: Option<Record> = file.load()?;
        record.map(|record| record.select(url, keys, file.path())).transpose()
    }
}

/// The content of the file. Sets are sorted and without repetition.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    url: String,
    /// Seconds since 1970.
    fetched_at: u64,
    sets: BTreeMap<String, Vec<Prefix>>,
}

/// A prefix as the text that GitHub uses too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix(IpNet);

impl Serialize for Prefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_prefix(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Record {
    fn new(url: &str, fetched_at: SystemTime, document: &Document) -> Self {
        let sorted = |prefixes: &[IpNet]| {
            let unique: BTreeSet<Prefix> = prefixes.iter().map(|prefix| Prefix(prefix.trunc())).collect();
            unique.into_iter().collect()
        };
        Self {
            url: url.to_owned(),
            fetched_at: fetched_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs()),
            sets: document.sets.iter().map(|(key, prefixes)| (key.clone(), sorted(prefixes))).collect(),
        }
    }

    fn select(mut self, url: &str, keys: &BTreeSet<String>, path: PathBuf) -> Result<Stored, StoreError> {
        if self.url != url {
            return Err(StoreError::OtherUrl { path, found: shown(&self.url) });
        }
        let mut sets = BTreeMap::new();
        for key in keys {
            let Some(prefixes) = self.sets.remove(key) else {
                return Err(StoreError::MissingKey { path, key: key.clone() });
            };
            if prefixes.is_empty() {
                return Err(StateError::Damaged { path, why: format!("set {key:?} is empty") }.into());
            }
            sets.insert(key.clone(), prefixes.into_iter().map(|Prefix(prefix)| prefix).collect());
        }
        match SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.fetched_at)) {
            Some(fetched_at) => Ok(Stored { document: Document { sets }, fetched_at }),
            None => Err(StateError::Damaged { path, why: "its time is out of range".to_owned() }.into()),
        }
    }
}

#[cfg(test)]
mod tests;
