//! Chunked bodies, read to the letter: a size in hexadecimal, CR LF, as many bytes, CR LF, and a last chunk of size 0.
//!
//! Extensions and trailers are optional for a sender and dropped by every receiver; they are refused, since they only
//! make readers disagree.

use bytes::{Bytes, BytesMut};

/// How far a chunked body has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before a size.
    Size,
    /// Inside a chunk, with so many bytes to come.
    Data(usize),
    /// Behind the bytes of a chunk.
    DataEnd,
    /// Behind the last size.
    LastEnd,
    /// At the end.
    Done,
}

/// What the bytes at hand gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A part of the body.
    Data(Bytes),
    /// Nothing without further bytes.
    NeedMore,
    /// The end of the body.
    End,
}

/// A chunk is at most 4 GiB; no body is.
const SIZE_DIGITS: usize = 8;

impl Chunked {
    /// Takes what it can from the front of `buffer`.
    ///
    /// # Errors
    /// What is not as it must be. The connection is useless then.
    pub(super) fn advance(&mut self, buffer: &mut BytesMut) -> Result<Progress, &'static str> {
        loop {
            match self {
                Self::Size => {
                    let Some(size) = take_size(buffer)? else { return Ok(Progress::NeedMore) };
                    *self = if size == 0 { Self::LastEnd } else { Self::Data(size) };
                }
                Self::Data(_) if buffer.is_empty() => return Ok(Progress::NeedMore),
                Self::Data(left) => {
                    let part = buffer.split_to(buffer.len().min(*left)).freeze();
                    let left = *left - part.len();
                    *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                    return Ok(Progress::Data(part));
                }
                Self::DataEnd => {
                    if !take_line_end(buffer)? {
                        return Ok(Progress::NeedMore);
                    }
                    *self = Self::Size;
                }
                Self::LastEnd => {
                    if !take_line_end(buffer)? {
                        return Ok(Progress::NeedMore);
                    }
                    *self = Self::Done;
                }
                Self::Done => return Ok(Progress::End),
            }
        }
    }
}

fn take_size(buffer: &mut BytesMut) -> Result<Option<usize>, &'static str> {
    let digits = buffer.iter().take(SIZE_DIGITS + 1).take_while(|b| b.is_ascii_hexdigit()).count();
    let ends_or_may = buffer.get(digits).is_none_or(|b| *b == b'\r');
    if digits > SIZE_DIGITS || !ends_or_may || (digits == 0 && !buffer.is_empty()) {
        return Err("a chunk does not begin with its size in hexadecimal and CR LF");
    }
    match buffer.get(digits + 1) {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err("the size of a chunk does not end in CR LF"),
    }
    let line = buffer.split_to(digits + 2);
    let text = line.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
    usize::from_str_radix(text, 16).map(Some).map_err(|_| "a chunk has no size")
}

fn take_line_end(buffer: &mut BytesMut) -> Result<bool, &'static str> {
    match (buffer.first(), buffer.get(1)) {
        (None, _) | (Some(b'\r'), None) => Ok(false),
        (Some(b'\r'), Some(b'\n')) => {
            let _ = buffer.split_to(2);
            Ok(true)
        }
        _ => Err("a chunk does not end in CR LF, or trailers follow the last one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads bytes that come in pieces; answers the body and what is left, or the fault.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<u8>, Vec<u8>, bool), &'static str> {
        let (mut state, mut buffer, mut body) = (Chunked::Size, BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match state.advance(&mut buffer)? {
                    Progress::Data(part) => body.extend_from_slice(&part),
                    Progress::NeedMore => break,
                    Progress::End => return Ok((body, buffer.to_vec(), true)),
                }
            }
        }
        Ok((body, buffer.to_vec(), false))
    }

    #[test]
    fn only_the_letter_passes() {
        for (text, body, rest) in [
            ("0\r\n\r\n", "", ""),
            ("4\r\nm 1\n\r\n0\r\n\r\n", "m 1\n", ""),
            ("0004\r\nm 1\n\r\n000\r\n\r\nGET", "m 1\n", "GET"),
            ("a\r\n0123456789\r\n1\r\nX\r\n0\r\n\r\n", "0123456789X", ""),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
        ] {
            assert_eq!(read([text.as_bytes()]), Ok((body.into(), rest.into(), true)), "{text:?}");
        }
        for text in [
            "\r\n",
            "\n",
            " 4\r\n",
            "4 \r\n",
            "4;a=b\r\n",
            "4\n",
            "4\r\r\n",
            "+4\r\n",
            "-1\r\n",
            "0x4\r\n",
            "4\r\nm 1\nab",
            "g\r\n",
            "123456789\r\n",
            "1\r\nab\r\n",
            "0\r\nx: y\r\n\r\n",
            "0\r\n\n",
            "1\r\na\n",
            "4\r\nm 1\n\r\n\r\n",
        ] {
            assert!(read([text.as_bytes()]).is_err(), "{text:?}");
        }
        for text in ["", "4", "4\r", "4\r\n", "4\r\nm", "4\r\nm 1\n", "4\r\nm 1\n\r", "0\r\n", "0\r\n\r"] {
            assert!(matches!(read([text.as_bytes()]), Ok((_, _, false))), "{text:?} is not the end");
        }
    }

    proptest! {
        #[test]
        fn any_cutting_reads_the_same(bytes in prop::collection::vec(prop::sample::select(b"0123aF\r\n;m".to_vec()), 0..40),
                                      cuts in prop::collection::vec(0usize..40, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let (whole, cut) = (read([bytes.as_slice()]), read(pieces));
            match (whole, cut) {
                // Where it ends, the bytes behind the end may still be on their way.
                (Ok((a, _, true)), Ok((b, _, true))) => prop_assert_eq!(a, b),
                (a, b) => prop_assert_eq!(a, b),
            }
        }

        #[test]
        fn what_is_chunked_is_read_back(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..6)) {
            let mut text = Vec::new();
            for part in &parts {
                text.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                text.extend_from_slice(part);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\nrest");
            prop_assert_eq!(read([text.as_slice()]), Ok((parts.concat(), b"rest".to_vec(), true)));
        }
    }
}
