//! A refusal with its two texts: one for the client, one for the operator.

use super::{Challenge, Reason};
use crate::auth::Flaw;
use crate::policy::Limit;
use crate::request::RawHeadError;
use std::time::Duration;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The stable reason.
    pub reason: Reason,
    /// What to do, for the client. It follows the reason's title and names nothing of the policy that the client
    /// does not see anyway.
    pub hint: String,
    /// What exactly was wrong, for the operator's log only.
    pub detail: String,
    /// What is wrong with the credential, where that is why.
    pub flaw: Option<Flaw>,
    /// What to prove oneself by, where that is why.
    pub challenge: Option<Challenge>,
    /// When to come back, where time alone helps.
    pub retry: Option<Exhaustion>,
    /// The methods that this path takes, for `Allow`.
    pub allow: Option<&'static str>,
    /// The limit of the process or of the payload that was met, for the metric.
    pub limit: Option<Limit>,
}

/// A limit that time refills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhaustion {
    /// The rule, for `RateLimit` headers; none where the wait is only a suggestion.
    pub rule: Option<ExhaustedRule>,
    /// How long until one more request passes.
    pub wait: Duration,
}

/// What `RateLimit-Policy` tells about an exhausted rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExhaustedRule {
    /// The rule's name in the policy.
    pub name: String,
    /// How many at once.
    pub burst: u32,
    /// In which time a full burst comes back.
    pub period: Duration,
}

/// The most characters of a text; paths and bodies of clients get into some.
const MOST: usize = 1000;

fn shortened(text: String) -> String {
    if text.len() <= MOST {
        return text;
    }
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl Denial {
    /// A refusal that says nothing beyond its reason.
    pub fn new(reason: Reason) -> Self {
        let (hint, detail) = (String::new(), String::new());
        Self { reason, hint, detail, flaw: None, challenge: None, retry: None, allow: None, limit: None }
    }

    /// The refusal of what is not strict HTTP.
    pub fn malformed(what: &str) -> Self {
        Self::new(Reason::RequestMalformed).hint(what).detail(what)
    }

    /// The refusal of a head before anything is decided.
    pub fn of_head(error: &RawHeadError) -> Self {
        match error {
            RawHeadError::Malformed(what) => Self::malformed(what),
            RawHeadError::MethodUnknown => {
                Self::new(Reason::MethodNotAllowed).allow("GET, PUT, POST, DELETE").detail(error.to_string())
            }
            RawHeadError::TargetTooLong { .. } => {
                Self::new(Reason::TargetTooLong).limit(Limit::TargetBytes).hint(error.to_string())
            }
            RawHeadError::TooManyFields { .. } => {
                Self::new(Reason::HeadTooLarge).limit(Limit::HeadFields).hint(error.to_string())
            }
        }
    }

    /// Adds what the client should do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = shortened(hint.into());
        self
    }

    /// Adds what the operator should know.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = shortened(detail.into());
        self
    }

    /// Adds what is wrong with the credential, and what was found, for the operator.
    pub fn flaw(mut self, flaw: Flaw, found: &str) -> Self {
        self.flaw = Some(flaw);
        let colon = if found.is_empty() { "" } else { ": " };
        self.detail(format!("{}: {}{colon}{found}", flaw.code(), flaw.text()))
    }

    /// Adds what to prove oneself by.
    pub fn challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Adds a suggested wait that no rule stands behind.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry = Some(Exhaustion { rule: None, wait });
        self
    }

    /// Adds the rule that is exhausted and when it grants again.
    pub fn exhausted(mut self, rule: ExhaustedRule, wait: Duration) -> Self {
        self.retry = Some(Exhaustion { rule: Some(rule), wait });
        self
    }

    /// Adds the methods that the path takes.
    pub fn allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Names the limit that was met.
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The body of the answer, for a person.
    pub fn answer(&self) -> String {
        format!("{}: {}\n", self.reason.code(), self.public_text())
    }

    /// The one line that the client reads.
    pub fn public_text(&self) -> String {
        if self.hint.is_empty() {
            self.reason.title().to_owned()
        } else {
            format!("{}: {}", self.reason.title(), self.hint)
        }
    }
}
