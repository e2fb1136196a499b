//! The policy file as `serve` takes it: with its secrets, and with an address for every listener that it relies on.

use super::look::Readings;
use super::memory::{Tls, Worst};
use crate::cli::random;
use crate::config::{Fingerprint, Loaded, Problem, Problems, Secrets, load_noting};
use crate::policy::{Limits, Policy};
use crate::ranges::ask::read_file;
use crate::ranges::feed::{Feed, Origin};
use ring::rand::SystemRandom;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Which file, the names of the listeners that are bound, and the room for bodies and passwords.
#[derive(Clone, Debug)]
pub(super) struct PolicyFile {
    pub(super) file: PathBuf,
    pub(super) listeners: Vec<String>,
    pub(super) body_bytes: u64,
    pub(super) limits: Limits,
    /// Whether a listener takes certificates of clients.
    pub(super) asks_clients: bool,
    /// The memory that the process may take, and what listeners speak; none until the start has looked.
    pub(super) memory: Option<(u64, Tls)>,
    /// What came of the last readings.
    pub(super) readings: Arc<Readings>,
}

/// What one reading of the file came to.
pub(super) struct Reading {
    /// The policy, or why it is not taken.
    pub(super) outcome: Result<Loaded, Problems>,
    /// What was read.
    pub(super) watched: Watched,
}

/// The files that make a policy, and what they held when they were read.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    files: BTreeSet<PathBuf>,
    fingerprint: Fingerprint,
}

impl Watched {
    /// What the files hold now. Blocks on the file system.
    pub(super) fn now(&self) -> Self {
        Self { files: self.files.clone(), fingerprint: Fingerprint::of(&self.files) }
    }

    /// Whether they held the same.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl PolicyFile {
    /// Reads it for the first time. Blocks on the file system.
    pub(super) fn read(&self) -> Reading {
        self.read_again(BTreeSet::from([self.file.clone()]), |files| self.load(files, None))
    }

    /// Reads it after `watched`, to take the place of `used`. Blocks on the file system.
    pub(super) fn reread(&self, watched: &Watched, used: &Policy) -> Reading {
        self.read_again(watched.files.clone(), |files| self.load(files, Some(used)))
    }

    /// What the files hold is noted before they are read, so that no change is missed. Which files there are is only
    /// known behind it, so a policy that names others than before is read twice. What changed while it was read may be
    /// half of something, and is left to the next look.
    fn read_again(
        &self,
        mut files: BTreeSet<PathBuf>,
        load: impl Fn(&mut BTreeSet<PathBuf>) -> Result<Loaded, Problems>,
    ) -> Reading {
        loop {
            let fingerprint = Fingerprint::of(&files);
            let mut named = BTreeSet::new();
            let outcome = load(&mut named);
            // A file that a broken policy no longer names may still be the one that mends it.
            let complete = if outcome.is_ok() { named == files } else { named.is_subset(&files) };
            if complete && Fingerprint::of(&files) == fingerprint {
                return Reading { outcome, watched: Watched { files, fingerprint } };
            }
            if complete {
                // That of no file: whatever they hold at the next look was not read.
                let watched = Watched { files, fingerprint: Fingerprint::of(&BTreeSet::new()) };
                return Reading { outcome: outcome.and_then(|_| Err(self.changing())), watched };
            }
            if outcome.is_ok() {
                files = named;
            } else {
                files.extend(named);
            }
        }
    }

    fn changing(&self) -> Problems {
        let message = "it, or a file that it names, was changed while it was read; it is read again when that is over, \
                       or when asked to";
        let problem = Problem { line: None, path: String::new(), message: message.to_owned() };
        Problems { file: self.file.clone(), list: vec![problem], unreadable: true }
    }

    fn load(&self, files: &mut BTreeSet<PathBuf>, used: Option<&Policy>) -> Result<Loaded, Problems> {
        let file = &self.file;
        let loaded = load_noting(file, Secrets::Required, &mut random::decoys(&SystemRandom::new()), files)?;
        let unbound = loaded.policy.named_listeners.iter().filter(|(name, _)| !self.listeners.contains(name));
        let unbound = unbound.map(|(name, path)| Problem {
            line: None,
            path: path.clone(),
            message: format!("the listener {name:?} has no address; start with --web.listen-address {name}=ADDR"),
        });
        let too_large = loaded.policy.principals.iter().filter(|p| p.payload.max_bytes > self.body_bytes);
        let too_large = too_large.map(|principal| Problem {
            line: None,
            path: format!("principals.{}.payload.max_bytes", principal.name),
            message: format!("a body of {} bytes never fits into --web.max-body-memory", principal.payload.max_bytes),
        });
        let unasked = loaded.policy.principals.iter().filter(|p| p.certificate.is_some() && !self.asks_clients);
        let unasked = unasked.map(|principal| Problem {
            line: None,
            path: format!("principals.{}.certificate", principal.name),
            message: "no listener asks clients for certificates; start with --web.tls-client-ca-file [NAME=]FILE"
                .to_owned(),
        });
        let away = used.map(|used| away(&loaded.policy, used, files)).unwrap_or_default();
        let others = self.dear(&loaded.policy).into_iter().chain(away);
        let list: Vec<Problem> = unbound.chain(too_large).chain(unasked).chain(others).collect();
        if list.is_empty() { Ok(loaded) } else { Err(Problems { file: file.clone(), list, unreadable: false }) }
    }

    /// Users whose hashes there is no memory to verify with.
    fn dear(&self, policy: &Policy) -> Vec<Problem> {
        let (most, workers) = (self.limits.login_memory_kib, self.limits.login_workers);
        let mut problems = Vec::new();
        for principal in &policy.principals {
            let own = principal.basic.iter().flat_map(|basic| basic.hashes.iter()).filter(|hash| !hash.is_decoy());
            let needed = own.map(|hash| hash.memory_kib()).max().unwrap_or_default();
            if !self.limits.admits_arena(needed) {
                let message = format!(
                    "a hash in it needs m={needed} KiB for each of --login.workers {workers}, and --login.max-memory \
                     sets {most} KiB aside for all of them; set it to {} KiB, or make a new hash with pushguard hash",
                    u64::from(needed).saturating_mul(u64::try_from(workers).unwrap_or(u64::MAX)),
                );
                let path = format!("principals.{}.basic.password_hash_file", principal.name);
                problems.push(Problem { line: None, path, message });
            }
        }
        if let (true, Some((limit, tls))) = (problems.is_empty(), self.memory)
            && let Err(message) = Worst::of(&self.limits, policy.verifier_memory_kib(), tls).fits(limit)
        {
            problems.push(Problem { line: None, path: "principals".to_owned(), message });
        }
        problems
    }
}

/// Lists in files that cannot be read, where that would end one that is served, or begin with none. `files` gets those
/// files: they are what may mend it.
fn away(new: &Policy, used: &Policy, files: &mut BTreeSet<PathBuf>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Feed { name, origin, .. } in &new.ranges.feeds {
        let Origin::File(file) = origin else { continue };
        if new.ranges.origin(name) == used.ranges.origin(name) {
            continue;
        }
        if let Err(error) = read_file(file) {
            let message = format!(
                "the list {name} cannot be read: {}: {error}; put it there, or write its right name",
                file.display()
            );
            problems.push(Problem { line: None, path: format!("sources.{name}.file"), message });
            files.insert(file.clone());
        }
    }
    problems
}

/// Logs what a policy allows but probably does not mean.
pub(super) fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings.list {
        tracing::warn!(msg = "policy warning", problem = warning.in_file(&loaded.warnings.file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file is written in place: between the look at it and its reading, or while it is read.
    #[test]
    fn what_changes_while_it_is_read_is_left_to_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let file = PolicyFile {
            file: folder.path().join("policy.yaml"),
            listeners: Vec::new(),
            body_bytes: limits.body_bytes,
            limits,
            asks_clients: false,
            memory: None,
            readings: Arc::default(),
        };
        let write = |text: &str| std::fs::write(&file.file, text).unwrap();
        let (half, whole) = ("version: 1\nprincipals: {}\n", "version: 1\nprincipals: {}\n# the rest\n");
        let files = || BTreeSet::from([file.file.clone()]);
        write(whole);
        let read = file.read_again(files(), |files| file.load(files, None));
        assert!(read.outcome.is_ok() && read.watched.now().is_as(&read.watched), "nobody writes");
        for (before, while_read, after) in [(whole, half, half), (half, half, whole)] {
            write(before);
            let read = file.read_again(files(), |files| {
                write(while_read);
                let loaded = file.load(files, None);
                write(after);
                loaded
            });
            let problems = read.outcome.unwrap_err().to_string();
            assert!(problems.contains("was changed while it was read"), "{problems}");
            assert!(!read.watched.now().is_as(&read.watched), "the next look reads it");
            write(before);
            assert!(!read.watched.now().is_as(&read.watched), "also where it is as it was");
        }
        write("version: 1");
        let read = file.read_again(files(), |files| {
            let loaded = file.load(files, None);
            write(whole);
            loaded
        });
        let problems = read.outcome.unwrap_err().to_string();
        assert!(!problems.contains("while it was read"), "its own problems are told: {problems}");
        assert!(!read.watched.now().is_as(&read.watched), "and what mends them is read");
    }
}
