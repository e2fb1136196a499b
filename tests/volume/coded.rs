//! Coded bodies.

use std::io::Write as _;
use zlib_rs::{Deflate, DeflateFlush, Status};

/// One gzip member.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut member = Deflate::new(6, true, 16 + 15);
    let mut out = vec![0; body.len() + body.len() / 1000 + 100];
    assert_eq!(member.compress(body, &mut out, DeflateFlush::Finish), Ok(Status::StreamEnd));
    out.truncate(usize::try_from(member.total_out()).unwrap());
    out
}

/// Snappy in its framing format.
pub fn snappy(body: &[u8]) -> Vec<u8> {
    let mut frames = snap::write::FrameEncoder::new(Vec::new());
    frames.write_all(body).unwrap();
    frames.into_inner().unwrap()
}
