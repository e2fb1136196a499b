//! The schemas and the reader know the same keys, at every place.

use super::*;
use crate::config::compile::compile;
use crate::config::load::parse;
use crate::config::reader::Node;
use crate::config::suite::document_suite;
use crate::config::{policy_schema, suite_schema};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Keys by the place of their mapping in a schema.
type Closed = BTreeMap<String, BTreeSet<String>>;

/// All mappings of a schema that have certain keys and no others.
fn closed(schema: &Value, place: &str, found: &mut Closed) {
    match schema {
        Value::Object(map) => {
            if map.get("additionalProperties") == Some(&Value::Bool(false)) {
                found.insert(place.to_owned(), map["properties"].as_object().unwrap().keys().cloned().collect());
            }
            map.iter().for_each(|(key, value)| closed(value, &format!("{place}/{key}"), found));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| closed(value, &format!("{place}/{index}"), found));
        }
        _ => {}
    }
}

/// Where the schema of one step further is; `None` is any item of a list.
fn below(schema: &Value, place: &str, step: Option<&str>) -> String {
    let here = schema.pointer(place).unwrap();
    let choices = (0..here["anyOf"].as_array().map_or(0, Vec::len)).map(|index| format!("{place}/anyOf/{index}"));
    for choice in std::iter::once(place.to_owned()).chain(choices) {
        let next = match step {
            None => vec![format!("{choice}/items")],
            Some(key) => vec![format!("{choice}/properties/{key}"), format!("{choice}/additionalProperties")],
        };
        if let Some(next) = next.into_iter().find(|next| schema.pointer(next).is_some_and(Value::is_object)) {
            return next;
        }
    }
    panic!("the schema knows nothing of {step:?} at {place}: {here}");
}

/// The mappings that the reader reads, by their places in the schema.
fn known(schema: &Value, read: &[(String, Vec<&'static str>)]) -> Closed {
    let mut known = Closed::new();
    for (path, keys) in read {
        let mut place = String::new();
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let (key, items) = step.split_once('[').unwrap_or((step, ""));
            place = below(schema, &place, Some(key));
            if !items.is_empty() {
                place = below(schema, &place, None);
            }
        }
        if schema.pointer(&place).unwrap().get("properties").is_none() {
            let choices = schema.pointer(&place).unwrap()["anyOf"].as_array().unwrap();
            place = format!("{place}/anyOf/{}", choices.iter().position(|c| c.get("properties").is_some()).unwrap());
        }
        // Read only to say what to write instead.
        let keys = keys.iter().filter(|key| !["password_hash"].contains(key)).map(|key| (*key).to_owned());
        let mut keys: BTreeSet<String> = keys.collect();
        if place.ends_with("/basic") {
            keys.remove("password");
        }
        known.insert(place, keys);
    }
    known
}

fn compared(schema: &Value, read: &[(String, Vec<&'static str>)]) {
    let mut of_schema = Closed::new();
    closed(schema, "", &mut of_schema);
    assert_eq!(known(schema, read), of_schema);
}

#[test]
fn of_policies() {
    let (mut reader, document) = parse(include_str!("everything.yaml")).unwrap();
    compile(&mut reader, &document, folder().path(), Secrets::Optional, &mut || [7; 48]);
    assert_eq!(reader.problems, []);
    compared(&policy_schema(), &reader.closed);
}

#[test]
fn of_tests() {
    let (mut reader, document) = parse(include_str!("everything.test.yaml")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/everything.test.yaml");
    document_suite(&mut reader, &Node { value: &document, path: String::new() }, &file);
    assert_eq!(reader.problems, []);
    compared(&suite_schema(), &reader.closed);
}
