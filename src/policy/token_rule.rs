//! Which tokens prove a principal: conditions on claims.

use super::{Issuer, Mode, Pattern, PatternError, Preset, QuotaRule};
use crate::auth::token::{ClaimPath, Claims};
use std::fmt;
use std::sync::Arc;

/// How a token proves a principal.
#[derive(Clone, Debug)]
pub struct TokenRule {
    /// Who signs it.
    pub issuer: Arc<Issuer>,
    /// Whether a request from its sources that lacks a fitting token is refused.
    pub mode: Mode,
    /// What it must say, all of it.
    pub conditions: Vec<Condition>,
    /// The quotas of those who prove themselves so: the principal's, with defaults that count runs by what they are.
    pub quotas: Vec<QuotaRule>,
}

/// What one claim must be.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The claim.
    pub claim: ClaimPath,
    /// It must match one of these.
    pub values: Vec<ClaimGlob>,
}

/// A pattern for the value of a claim: `*` matches any run of characters but `/` and `:`, so that it cannot reach
/// beyond the piece of a path that it stands in.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimGlob {
    source: String,
    ignores_case: bool,
    within: &'static [char],
    separators: Vec<char>,
    pieces: Vec<Pattern>,
}

/// Why a token does not prove a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A claim is not what the rule says.
    Claim {
        /// Which.
        name: String,
        /// What it is.
        found: Vec<String>,
    },
    /// All of it fits, but the event is one that a rule must name.
    Event(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim { name, found } if found.is_empty() => write!(f, "{name} is missing"),
            Self::Claim { name, found } => write!(f, "{name} is {}", found.join(", ")),
            Self::Event(event) => write!(f, "the event {event:?} is not named"),
        }
    }
}

impl TokenRule {
    /// Whether what the token says is what the rule asks for.
    ///
    /// # Errors
    /// The first condition that it does not meet.
    pub fn fits(&self, claims: &Claims) -> Result<(), Unfit> {
        for condition in &self.conditions {
            let values = values(self.issuer.preset, &condition.claim, claims);
            if !values.iter().any(|value| condition.values.iter().any(|glob| glob.matches(value))) {
                return Err(Unfit::Claim { name: condition.claim.source().to_owned(), found: values });
            }
        }
        self.event_is_taken(claims)
    }

    fn event_is_taken(&self, claims: &Claims) -> Result<(), Unfit> {
        let Some(events) = self.issuer.preset.events() else { return Ok(()) };
        let about_it = |path: &ClaimPath| path.top_level() == Some(events.claim);
        let event = ClaimPath::read(events.claim).ok().and_then(|path| claims.text(&path)).unwrap_or_default();
        let untrusted = event.is_empty() || events.untrusted.iter().any(|begin| event.starts_with(begin));
        let named = self.conditions.iter().filter(|condition| about_it(&condition.claim));
        let named = named.flat_map(|condition| &condition.values).any(|glob| glob.literal().as_ref() == Some(&event));
        if untrusted && !named { Err(Unfit::Event(event)) } else { Ok(()) }
    }
}

impl ClaimGlob {
    /// Compiles a pattern; `\` takes the next character literally.
    ///
    /// # Errors
    /// Why the text is not a pattern.
    pub fn read(source: &str, ignores_case: bool) -> Result<Self, PatternError> {
        Self::read_within(source, &['/', ':'], ignores_case)
    }

    /// Compiles a pattern in which `*` stays between these characters.
    pub(super) fn read_within(source: &str, within: &'static [char], ignores_case: bool) -> Result<Self, PatternError> {
        let (mut separators, mut pieces, mut piece) = (Vec::new(), Vec::new(), String::new());
        let mut chars = source.chars();
        while let Some(c) = chars.next() {
            match c {
                c if within.contains(&c) => {
                    separators.push(c);
                    pieces.push(std::mem::take(&mut piece));
                }
                '\\' => match chars.next().ok_or(PatternError::DanglingEscape)? {
                    c if within.contains(&c) => {
                        separators.push(c);
                        pieces.push(std::mem::take(&mut piece));
                    }
                    c => piece.extend(['\\', c]),
                },
                // Only in patterns for jobs and labels do braces mean something.
                '{' | '}' => piece.extend(['\\', c]),
                c if ignores_case => piece.push(c.to_ascii_lowercase()),
                c => piece.push(c),
            }
        }
        pieces.push(piece);
        if source.is_empty() {
            return Err(PatternError::Empty);
        }
        let pieces = pieces.iter().map(|piece| Pattern::part(piece)).collect::<Result<_, _>>()?;
        Ok(Self { source: source.to_owned(), ignores_case, within, separators, pieces })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let is_separator = |c: char| self.within.contains(&c);
        let lower;
        let text = if self.ignores_case {
            lower = text.to_ascii_lowercase();
            &lower
        } else {
            text
        };
        text.chars().filter(|c| is_separator(*c)).eq(self.separators.iter().copied())
            && text.split(is_separator).zip(&self.pieces).all(|(text, piece)| piece.matches(text))
    }

    /// Whether it matches all that `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        self.within == other.within
            && self.ignores_case == other.ignores_case
            && self.separators == other.separators
            && self.pieces.iter().zip(&other.pieces).all(|(piece, other)| piece.covers(other))
    }

    /// The one text that matches; none where there is a star.
    pub fn literal(&self) -> Option<String> {
        let mut text = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            text.push_str(piece.literal()?);
            text.extend(self.separators.get(index));
        }
        Some(text)
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for ClaimGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// The values that a condition on a claim may match.
///
/// GitHub writes `sub` with or without the numbers of owner and repository, by the age of the repository. Whichever
/// form a rule has, it means both, as long as the token's own claims say the same.
fn values(preset: Preset, claim: &ClaimPath, claims: &Claims) -> Vec<String> {
    let mut values = claims.texts(claim);
    if let (Preset::GithubActions, Some("sub"), [sub]) = (preset, claim.top_level(), values.as_slice()) {
        values.extend(other_subject(sub, claims));
    }
    values
}

fn other_subject(sub: &str, claims: &Claims) -> Option<String> {
    let text = |name: &str| claims.text(&ClaimPath::read(name).ok()?);
    let (repository, owner_id, id) = (text("repository")?, text("repository_owner_id")?, text("repository_id")?);
    let (owner, name) = repository.split_once('/')?;
    let (plain, numbered) = (format!("repo:{repository}:"), format!("repo:{owner}@{owner_id}/{name}@{id}:"));
    match (sub.strip_prefix(&plain), sub.strip_prefix(&numbered)) {
        (Some(rest), _) => Some(format!("{numbered}{rest}")),
        (_, Some(rest)) => Some(format!("{plain}{rest}")),
        (None, None) => None,
    }
}
