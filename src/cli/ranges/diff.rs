//! `pushguard ranges diff`

use super::kept::now;
use crate::cli::{Outcome, complain, say};
use crate::prefix_set::PrefixSet;
use crate::ranges::ask::read_file;
use crate::ranges::guard::{Rules, accept};
use crate::ranges::held::unix;
use crate::ranges::list::{Form, Pointer, PointerError, read};
use crate::ranges::prefix::Prefix;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Compare two lists.
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// A JSON document, or a plain text with one prefix a line
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// Another one
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Where the list stands in a JSON document; of GitHub's, a key
    #[arg(long = "pointer", value_name = "POINTER", default_value = "/actions", value_parser = pointer)]
    pointer: Pointer,
    /// Admit private and special-purpose addresses
    #[arg(long = "allow-private")]
    allow_private: bool,
}

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

    fn compare(&self) -> Result<Outcome, (String, Outcome)> {
        let (old, new) = (self.list(&self.old)?, self.list(&self.new)?);
        let rules = Rules { fetched: true, allow_private: self.allow_private };
        let said = tell(&old, &new);
        // Whatever is old was accepted once.
        let held = accept(None, &old, rules, 0, true)
            .map_err(|refusal| (format!("{}: {refusal}", self.old.display()), Outcome::Invalid))?;
        let (verdict, outcome) = match accept(Some(&held), &new, rules, unix(now()), false) {
            Ok(_) => ("the guard would accept it".to_owned(), Outcome::Ok),
            Err(refusal) => (format!("the guard would refuse it: {refusal}"), Outcome::Invalid),
        };
        Ok(if said && say(verdict) { outcome } else { Outcome::Undecided })
    }

    fn list(&self, file: &Path) -> Result<Vec<IpNet>, (String, Outcome)> {
        let bytes = read_file(file).map_err(|error| (format!("{}: {error}", file.display()), Outcome::Undecided))?;
        let json = bytes.trim_ascii_start().starts_with(b"{") || bytes.trim_ascii_start().starts_with(b"[");
        let form = if json { Form::Json(self.pointer.clone()) } else { Form::Text };
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
