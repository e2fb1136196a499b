//! Grants: which operations on which jobs and labels.

use super::{Mode, Operation, OperationSet, Pattern};
use crate::auth::token::Claims;
use crate::request::GroupingKey;
use std::sync::Arc;

/// One grant of a principal.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Where it stands in the policy, `PRINCIPAL.grants[N]`.
    pub name: Arc<str>,
    /// Whether jobs and labels that it does not name are refused.
    pub mode: Mode,
    /// What it allows.
    pub operations: OperationSet,
    /// The jobs that it allows to write; empty where it allows no writing.
    pub jobs: Vec<Pattern>,
    /// The labels that it names.
    pub labels: Vec<LabelRule>,
    /// What the value of any further label must match; none: there may be no further label.
    pub further: Option<Pattern>,
}

/// What a grant says of one grouping label.
#[derive(Clone, Debug)]
pub struct LabelRule {
    /// The label's name.
    pub name: String,
    /// What its value must match.
    pub value: Pattern,
    /// Whether the label may be absent.
    pub optional: bool,
}

/// Why a grant does not cover a request. Later variants got further.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// Not this operation.
    Operation,
    /// Not this job.
    Job,
    /// Not these labels.
    Label(LabelFault),
}

/// What is wrong with the labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelFault {
    /// A label that must be there is not.
    Missing(String),
    /// A label that the grant does not name.
    Unexpected(String),
    /// A label whose value does not match.
    Value(String),
}

impl Grant {
    /// Whether the grant covers the operation, and for writes the group, for somebody whose token says `claims`.
    ///
    /// # Errors
    /// The check that it fails.
    pub fn covers(&self, operation: Operation, key: Option<&GroupingKey>, claims: &Claims) -> Result<(), Miss> {
        if !self.operations.contains(operation) {
            return Err(Miss::Operation);
        }
        let Some(key) = key else { return Ok(()) };
        if !self.jobs.iter().filter_map(|job| job.bind(claims)).any(|job| job.matches(key.job())) {
            return Err(Miss::Job);
        }
        self.labels_fit(key, claims).map_err(Miss::Label)
    }

    /// What a token would have to say for the grant to cover the group, as far as the key tells.
    pub fn infer(&self, key: &GroupingKey) -> Claims {
        let job = self.jobs.iter().find_map(|job| job.infer(key.job()));
        let labels = self.labels.iter().filter_map(|rule| rule.value.infer(key.labels().get(&rule.name)?));
        let mut claims = Claims::default();
        job.into_iter().chain(labels).for_each(|(claim, text)| claims.set(claim, text));
        claims
    }

    fn labels_fit(&self, key: &GroupingKey, claims: &Claims) -> Result<(), LabelFault> {
        for (name, value) in key.labels() {
            let named = self.labels.iter().find(|rule| rule.name == *name).map(|rule| &rule.value);
            match named.or(self.further.as_ref()) {
                None => return Err(LabelFault::Unexpected(name.clone())),
                Some(pattern) if pattern.bind(claims).is_some_and(|pattern| pattern.matches(value)) => {}
                Some(_) => return Err(LabelFault::Value(name.clone())),
            }
        }
        match self.labels.iter().find(|rule| !rule.optional && !key.labels().contains_key(&rule.name)) {
            Some(rule) => Err(LabelFault::Missing(rule.name.clone())),
            None => Ok(()),
        }
    }
}
