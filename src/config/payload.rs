//! `payload`: limits and rules for what is pushed.

use super::grants::{self, Braces, pattern};
use super::mode::mode;
use super::reader::{Map, Node, Reader};
use super::units;

use crate::auth::token::ClaimPath;
use crate::policy::{GroupsPer, Limits, Pattern, PayloadLimits, PayloadRules, PayloadShape};
use std::sync::Arc;

/// A key that limits a part of the body.
pub(super) struct Part {
    pub(super) key: &'static str,
    /// What it limits.
    pub(super) about: &'static str,
    /// The most that it may be set to.
    pub(super) most: u64,
    part: fn(&mut PayloadShape) -> &mut usize,
}

impl Part {
    /// What holds where nothing is said.
    pub(super) fn default(&self) -> usize {
        *(self.part)(&mut PayloadShape::default())
    }
}

const fn part(key: &'static str, about: &'static str, most: u64, part: fn(&mut PayloadShape) -> &mut usize) -> Part {
    Part { key, about, most, part }
}

/// The most that `max_groups` may be.
pub(super) const MAX_GROUPS: u64 = 1_000_000;

/// Keys that count, and keys that measure bytes. What is read is compared with each of them, so all of them have an end.
pub(super) const COUNTS: [Part; 3] = [
    part("max_series", "Series of a push.", 1_000_000, |shape| &mut shape.series),
    part("max_families", "Metric families of a push.", 100_000, |shape| &mut shape.families),
    part("max_labels", "Labels of a series, those of the path among them.", 1024, |shape| &mut shape.labels),
];
pub(super) const SIZES: [Part; 5] = [
    part("max_name_bytes", "Bytes of a metric or label name, in the path too.", 64 * KIB, |shape| {
        &mut shape.name_bytes
    }),
    part("max_value_bytes", "Bytes of a label value, in the path too.", 1024 * KIB, |shape| &mut shape.value_bytes),
    part("max_help_bytes", "Bytes of a HELP text.", 1024 * KIB, |shape| &mut shape.help_bytes),
    part("max_line_bytes", "Bytes of a line of text.", 24 * 1024 * KIB, |shape| &mut shape.line_bytes),
    part("max_message_bytes", "Bytes of a protobuf message.", 24 * 1024 * KIB, |shape| &mut shape.message_bytes),
];
const KIB: u64 = 1024;

/// Limits and rules; what is not said is as in `defaults`.
pub(super) fn payload(reader: &mut Reader, node: &Node<'_>, defaults: &PayloadLimits, braces: Braces) -> PayloadLimits {
    let mut limits = defaults.clone();
    let Some(mut map) = reader.map(node) else { return limits };
    let (max_bytes, max_decoded_bytes) = (map.take("max_bytes"), map.take("max_decoded_bytes"));
    let (max_groups, max_groups_per) = (map.take("max_groups"), map.take("max_groups_per"));
    let counts = COUNTS.map(|part| (map.take(part.key), part));
    let sizes = SIZES.map(|part| (map.take(part.key), part));
    rules(reader, &mut map, &mut limits.rules, braces);
    map.finish(reader);
    sums(reader, max_bytes, max_decoded_bytes, &mut limits);
    if let Some(groups) = max_groups.and_then(|node| count(reader, &node, MAX_GROUPS)) {
        limits.max_groups = groups;
    }
    if let Some(per) = max_groups_per.and_then(|node| groups_per(reader, &node, braces)) {
        limits.groups_per = per;
    }
    for (node, limit) in counts {
        let count = node.and_then(|node| count(reader, &node, limit.most));
        if let Some(count) = count {
            *(limit.part)(&mut limits.shape) = count;
        }
    }
    for (node, limit) in sizes {
        let size = node.and_then(|node| usize::try_from(bytes(reader, &node, limit.most)?).ok());
        if let Some(size) = size {
            *(limit.part)(&mut limits.shape) = size;
        }
    }
    limits
}

/// `principal`, or a claim in braces.
fn groups_per(reader: &mut Reader, node: &Node<'_>, braces: Braces) -> Option<GroupsPer> {
    let text = reader.text(node)?;
    let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return reader.one_of(&node.path, "group key", &text, &[("principal", ())]).map(|()| GroupsPer::Principal);
    };
    if braces == Braces::Nothing {
        reader.problem(&node.path, "only the groups of a principal with a token are counted by a claim");
    }
    ClaimPath::read(name).map(GroupsPer::Claim).map_err(|e| reader.problem(&node.path, e.to_string())).ok()
}

/// The size of the whole, on the wire and decoded.
fn sums(reader: &mut Reader, max_bytes: Option<Node<'_>>, decoded: Option<Node<'_>>, limits: &mut PayloadLimits) {
    let most = Limits::default().body_bytes;
    if let Some(size) = max_bytes.and_then(|node| bytes(reader, &node, most)) {
        limits.max_bytes = size;
        limits.max_decoded_bytes = limits.max_decoded_bytes.max(size);
    }
    let Some(node) = decoded else { return };
    let Some(size) = bytes(reader, &node, most) else { return };
    if size < limits.max_bytes {
        let message = format!("it is less than max_bytes, {}; a body may come without an encoding", limits.max_bytes);
        reader.problem(&node.path, message);
    }
    limits.max_decoded_bytes = size;
}

fn rules(reader: &mut Reader, map: &mut Map<'_>, rules: &mut PayloadRules, braces: Braces) {
    let (metrics, denied_metrics) = (map.take("metrics"), map.take("denied_metrics"));
    let (labels, denied_labels) = (map.take("labels"), map.take("denied_labels"));
    // A principal that says nothing of a mode has that of the defaults.
    if map.has("mode") || map.has("report_until") {
        rules.mode = mode(reader, map);
    }
    if let Some(node) = metrics {
        rules.metrics = Some(patterns(reader, &node, braces));
    }
    if let Some(node) = denied_metrics {
        // A claim that is not there must not make a refusal fall away.
        rules.denied_metrics = patterns(reader, &node, Braces::Nothing);
    }
    if let Some(node) = labels {
        rules.labels = self::labels(reader, &node, braces);
    }
    if let Some(node) = denied_labels {
        rules.denied_labels = patterns(reader, &node, Braces::Nothing);
    }
}

fn patterns(reader: &mut Reader, node: &Node<'_>, braces: Braces) -> Arc<[Pattern]> {
    let texts = reader.texts(node).unwrap_or_default();
    texts.iter().filter_map(|(path, text)| pattern(reader, path, text, braces)).collect()
}

fn labels(reader: &mut Reader, node: &Node<'_>, braces: Braces) -> Arc<[crate::policy::LabelRule]> {
    let (rules, further) = grants::labels(reader, node, braces);
    if further.is_some() {
        reader.problem(&node.path, "further labels are always admitted in a body; name unwanted ones in denied_labels");
    }
    if rules.len() > PayloadRules::MOST_LABELS {
        reader.problem(&node.path, format!("at most {} labels can be named", PayloadRules::MOST_LABELS));
    }
    rules.into()
}

fn count(reader: &mut Reader, node: &Node<'_>, most: u64) -> Option<usize> {
    let number = reader.number(node)?;
    let count = usize::try_from(number).ok().filter(|_| (1..=most).contains(&number));
    if count.is_none() {
        reader.problem(&node.path, format!("expected 1 to {most}, found {number}"));
    }
    count
}

fn bytes(reader: &mut Reader, node: &Node<'_>, most: u64) -> Option<u64> {
    let size = match node.value.as_u64() {
        Some(bytes) => Some(bytes),
        None => units::size(&reader.text(node)?),
    };
    let fitting = size.filter(|bytes| (1..=most).contains(bytes));
    if fitting.is_none() {
        reader.problem(&node.path, format!("expected 1 to {most} bytes, such as 256KiB or 1MiB"));
    }
    fitting
}
