//! One imagined request, told to a person or to a program: every check, what decided, what the client would get.

mod json;
mod text;

pub use json::json;
pub use text::text;

use crate::decision::Permit;
use crate::decision::{Reason, Verdict};
use crate::dry_run::{End, Told};
use crate::policy::{From, World};

/// What was asked, in one line each.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Method and target.
    pub request: String,
    /// From where and as whom.
    pub context: String,
    /// What the one who asks should know of the question.
    pub warnings: Vec<String>,
    /// How to make an undecided answer a decided one.
    pub remedy: String,
}

fn permit(told: &Told) -> Option<&Permit> {
    match &told.end {
        End::Decided(decision) => match &decision.verdict {
            Verdict::Allow(permit) => Some(permit),
            Verdict::Deny(_) => None,
        },
        _ => None,
    }
}

/// From where each principal may be used, for a request whose source none of them admits.
fn admitted(world: &World, told: &Told) -> Vec<String> {
    if told.denial().is_none_or(|denial| denial.reason != Reason::SourceNotAllowed) {
        return Vec::new();
    }
    let from = |from: &From| match from {
        From::Anywhere => "anywhere".to_owned(),
        From::Require(sources) => sources.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", "),
        From::Prefer(_) => "anywhere, with a token".to_owned(),
    };
    world.policy.principals.iter().map(|p| format!("{} may be used from {}", p.name, from(&p.from))).collect()
}
