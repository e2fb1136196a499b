//! Sources that admit nobody, and those that add nothing to others.

use super::Advice;
use crate::policy::{From, NamedSets, Policy, Source};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn advise(advice: &mut Advice<'_>, policy: &Policy, sets: &NamedSets) {
    let mut all = BTreeMap::<&str, &Arc<Source>>::new();
    for principal in &policy.principals {
        let (key, sources) = match &principal.from {
            From::Anywhere => continue,
            From::Require(sources) => ("require", sources),
            From::Prefer(sources) => ("prefer", sources),
        };
        let path = format!("principals.{}.from.{key}", principal.name);
        superfluous(advice, &path, sources, sets);
        all.extend(sources.iter().map(|source| (source.name.as_str(), source)));
    }
    for (name, source) in &all {
        admits_nobody(advice, policy, source);
        // Of two that are the same the later one in the file is told.
        let line = |name: &str| advice.lines.of(&format!("sources.{name}"));
        let twin = all.values().find(|other| {
            line(&other.name) < line(name) && other.includes(source, sets) && source.includes(other, sets)
        });
        if let Some(twin) = twin {
            let message = format!("it holds the same addresses as sources.{}; use one name for both", twin.name);
            advice.say(&format!("sources.{name}"), message);
        }
    }
}

/// Sources beside others of one list that hold all their addresses.
fn superfluous(advice: &mut Advice<'_>, path: &str, sources: &[Arc<Source>], sets: &NamedSets) {
    for (place, source) in sources.iter().enumerate() {
        let holds_it = |(other, known): &(usize, &Arc<Source>)| {
            // Of two that are the same the later one is told.
            let same = source.includes(known, sets);
            *other != place && known.includes(source, sets) && (!same || *other < place)
        };
        if let Some((_, wider)) = sources.iter().enumerate().find(holds_it) {
            let message = format!("it adds nothing: {} holds all of its addresses; remove it", wider.name);
            advice.say(&format!("{path}[{place}]"), message);
        }
    }
}

fn admits_nobody(advice: &mut Advice<'_>, policy: &Policy, source: &Source) {
    let path = format!("sources.{}", source.name);
    if source.is_empty() {
        advice.say(&format!("{path}.except"), "it takes out every address of the source; nobody is admitted");
    } else if let Some(listeners) = &source.listeners {
        // Proxies are never clients, so that on their own listener their addresses admit nobody.
        let all_proxies = |name: &String| policy.listener(name).trusted_proxies.includes(&source.prefixes);
        if source.sets.is_empty() && listeners.iter().all(all_proxies) {
            let message = "nobody is admitted: all of its addresses are trusted proxies of its listeners, and those \
                           are never clients; name the addresses of the clients";
            advice.say(&path, message);
        }
    }
}
