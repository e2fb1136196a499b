//! What schemas are made of.

use serde_json::{Map, Value, json};

/// Something with a description.
pub(super) fn about(description: &str, mut schema: Value) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert("description".to_owned(), description.into());
    }
    schema
}

pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

pub(super) fn matching(description: &str, pattern: &str, example: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": pattern, "examples": [example] })
}

pub(super) fn boolean(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

pub(super) fn whole(description: &str, most: u64) -> Value {
    json!({ "type": "integer", "description": description, "minimum": 1, "maximum": most })
}

/// One of some words.
pub(super) fn word<'w>(description: &str, words: impl IntoIterator<Item = &'w str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({ "type": "string", "description": description, "enum": words })
}

/// A list that is not empty.
pub(super) fn list(description: &str, items: Value) -> Value {
    json!({ "type": "array", "description": description, "items": items, "minItems": 1 })
}

/// One, or a list of them.
pub(super) fn one_or_more(description: &str, item: Value) -> Value {
    json!({ "description": description, "anyOf": [item, { "type": "array", "items": item, "minItems": 1 }] })
}

/// A mapping with these keys and no others.
pub(super) fn object(description: &str, keys: Vec<(&str, Value)>, required: &[&str]) -> Value {
    let keys: Map<String, Value> = keys.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect();
    // What has no key is an empty mapping to the reader, which is good wherever no key is needed.
    let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let mut schema =
        json!({ "type": kind, "description": description, "properties": keys, "additionalProperties": false });
    if !required.is_empty() {
        schema = merged(schema, json!({ "required": required }));
    }
    schema
}

/// A mapping whose keys are names of one's own.
pub(super) fn named(description: &str, value: Value) -> Value {
    json!({ "type": ["object", "null"], "description": description, "additionalProperties": value })
}

/// As [`named`], of names that end up in logs and metrics.
pub(super) fn plainly_named(description: &str, value: Value) -> Value {
    merged(named(description, value), json!({ "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,64}$" } }))
}

pub(super) fn merged(mut schema: Value, more: Value) -> Value {
    if let (Value::Object(schema), Value::Object(more)) = (&mut schema, more) {
        schema.extend(more);
    }
    schema
}

pub(super) fn duration(description: &str) -> Value {
    matching(description, DURATION, "1m")
}

/// As Prometheus writes them.
pub(super) const DURATION: &str = "^([0-9]+(ms|s|m|h|d|w))+$";

pub(super) fn prefixes(description: &str) -> Value {
    list(description, prefix())
}

/// An address or a prefix, roughly.
pub(super) fn prefix() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$", "examples": ["203.0.113.0/24"] })
}

/// The whole document.
pub(super) fn document(title: &str, schema: Value) -> Value {
    let head = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title });
    merged(head, schema)
}
