//! Streams through a JSON document to one array, so that a hostile body never grows into a tree many times its size.

use super::{ListError, MAX_PREFIXES, Pointer};
use crate::ranges::prefix::parse_prefix;
use crate::shown::shown;
use ipnet::IpNet;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::fmt;

pub(super) fn read(pointer: &Pointer, bytes: &[u8]) -> Result<Vec<IpNet>, ListError> {
    let reader = Reader { pointer, place: RefCell::default(), refusal: RefCell::default() };
    // What is skipped unread is still to be text.
    let text = std::str::from_utf8(bytes).map_err(|_| ListError::NotText)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let way = Way { reader: &reader, tokens: pointer.tokens() };
    let read = way.deserialize(&mut json).and_then(|list| json.end().map(|()| list));
    let list = read.map_err(|error| reader.explain(&error))?;
    list.ok_or_else(|| ListError::Missing(pointer.to_string()))
}

/// serde carries errors as text only; the exact refusal, or else the place that was being read, waits here until the
/// parser is back.
struct Reader<'a> {
    pointer: &'a Pointer,
    place: RefCell<Place>,
    refusal: RefCell<Option<ListError>>,
}

/// What is being read.
#[derive(Clone, Copy, Default)]
enum Place {
    /// Something on the way to the list, or beside it.
    #[default]
    Around,
    List,
    Entry(usize),
}

impl Reader<'_> {
    fn refuse<E: serde::de::Error>(&self, refusal: ListError) -> E {
        self.refusal.replace(Some(refusal));
        E::custom("refused")
    }

    fn explain(&self, error: &serde_json::Error) -> ListError {
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        let list = self.pointer.to_string();
        match self.place.take() {
            Place::List if error.is_data() => ListError::NotAnArray(list),
            Place::Entry(index) if error.is_data() => ListError::NotAString { list, index },
            _ => ListError::NotJson(shown(&error.to_string())),
        }
    }
}

/// A value from which the tokens lead on to the list; `None` where they lead nowhere.
#[derive(Clone, Copy)]
struct Way<'a> {
    reader: &'a Reader<'a>,
    tokens: &'a [String],
}

type Found = Option<Vec<IpNet>>;

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        if self.tokens.is_empty() {
            self.reader.place.replace(Place::List);
            let list = deserializer.deserialize_seq(List(self.reader))?;
            self.reader.place.replace(Place::Around);
            return Ok(Some(list));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let Some((token, rest)) = self.tokens.split_first() else { return Ok(None) };
        let (mut found, mut seen) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            if key != *token {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if std::mem::replace(&mut seen, true) {
                return Err(self.reader.refuse(ListError::Repeated(self.reader.pointer.to_string())));
            }
            found = map.next_value_seed(Way { tokens: rest, ..self })?;
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let Some((token, rest)) = self.tokens.split_first() else { return Ok(None) };
        let plain = token == "0" || !token.starts_with(['0', '+']);
        let wanted = token.parse::<usize>().ok().filter(|_| plain);
        let mut found = None;
        for index in 0usize.. {
            let more = if wanted == Some(index) {
                let item = items.next_element_seed(Way { tokens: rest, ..self })?;
                let more = item.is_some();
                found = item.flatten();
                more
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Found, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(None)
    }
}

/// The array.
struct List<'a>(&'a Reader<'a>);

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<IpNet>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<IpNet>, A::Error> {
        let mut list = Vec::new();
        let name = || self.0.pointer.to_string();
        loop {
            self.0.place.replace(Place::Entry(list.len()));
            match entries.next_element_seed(Entry { reader: self.0, index: list.len() })? {
                Some(_) if list.len() == MAX_PREFIXES => return Err(self.0.refuse(ListError::TooMany(name()))),
                Some(prefix) => list.push(prefix),
                None if list.is_empty() => return Err(self.0.refuse(ListError::Empty(name()))),
                None => return Ok(list),
            }
        }
    }
}

/// One entry of it.
struct Entry<'a> {
    reader: &'a Reader<'a>,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = IpNet;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<IpNet, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Entry<'_> {
    type Value = IpNet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a prefix")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<IpNet, E> {
        parse_prefix(text).map_err(|why| {
            let place = format!("entry {} of {}", self.index, self.reader.pointer);
            self.reader.refuse(ListError::BadEntry { place, entry: shown(text), why })
        })
    }
}
