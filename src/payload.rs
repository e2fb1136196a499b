//! What a body holds, as far as the decision needs to know: whether there is a sample in it, and whether its frames are
//! what they claim to be.
//!
//! The gateway chooses its parser by the media type: anything but its one protobuf type is text, curl's default
//! `application/x-www-form-urlencoded` included.

mod frames;
mod media_type;

pub use media_type::Format;

use thiserror::Error;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whether there is a sample. A replacement without one is a delete.
    pub has_sample: bool,
}

/// Why a body is refused before the gateway sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// A protobuf message claims more bytes than there are, or is cut.
    #[error("the protobuf message at byte {0} is longer than the body")]
    FrameTooLong(usize),
    /// A protobuf message that cannot be read.
    #[error("the protobuf message at byte {0} is malformed")]
    FrameMalformed(usize),
}

/// Looks into a whole body.
///
/// # Errors
/// Why it must not reach the gateway.
pub fn inspect(format: Format, body: &[u8]) -> Result<Summary, PayloadError> {
    let has_sample = match format {
        Format::Text => text_has_sample(body),
        Format::Protobuf => frames::have_metric(body)?,
    };
    Ok(Summary { has_sample })
}

/// A line that is neither blank nor a comment is a sample, or an error that the gateway reports.
fn text_has_sample(body: &[u8]) -> bool {
    body.split(|b| *b == b'\n').any(|line| {
        let first = line.iter().find(|b| **b != b' ' && **b != b'\t');
        first.is_some_and(|b| *b != b'#')
    })
}

#[cfg(test)]
mod tests;
