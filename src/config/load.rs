//! From a file on disk to a policy.

use super::compile::compile;
use super::lines::{self, Lines};
use super::problem::{Problem, Problems};
use super::reader::Reader;
use crate::policy::Policy;
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest policy file, bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Whether the secret files that a policy names must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They must.
    Required,
    /// A missing one is only a warning: the place where policies are checked need not hold secrets.
    Optional,
}

/// A policy and what to tell its operator.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What is allowed but probably not meant.
    pub warnings: Problems,
    /// How many of the warnings say that a file is not here.
    pub absent: usize,
    pub(super) lines: Lines,
}

/// Loads a policy file. `random` makes the unmatchable part of decoy hashes.
///
/// # Errors
/// All problems of the file.
pub fn load(file: &Path, secrets: Secrets, random: &mut dyn FnMut() -> [u8; 48]) -> Result<Loaded, Problems> {
    load_noting(file, secrets, random, &mut BTreeSet::new())
}

/// As [`load`]; `files` gets the file itself and those that it names, also where the policy has problems: changing any
/// of them may be what mends it.
///
/// # Errors
/// All problems of the file.
pub fn load_noting(
    file: &Path,
    secrets: Secrets,
    random: &mut dyn FnMut() -> [u8; 48],
    files: &mut BTreeSet<PathBuf>,
) -> Result<Loaded, Problems> {
    files.insert(file.to_owned());
    let problems = |list| Problems { file: file.to_owned(), list, unreadable: false };
    let text = text(file).map_err(|message| Problems { unreadable: true, ..problems(vec![whole(message)]) })?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let (outcome, named) = read_noting(&text, folder, secrets, random);
    files.extend(named);
    match outcome {
        Ok((policy, reader)) => {
            let (warnings, absent, lines) = (problems(reader.warnings), reader.absent, reader.lines);
            Ok(Loaded { policy, warnings, absent, lines })
        }
        Err(list) => Err(problems(list)),
    }
}

/// Compiles the text of a policy whose secret files are relative to `folder`; answers the policy and its warnings.
///
/// # Errors
/// All problems of the text.
pub fn read(
    text: &str,
    folder: &Path,
    secrets: Secrets,
    random: &mut dyn FnMut() -> [u8; 48],
) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
    read_noting(text, folder, secrets, random).0.map(|(policy, reader)| (policy, reader.warnings))
}

/// A policy and what was noted on the way, or its problems.
type Read = Result<(Policy, Reader), Vec<Problem>>;

fn read_noting(
    text: &str,
    folder: &Path,
    secrets: Secrets,
    random: &mut dyn FnMut() -> [u8; 48],
) -> (Read, BTreeSet<PathBuf>) {
    let (mut reader, document) = match parse(text) {
        Ok(parsed) => parsed,
        Err(problems) => return (Err(problems), BTreeSet::new()),
    };
    let policy = compile(&mut reader, &document, folder, secrets, random);
    if reader.problems.is_empty() {
        let files = std::mem::take(&mut reader.files);
        return (Ok((policy, reader)), files);
    }
    reader.problems.sort_by_key(|problem| problem.line.unwrap_or(0));
    (Err(reader.problems), reader.files)
}

pub(super) fn parse(text: &str) -> Result<(Reader, Value), Vec<Problem>> {
    let reader = Reader::new(lines::read(text)?);
    let document = serde_yaml::from_str(text).map_err(|error| {
        let line = error.location().map(|location| location.line());
        vec![Problem { line, path: String::new(), message: format!("not YAML: {error}") }]
    })?;
    Ok((reader, document))
}

pub(super) fn text(file: &Path) -> Result<String, String> {
    let opened = std::fs::File::open(file).map_err(|e| e.to_string())?;
    let mut text = String::new();
    let read = opened.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(format!("a policy has at most {MAX_BYTES} bytes"));
    }
    // Editors on other systems begin a file with it; it says nothing.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

pub(super) fn whole(message: String) -> Problem {
    Problem { line: None, path: String::new(), message }
}
