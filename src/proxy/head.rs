//! Reads one head from a connection, byte-exact, before any HTTP library sees it.

use super::listener::Refused;
use crate::decision::{Denial, Reason};
use crate::policy::Limits;
use crate::request::{MAX_HEAD_BYTES, MAX_TARGET_BYTES, RawHead, RawHeadError};
use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// What came of waiting for a head.
pub(super) enum NextHead {
    /// A head; what follows it stays in the buffer.
    Read(RawHead),
    /// Something that is answered and ends the connection.
    Refused(Refused),
    /// Nothing more comes, or nothing more is wanted.
    Ended,
}

/// Waits for the first byte as long as an idle connection is kept, then for the whole head. `started` is called at the
/// first byte.
pub(super) async fn next_head(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    limits: &Limits,
    shutdown: &ShutdownWatch,
    started: impl FnOnce(),
) -> NextHead {
    if buffer.is_empty() && !first_byte(stream, buffer, limits, shutdown).await {
        return NextHead::Ended;
    }
    started();
    match timeout(limits.head, whole_head(stream, buffer)).await {
        Ok(next) => next,
        Err(_) => refused(Denial::new(Reason::RequestTimeout).hint("the head did not arrive in time")),
    }
}

async fn first_byte(stream: &mut Stream, buffer: &mut BytesMut, limits: &Limits, shutdown: &ShutdownWatch) -> bool {
    let mut shutdown = shutdown.clone();
    let stopping = async {
        // The sender lives as long as the process; an error means that it ends as well.
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    tokio::select! {
        biased;
        read = timeout(limits.idle, stream.read_buf(buffer)) => matches!(read, Ok(Ok(bytes)) if bytes > 0),
        () = stopping => false,
    }
}

async fn whole_head(stream: &mut Stream, buffer: &mut BytesMut) -> NextHead {
    let mut scanned = 0;
    loop {
        match scan(buffer, &mut scanned) {
            Scan::Whole(end) => return read(buffer, end),
            Scan::Refused(denial) => return refused(denial),
            Scan::More => {}
        }
        match stream.read_buf(buffer).await {
            Ok(bytes) if bytes > 0 => {}
            _ => return NextHead::Ended,
        }
    }
}

enum Scan {
    Whole(usize),
    More,
    Refused(Denial),
}

/// Looks for the empty line, reading each line end once. A lone LF cannot become part of a strict head, so there is no
/// use in waiting on; what follows the empty line is not looked at.
fn scan(buffer: &[u8], scanned: &mut usize) -> Scan {
    while let Some(at) = buffer.get(*scanned..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
        let end = *scanned + at + 1;
        let head = buffer.get(..end).unwrap_or_default();
        if end > MAX_HEAD_BYTES {
            return Scan::Refused(too_large(head));
        }
        if head.ends_with(b"\r\n\r\n") {
            return Scan::Whole(end);
        }
        if !head.ends_with(b"\r\n") || end == 2 {
            return Scan::Refused(malformed("a line is empty or does not end in CR LF"));
        }
        *scanned = end;
    }
    // The unfinished line is scanned again: it grows at most to the limit.
    if buffer.len() > MAX_HEAD_BYTES { Scan::Refused(too_large(buffer)) } else { Scan::More }
}

fn too_large(buffer: &[u8]) -> Denial {
    let line = buffer.iter().position(|b| *b == b'\n').unwrap_or(buffer.len());
    if line > MAX_TARGET_BYTES + 64 {
        return Denial::new(Reason::TargetTooLong).hint(format!("at most {MAX_TARGET_BYTES} bytes are taken"));
    }
    Denial::new(Reason::HeadTooLarge).hint(format!("at most {MAX_HEAD_BYTES} bytes are taken"))
}

fn malformed(what: &str) -> Denial {
    Denial::new(Reason::RequestMalformed).hint(what).detail(what)
}

fn read(buffer: &mut BytesMut, end: usize) -> NextHead {
    let head = RawHead::read(buffer.get(..end).unwrap_or_default());
    buffer.advance(end);
    match head {
        Ok(head) => NextHead::Read(head),
        Err(error) => {
            let denial = match &error {
                RawHeadError::Malformed(what) => malformed(what),
                RawHeadError::MethodUnknown => {
                    Denial::new(Reason::MethodNotAllowed).allow("GET, PUT, POST, DELETE").detail(error.to_string())
                }
                RawHeadError::TargetTooLong { .. } => Denial::new(Reason::TargetTooLong).hint(error.to_string()),
                RawHeadError::TooManyFields { .. } => Denial::new(Reason::HeadTooLarge).hint(error.to_string()),
            };
            refused(denial)
        }
    }
}

fn refused(denial: Denial) -> NextHead {
    NextHead::Refused(Refused(denial))
}
