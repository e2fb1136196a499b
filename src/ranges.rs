//! Named sets of addresses that others publish: fetched, parsed, kept on disk, and served from there when the network
//! is away.
//!
//! `refresh` drives it: it takes the last good document from `store`, then asks the network through `fetch`, which
//! gives the body to the pure `github::parse`. A document is taken whole or not at all; what does not parse never
//! replaces what is held, in memory or on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::prefix_set::PrefixSet;

pub mod fetch;
pub mod github;
pub mod refresh;
pub mod store;

/// The sets of one document by name. A name that is absent was not selected: it is never an empty set.
pub type RangeSets = BTreeMap<String, Arc<PrefixSet>>;

/// The sets of `document`, ready to be asked about addresses.
pub fn compile(document: &github::Document) -> RangeSets {
    let set = |prefixes: &[_]| Arc::new(PrefixSet::from_prefixes(prefixes.iter().copied()));
    document.sets.iter().map(|(name, prefixes)| (name.clone(), set(prefixes))).collect()
}
