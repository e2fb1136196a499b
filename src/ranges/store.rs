//! Keeps the last good document on disk, so that a restart needs no network.
//!
//! One file, `ranges/github.json` in the state folder, replaced whole: written beside it, synced, renamed, and the
//! folder synced, so that a crash leaves the old file or the new one. What is read back is judged as strictly as what
//! came from the network: a file that is damaged in any way is an error, never a shorter list.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::github::{Document, parse_prefix, shown};

const VERSION: u32 = 1;
const FOLDER: &str = "ranges";
const FILE: &str = "github.json";
const FRESH_FILE: &str = ".github.json.new";
/// Bytes: the largest body that is accepted from the network (2 MiB) stays below this when written out.
const MAX_FILE: u64 = 8 << 20;

/// Where the last good document is kept. Blocks on the file system: call it from a thread that may wait.
#[derive(Clone, Debug, Default)]
pub struct Store {
    folder: Option<PathBuf>,
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
    /// The file is there but cannot be read.
    #[error("cannot read {path}: {source}; check its owner and mode; the ranges are fetched again")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be replaced; the old one, if any, is still there.
    #[error("cannot write {path}: {source}; without it a restart needs the network to know the ranges")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what was once written.
    #[error("{path} is damaged: {why}; it is not used; the ranges are fetched again and replace it")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, escaped and shortened.
        why: String,
    },
    /// The file holds what another address served.
    #[error("{path} holds the ranges of another URL, {found}; it is not used; they are fetched again and replace it")]
    OtherUrl {
        /// The file.
        path: PathBuf,
        /// The URL in the file, escaped and shortened.
        found: String,
    },
    /// The file was written when fewer keys were selected.
    #[error("{path} holds no set {key:?}; it is not used; the ranges are fetched again and replace it")]
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
        Self { folder: state_folder.map(|folder| folder.join(FOLDER)) }
    }

    /// Replaces the kept document. `fetched_at` is kept in whole seconds since 1970.
    ///
    /// # Errors
    ///
    /// `Write` where the file system refuses; the document kept before stays.
    pub fn save(&self, url: &str, fetched_at: SystemTime, document: &Document) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        Record::new(url, fetched_at, document)
            .encode()
            .and_then(|bytes| replace(folder, &bytes))
            .map_err(|source| StoreError::Write { path: folder.join(FILE), source })
    }

    /// The kept document of `url`, reduced to `keys`; `None` where none was ever kept.
    ///
    /// # Errors
    ///
    /// Any other state of the file is an error; nothing of the file is used then.
    pub fn load(&self, url: &str, keys: &BTreeSet<String>) -> Result<Option<Stored>, StoreError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join(FILE);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        let record = match Record::decode(&bytes) {
            Ok(record) => record,
            Err(why) => return Err(StoreError::Corrupt { path, why }),
        };
        record.select(url, keys, path).map(Some)
    }
}

/// The file, as JSON. Sets are sorted and without repetition, so that one content has one form and one checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    url: String,
    /// Seconds since 1970.
    fetched_at: u64,
    sets: BTreeMap<String, Vec<Prefix>>,
    /// SHA-256 of this record with this field empty, in lower-case hexadecimal.
    sha256: String,
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
            version: VERSION,
            url: url.to_owned(),
            fetched_at: fetched_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs()),
            sets: document.sets.iter().map(|(key, prefixes)| (key.clone(), sorted(prefixes))).collect(),
            sha256: String::new(),
        }
    }

    fn encode(mut self) -> io::Result<Vec<u8>> {
        self.sha256 = String::new();
        self.sha256 = hexadecimal(&serde_json::to_vec(&self)?);
        Ok(serde_json::to_vec(&self)?)
    }

    /// Reads what `encode` wrote. The checksum is taken of what was understood, not of the bytes, so nothing that the
    /// reader makes of the file can differ from what the writer meant.
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut record: Self = serde_json::from_slice(bytes).map_err(|error| shown(&error.to_string()))?;
        if record.version != VERSION {
            return Err(format!("version {} is not known", record.version));
        }
        let written = std::mem::take(&mut record.sha256);
        let content = serde_json::to_vec(&record).map_err(|error| shown(&error.to_string()))?;
        if written != hexadecimal(&content) {
            return Err("its checksum does not match".to_owned());
        }
        match record.sets.iter().find(|(_, prefixes)| prefixes.is_empty()) {
            Some((key, _)) => Err(format!("set \"{}\" is empty", shown(key))),
            None => Ok(record),
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
            sets.insert(key.clone(), prefixes.into_iter().map(|Prefix(prefix)| prefix).collect());
        }
        match SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.fetched_at)) {
            Some(fetched_at) => Ok(Stored { document: Document { sets }, fetched_at }),
            None => Err(StoreError::Corrupt { path, why: "its time is out of range".to_owned() }),
        }
    }
}

fn hexadecimal(content: &[u8]) -> String {
    let sum = digest::digest(&digest::SHA256, content);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed would be cut off silently, so the size is checked after reading, not before.
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(bytes)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 8 MiB"))
    }
}

fn replace(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let fresh = folder.join(FRESH_FILE);
    let replaced = write_new(&fresh, bytes).and_then(|()| fs::rename(&fresh, folder.join(FILE)));
    if replaced.is_err() {
        // The first error is the one to report; a leftover is removed by the next save anyway.
        let _ = fs::remove_file(&fresh);
    }
    replaced?;
    File::open(folder)?.sync_all()
}

/// Writes a file that was not there before, so that neither a link nor the mode of an old file is taken over.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
