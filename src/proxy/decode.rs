//! Decodes a body within the room for bodies: what it grows to is reserved before it is there.

use super::room::Taken;
use crate::decision::{Admission, Denial, Reason};
use crate::policy::{Limit, Limits};
use crate::request::Head;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// A body and the room that it takes.
pub(super) type Held = (Bytes, Taken);

/// The refusal for want of room.
pub(super) fn no_room() -> Denial {
    let denial = Denial::new(Reason::Overloaded).limit(Limit::BodyMemory).detail("no room for another body");
    denial.retry_after(Duration::from_secs(1))
}

/// The body without its Content-Encoding.
///
/// # Errors
/// It cannot be decoded within the limits, or there is no room for what it decodes to.
pub(super) async fn decode(held: Held, admission: &Admission, head: &Head, limits: &Limits) -> Result<Held, Denial> {
    let (coded, mut room) = held;
    let Some(mut decoder) = admission.decoder(head, &coded) else { return Ok((coded, room)) };
    loop {
        let more = u64::try_from(decoder.next_room()).unwrap_or(u64::MAX);
        let Ok(()) = timeout(limits.room_wait, room.grow(more)).await else { return Err(no_room()) };
        match decoder.step() {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => return Err(admission.undecodable(&fault)),
        }
    }
    let decoded = Bytes::from(decoder.finish());
    room.shrink(u64::try_from(decoded.len()).unwrap_or(u64::MAX));
    Ok((decoded, room))
}
