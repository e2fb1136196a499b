//! Files that outlive the process: whole or not at all, and never believed when damaged.
//!
//! A file is two lines of JSON: what it is and the SHA-256 of the second line, then the content. It is replaced whole:
//! written beside its place, synced, renamed, and the folder synced, so that a crash at any moment leaves the old file
//! or the new one.

use crate::shown::shown;
use ring::digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a file that is read.
const MAX_FILE: u64 = 16 << 20;

/// A place on disk for one value. Blocks on the file system: use it from a thread that may wait.
#[derive(Clone, Debug)]
pub struct StateFile {
    folder: PathBuf,
    name: String,
    kind: &'static str,
    version: u32,
}

/// Why a file could not be read or written. Every text names the file.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file is there but cannot be read.
    #[error("cannot read {}: {source}; check its owner and mode", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be replaced or removed; the old one, if any, is still there.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what was once written.
    #[error("{} is damaged: {why}; it is not used", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, escaped and shortened.
        why: String,
    },
    /// The file was written by another version of this program.
    #[error("{} has format {found}, this program reads {wanted}; it is not used", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The format that is known.
        wanted: u32,
    },
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    kind: String,
    format: u32,
    sha256: String,
}

/// How far a replacement has come. A test stops it at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    FolderMade,
    Opened,
    HalfWritten,
    Written,
    Synced,
    Renamed,
    FolderSynced,
}

impl StateFile {
    /// The file `name` in `folder`, which is created (mode 0700) at the first save. `kind` and `version` say what its
    /// content is; anything else is not read.
    pub fn new(folder: &Path, name: impl Into<String>, kind: &'static str, version: u32) -> Self {
        Self { folder: folder.to_owned(), name: name.into(), kind, version }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Replaces the file.
    ///
    /// # Errors
    ///
    /// `Write` where the file system refuses; the file that was there before stays.
    pub fn save(&self, content: &impl Serialize) -> Result<(), StateError> {
        self.save_stepwise(content, &mut |_| {})
    }

    fn save_stepwise(&self, content: &impl Serialize, at: &mut dyn FnMut(Step)) -> Result<(), StateError> {
        let encoded = self.encode(content).map_err(io::Error::from);
        encoded
            .and_then(|bytes| replace(&self.folder, &self.name, &bytes, at))
            .map_err(|source| StateError::Write { path: self.path(), source })
    }

    /// What the file holds; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Any other state of the file is an error; nothing of it is used then.
    pub fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, StateError> {
        match read(&self.path()) {
            Ok(bytes) => self.decode(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Read { path: self.path(), source }),
        }
    }

    /// Removes the file, where there is one.
    ///
    /// # Errors
    ///
    /// `Write` where the file system refuses.
    pub fn remove(&self) -> Result<(), StateError> {
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| StateError::Write { path: self.path(), source }),
        }
    }

    fn encode(&self, content: &impl Serialize) -> serde_json::Result<Vec<u8>> {
        let content = serde_json::to_vec(content)?;
        let mut bytes = self.label(&content)?;
        bytes.extend_from_slice(&content);
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn label(&self, content: &[u8]) -> serde_json::Result<Vec<u8>> {
        let label = Label { kind: self.kind.to_owned(), format: self.version, sha256: sha256(content) };
        let mut line = serde_json::to_vec(&label)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Version` for everything that `save` did not write, to the last bit.
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, StateError> {
        let damaged = |why: &str| StateError::Damaged { path: self.path(), why: shown(why) };
        let split = bytes.iter().position(|byte| *byte == b'\n').map(|at| bytes.split_at(at + 1));
        let (line, rest) = split.ok_or_else(|| damaged("it has no second line"))?;
        let label: Label = serde_json::from_slice(line).map_err(|error| damaged(&error.to_string()))?;
        if label.kind != self.kind {
            return Err(damaged(&format!("it holds {}, not {}", label.kind, self.kind)));
        }
        if label.format != self.version {
            return Err(StateError::Version { path: self.path(), found: label.format, wanted: self.version });
        }
        let content = rest.strip_suffix(b"\n").ok_or_else(|| damaged("its end is missing"))?;
        // The whole line, not only its sum: one content has one spelling.
        if self.label(content).map_err(|error| damaged(&error.to_string()))? != line {
            return Err(damaged("its checksum does not match"));
        }
        serde_json::from_slice(content).map_err(|error| damaged(&error.to_string()))
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(content: &[u8]) -> String {
    let sum = digest::digest(&digest::SHA256, content);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed would be cut off silently, so the size is checked after reading, not before.
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(bytes)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB"))
    }
}

fn replace(folder: &Path, name: &str, bytes: &[u8], at: &mut dyn FnMut(Step)) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    at(Step::FolderMade);
    // Of this process alone: another that writes the same file must not find its own half in place.
    let fresh = folder.join(format!(".{name}.{}.new", std::process::id()));
    let replaced = write_new(&fresh, bytes, at).and_then(|()| fs::rename(&fresh, folder.join(name)));
    if replaced.is_err() {
        // The first error is the one to report; a leftover is removed by the next save anyway.
        let _ = fs::remove_file(&fresh);
    }
    replaced?;
    at(Step::Renamed);
    File::open(folder)?.sync_all()?;
    at(Step::FolderSynced);
    Ok(())
}

/// Writes a file that was not there before, so that neither a link nor the mode of an old file is taken over.
fn write_new(path: &Path, bytes: &[u8], at: &mut dyn FnMut(Step)) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    at(Step::Opened);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    at(Step::HalfWritten);
    file.write_all(second)?;
    at(Step::Written);
    file.sync_all()?;
    at(Step::Synced);
    Ok(())
}

#[cfg(test)]
mod tests;
