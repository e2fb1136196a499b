//! What a body holds: checked whole before the gateway sees a byte of it.
//!
//! The gateway chooses its parser by the media type: anything but its one protobuf type is text, curl's default
//! `application/x-www-form-urlencoded` included. What is accepted here, no gateway version refuses for its syntax, and
//! nothing of it can break the scrape.

mod coding;
mod fault;
mod limits;
mod media_type;
mod protobuf;
mod reserved;
mod series;
mod text;

pub use coding::{Coding, DecodeFault, Decoder, MAX_RATIO, RATIO_FREE_BYTES};
pub use fault::Fault;
pub use limits::{PayloadShape, Rules};
pub use media_type::Format;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Series. A replacement without one is a delete.
    pub series: usize,
}

/// Checks a whole body.
///
/// # Errors
/// The first few faults. Nothing of the body may reach the gateway then.
pub fn inspect(format: Format, body: &[u8], rules: &Rules<'_>) -> Result<Summary, Vec<Fault>> {
    let series = match format {
        Format::Text => text::check(body, rules)?,
        Format::Protobuf => protobuf::check(body, rules)?,
    };
    Ok(Summary { series })
}

#[cfg(test)]
mod tests;
