//! The members of a group: its labels, its families, and metrics whose names hide one of the gateway's own members.

use super::{Family, Labels};
use crate::payload::{SeriesHash, page};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The greatest time that is believed: the year 5138. Beyond it is no time of a push.
const LATEST: f64 = 1e11;

/// What stands under `labels`.
pub(super) enum NamedBy {
    /// The grouping labels.
    Labels(Labels),
    /// A metric family of that name, which hides them.
    Hidden {
        /// The family.
        family: Family,
    },
}

pub(super) struct LabelsSeed;

impl<'de> DeserializeSeed<'de> for LabelsSeed {
    type Value = NamedBy;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NamedBy, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LabelsSeed {
    type Value = NamedBy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("grouping labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NamedBy, A::Error> {
        let (mut labels, mut series) = (Vec::new(), None);
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value::<TextOrList>()? {
                TextOrList::Text(value) => labels.push((name, value)),
                TextOrList::List(items) => series = Some(items),
            }
        }
        let Some(series) = series else { return Ok(NamedBy::Labels(labels.into_iter().collect())) };
        let kind = labels.into_iter().find(|(name, _)| name == "type").map(|(_, kind)| kind).unwrap_or_default();
        Ok(NamedBy::Hidden { family: Family { name: "labels".to_owned(), kind, series, hashes: Vec::new(), bytes: 0 } })
    }
}

/// A label value, or the metrics of a family that stands where labels should.
enum TextOrList {
    Text(String),
    List(usize),
}

impl<'de> Deserialize<'de> for TextOrList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TextOrList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a label value")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TextOrList, E> {
                Ok(TextOrList::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<TextOrList, A::Error> {
                count(list).map(TextOrList::List)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn count<'de, A: SeqAccess<'de>>(mut list: A) -> Result<usize, A::Error> {
    let mut items = 0;
    while list.next_element::<IgnoredAny>()?.is_some() {
        items += 1;
    }
    Ok(items)
}

/// `last_push_successful`, unless a family of that name hides it.
pub(super) struct Successful(pub(super) Option<bool>);

impl<'de> Deserialize<'de> for Successful {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Successful;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Successful, E> {
                Ok(Successful(Some(value)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut family: A) -> Result<Successful, A::Error> {
                while family.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Successful(None))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A family: its metrics counted, and of them read what is wanted.
#[derive(Default)]
pub(super) struct Content {
    pub(super) kind: String,
    pub(super) series: usize,
    /// See [`Family::hashes`].
    pub(super) hashes: Vec<u64>,
    /// See [`Family::bytes`].
    pub(super) bytes: usize,
    /// Of the first metric.
    pub(super) labels: Option<Labels>,
    value: Option<String>,
}

/// What is wanted of the metrics.
#[derive(Clone, Copy)]
pub(super) enum ContentSeed<'n> {
    /// How many there are.
    Counted,
    /// Also the first, whole.
    First,
    /// Also the hash of each, in a family of that name.
    Hashed(&'n str),
}

/// Metrics of a group that are told apart.
pub(super) const MOST_HASHES: usize = 200_000;

impl Content {
    /// The first value as a time since 1970: a number as Go prints it, in quotes.
    pub(super) fn seconds(&self) -> Option<Duration> {
        let seconds: f64 = self.value.as_deref()?.parse().ok()?;
        (0.0..=LATEST).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
    }
}

impl<'de> DeserializeSeed<'de> for ContentSeed<'_> {
    type Value = Content;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ContentSeed<'_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a metric family")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let (mut content, mut help) = (Content::default(), 0);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" => content.kind = map.next_value()?,
                "help" => help = map.next_value::<Option<String>>()?.map_or(0, |help| page::help(help.as_bytes())),
                "metrics" => map.next_value_seed(Metrics { wanted: self, content: &mut content })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if let ContentSeed::Hashed(name) = self {
            content.bytes += page::family(name.as_bytes()) + help;
        }
        Ok(content)
    }
}

struct Metrics<'c, 'n> {
    wanted: ContentSeed<'n>,
    content: &'c mut Content,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    value: Option<String>,
    #[serde(default, alias = "quantiles")]
    buckets: Parts,
}

impl Metric {
    /// Bytes of its lines, in a family of that name.
    fn bytes(&self, family: &str) -> usize {
        let labels = self.labels.iter().map(|(name, value)| page::label(name.as_bytes(), value.as_bytes()));
        let named = family.len() + labels.sum::<usize>();
        if self.value.is_some() { page::metric(named) } else { page::metric_of_parts(named, self.buckets.0) }
    }
}

/// How many buckets or quantiles there are.
#[derive(Default)]
struct Parts(usize);

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counted;
        impl<'de> Visitor<'de> for Counted {
            type Value = Parts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("buckets or quantiles")
            }

            fn visit_unit<E: Error>(self) -> Result<Parts, E> {
                Ok(Parts(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Parts, A::Error> {
                count(list).map(Parts)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
                let mut parts = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    parts += 1;
                }
                Ok(Parts(parts))
            }
        }
        deserializer.deserialize_any(Counted)
    }
}

impl<'de> DeserializeSeed<'de> for Metrics<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Metrics<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of metrics")
    }

    /// Some versions write `null` for an empty list.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let content = self.content;
        match self.wanted {
            ContentSeed::Counted => {}
            ContentSeed::First => {
                if let Some(first) = list.next_element::<Metric>()? {
                    content.labels = Some(first.labels.into_iter().collect());
                    content.value = first.value;
                    content.series = 1;
                }
            }
            ContentSeed::Hashed(name) => {
                while content.series < MOST_HASHES
                    && let Some(metric) = list.next_element::<Metric>()?
                {
                    let mut hash = SeriesHash::new(name.as_bytes());
                    metric.labels.iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
                    content.hashes.push(hash.value());
                    content.bytes = content.bytes.saturating_add(metric.bytes(name));
                    content.series += 1;
                }
            }
        }
        let further = count(list)?;
        content.series += further;
        if further > 0 {
            // Some would be no use without the others.
            content.hashes.clear();
        }
        Ok(())
    }
}
