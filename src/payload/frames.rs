//! Delimited protobuf: lengths are believed only as far as there are bytes, and nothing is allocated from one.

use super::PayloadError;

/// The field of `MetricFamily` that holds its metrics.
const METRIC: u64 = 4;

/// Walks the messages and says whether any of them holds a metric.
///
/// # Errors
/// The first message that is cut, over-long or not protobuf.
pub fn have_metric(body: &[u8]) -> Result<bool, PayloadError> {
    let mut rest = body;
    let mut found = false;
    while !rest.is_empty() {
        let at = body.len() - rest.len();
        let malformed = PayloadError::FrameMalformed(at);
        let (length, tail) = varint(rest).ok_or(malformed)?;
        let (message, tail) = split(tail, length).ok_or(PayloadError::FrameTooLong(at))?;
        found |= family_has_metric(message).ok_or(malformed)?;
        rest = tail;
    }
    Ok(found)
}

fn family_has_metric(mut message: &[u8]) -> Option<bool> {
    let mut found = false;
    while !message.is_empty() {
        let (tag, rest) = varint(message)?;
        found |= tag >> 3 == METRIC && tag & 7 == 2;
        message = match tag & 7 {
            0 => varint(rest)?.1,
            1 => split(rest, 8)?.1,
            2 => {
                let (length, rest) = varint(rest)?;
                split(rest, length)?.1
            }
            5 => split(rest, 4)?.1,
            // Groups are gone from protobuf; the gateway's messages never had any.
            _ => return None,
        };
    }
    Some(found)
}

/// A base-128 number of at most ten bytes.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let low = u64::from(byte & 0x7f);
        let shift = u32::try_from(index).ok()? * 7;
        if shift == 63 && low > 1 {
            return None;
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

fn split(bytes: &[u8], length: u64) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(length).ok()?;
    Some((bytes.get(..length)?, bytes.get(length..)?))
}
