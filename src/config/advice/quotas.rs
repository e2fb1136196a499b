//! Quotas that count nothing.

use super::Advice;
use crate::policy::{Operation, OperationSet, Policy, Principal, QuotaRule};

pub(super) fn advise(advice: &mut Advice<'_>, policy: &Policy) {
    let granted = |principal: &Principal| principal.grants.iter().flat_map(|grant| grant.operations.iter()).collect();
    for principal in &policy.principals {
        let own = format!("{}.quotas[", principal.name);
        let rules = principal.quotas.iter().filter(|rule| rule.name.starts_with(&own));
        for rule in rules.filter(|rule| counts_none_of(rule, granted(principal))) {
            let message = "it counts nothing: the principal is granted none of its operations; remove it";
            advice.say(&format!("principals.{}", rule.name), message);
        }
    }
    let any: OperationSet = policy.principals.iter().flat_map(|p| granted(p).iter().collect::<Vec<_>>()).collect();
    for rule in policy.shared_quotas.iter().filter(|rule| !any.is_empty() && counts_none_of(rule, any)) {
        advice.say(&rule.name, "it counts nothing: nobody is granted one of its operations; remove it");
    }
}

fn counts_none_of(rule: &QuotaRule, granted: OperationSet) -> bool {
    let counted = |operation: &Operation| rule.operations.contains(*operation);
    !granted.iter().any(|operation| counted(&operation))
}
