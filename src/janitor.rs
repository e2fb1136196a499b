//! Removes groups that are older than the policy keeps them, and nothing else.
//!
//! `plan` says what becomes of a group; `doubt` what the gateway's clock is worth; `sweep` is the order of a sweep: one
//! reading of all groups, a breaker, then for each group that is due a fresh reading, its lock, its `DELETE`, and a last
//! look whether it is gone. The sweep knows no network: it says the next [`Step`], and whoever drives it does that and
//! tells what came of it. `drive` does it at a gateway, a test at a model. `resident` sweeps as long as the process serves.

mod doubt;
mod drive;
mod plan;
mod report;
mod resident;
mod sweep;

pub use doubt::Doubt;
pub use drive::drive;
pub use plan::{Due, Kept, most_at_once};
pub use report::{Report, Row, What, age_text};
pub use resident::Resident;
pub use sweep::{Mode, Step, Sweep};

#[cfg(test)]
mod tests;
