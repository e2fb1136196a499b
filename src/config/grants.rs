//! `grants`.

use super::lines::item_path;
use super::mode::mode;
use super::quotas;
use super::reader::{Node, Reader};
use crate::policy::{Grant, LabelRule, Pattern};
use crate::request::GroupingKey;

/// The grants of a principal.
pub(super) fn grants(reader: &mut Reader, node: &Node<'_>, principal: &str, braces: Braces) -> Vec<Grant> {
    let items = reader.list(node).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        if let Some(twin) = items.iter().take(index).position(|other| other.value == item.value) {
            reader.problem(&item.path, format!("the same grant as {}; remove one", item_path(&node.path, twin)));
        }
    }
    let grant = |(index, item): (usize, &Node<'_>)| grant(reader, item, format!("{principal}.grants[{index}]"), braces);
    items.iter().enumerate().filter_map(grant).collect()
}

fn grant(reader: &mut Reader, node: &Node<'_>, name: String, braces: Braces) -> Option<Grant> {
    let mut map = reader.map(node)?;
    let (operations, job, labels) = (map.take("operations"), map.take("job"), map.take("labels"));
    let mode = mode(reader, &mut map);
    map.finish(reader);
    let Some(operations) = operations else {
        reader.problem(&node.path, "operations is missing, such as operations: [push, replace]");
        return None;
    };
    let operations = quotas::operations(reader, &operations)?;
    let writes = operations.iter().any(|o| o.writes());
    match &job {
        None if writes => reader.problem(&node.path, "job is missing: push, replace and delete are about a job"),
        Some(job) if !writes => reader.problem(&job.path, "job is for push, replace and delete; remove it"),
        _ => {}
    }
    if let (Some(labels), false) = (&labels, writes) {
        reader.problem(&labels.path, "labels are for push, replace and delete; remove them");
    }
    let jobs = job.map(|node| jobs(reader, &node, braces)).unwrap_or_default();
    let (labels, further) = labels.map(|node| self::labels(reader, &node, braces)).unwrap_or_default();
    Some(Grant { name: name.into(), mode, operations, jobs, labels, further })
}

/// One pattern, or a list of them.
pub(super) fn jobs(reader: &mut Reader, node: &Node<'_>, braces: Braces) -> Vec<Pattern> {
    let texts = match node.value {
        serde_yaml::Value::Sequence(_) => reader.texts(node).unwrap_or_default(),
        _ => reader.text(node).map(|text| vec![(node.path.clone(), text)]).unwrap_or_default(),
    };
    texts.iter().filter_map(|(path, text)| pattern(reader, path, text, braces)).collect()
}

pub(super) fn labels(reader: &mut Reader, node: &Node<'_>, braces: Braces) -> (Vec<LabelRule>, Option<Pattern>) {
    let (mut rules, mut further) = (Vec::<LabelRule>::new(), None);
    for (name, node) in reader.map(node).map(|m| m.rest()).unwrap_or_default() {
        let value = reader.text(&node).and_then(|text| pattern(reader, &node.path, &text, braces));
        let Some(value) = value else { continue };
        if value.uses_claims() && (name == "*" || name.ends_with('?')) {
            let bound = "a label that a claim decides must be there: name it, without ?";
            reader.problem(&node.path, bound);
        }
        if name == "*" {
            further = Some(value);
            continue;
        }
        let (name, optional) = match name.strip_suffix('?') {
            Some(name) => (name.to_owned(), true),
            None => (name, false),
        };
        check_label(reader, &node.path, &name, &rules);
        rules.push(LabelRule { name, value, optional });
    }
    (rules, further)
}

fn check_label(reader: &mut Reader, path: &str, name: &str, rules: &[LabelRule]) {
    if name == "job" {
        return reader.problem(path, "the job is granted by job:, not as a label");
    }
    if let Err(fault) = GroupingKey::new("job", [(name.to_owned(), "value".to_owned())]) {
        reader.problem(path, format!("no path can have this label: {fault}"));
    }
    if rules.iter().any(|rule| rule.name == name) {
        reader.problem(path, format!("the label {name:?} stands twice, with and without ?"));
    }
}

/// What braces mean in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Braces {
    /// `{claim}` stands for what a token says.
    Claims,
    /// Nothing: nobody here has a token.
    Nothing,
}

pub(super) fn pattern(reader: &mut Reader, path: &str, text: &str, braces: Braces) -> Option<Pattern> {
    let pattern = match braces {
        Braces::Claims => Pattern::read_with_claims(text),
        Braces::Nothing => Pattern::read(text),
    };
    pattern.map_err(|error| reader.problem(path, error.to_string())).ok()
}
