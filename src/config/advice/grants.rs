//! Grants that no request can have, and those that never decide.

use super::Advice;
use crate::policy::{Pattern, Principal};
use crate::request::GroupingKey;

pub(super) fn advise(advice: &mut Advice<'_>, principal: &Principal) {
    for grant in &principal.grants {
        let path = format!("principals.{}", grant.name);
        for job in grant.jobs.iter().filter(|job| !is_value(job)) {
            let message = format!("no job matches {:?}: {UNFIT}", job.source());
            advice.say(&format!("{path}.job"), message);
        }
        let named = grant.labels.iter().map(|rule| (key(&rule.name, rule.optional), &rule.value));
        let further = grant.further.iter().map(|pattern| ("*".to_owned(), pattern));
        for (name, value) in named.chain(further).filter(|(_, value)| !is_value(value)) {
            let message = format!("no value matches {:?}: {UNFIT}", value.source());
            advice.say(&format!("{path}.labels.{name}"), message);
        }
    }
    for (place, by) in principal.shadowed() {
        let by: Vec<&str> = by.iter().map(|grant| &*grant.name).collect();
        let message = format!("it never decides: {} above allows all that it allows; remove it", by.join(" and "));
        advice.say(&format!("principals.{}.grants[{place}]", principal.name), message);
    }
}

const UNFIT: &str = "values with control characters are refused; write the pattern without one";

fn key(name: &str, optional: bool) -> String {
    format!("{name}{}", if optional { "?" } else { "" })
}

/// Whether some job or label value matches.
fn is_value(pattern: &Pattern) -> bool {
    GroupingKey::new(&pattern.example(), []).is_ok()
}
