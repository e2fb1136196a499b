//! What a body holds: checked whole before the gateway sees a byte of it.
//!
//! The gateway chooses its parser by the media type: anything but its one protobuf type is text, curl's default
//! `application/x-www-form-urlencoded` included. What is accepted here, no gateway version refuses for its syntax, and
//! nothing of it can break the scrape.

mod coding;
mod fault;
mod kind;
mod limits;
mod media_type;
pub mod page;
mod protobuf;
mod reserved;
mod series;
mod summary;
mod text;

pub use coding::{Coding, DecodeFault, Decoder, MAX_RATIO, RATIO_FREE_BYTES};
pub use fault::Fault;
pub use kind::Kind;
pub use limits::{LabelRefusal, LabelRules, NESTING, PayloadShape, Rules};
pub use media_type::Format;
pub use reserved::is_reserved;
pub use series::SeriesHash;
pub use summary::{Family, Summary};

/// Checks a whole body.
///
/// # Errors
/// The first few faults. Nothing of the body may reach the gateway then.
pub fn inspect(format: Format, body: &[u8], rules: &Rules<'_>) -> Result<Summary, Vec<Fault>> {
    if let Some(message) = rules.path_fault() {
        return Err(vec![Fault { at: None, message, text: String::new() }]);
    }
    match format {
        Format::Text => text::check(body, rules),
        Format::Protobuf => protobuf::check(body, rules),
    }
}

#[cfg(test)]
mod tests;
