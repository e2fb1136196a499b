//! One group of the document.

use super::Labels;
use super::family::{Content, LabelsSeed, NamedBy, Successful};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
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

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(GroupVisitor)
    }
}

struct GroupVisitor;

impl<'de> Visitor<'de> for GroupVisitor {
    type Value = Group;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a group")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Group, A::Error> {
        let mut group = Group::default();
        let (mut named, mut by_push_time) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "labels" => named = Some(map.next_value_seed(LabelsSeed)?),
                "last_push_successful" => group.last_push_successful = map.next_value::<Successful>()?.0,
                "push_time_seconds" => {
                    let content: Content = map.next_value_seed(Content::whole())?;
                    group.pushed = content.seconds();
                    by_push_time = content.labels;
                }
                "push_failure_time_seconds" => {
                    group.failed = map.next_value_seed(Content::whole()).map(|content| content.seconds())?;
                }
                _ => {
                    let content = map.next_value_seed(Content::counted())?;
                    group.families.push(Family { name: key, kind: content.kind, series: content.series });
                }
            }
        }
        match named {
            Some(NamedBy::Labels(labels)) => group.labels = labels,
            Some(NamedBy::Hidden { family }) => {
                group.labels = by_push_time.ok_or_else(|| serde::de::Error::custom("a group without its labels"))?;
                group.instance_unsure = true;
                group.families.push(family);
            }
            None => return Err(serde::de::Error::missing_field("labels")),
        }
        Ok(group)
    }
}
