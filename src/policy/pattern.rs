//! Patterns for jobs, label values and metric names: only `*` is special, and it crosses any character. For those who
//! prove themselves by a token, `{claim}` stands for the value of a claim.

use crate::auth::token::{ClaimPath, ClaimPathError, Claims};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    form: Form,
}

/// The literal runs between the stars; one run means no star.
#[derive(Clone, PartialEq, Eq)]
enum Form {
    Plain(Vec<String>),
    /// With the claims that stand in each run. It matches nothing until it is bound to a token.
    Claims(Vec<Vec<Piece>>),
}

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Claim(ClaimPath),
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing matches it but the empty text, which is not a job.
    #[error("the pattern is empty; write \"*\" for any value")]
    Empty,
    /// A backslash at the end.
    #[error("the pattern ends in a backslash; write \\\\ for a backslash")]
    DanglingEscape,
    /// A brace that is not escaped.
    #[error("{{claim}} patterns are for token principals only; write \\{{ for a brace")]
    Claim,
    /// A brace that nothing closes, or that closes nothing.
    #[error("a claim is written {{NAME}}, or by a JSON pointer {{/NAME/NAME}}; write \\{{ or \\}} for a brace")]
    Brace,
    /// Braces around what names no claim.
    #[error("{0}")]
    Name(#[from] ClaimPathError),
}

impl Pattern {
    /// Compiles a pattern: `*` matches any run of characters, `\` takes the next character literally.
    ///
    /// # Errors
    /// Why the text is not a pattern.
    pub fn read(source: &str) -> Result<Self, PatternError> {
        let pattern = Self::read_with_claims(source)?;
        if pattern.uses_claims() { Err(PatternError::Claim) } else { Ok(pattern) }
    }

    /// Compiles a pattern in which `{claim}` stands for a claim of a token.
    ///
    /// # Errors
    /// Why the text is not a pattern.
    pub fn read_with_claims(source: &str) -> Result<Self, PatternError> {
        if source.is_empty() { Err(PatternError::Empty) } else { Self::part(source) }
    }

    /// As [`read_with_claims`](Self::read_with_claims), of a text that may be empty: a piece of a longer pattern.
    pub(super) fn part(source: &str) -> Result<Self, PatternError> {
        let (mut runs, mut run) = (Vec::new(), Vec::new());
        let mut chars = source.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => runs.push(std::mem::take(&mut run)),
                '\\' => push(&mut run, chars.next().ok_or(PatternError::DanglingEscape)?),
                '{' => {
                    let (name, rest) = chars.as_str().split_once('}').ok_or(PatternError::Brace)?;
                    run.push(Piece::Claim(ClaimPath::read(name)?));
                    chars = rest.chars();
                }
                '}' => return Err(PatternError::Brace),
                c => push(&mut run, c),
            }
        }
        runs.push(run);
        let has_claims = runs.iter().flatten().any(|piece| matches!(piece, Piece::Claim(_)));
        let form = if has_claims { Form::Claims(runs) } else { Form::Plain(runs.iter().map(|r| plain(r)).collect()) };
        Ok(Self { source: source.to_owned(), form })
    }

    /// Whether the whole text matches. A pattern with claims matches nothing before it is [bound](Self::bind).
    pub fn matches(&self, text: &str) -> bool {
        let Form::Plain(runs) = &self.form else { return false };
        let Some((first, rest)) = runs.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let Some(mut text) = text.strip_prefix(first.as_str()).and_then(|t| t.strip_suffix(last.as_str())) else {
            return false;
        };
        // The leftmost place for each run leaves the most room for those behind it.
        for run in middle {
            match text.find(run.as_str()) {
                Some(at) => text = text.get(at + run.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }

    /// The pattern with its claims replaced by what a token says; their values are texts, whatever stands in them. None
    /// where a claim is missing, empty or no text: what is not known matches nothing.
    pub fn bind(&self, claims: &Claims) -> Option<Cow<'_, Self>> {
        let Form::Claims(runs) = &self.form else { return Some(Cow::Borrowed(self)) };
        let run = |pieces: &Vec<Piece>| {
            let texts = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Claim(path) => claims.text(path),
            });
            texts.collect::<Option<String>>()
        };
        let form = Form::Plain(runs.iter().map(run).collect::<Option<_>>()?);
        Some(Cow::Owned(Self { source: self.source.clone(), form }))
    }

    /// What the one claim that stands in it has to be, so that it matches the text; none where there are several, or stars.
    pub fn infer<'t>(&self, text: &'t str) -> Option<(&ClaimPath, &'t str)> {
        let Form::Claims(runs) = &self.form else { return None };
        let [run] = runs.as_slice() else { return None };
        let (front, claim, back) = match run.as_slice() {
            [Piece::Claim(claim)] => ("", claim, ""),
            [Piece::Text(front), Piece::Claim(claim)] => (front.as_str(), claim, ""),
            [Piece::Claim(claim), Piece::Text(back)] => ("", claim, back.as_str()),
            [Piece::Text(front), Piece::Claim(claim), Piece::Text(back)] => (front.as_str(), claim, back.as_str()),
            _ => return None,
        };
        Some((claim, text.strip_prefix(front)?.strip_suffix(back)?))
    }

    /// Whether a claim stands in it.
    pub fn uses_claims(&self) -> bool {
        matches!(self.form, Form::Claims(_))
    }

    /// The claims that stand in it.
    pub fn claims(&self) -> impl Iterator<Item = &ClaimPath> {
        let runs = match &self.form {
            Form::Plain(_) => &[][..],
            Form::Claims(runs) => runs,
        };
        runs.iter().flatten().filter_map(|piece| match piece {
            Piece::Claim(path) => Some(path),
            Piece::Text(_) => None,
        })
    }

    /// The text that alone matches; none where there is a star or a claim.
    pub fn literal(&self) -> Option<&str> {
        match &self.form {
            Form::Plain(runs) => match runs.as_slice() {
                [text] => Some(text),
                _ => None,
            },
            Form::Claims(_) => None,
        }
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether there is a star in it.
    pub fn has_star(&self) -> bool {
        match &self.form {
            Form::Plain(runs) => runs.len() > 1,
            Form::Claims(runs) => runs.len() > 1,
        }
    }

    /// Whether it matches all that `other` matches, whatever tokens say. Of patterns without claims the answer is exact:
    /// a character that this one does not hold stands for each star of the other, and nothing but a star matches it.
    pub fn covers(&self, other: &Self) -> bool {
        if self.source == other.source {
            return true;
        }
        let fresh = ('\u{e000}'..='\u{f8ff}').find(|c| !self.source.contains(*c));
        !self.uses_claims() && fresh.is_some_and(|fresh| self.matches(&other.spelled(fresh)))
    }

    /// A text that it matches, as far as claims may say what they like.
    pub fn example(&self) -> String {
        self.spelled('x')
    }

    /// Its text with one character for each star and each claim.
    fn spelled(&self, wild: char) -> String {
        let wild = wild.to_string();
        match &self.form {
            Form::Plain(runs) => runs.join(&wild),
            Form::Claims(runs) => {
                let piece = |piece: &Piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Claim(_) => wild.clone(),
                };
                runs.iter().map(|run| run.iter().map(piece).collect()).collect::<Vec<String>>().join(&wild)
            }
        }
    }
}

/// Adds a character to the text at the end of a run.
fn push(run: &mut Vec<Piece>, c: char) {
    match run.last_mut() {
        Some(Piece::Text(text)) => text.push(c),
        _ => run.push(Piece::Text(c.to_string())),
    }
}

fn plain(run: &[Piece]) -> String {
    let texts = run.iter().map(|piece| match piece {
        Piece::Text(text) => text.as_str(),
        Piece::Claim(_) => "",
    });
    texts.collect()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}
