//! The document as a stream.

use super::Group;
use super::group::GroupSeed;
use crate::shown::shown;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::{self, BufReader, Read};

/// Why the document cannot be used. Groups that were handed on before are not all that there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More bytes than the cap.
    #[error("the gateway's list of groups is longer than {0} bytes")]
    TooLong(u64),
    /// It ends early, or is not the document that a gateway writes.
    #[error("the gateway's list of groups cannot be read: {0}")]
    Broken(String),
}

/// What is read of the metrics of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// How many there are.
    Counts,
    /// Also what tells them apart.
    Hashes,
}

/// Reads the document and hands on each group. Blocks on `from`.
///
/// # Errors
/// See [`ReadError`].
pub fn read(from: impl Read, max_bytes: u64, detail: Detail, each: &mut dyn FnMut(Group)) -> Result<(), ReadError> {
    let mut capped = Capped { from, left: max_bytes, over: false, run: 0, escaped: false };
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(16 * 1024, &mut capped));
    let outcome = reader.deserialize_map(Document { detail, each }).and_then(|()| reader.end());
    drop(reader);
    match outcome {
        _ if capped.over => Err(ReadError::TooLong(max_bytes)),
        outcome => outcome.map_err(|error| ReadError::Broken(shown(&error.to_string()))),
    }
}

/// The most bytes between two quotes: a string is held whole while it is read.
const MAX_STRING: usize = 4 * 1024 * 1024;

/// Fails where more comes than allowed.
struct Capped<R> {
    from: R,
    left: u64,
    over: bool,
    /// Bytes since the last quote.
    run: usize,
    /// Whether the last byte was a backslash that says something of the next.
    escaped: bool,
}

impl<R> Capped<R> {
    /// Whether these bytes end no string that is too long.
    fn fits(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        if std::mem::take(&mut self.escaped) && !rest.is_empty() {
            self.run += 1;
            rest = rest.get(1..).unwrap_or_default();
        }
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            self.run += at + 1;
            let quote = rest.get(at) == Some(&b'"');
            if self.run > MAX_STRING {
                return false;
            }
            if quote {
                self.run = 0;
            } else {
                self.escaped = at + 1 == rest.len();
                self.run += 1;
            }
            rest = rest.get(at + if quote { 1 } else { 2 }..).unwrap_or_default();
        }
        self.run += rest.len();
        self.run <= MAX_STRING
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        match self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)) {
            Some(left) => self.left = left,
            None => {
                self.over = true;
                return Err(io::Error::other("too long"));
            }
        }
        if !self.fits(buffer.get(..read).unwrap_or_default()) {
            return Err(io::Error::other(format!("a string of more than {MAX_STRING} bytes")));
        }
        Ok(read)
    }
}

struct Document<'e> {
    detail: Detail,
    each: &'e mut dyn FnMut(Group),
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the document of /api/v1/metrics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut success, mut data) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "status" => success = map.next_value::<String>()? == "success",
                "data" if data => return Err(A::Error::duplicate_field("data")),
                "data" => {
                    map.next_value_seed(Groups { detail: self.detail, each: &mut *self.each })?;
                    data = true;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if success && data { Ok(()) } else { Err(A::Error::custom("it has no \"data\" with status \"success\"")) }
    }
}

struct Groups<'e> {
    detail: Detail,
    each: &'e mut dyn FnMut(Group),
}

impl<'de> DeserializeSeed<'de> for Groups<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Groups<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of groups")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(group) = list.next_element_seed(GroupSeed(self.detail))? {
            (self.each)(group);
        }
        Ok(())
    }
}
