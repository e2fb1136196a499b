//! What the gateway says that it holds takes the place of what was believed.

use super::state::State;
use crate::payload::{Family, Kind};
use crate::request::GroupingKey;
use std::collections::HashSet;
use std::sync::Arc;

/// A group as the gateway tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The group.
    pub key: GroupingKey,
    /// What was pushed to it.
    pub families: Vec<LearnedFamily>,
}

/// A family of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedFamily {
    /// Its name, shared by all groups that hold it.
    pub name: Arc<str>,
    /// Its type.
    pub kind: Kind,
    /// Its metrics by their hashes.
    pub metrics: Vec<u64>,
    /// Bytes that it takes at most of the gateway's page.
    pub bytes: usize,
}

impl State {
    pub(super) fn learn(
        &mut self,
        mark: u64,
        learned: Vec<Learned>,
        owner: impl Fn(&GroupingKey) -> Option<Arc<str>>,
        most_metrics: usize,
    ) {
        let paths: HashSet<Arc<str>> = learned.iter().map(|group| group.key.upstream_path().into()).collect();
        let gone = self
            .groups()
            .iter()
            .filter(|(path, group)| !paths.contains(*path) && group.touched <= mark && group.pending.is_empty());
        let gone: Vec<Arc<str>> = gone.map(|(path, _)| path.clone()).collect();
        gone.iter().for_each(|path| self.remove(path));
        for group in learned {
            let path: Arc<str> = group.key.upstream_path().into();
            match self.groups().get(&path) {
                Some(known) if known.touched > mark || !known.pending.is_empty() => continue,
                Some(_) => {}
                None => {
                    let owner = owner(&group.key);
                    self.insert(path.clone(), group.key, owner);
                }
            }
            let families = group.families.into_iter().map(|family| Family {
                name: family.name.as_ref().to_owned(),
                kind: family.kind,
                metrics: family.metrics,
                bytes: family.bytes,
            });
            self.restore(&path, families, most_metrics);
        }
    }
}
