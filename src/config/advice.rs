//! What a policy says in vain, or probably did not mean: rules that can never match, rules that others make superfluous,
//! principals without a limit. None of it is wrong, so none of it keeps a policy from being used.

mod grants;
mod modes;
mod payload;
mod principals;
mod quotas;
mod sources;
mod ttl;

use super::lines::Lines;
use super::load::Loaded;
use super::problem::Problem;
use crate::policy::NamedSets;
use std::time::SystemTime;

/// What is said, and where.
struct Advice<'a> {
    lines: &'a Lines,
    list: Vec<Problem>,
}

impl Advice<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>) {
        let problem = Problem { line: self.lines.of(path), path: path.to_owned(), message: message.into() };
        if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }
}

/// Advice on a policy that has no problems. `sets` are the fetched address lists that are at hand; of others it is only
/// known that a list is in itself. `now` tells which ends of report mode have passed.
pub fn advice(loaded: &Loaded, sets: &NamedSets, now: SystemTime) -> Vec<Problem> {
    let mut advice = Advice { lines: &loaded.lines, list: Vec::new() };
    let policy = &loaded.policy;
    modes::advise(&mut advice, policy, now);
    sources::advise(&mut advice, policy, sets);
    principals::advise(&mut advice, policy);
    for principal in &policy.principals {
        grants::advise(&mut advice, principal);
        payload::advise(&mut advice, principal);
    }
    quotas::advise(&mut advice, policy);
    ttl::advise(&mut advice, &policy.ttl);
    advice.list.sort_by_key(|problem| problem.line.unwrap_or(0));
    advice.list
}
