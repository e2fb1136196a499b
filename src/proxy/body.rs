//! Reads a body whole, within a byte limit and a deadline, and not slower than a minimum rate.
//!
//! What follows a body that was not read to its end is anybody's guess, so every way out of here other than a whole body
//! gives the connection up.

use super::wire::{BodyFault, Wire};
use crate::clock::Clock;
use crate::decision::{Denial, Reason};
use crate::policy::{Limit, Limits};
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::time::timeout;

/// The body up to its end.
///
/// # Errors
/// Too large, too slow, or ended early. Nothing of it has gone anywhere then, and the connection ends with the answer.
pub(super) async fn read(wire: &mut Wire, max_bytes: u64, limits: &Limits, clock: &dyn Clock) -> Result<Bytes, Denial> {
    let body = read_all(wire, max_bytes, limits, clock).await;
    if body.is_err() {
        wire.close();
    }
    body
}

async fn read_all(wire: &mut Wire, max_bytes: u64, limits: &Limits, clock: &dyn Clock) -> Result<Bytes, Denial> {
    let started = clock.tick();
    let mut body = BytesMut::new();
    loop {
        let received = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if received > max_bytes {
            let hint = format!("at most {max_bytes} bytes are taken");
            return Err(Denial::new(Reason::PayloadTooLarge).limit(Limit::BodyBytes).hint(hint));
        }
        // Bytes buy time, so that a trickle cannot hold the room of its body for as long as a slow line may.
        let bought = Duration::from_millis(received.saturating_mul(1000) / limits.body_rate.max(1));
        let allowed = limits.body.min(limits.body_stall.saturating_add(bought));
        let left = allowed.saturating_sub(clock.tick().since(started));
        match timeout(left, wire.next_part()).await {
            Err(_) => return Err(too_slow(allowed, limits)),
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Ok(Some(part))) => body.extend_from_slice(&part),
            Ok(Err(BodyFault::Ended)) => {
                let detail = format!("the connection ended after {received} bytes of the body");
                return Err(Denial::new(Reason::BodyIncomplete).detail(detail));
            }
            Ok(Err(BodyFault::Malformed(what))) => {
                return Err(Denial::new(Reason::BodyIncomplete).hint(what).detail(what));
            }
        }
    }
}

fn too_slow(allowed: Duration, limits: &Limits) -> Denial {
    let hint = format!(
        "the body was not there after {} s; at least {} bytes a second are expected",
        allowed.as_secs(),
        limits.body_rate
    );
    let limit = if allowed == limits.body { Limit::BodyTime } else { Limit::BodyRate };
    Denial::new(Reason::RequestTimeout).limit(limit).hint(hint)
}

/// The most bytes of a refused body that are read so that the connection can go on.
const DRAIN_BYTES: u64 = 64 * 1024;
/// The time for them.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// Reads a refused body to its end where that is cheap, so that the connection can serve the next request.
pub(super) async fn drain(wire: &mut Wire, limits: &Limits, clock: &dyn Clock) {
    if !wire.body_is_done() {
        let limits = Limits { body: DRAIN_TIME, ..*limits };
        let _ = read(wire, DRAIN_BYTES, &limits, clock).await;
    }
}
