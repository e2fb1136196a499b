//! What the gateway holds: its document `/api/v1/metrics`, read as a stream, group by group.
//!
//! The document has no pages and can be hundreds of megabytes, so it is never held whole: each group is handed on as it is
//! read, and a cap bounds the bytes. A document that ends early, or is anything else than expected, is an error; what
//! was handed on until then is no picture of the gateway.

mod family;
mod group;
mod labels;
mod own;
mod read;

pub use group::{Family, Group};
pub use labels::{Labels, path_of};
pub use own::{TIMES, is_counted, times};
pub use read::{Detail, ReadError, read};

#[cfg(test)]
mod tests;
