//! Metric and label names that no body can have.

use super::Advice;
use crate::policy::{Pattern, Principal, is_reserved};

pub(super) fn advise(advice: &mut Advice<'_>, principal: &Principal) {
    let rules = &principal.payload.rules;
    let path = format!("principals.{}.payload", principal.name);
    let path = if advice.lines.has(&path) { path } else { "defaults.payload".to_owned() };
    for pattern in rules.metrics.iter().flat_map(|list| list.iter()) {
        let denied = rules.denied_metrics.iter().find(|denied| denied.covers(pattern));
        let message = match (metric(pattern), denied) {
            (Err(why), _) => format!("no metric matches {:?}: {why}; remove it", pattern.source()),
            (Ok(()), Some(denied)) => {
                format!("denied_metrics takes out all of {:?} by {:?}; remove one", pattern.source(), denied.source())
            }
            (Ok(()), None) => continue,
        };
        advice.say(&format!("{path}.metrics"), message);
    }
    for pattern in rules.denied_metrics.iter() {
        if let Err(why) = metric(pattern) {
            let message = format!("no metric matches {:?}: {why}; remove it", pattern.source());
            advice.say(&format!("{path}.denied_metrics"), message);
        }
    }
    for pattern in rules.denied_labels.iter().filter(|pattern| !is_name(&pattern.example(), "_")) {
        let message = format!("no label matches {:?}: names have letters, digits and _; remove it", pattern.source());
        advice.say(&format!("{path}.denied_labels"), message);
    }
}

/// Whether some metric that may be pushed matches.
fn metric(pattern: &Pattern) -> Result<(), &'static str> {
    let example = pattern.example();
    if !is_name(&example, "_:") {
        return Err("names have letters, digits, _ and :");
    }
    if is_reserved(example.as_bytes()) {
        return Err("such names belong to the gateway and are refused from everybody");
    }
    Ok(())
}

fn is_name(text: &str, also: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || also.contains(c);
    text.chars().next().is_some_and(begins) && text.chars().all(|c| begins(c) || c.is_ascii_digit())
}
