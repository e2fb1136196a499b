//! Reads one head from a connection, byte-exact, before any HTTP library sees it.

use super::listener::Refused;
use super::wire::ByteStream;
use crate::decision::{Denial, Reason};
use crate::policy::{Limit, Limits};
use crate::request::{HeadLimits, RawHead};
use bytes::{Buf, BytesMut};
use pingora_core::server::ShutdownWatch;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// What came of waiting for a head.
pub(super) enum NextHead {
    /// A head; what follows it stays in the buffer.
    Read(RawHead),
    /// Something that is answered and ends the connection.
    Refused(Refused),
    /// Nothing came for as long as an idle connection is kept.
    Idle,
    /// Nothing more comes, or nothing more is wanted.
    Ended,
}

/// Waits for the first byte as long as an idle connection is kept, then for the whole head. `started` is called at the
/// first byte.
pub(super) async fn next_head(
    stream: &mut dyn ByteStream,
    buffer: &mut BytesMut,
    limits: &Limits,
    shutdown: &ShutdownWatch,
    started: impl FnOnce(),
) -> NextHead {
    if buffer.is_empty()
        && let Some(ended) = first_byte(stream, buffer, limits, shutdown).await
    {
        return ended;
    }
    started();
    match timeout(limits.head, whole_head(stream, buffer, &limits.head_size)).await {
        Ok(next) => next,
        Err(_) => {
            let hint = "the head did not arrive in time";
            refused(Denial::new(Reason::RequestTimeout).limit(Limit::HeadTime).hint(hint))
        }
    }
}

/// Waits for a byte; otherwise answers how the wait ended.
async fn first_byte(
    stream: &mut dyn ByteStream,
    buffer: &mut BytesMut,
    limits: &Limits,
    shutdown: &ShutdownWatch,
) -> Option<NextHead> {
    let mut shutdown = shutdown.clone();
    let stopping = async {
        // The sender lives as long as the process; an error means that it ends as well.
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    tokio::select! {
        biased;
        read = timeout(limits.idle, stream.read_buf(buffer)) => match read {
            Ok(Ok(bytes)) if bytes > 0 => None,
            Ok(_) => Some(NextHead::Ended),
            Err(_) => Some(NextHead::Idle),
        },
        () = stopping => Some(NextHead::Ended),
    }
}

async fn whole_head(stream: &mut dyn ByteStream, buffer: &mut BytesMut, most: &HeadLimits) -> NextHead {
    let mut scanned = 0;
    loop {
        match scan(buffer, &mut scanned, most) {
            Scan::Whole(end) => return read(buffer, end, most),
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
fn scan(buffer: &[u8], scanned: &mut usize, most: &HeadLimits) -> Scan {
    while let Some(at) = buffer.get(*scanned..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
        let end = *scanned + at + 1;
        let head = buffer.get(..end).unwrap_or_default();
        if end > most.bytes {
            return Scan::Refused(too_large(head, most));
        }
        if head.ends_with(b"\r\n\r\n") {
            return Scan::Whole(end);
        }
        if !head.ends_with(b"\r\n") || end == 2 {
            return Scan::Refused(Denial::malformed("a line is empty or does not end in CR LF"));
        }
        *scanned = end;
    }
    // The unfinished line is scanned again: it grows at most to the limit.
    if buffer.len() > most.bytes { Scan::Refused(too_large(buffer, most)) } else { Scan::More }
}

fn too_large(buffer: &[u8], most: &HeadLimits) -> Denial {
    let line = buffer.iter().position(|b| *b == b'\n').unwrap_or(buffer.len());
    let (reason, limit, bytes) = if line > most.target.saturating_add(64) {
        (Reason::TargetTooLong, Limit::TargetBytes, most.target)
    } else {
        (Reason::HeadTooLarge, Limit::HeadBytes, most.bytes)
    };
    Denial::new(reason).limit(limit).hint(format!("at most {bytes} bytes are taken"))
}

fn read(buffer: &mut BytesMut, end: usize, most: &HeadLimits) -> NextHead {
    let head = RawHead::read_within(buffer.get(..end).unwrap_or_default(), most);
    buffer.advance(end);
    match head {
        Ok(head) => NextHead::Read(head),
        Err(error) => refused(Denial::of_head(&error)),
    }
}

fn refused(denial: Denial) -> NextHead {
    NextHead::Refused(Refused(denial))
}
