//! What a principal may push: how much of it, and by which names.

use super::{LabelRule, Mode, Pattern};
use crate::auth::token::{ClaimPath, Claims};
use crate::payload::{LabelRefusal, PayloadShape};
use std::borrow::Cow;
use std::sync::Arc;

/// Limits on a pushed body, and rules for what is in it.
#[derive(Clone, Debug)]
pub struct PayloadLimits {
    /// The most bytes of a body on the wire.
    pub max_bytes: u64,
    /// The most bytes of it once it is decoded.
    pub max_decoded_bytes: u64,
    /// Groups that each of those whom `groups_per` tells apart may have at the gateway at once.
    pub max_groups: usize,
    /// Whose groups are counted together.
    pub groups_per: GroupsPer,
    /// How large its parts may be.
    pub shape: PayloadShape,
    /// Which metrics and labels may be in it.
    pub rules: PayloadRules,
}

impl PayloadLimits {
    /// The limits for somebody whose token says `claims`. A pattern with a claim that it does not say matches nothing.
    pub fn bound(&self, claims: &Claims) -> Self {
        let bind = |pattern: &Pattern| pattern.bind(claims).map_or_else(|| pattern.clone(), Cow::into_owned);
        let mut bound = self.clone();
        if let Some(patterns) = self.rules.metrics.as_ref().filter(|list| list.iter().any(Pattern::uses_claims)) {
            bound.rules.metrics = Some(patterns.iter().map(bind).collect());
        }
        if self.rules.labels.iter().any(|rule| rule.value.uses_claims()) {
            let label = |rule: &LabelRule| LabelRule { value: bind(&rule.value), ..rule.clone() };
            bound.rules.labels = self.rules.labels.iter().map(label).collect();
        }
        bound
    }
}

impl PayloadLimits {
    /// The same without a token: what only its claims can fill in, any value fits.
    pub fn without_claims(&self) -> Self {
        let any = |pattern: &Pattern| {
            let any = if pattern.uses_claims() { Pattern::read("*").ok() } else { None };
            any.unwrap_or_else(|| pattern.clone())
        };
        let mut limits = self.clone();
        limits.rules.metrics = self.rules.metrics.as_ref().map(|patterns| patterns.iter().map(any).collect());
        let label = |rule: &LabelRule| LabelRule { value: any(&rule.value), ..rule.clone() };
        limits.rules.labels = self.rules.labels.iter().map(label).collect();
        limits
    }
}

impl Default for PayloadLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1024 * 1024,
            max_decoded_bytes: 4 * 1024 * 1024,
            max_groups: 1000,
            groups_per: GroupsPer::default(),
            shape: PayloadShape::default(),
            rules: PayloadRules::default(),
        }
    }
}

/// Whose groups are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GroupsPer {
    /// Those of a repository or subject, where a token tells it; else those of the principal.
    #[default]
    Run,
    /// Those of the principal.
    Principal,
    /// Those of the runs whose tokens say the same; those whose token does not say it share one count.
    Claim(ClaimPath),
}

/// Which metrics and labels may be pushed. By default any.
#[derive(Clone, Debug, Default)]
pub struct PayloadRules {
    /// Whether a broken rule is only told.
    pub mode: Mode,
    /// The metric names that may be pushed; none means any.
    pub metrics: Option<Arc<[Pattern]>>,
    /// Metric names that may not, whatever `metrics` says.
    pub denied_metrics: Arc<[Pattern]>,
    /// What certain labels must be, whether they come with the path or in the body.
    pub labels: Arc<[LabelRule]>,
    /// Label names that may not be in the body.
    pub denied_labels: Arc<[Pattern]>,
}

impl PayloadRules {
    /// The most entries of `labels`.
    pub const MOST_LABELS: usize = 32;

    /// Whether a metric of that name may be pushed.
    pub fn allows(&self, name: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        self.metrics.as_ref().is_none_or(|patterns| any(patterns)) && !any(&self.denied_metrics)
    }

    /// Whether anything is said of labels.
    pub fn says_labels(&self) -> bool {
        !self.labels.is_empty() || !self.denied_labels.is_empty()
    }

    /// What is said of a label.
    pub fn judge(&self, name: &str, value: &str) -> Option<LabelRefusal> {
        match self.labels.iter().find(|rule| rule.name == name) {
            Some(rule) if !rule.value.matches(value) => Some(LabelRefusal::Value),
            Some(_) => None,
            None if self.denied_labels.iter().any(|pattern| pattern.matches(name)) => Some(LabelRefusal::Denied),
            None => None,
        }
    }
}
