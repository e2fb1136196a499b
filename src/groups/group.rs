//! One group of the document.

use super::family::{Content, ContentSeed, LabelsSeed, MOST_HASHES, NamedBy, Successful};
use super::{Detail, Labels};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use std::fmt;
use std::time::Duration;

/// A group that the gateway holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What names it.
    pub labels: Labels,
    /// Whether a metric called `labels` hides the key, so that `instance=""` may be the gateway's own addition.
    pub instance_unsure: bool,
    /// The last push that went well, since 1970 by the gateway's clock; zero for never, none where it cannot be told.
    pub pushed: Option<Duration>,
    /// The last push that failed; as above.
    pub failed: Option<Duration>,
    /// Whether the last push went well; none where a metric of that name hides it.
    pub last_push_successful: Option<bool>,
    /// What was pushed, without the gateway's own two families.
    pub families: Vec<Family>,
}

/// A metric family of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// `COUNTER`, `GAUGE`, `SUMMARY`, `UNTYPED` or `HISTOGRAM`.
    pub kind: String,
    /// Series, a histogram counting as one.
    pub series: usize,
    /// What tells them apart, see [`SeriesHash`](crate::payload::SeriesHash); empty where that was not asked for, or
    /// they are very many.
    pub hashes: Vec<u64>,
    /// Bytes that it takes at most of the gateway's page, where hashes were asked for.
    pub bytes: usize,
}

impl Group {
    /// The last sign of life, since 1970 by the gateway's clock; none where it cannot be told.
    pub fn activity(&self) -> Option<Duration> {
        let last = self.pushed?.max(self.failed?);
        (!last.is_zero()).then_some(last)
    }

    /// Series of all families.
    pub fn series(&self) -> usize {
        self.families.iter().map(|family| family.series).sum()
    }

    /// The paths to delete it by: one, or two where its key is hidden; none where it cannot be named for sure.
    pub fn paths(&self) -> Vec<String> {
        let bare = (self.instance_unsure && self.labels.get("instance") == Some(""))
            .then(|| self.labels.without("instance").path());
        let paths: Option<Vec<String>> = std::iter::once(self.labels.path()).chain(bare).collect();
        paths.unwrap_or_default()
    }
}

/// Families of one group.
const MOST_FAMILIES: usize = 100_000;

/// A group of which that is read.
pub(super) struct GroupSeed(pub(super) Detail);

impl<'de> DeserializeSeed<'de> for GroupSeed {
    type Value = Group;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Group, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for GroupSeed {
    type Value = Group;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a group")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Group, A::Error> {
        let mut group = Group::default();
        let (mut named, mut by_push_time, mut hashed) = (None, None, 0_usize);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "labels" => named = Some(map.next_value_seed(LabelsSeed)?),
                "last_push_successful" => group.last_push_successful = map.next_value::<Successful>()?.0,
                "push_time_seconds" => {
                    let content: Content = map.next_value_seed(ContentSeed::First)?;
                    group.pushed = content.seconds();
                    by_push_time = content.labels;
                }
                "push_failure_time_seconds" => {
                    group.failed = map.next_value_seed(ContentSeed::First).map(|content| content.seconds())?;
                }
                _ => {
                    let wanted = match self.0 {
                        Detail::Counts => ContentSeed::Counted,
                        Detail::Hashes => ContentSeed::Hashed(&key),
                    };
                    let Content { kind, series, hashes, bytes, .. } = map.next_value_seed(wanted)?;
                    if group.families.len() >= MOST_FAMILIES {
                        return Err(A::Error::custom(format!("a group with more than {MOST_FAMILIES} families")));
                    }
                    hashed += hashes.len();
                    // Some would be no use without the others.
                    let hashes = if hashed > MOST_HASHES { Vec::new() } else { hashes };
                    group.families.push(Family { name: key, kind, series, hashes, bytes });
                }
            }
        }
        match named {
            Some(NamedBy::Labels(labels)) => group.labels = labels,
            Some(NamedBy::Hidden { family }) => {
                group.labels = by_push_time.ok_or_else(|| A::Error::custom("a group without its labels"))?;
                group.instance_unsure = true;
                group.families.push(family);
            }
            None => return Err(A::Error::missing_field("labels")),
        }
        Ok(group)
    }
}
