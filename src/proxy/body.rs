//! Reads a body whole, within a byte limit and a deadline.

use crate::decision::{Denial, Reason};
use bytes::{Bytes, BytesMut};
use pingora_core::protocols::http::v1::server::HttpSession;
use std::time::Duration;
use tokio::time::timeout;

/// The body up to its end.
///
/// # Errors
/// Too large, too slow, or ended early. Nothing of it has gone anywhere then.
pub(super) async fn read(session: &mut HttpSession, max_bytes: u64, deadline: Duration) -> Result<Bytes, Denial> {
    match timeout(deadline, read_all(session, max_bytes)).await {
        Ok(body) => body,
        Err(_) => {
            let hint = format!("the body did not arrive within {} s", deadline.as_secs());
            Err(Denial::new(Reason::RequestTimeout).hint(hint))
        }
    }
}

async fn read_all(session: &mut HttpSession, max_bytes: u64) -> Result<Bytes, Denial> {
    let mut body = BytesMut::new();
    loop {
        match session.read_body_bytes().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(part)) => body.extend_from_slice(&part),
            Err(error) => return Err(Denial::new(Reason::BodyIncomplete).detail(error.etype().as_str())),
        }
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > max_bytes {
            return Err(Denial::new(Reason::PayloadTooLarge).hint(format!("at most {max_bytes} bytes are taken")));
        }
    }
}

/// The most bytes of a refused body that are read so that the connection can go on.
const DRAIN_BYTES: u64 = 64 * 1024;

/// Reads a refused body to its end where that is cheap, so that the connection can serve the next request.
pub(super) async fn drain(session: &mut HttpSession, deadline: Duration) {
    if !session.is_body_done() {
        let _ = timeout(deadline, read_all(session, DRAIN_BYTES)).await;
    }
}
