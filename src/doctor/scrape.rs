//! Whether the gateway can be scraped, and who keeps it from that.

use super::told::not_utf8;
use crate::groups::{Detail, Group, Labels, is_counted, path_of, times};
use crate::proxy::{Page, Upstream};
use crate::shown::shown;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// As much of the metrics page as is looked at: enough for what it tells where it fails.
const LOOKED_AT: usize = 256 * 1024;

/// A group that breaks the scrape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Culprit {
    /// The group, for people.
    pub group: String,
    /// What it does.
    pub why: &'static str,
    /// The paths to delete it by.
    pub paths: Vec<String>,
}

/// The health of the scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrape {
    /// What is wrong with the page; none where it is well.
    pub broken: Option<String>,
    /// Who does it, as far as it can be known.
    pub culprits: Vec<Culprit>,
    /// All groups, in order of their labels.
    pub groups: Vec<Group>,
}

/// Asks for the metrics page and the list of groups.
///
/// # Errors
/// Why there is no answer.
pub async fn check(upstream: &Upstream) -> Result<Scrape, String> {
    let page = upstream.page("/metrics", LOOKED_AT).await?;
    // Whose metrics share a hash is asked only where it may be the cause: of millions it is no small question.
    let detail = if page.status == 200 { Detail::Counts } else { Detail::Hashes };
    let found = Arc::new(Mutex::new(Vec::new()));
    let seeing = found.clone();
    upstream.groups(detail, |_| Ok(()), move |group| seeing.lock().push(group)).await?;
    let mut groups = std::mem::take(&mut *found.lock());
    groups.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(judge(&page, groups))
}

/// What the two say together.
pub(super) fn judge(page: &Page, groups: Vec<Group>) -> Scrape {
    let text = String::from_utf8_lossy(&page.body);
    let mut culprits: Vec<Culprit> = from_page(&text);
    culprits.extend(twins(&groups));
    culprits.extend(groups.iter().filter_map(of_its_own));
    let shared = sharing(&groups, &culprits);
    culprits.extend(shared);
    culprits.sort();
    culprits.dedup();
    let broken = match page.status {
        200 if page.body.is_empty() => Some("its page is empty, which looks like a scrape without a metric".to_owned()),
        200 => culprits.first().map(|culprit| format!("a group {}", culprit.why)),
        status => Some(format!("it answers {status}: {}", shown(&said(&text)))),
    };
    Scrape { broken, culprits, groups }
}

/// The first thing that the gateway complains of.
fn said(text: &str) -> String {
    let complaint = text.lines().find_map(|line| line.trim_start().strip_prefix("* "));
    complaint.or_else(|| text.lines().rfind(|line| !line.is_empty())).unwrap_or_default().to_owned()
}

fn from_page(text: &str) -> Vec<Culprit> {
    let culprit = |labels: Vec<(String, Vec<u8>)>| {
        let path = |bare: bool| {
            let kept = labels.iter().filter(|(name, value)| !(bare && name == "instance" && value.is_empty()));
            path_of(kept.map(|(name, value)| (name.as_str(), value.as_slice())))
        };
        // Whether the empty instance is the group's or the gateway's addition cannot be seen; both are as unfit.
        let mut paths: Vec<String> = [path(false), path(true)].into_iter().flatten().collect();
        paths.dedup();
        let parts = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", value.escape_ascii()));
        let group = format!("{{{}}}", parts.collect::<Vec<_>>().join(","));
        Culprit { group, why: "holds bytes in a label value that are not UTF-8", paths }
    };
    not_utf8(text).into_iter().map(culprit).collect()
}

/// Groups with an empty `instance` beside the same group without one: the gateway gives the other one the same.
fn twins(groups: &[Group]) -> Vec<Culprit> {
    let known: BTreeMap<&Labels, &Group> = groups.iter().map(|group| (&group.labels, group)).collect();
    let empty = groups.iter().filter(|group| group.labels.get("instance") == Some("") && !group.instance_unsure);
    let twin = empty.filter(|group| known.contains_key(&group.labels.without("instance")));
    twin.map(|group| culprit(group, "has an empty instance, and so the same series as the group without one")).collect()
}

/// Groups that hold a metric with the hash of one that the gateway makes itself, or of one that another group had before:
/// the gateway takes two such for one.
fn sharing(groups: &[Group], known: &[Culprit]) -> Vec<Culprit> {
    let own: HashSet<u64> = groups.iter().flat_map(|group| times(group.labels.iter())).collect();
    let others = groups.iter().filter(|group| known.iter().all(|culprit| culprit.group != group.labels.to_string()));
    let mut others: Vec<&Group> = others.collect();
    others.sort_by_key(|group| group.activity());
    let (mut seen, mut culprits) = (HashSet::new(), Vec::new());
    for group in others {
        let hashes = || group.families.iter().flat_map(|family| family.hashes.iter().copied());
        let times = times(group.labels.iter());
        let taken = |hash| own.contains(&hash) || is_counted(hash) || seen.contains(&hash);
        if hashes().any(taken) || times.iter().any(|time| seen.contains(time)) {
            let why = "holds a metric that the gateway takes for one of another group or for one of its own";
            culprits.push(culprit(group, why));
        } else {
            seen.extend(hashes().chain(times));
        }
    }
    culprits
}

/// What breaks a scrape whatever else is there.
fn of_its_own(group: &Group) -> Option<Culprit> {
    let bucketed = |family: &crate::groups::Family| match family.kind.as_str() {
        "HISTOGRAM" => group.labels.get("le").is_some(),
        "SUMMARY" => group.labels.get("quantile").is_some(),
        _ => false,
    };
    if group.families.iter().any(|family| family.name.is_empty()) {
        return Some(culprit(group, "holds a metric without a name, which empties the whole page"));
    }
    if group.families.iter().any(bucketed) {
        return Some(culprit(group, "has a label le or quantile, which stands twice in its histograms or summaries"));
    }
    None
}

fn culprit(group: &Group, why: &'static str) -> Culprit {
    Culprit { group: group.labels.to_string(), why, paths: group.paths() }
}
