//! What the status page tells, as plain data.

use crate::recent::Seen;
use std::time::{Duration, SystemTime};

/// How the process stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// Of this program.
    pub version: &'static str,
    /// Now.
    pub now: SystemTime,
    /// When it began.
    pub started: SystemTime,
    /// What `/-/ready` answers by.
    pub ready: bool,
    /// Connections that are open.
    pub connections: i64,
    /// Of the policy.
    pub policy: PolicyStatus,
    /// The address lists that it takes from elsewhere.
    pub sets: Vec<SetStatus>,
    /// The version of the gateway; empty where it is not known.
    pub gateway: String,
    /// Whether somebody's scrape of the gateway was last seen to fail as a whole.
    pub scrape_broken: bool,
    /// Groups that live at the gateway, as far as is known, and how many may.
    pub groups: (usize, usize),
    /// The last requests.
    pub seen: Seen,
}

/// How the policy stands.
#[derive(Clone, Debug, Default)]
pub struct PolicyStatus {
    /// Its file.
    pub file: String,
    /// The world that judges.
    pub generation: u64,
    /// When the policy in use was taken.
    pub loaded: Option<SystemTime>,
    /// Why the last one was not taken; none where it was.
    pub problems: Vec<String>,
    /// What it allows but probably does not mean.
    pub warnings: Vec<String>,
    /// Rules that only report, and until when.
    pub reporting: Vec<(String, Option<SystemTime>)>,
    /// Its principals, in order, and how each is proven.
    pub principals: Vec<(String, String)>,
}

/// How an address list stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStatus {
    /// Its name.
    pub name: String,
    /// How many prefixes are served; none where it is not there.
    pub prefixes: Option<i64>,
    /// How long ago its source gave or confirmed it.
    pub age: Option<Duration>,
    /// Whether a newer list was refused and waits for an operator.
    pub refused: bool,
}
