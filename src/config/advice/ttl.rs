//! Rules of `ttl` that no group reaches.

use super::Advice;
use crate::policy::{Pattern, Ttl};
use crate::request::GroupingKey;

pub(super) fn advise(advice: &mut Advice<'_>, ttl: &Ttl) {
    for (place, rule) in ttl.0.iter().enumerate() {
        let path = format!("ttl[{place}]");
        let unfit = |pattern: &&Pattern| GroupingKey::new(&pattern.example(), []).is_err();
        if let Some(pattern) = rule.jobs.iter().find(unfit) {
            let message = format!("no job matches {:?}: a job has no control characters", pattern.source());
            advice.say(&format!("{path}.job"), message);
        }
        let earlier = || ttl.0.iter().take(place).enumerate();
        let taken = |pattern: &Pattern| {
            earlier().find(|(_, other)| other.jobs.iter().any(|known| known.covers(pattern))).map(|(place, _)| place)
        };
        if let Some(by) = rule.jobs.iter().map(taken).collect::<Option<Vec<_>>>() {
            let by = by.first().map_or(0, |place| *place);
            let message =
                format!("no group reaches it: ttl[{by}] above names all of its jobs; move it up or remove it");
            advice.say(&path, message);
        }
    }
}
