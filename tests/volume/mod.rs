//! What the tests by volume share: the gateways that can be run, a tap that counts, and generators with a seed.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod bodies;
pub mod cases;
pub mod coded;
pub mod cut;
pub mod gateways;
pub mod prometheus;
pub mod rng;
pub mod tap;
pub mod targets;

#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use cases::{Chance, Volume, judge, say};

/// How many cases to run: `PUSHGUARD_VOLUME`, else `default`.
pub fn volume(default: usize) -> usize {
    number("PUSHGUARD_VOLUME").map_or(default, |n| usize::try_from(n).expect("a volume"))
}

/// Where the generators begin: `PUSHGUARD_SEED`, else always the same.
pub fn seed() -> u64 {
    number("PUSHGUARD_SEED").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Says what was run past the test harness's capture.
pub fn report(line: &str) {
    say(line);
}
