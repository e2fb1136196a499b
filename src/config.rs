//! The policy file: YAML text to a compiled [`Policy`](crate::policy::Policy), or all its problems at once.

mod advice;
mod certificates;
mod compile;
mod decoys;
mod fingerprint;
mod grants;
mod import;
mod issuers;
mod lines;
mod lists;
mod load;
mod mode;
mod network;
mod outline;
mod payload;
mod principals;
mod problem;
mod quotas;
mod reader;
mod request;
mod schema;
mod secrets;
mod suite;
mod tokens;
mod trust;
mod ttl;
mod units;

pub use advice::advice;
pub use fingerprint::Fingerprint;
pub use import::{Imported, htpasswd, web_config};
pub use load::{Loaded, Secrets, load, load_noting, read};
pub use outline::outline;
pub use problem::{Problem, Problems};
pub use schema::{policy as policy_schema, suite as suite_schema};
pub use suite::suite;
pub use units::{duration, size};

#[cfg(test)]
mod tests;
