//! JSON Schemas (2020-12) of policies and of their tests: for editors that complete them, and for whoever generates them.
//!
//! They say what may stand where, with words, units and defaults. What depends on more than one place only the reader
//! knows. Words come from the tables that the reader reads by; a test holds the keys of both against each other.

mod policy;
mod suite;
mod words;

pub use policy::policy;
pub use suite::suite;
