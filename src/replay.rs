//! Recorded traffic, asked of a policy: what would have passed, what not, and why.
//!
//! Lines go through one by one; what is kept is counts, the first few examples of each kind and the most frequent
//! names, so that a log of any length takes the same memory.

mod difference;
mod html;
mod json;
mod judge;
mod report;
mod suggest;
mod text;
mod timeline;
mod top;

pub use difference::{Differences, github, json as difference_json, text as difference_text};
pub use html::html;
pub use json::json;
pub use judge::{Judge, Judged, Why};
pub use report::{Example, Group, Report};
pub use suggest::Suggestion;
pub use text::text;

#[cfg(test)]
mod tests;
