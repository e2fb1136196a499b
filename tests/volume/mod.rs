//! What the tests by volume share: the gateways that can be run, a tap that counts, and generators with a seed.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod bodies;
pub mod cases;
pub mod coded;
pub mod cut;
pub mod gateways;
pub mod kept;
pub mod prometheus;
pub mod rng;
pub mod tap;
pub mod targets;

#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use cases::{Chance, Volume, judge, say};
#[allow(unused_imports, reason = "each test binary uses its own part")]
pub(crate) use gateways::on_every_gateway;
