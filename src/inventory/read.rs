//! The gateway's `/api/v1/metrics`, read as a stream: of a group only what is kept is ever held.

use super::{Bounds, Learned, LearnedFamily};
use crate::payload::{Kind, SeriesHash};
use crate::request::GroupingKey;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use thiserror::Error as ThisError;

/// Why the gateway's answer says nothing.
#[derive(Debug, ThisError)]
pub enum ReadError {
    /// It is not what the gateway's API says.
    #[error("the answer is not what /api/v1/metrics of a Pushgateway says: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Groups that are kept of one answer.
const MOST_GROUPS: usize = 20_000;

/// What the gateway holds, and how many groups more than are kept, or with a key that no push through pushguard has.
///
/// # Errors
/// It cannot be read to its end.
pub fn read(source: impl Read, bounds: &Bounds) -> Result<(Vec<Learned>, usize), ReadError> {
    let mut reading = Reading { bounds: *bounds, ..Reading::default() };
    let mut json = serde_json::Deserializer::from_reader(source);
    Answer(&mut reading).deserialize(&mut json)?;
    json.end()?;
    Ok((reading.groups, reading.odd))
}

struct Reading {
    bounds: Bounds,
    groups: Vec<Learned>,
    odd: usize,
    names: HashSet<Arc<str>>,
    families: usize,
    metrics: usize,
    key_bytes: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            bounds: Bounds::of_groups(0),
            groups: Vec::new(),
            odd: 0,
            names: HashSet::new(),
            families: 0,
            metrics: 0,
            key_bytes: 0,
        }
    }
}

impl Reading {
    fn keep(&mut self, mut labels: BTreeMap<String, String>, families: Vec<LearnedFamily>) {
        let job = labels.remove("job").unwrap_or_default();
        match GroupingKey::new(&job, labels) {
            Ok(key) if self.groups.len() < MOST_GROUPS => {
                self.key_bytes += key.upstream_path().len();
                if self.key_bytes <= self.bounds.key_bytes * 2 {
                    self.groups.push(Learned { key, families });
                } else {
                    self.odd += 1;
                }
            }
            _ => self.odd += 1,
        }
    }

    /// Whether there is room for one more family of that name.
    fn name(&mut self, name: &str) -> Option<Arc<str>> {
        if self.families >= self.bounds.families || name.len() > 1024 {
            return None;
        }
        self.families += 1;
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        let name: Arc<str> = (self.names.len() < self.bounds.names).then(|| name.into())?;
        self.names.insert(name.clone());
        Some(name)
    }
}

/// `{"status": …, "data": […]}`
struct Answer<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Answer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of groups in data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = false;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "data" {
                map.next_value_seed(Groups(&mut *self.0))?;
                seen = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if seen { Ok(()) } else { Err(A::Error::missing_field("data")) }
    }
}

/// A list of groups.
struct Groups<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Groups<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Groups<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of groups")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Group(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// One group: `labels`, whether its last push was taken, and its families by name.
struct Group<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Group<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Group<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a group")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut labels, mut families) = (None, Vec::new());
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "labels" => labels = map.next_value::<Labels>()?.0,
                // Every group has them, in the gateway's own types.
                "last_push_successful" | "push_time_seconds" | "push_failure_time_seconds" => {
                    map.next_value::<IgnoredAny>()?;
                }
                name => {
                    let found = map.next_value_seed(FamilySeed(name))?;
                    let name = self.0.name(name);
                    if let (Some(name), Some((kind, mut metrics))) = (name, found) {
                        self.0.metrics += metrics.len();
                        if self.0.metrics > self.0.bounds.metrics {
                            metrics = Vec::new();
                        }
                        families.push(LearnedFamily { name, kind, metrics });
                    }
                }
            }
        }
        match labels {
            Some(labels) => self.0.keep(labels, families),
            None => self.0.odd += 1,
        }
        Ok(())
    }
}

/// Labels; none where something else stands in their place, as a metric of the name `labels` does.
struct Labels(Option<BTreeMap<String, String>>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Other(IgnoredAny),
        }
        let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let texts = values.into_iter().map(|(name, value)| match value {
            Value::Text(text) => Some((name, text)),
            Value::Other(_) => None,
        });
        Ok(Self(texts.collect()))
    }
}

/// A family of that name: its type and the hashes of its metrics; none where it is no family.
struct FamilySeed<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for FamilySeed<'_> {
    type Value = Option<(Kind, Vec<u64>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FamilySeed<'_> {
    type Value = Option<(Kind, Vec<u64>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a metric family")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut kind, mut hashes) = (None, Vec::new());
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "type" => kind = Kind::read(map.next_value::<Cow<'de, str>>()?.as_bytes()),
                "metrics" => hashes = map.next_value_seed(Metrics(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        hashes.sort_unstable();
        Ok(kind.map(|kind| (kind, hashes)))
    }
}

/// The metrics of a family.
struct Metrics<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Metrics<'_> {
    type Value = Vec<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u64>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Metrics<'_> {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of metrics")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u64>, A::Error> {
        #[derive(Deserialize)]
        struct Metric {
            #[serde(default)]
            labels: BTreeMap<String, String>,
        }
        let mut hashes = Vec::new();
        while let Some(metric) = list.next_element::<Metric>()? {
            let mut hash = SeriesHash::new(self.0.as_bytes());
            metric.labels.iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
            hashes.push(hash.value());
        }
        Ok(hashes)
    }
}
