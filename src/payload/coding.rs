//! Content codings: a body is decoded here, whole and with its checksum, and goes on without one.
//!
//! Gateways differ in what they make of a cut or damaged body, and none of them limits what it grows to.

use std::io::Read as _;
use thiserror::Error;
use zlib_rs::{Inflate, InflateFlush, Status};

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952; members that follow each other are one body, as the gateway has it.
    Gzip,
    /// Snappy's framing format. The gateway takes no bare block either.
    Snappy,
}

/// Bytes that a body may decode to for each byte sent, beyond [`RATIO_FREE_BYTES`].
pub const MAX_RATIO: u64 = 100;
/// Bytes that any body may decode to.
pub const RATIO_FREE_BYTES: u64 = 64 * 1024;
/// Members of one gzip body. Each costs the set-up of a decoder.
const MAX_MEMBERS: usize = 16;
/// Bytes that are decoded at once, at least.
const PART: usize = 64 * 1024;
/// `gzip` and a window of 32 KiB, in zlib's numbering.
const GZIP_WINDOW: u8 = 16 + 15;
const SNAPPY_BEGIN: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// Why a body could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeFault {
    /// It has more bytes than allowed.
    #[error("decoded, it has more than {0} bytes")]
    TooLarge(u64),
    /// It grows more than metrics do.
    #[error("decoded, it has more than {MAX_RATIO} times its bytes")]
    Ratio,
    /// It is not what its Content-Encoding says.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Decodes a body part by part, so that room can be made for each part before it is there.
pub struct Decoder<'b> {
    stream: Stream<'b>,
    out: Vec<u8>,
    sent: u64,
    most: u64,
}

enum Stream<'b> {
    Gzip(Gzip<'b>),
    Snappy(Result<(), DecodeFault>, Box<snap::read::FrameDecoder<&'b [u8]>>),
}

struct Gzip<'b> {
    input: &'b [u8],
    member: Inflate,
    members: usize,
}

impl<'b> Decoder<'b> {
    /// A decoder of a whole body that may decode to at most `most` bytes.
    pub fn new(coding: Coding, body: &'b [u8], most: u64) -> Self {
        let stream = match coding {
            Coding::Gzip => Stream::Gzip(Gzip { input: body, member: Inflate::new(true, GZIP_WINDOW), members: 1 }),
            Coding::Snappy => Stream::Snappy(snappy_chunks(body), Box::new(snap::read::FrameDecoder::new(body))),
        };
        let sent = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Self { stream, out: Vec::new(), sent, most }
    }

    /// Bytes of memory that the next [`Decoder::step`] may take.
    pub fn next_room(&self) -> usize {
        // Growing by a half keeps copying linear. One byte beyond the limit shows that it is crossed.
        let left = usize::try_from(self.limit()).unwrap_or(usize::MAX - 1).saturating_sub(self.out.len()) + 1;
        (self.out.len() / 2).max(PART).min(left)
    }

    /// Decodes the next part; false once the body is whole.
    ///
    /// # Errors
    /// The body is too large, or not what its coding demands.
    pub fn step(&mut self) -> Result<bool, DecodeFault> {
        let (room, before) = (self.next_room(), self.out.len());
        self.out.reserve_exact(room);
        self.out.resize(before + room, 0);
        let part = self.out.get_mut(before..).unwrap_or_default();
        let (written, more) = match &mut self.stream {
            Stream::Gzip(gzip) => gzip.read(part)?,
            Stream::Snappy(chunks, frames) => chunks.clone().and_then(|()| snappy(frames, part))?,
        };
        self.out.truncate(before + written);
        let length = u64::try_from(self.out.len()).unwrap_or(u64::MAX);
        if length > self.most {
            return Err(DecodeFault::TooLarge(self.most));
        }
        if length > self.limit() {
            return Err(DecodeFault::Ratio);
        }
        Ok(more)
    }

    /// The decoded body, once [`Decoder::step`] has said that it is whole.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn limit(&self) -> u64 {
        self.most.min(self.sent.saturating_mul(MAX_RATIO).max(RATIO_FREE_BYTES))
    }
}

impl Gzip<'_> {
    /// Fills the part, or comes to the end.
    fn read(&mut self, part: &mut [u8]) -> Result<(usize, bool), DecodeFault> {
        const DAMAGED: DecodeFault =
            DecodeFault::Malformed("the gzip body is damaged: its structure or its checksum is wrong");
        let mut written = 0;
        while let Some(rest) = part.get_mut(written..).filter(|rest| !rest.is_empty()) {
            let (read_before, written_before) = (self.member.total_in(), self.member.total_out());
            let status = self
                .member
                .decompress(self.input, rest, InflateFlush::NoFlush)
                .map_err(|_| if self.begins() { DAMAGED } else { DecodeFault::Malformed("the body is not gzip") })?;
            let read = count(self.member.total_in() - read_before);
            let progress = count(self.member.total_out() - written_before);
            self.input = self.input.get(read..).unwrap_or_default();
            written += progress;
            match status {
                Status::StreamEnd if self.input.is_empty() => return Ok((written, false)),
                Status::StreamEnd => self.next_member()?,
                Status::Ok | Status::BufError if self.input.is_empty() && progress == 0 => {
                    return Err(DecodeFault::Malformed("the gzip body is cut: it ends before its checksum"));
                }
                Status::BufError if read == 0 && progress == 0 => return Err(DAMAGED),
                Status::Ok | Status::BufError => {}
            }
        }
        Ok((written, true))
    }

    /// Whether anything was taken for gzip so far.
    fn begins(&self) -> bool {
        self.members > 1 || self.member.total_out() > 0 || self.input.starts_with(b"\x1f\x8b")
    }

    fn next_member(&mut self) -> Result<(), DecodeFault> {
        if !self.input.starts_with(b"\x1f\x8b") {
            return Err(DecodeFault::Malformed("bytes stand behind the gzip body"));
        }
        if self.members == MAX_MEMBERS {
            return Err(DecodeFault::Malformed("the gzip body has more than 16 members"));
        }
        self.members += 1;
        self.member = Inflate::new(true, GZIP_WINDOW);
        Ok(())
    }
}

fn snappy(frames: &mut snap::read::FrameDecoder<&[u8]>, part: &mut [u8]) -> Result<(usize, bool), DecodeFault> {
    let mut written = 0;
    while let Some(rest) = part.get_mut(written..).filter(|rest| !rest.is_empty()) {
        match frames.read(rest) {
            Ok(0) => return Ok((written, false)),
            Ok(more) => written += more,
            Err(_) => return Err(DecodeFault::Malformed(SNAPPY_DAMAGED)),
        }
    }
    Ok((written, true))
}

const SNAPPY_DAMAGED: &str = "the snappy body is damaged: its structure or a checksum is wrong";

/// Whether the chunks are whole and of kinds that have a checksum: of others a decoder takes anything.
fn snappy_chunks(body: &[u8]) -> Result<(), DecodeFault> {
    if !body.starts_with(SNAPPY_BEGIN) {
        let text = "the body is not snappy in its framing format, which begins with the bytes ff 06 00 00 sNaPpY";
        return Err(DecodeFault::Malformed(text));
    }
    let mut rest = body;
    while let Some((kind, behind)) = rest.split_first() {
        if !matches!(kind, 0x00 | 0x01 | 0xff) {
            return Err(DecodeFault::Malformed(SNAPPY_DAMAGED));
        }
        let chunk = behind.split_first_chunk::<3>().and_then(|(length, behind)| {
            let [a, b, c] = length.map(usize::from);
            behind.get(a | b << 8 | c << 16..)
        });
        rest = chunk.ok_or(DecodeFault::Malformed("the snappy body is cut: its last chunk is not whole"))?;
    }
    Ok(())
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
