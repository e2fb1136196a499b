//! `pushguard ranges diff`

use super::kept::{DEFAULT, Which, now};
use crate::cli::{Outcome, complain, say};
use crate::prefix_set::PrefixSet;
use crate::ranges::ask::read_file;
use crate::ranges::guard::{Rules, accept};
use crate::ranges::held::{Held, unix};
use crate::ranges::list::{Form, Pointer, PointerError, read};
use crate::ranges::prefix::Prefix;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Compare two lists.
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// A file, JSON or plain text with one prefix a line; or the word held, refused (both from --state.dir) or published
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// Another one
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Where the list stands in a JSON file (default: the key that --set names)
    #[arg(long = "pointer", value_name = "POINTER", value_parser = pointer)]
    pointer: Option<Pointer>,
    /// Admit private and special-purpose addresses
    #[arg(long = "allow-private")]
    allow_private: bool,
    #[command(flatten)]
    which: Which,
}

/// A list, and what is known of its past.
struct Side {
    list: Vec<IpNet>,
    held: Option<Held>,
}

type Failure = (String, Outcome);

impl Diff {
    pub(super) fn run(&self) -> Outcome {
        match self.compare() {
            Ok(outcome) => outcome,
            Err((message, outcome)) => {
                complain(message);
                outcome
            }
        }
    }

    fn compare(&self) -> Result<Outcome, Failure> {
        let (old, new) = (self.side(&self.old)?, self.side(&self.new)?);
        let rules = Rules { fetched: true, allow_private: self.allow_private };
        let said = tell(&old.list, &new.list);
        // Whatever is old was accepted once.
        let held = old.held.map_or_else(|| accept(None, &old.list, rules, 0, true), Ok);
        let held = held.map_err(|refusal| (format!("{}: {refusal}", self.old.display()), Outcome::Invalid))?;
        let (verdict, outcome) = match accept(Some(&held), &new.list, rules, unix(now()), false) {
            Ok(_) => ("the guard would accept it".to_owned(), Outcome::Ok),
            Err(refusal) => (format!("the guard would refuse it: {refusal}"), Outcome::Invalid),
        };
        Ok(if said && say(verdict) { outcome } else { Outcome::Undecided })
    }

    fn side(&self, named: &Path) -> Result<Side, Failure> {
        let undecided = |message: String| (message, Outcome::Undecided);
        let word = named.to_str().unwrap_or_default();
        if !["held", "refused", "published"].contains(&word) {
            return Ok(Side { list: self.file(named)?, held: None });
        }
        let kept = self.which.only(word == "published").map_err(undecided)?;
        let prefixes: Option<BTreeSet<Prefix>> = match word {
            "refused" => kept.refused.map(|refused| refused.prefixes),
            _ => kept.held.as_ref().map(|held| held.listed.keys().copied().collect()),
        };
        let prefixes = prefixes.ok_or_else(|| undecided(format!("{}: no list is {word}", kept.name)))?;
        let held = kept.held.filter(|_| word == "held");
        Ok(Side { list: prefixes.into_iter().map(Prefix::net).collect(), held })
    }

    fn file(&self, file: &Path) -> Result<Vec<IpNet>, Failure> {
        let bytes = read_file(file).map_err(|error| (format!("{}: {error}", file.display()), Outcome::Undecided))?;
        let start = bytes.trim_ascii_start();
        let form = if start.starts_with(b"{") || start.starts_with(b"[") {
            let key = self.which.sets.first().map_or(DEFAULT, String::as_str);
            Form::Json(self.pointer.clone().unwrap_or_else(|| Pointer::key(key)))
        } else {
            Form::Text
        };
        read(&form, &bytes).map_err(|error| (format!("{}: {error}", file.display()), Outcome::Invalid))
    }
}

fn tell(old: &[IpNet], new: &[IpNet]) -> bool {
    let set = |list: &[IpNet]| list.iter().map(|net| Prefix::new(*net)).collect::<BTreeSet<_>>();
    let coverage = |list: &[IpNet]| PrefixSet::from_prefixes(list.iter().copied()).coverage();
    let (before, after) = (coverage(old), coverage(new));
    let (old, new) = (set(old), set(new));
    let added = new.difference(&old).map(|prefix| format!("+ {prefix}"));
    let removed = old.difference(&new).map(|prefix| format!("- {prefix}"));
    let same = new.intersection(&old).count();
    let totals = [
        format!("{} added, {} removed, {same} the same", new.len() - same, old.len() - same),
        format!("IPv4: {} addresses, then {}", before.0, after.0),
        format!("IPv6: {} /64 networks, then {}", before.1, after.1),
    ];
    added.chain(removed).chain(totals).all(say)
}

fn pointer(text: &str) -> Result<Pointer, PointerError> {
    Pointer::parse(text)
}
