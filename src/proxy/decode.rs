//! Decodes a body within the room for bodies: what it grows to is reserved before it is there.

use crate::decision::{Admission, Denial, Reason};
use crate::policy::Limits;
use crate::request::Head;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// A body and the room that it takes.
pub(super) type Held<'r> = (Bytes, SemaphorePermit<'r>);

/// The refusal for want of room.
pub(super) fn no_room() -> Denial {
    Denial::new(Reason::Overloaded).detail("no room for another body").retry_after(Duration::from_secs(1))
}

/// The body without its Content-Encoding.
///
/// # Errors
/// It cannot be decoded within the limits, or there is no room for what it decodes to.
pub(super) async fn decode<'r>(
    held: Held<'r>,
    admission: &Admission,
    head: &Head,
    room: &'r Semaphore,
    limits: &Limits,
) -> Result<Held<'r>, Denial> {
    let Some(mut decoder) = admission.decoder(head, &held.0) else { return Ok(held) };
    let mut taken: Option<SemaphorePermit<'r>> = None;
    loop {
        let kib = u32::try_from(decoder.next_room().div_ceil(1024)).unwrap_or(u32::MAX);
        let Ok(Ok(more)) = timeout(limits.body_wait, room.acquire_many(kib)).await else { return Err(no_room()) };
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        match decoder.step() {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => return Err(admission.undecodable(&fault)),
        }
    }
    let decoded = Bytes::from(decoder.finish());
    Ok((decoded, taken.unwrap_or(held.1)))
}
