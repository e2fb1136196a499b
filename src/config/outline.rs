//! What a policy file says, value by value.

use super::lines::{item_path, key_path};
use super::load::{parse, text, whole};
use super::problem::Problems;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Every value of a policy file by its key path. Lists of plain values are one value.
///
/// # Errors
/// The file cannot be read, or is no YAML.
pub fn outline(file: &Path) -> Result<BTreeMap<String, String>, Problems> {
    let problems = |list, unreadable| Problems { file: file.to_owned(), list, unreadable };
    let text = text(file).map_err(|message| problems(vec![whole(message)], true))?;
    let (_, document) = parse(&text).map_err(|list| problems(list, false))?;
    let mut values = BTreeMap::new();
    collect(&document, String::new(), &mut values);
    Ok(values)
}

fn collect(value: &Value, path: String, values: &mut BTreeMap<String, String>) {
    match value {
        Value::Mapping(mapping) if !mapping.is_empty() => {
            for (key, value) in mapping {
                let key = key.as_str().map_or_else(|| shown(key), str::to_owned);
                collect(value, key_path(&path, &key), values);
            }
        }
        Value::Sequence(items) if items.iter().any(|item| item.is_mapping() || item.is_sequence()) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, item_path(&path, index), values);
            }
        }
        value => {
            values.insert(path, shown(value));
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Mapping(_) => "{}".to_owned(),
        Value::Null => "~".to_owned(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}
