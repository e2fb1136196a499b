//! Reads GitHub's meta document (`GET /meta`): which addresses its services and runners use.
//!
//! Keys come and go, their types differ, and an array of strings is not always one of prefixes (`ssh_keys`,
//! `commit_signing_keys`). So keys are selected by name, everything else is skipped unread, and one bad entry in a
//! selected key refuses the whole document. Published lists that skipped bad entries or took unknown keys have ended up
//! empty.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::shown::shown;

/// The selected sets of one meta document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The prefixes of each selected key, in the order of the document. After `parse` no list is empty.
    pub sets: BTreeMap<String, Vec<IpNet>>,
}

/// Why a body is not a usable meta document. Nothing of it is used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// The body is no JSON text, or more follows after it.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// The body is JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A selected key is not in the document.
    #[error("key {0:?} is missing")]
    Missing(String),
    /// A selected key is there twice, so that it has no one meaning.
    #[error("key {0:?} is there twice")]
    Repeated(String),
    /// A selected key holds something else than an array: null, for instance.
    #[error("key {0:?} is not an array")]
    NotAnArray(String),
    /// A selected key holds an empty array.
    #[error("key {0:?} is an empty array")]
    Empty(String),
    /// An entry of a selected key is not a string.
    #[error("entry {index} of key {key:?} is not a string")]
    NotAString {
        /// The selected key.
        key: String,
        /// Position in the array, from 0.
        index: usize,
    },
    /// An entry of a selected key is not an exact prefix.
    #[error("entry {index} of key {key:?}, \"{entry}\": {why}")]
    BadEntry {
        /// The selected key.
        key: String,
        /// Position in the array, from 0.
        index: usize,
        /// The entry, escaped and cut to 64 characters.
        entry: String,
        /// What is wrong with it.
        why: PrefixError,
    },
}

/// Why a text is not an exact prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// What stands before the `/` is not an IPv4 or IPv6 address in standard form.
    #[error("not an IP address")]
    Address,
    /// What stands after the `/` is not a length from 0 to 32 (IPv4) or 128 (IPv6) in plain decimal digits.
    #[error("not a prefix length")]
    Length,
    /// Bits after the prefix are set, so that writer and reader may mean different networks.
    #[error("host bits are set")]
    HostBits,
}

/// Reads the lists of `keys` from `body`; the values of other keys are skipped unread.
///
/// # Errors
///
/// Refuses the whole document unless it is a JSON object in which each of `keys` is there once, as a non-empty array of
/// exact prefixes (see [`parse_prefix`]).
pub fn parse(body: &[u8], keys: &BTreeSet<String>) -> Result<Document, MetaError> {
    let reader = Reader { keys, place: RefCell::default(), refusal: RefCell::default() };
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_any(Object(&reader)).and_then(|sets| json.end().map(|()| sets));
    let sets = read.map_err(|error| reader.explain(&error))?;
    match keys.iter().find(|key| !sets.contains_key(*key)) {
        Some(key) => Err(MetaError::Missing(key.clone())),
        None => Ok(Document { sets }),
    }
}

/// Reads a prefix such as `192.0.2.0/24`, or a bare address, which stands for itself alone (/32 or /128).
///
/// # Errors
///
/// Refuses every other spelling: spaces, leading zeros, zone names, lengths that do not fit, host bits that are set.
pub fn parse_prefix(text: &str) -> Result<IpNet, PrefixError> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().map(IpNet::from).map_err(|_| PrefixError::Address);
    };
    let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
    let plain = length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    if !plain {
        return Err(PrefixError::Length);
    }
    let length = length.parse().map_err(|_| PrefixError::Length)?;
    let prefix = IpNet::new(address, length).map_err(|_| PrefixError::Length)?;
    if prefix.network() == address { Ok(prefix) } else { Err(PrefixError::HostBits) }
}

/// Streams through the document, so that a hostile body never grows into a tree many times its size. serde carries
/// errors as text only; the exact refusal, or else the place that was being read, waits here until the parser is back.
struct Reader<'a> {
    keys: &'a BTreeSet<String>,
    place: RefCell<Place>,
    refusal: RefCell<Option<MetaError>>,
}

/// What is being read.
#[derive(Clone, Default)]
enum Place {
    #[default]
    Top,
    Skipped,
    /// The value of a selected key, and the entry of it once inside the array.
    Key(String, Option<usize>),
}

impl Reader<'_> {
    fn refuse<E: serde::de::Error>(&self, refusal: MetaError) -> E {
        self.refusal.replace(Some(refusal));
        E::custom("refused")
    }

    fn at(&self, entry: usize) {
        if let Place::Key(_, index) = &mut *self.place.borrow_mut() {
            *index = Some(entry);
        }
    }

    fn explain(&self, error: &serde_json::Error) -> MetaError {
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        match self.place.take() {
            Place::Top if error.is_data() => MetaError::NotAnObject,
            Place::Key(key, None) if error.is_data() => MetaError::NotAnArray(key),
            Place::Key(key, Some(index)) if error.is_data() => MetaError::NotAString { key, index },
            _ => MetaError::NotJson(shown(&error.to_string())),
        }
    }
}

/// The document itself.
struct Object<'a>(&'a Reader<'a>);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = BTreeMap<String, Vec<IpNet>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut sets = BTreeMap::new();
        self.0.place.replace(Place::Skipped);
        while let Some(key) = map.next_key::<String>()? {
            if !self.0.keys.contains(&key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if sets.contains_key(&key) {
                return Err(self.0.refuse(MetaError::Repeated(key)));
            }
            self.0.place.replace(Place::Key(key.clone(), None));
            let list = map.next_value_seed(List(self.0, &key))?;
            if list.is_empty() {
                return Err(self.0.refuse(MetaError::Empty(key)));
            }
            self.0.place.replace(Place::Skipped);
            sets.insert(key, list);
        }
        Ok(sets)
    }
}

/// The array under one selected key.
struct List<'a>(&'a Reader<'a>, &'a str);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Vec<IpNet>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<IpNet>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.0.at(list.len());
            let entry = Entry { reader: self.0, key: self.1, index: list.len() };
            match entries.next_element_seed(entry)? {
                Some(prefix) => list.push(prefix),
                None => return Ok(list),
            }
        }
    }
}

/// One entry of that array.
struct Entry<'a> {
    reader: &'a Reader<'a>,
    key: &'a str,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = IpNet;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Entry<'_> {
    type Value = IpNet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a prefix")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        parse_prefix(text).map_err(|why| {
            let (key, index, entry) = (self.key.to_owned(), self.index, shown(text));
            self.reader.refuse(MetaError::BadEntry { key, index, entry, why })
        })
    }
}

#[cfg(test)]
mod tests;
