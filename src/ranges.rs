//! Named sets of addresses that others publish: fetched, parsed, guarded, kept on disk, and served from there when the
//! network is away.
//!
//! A [`feed`] publishes lists. `refresh` drives it all: a `line` asks a feed through [`crate::fetch`], the `keeper` gives
//! the document to each [`set`], which reads its [`list`], asks the [`guard`] whether it may take the place of what is
//! [`held`], and keeps it in the [`store`]. What happens comes back as [`event`]s, which the log and the metrics tell. A
//! list is taken whole or not at all; what does not parse, or is not believed, never replaces what is held, in memory or
//! on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::prefix_set::PrefixSet;

pub mod ask;
pub mod event;
pub mod feed;
pub mod github;
pub mod guard;
pub mod held;
pub mod keeper;
mod line;
pub mod list;
pub mod prefix;
pub mod refresh;
mod report;
pub mod set;
pub mod store;

pub use line::Lines;

/// The sets by name. A name that is absent is not known: it is never an empty set.
pub type RangeSets = BTreeMap<String, Arc<PrefixSet>>;
