//! What is wrong with the gateway, and who does it: whether it can be scraped, which group breaks it, which of its flags
//! open it or change what a push means, and what it holds.

mod examine;
mod flags;
mod scrape;
mod told;
mod watchdog;

pub use examine::{Finding, Level, examine};
pub use flags::Flags;
pub use scrape::{Culprit, Scrape, check};
pub use watchdog::Watchdog;

#[cfg(test)]
mod tests;
