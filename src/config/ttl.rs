//! `ttl`: how long groups are kept.

use super::grants::{self, Braces};
use super::reader::{Node, Reader};
use super::units;
use crate::policy::{Ttl, TtlRule};
use std::time::Duration;

/// Below it a unit was probably meant otherwise.
const SHORT: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(3660 * 86_400);

/// The list of rules.
pub(super) fn ttl(reader: &mut Reader, node: &Node<'_>) -> Ttl {
    let items = reader.list(node).unwrap_or_default();
    Ttl(items.iter().filter_map(|item| rule(reader, item)).collect())
}

fn rule(reader: &mut Reader, node: &Node<'_>) -> Option<TtlRule> {
    let mut map = reader.map(node)?;
    let (job, max_age) = (map.take("job"), map.take("max_age"));
    map.finish(reader);
    for (key, found) in [("job", job.is_some()), ("max_age", max_age.is_some())] {
        if !found {
            reader.problem(&node.path, format!("{key} is missing; a rule is {{ job: \"ci-*\", max_age: 30d }}"));
        }
    }
    let jobs = job.map(|node| grants::jobs(reader, &node, Braces::Nothing));
    let max_age = max_age.and_then(|node| self::max_age(reader, &node));
    Some(TtlRule { jobs: jobs?, max_age: max_age? })
}

fn max_age(reader: &mut Reader, node: &Node<'_>) -> Option<Option<Duration>> {
    if let Some(number) = node.value.as_u64() {
        reader.problem(&node.path, format!("an age has a unit; write {number}d for days, or never"));
        return None;
    }
    let text = reader.text(node)?;
    if text == "never" {
        return Some(None);
    }
    let range = Duration::from_secs(1)..=LONGEST;
    let Some(age) = units::duration(&text).filter(|age| range.contains(age)) else {
        reader.problem(&node.path, format!("expected 1s to 3660d, such as 30d, or never; found {text:?}"));
        return None;
    };
    if age < SHORT {
        let warning = "groups that are pushed less often than that go between two pushes; is the unit right?";
        reader.warn(&node.path, warning);
    }
    Some(Some(age))
}
