//! `pushguard schema`: every policy and test file that ships is valid by it, and what the reader refuses for an unknown
//! key or a wrong type is refused by it as well, while it refuses nothing that the reader takes.

use jsonschema::Validator;
use pushguard::config::{self, Secrets};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn schema(kind: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_pushguard")).args(["schema", kind]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The YAML files below a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(path.to_str().unwrap())),
            false if path.extension().is_some_and(|end| end == "yaml") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

fn is_test(file: &Path) -> bool {
    file.to_str().unwrap().ends_with(".test.yaml")
}

fn document(file: &Path) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn faults(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn schemas_are_schemas_and_say_what_everything_is() {
    fn described(schema: &Value, place: &str) {
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            let text = value["description"].as_str().unwrap_or_default();
            assert!(text.len() > 5, "{place}.{key} says nothing");
        }
        match schema {
            Value::Object(map) => map.iter().for_each(|(key, value)| described(value, &format!("{place}.{key}"))),
            Value::Array(list) => list.iter().for_each(|value| described(value, place)),
            _ => {}
        }
    }
    for kind in ["policy", "test"] {
        let schema = schema(kind);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(jsonschema::meta::is_valid(&schema), "{kind}");
        described(&schema, kind);
    }
}

#[test]
fn every_file_that_ships_is_valid() {
    let (of_policies, of_tests) = (schema("policy"), schema("test"));
    let of_policies = jsonschema::validator_for(&of_policies).unwrap();
    let of_tests = jsonschema::validator_for(&of_tests).unwrap();
    let deployed =
        files("deploy").into_iter().filter(|file| file.file_name().is_some_and(|name| name == "policy.yaml"));
    let (mut policies, mut tests) = (0, 0);
    for file in files("policies").into_iter().chain(deployed).chain(files("src/config/tests")) {
        let (validator, count) = if is_test(&file) { (&of_tests, &mut tests) } else { (&of_policies, &mut policies) };
        *count += 1;
        assert_eq!(faults(validator, &document(&file)), Vec::<String>::new(), "{}", file.display());
    }
    assert!(policies >= 13 && tests >= 11, "{policies} {tests}");
}

/// Every value of a document by its place, itself included.
fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    found.push(place.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => map.iter().for_each(|(key, v)| places(v, &format!("{place}/{}", escaped(key)), found)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| places(v, &format!("{place}/{i}"), found)),
        _ => {}
    }
}

/// The document with something else at one place, and with an unknown key in each mapping.
fn mutations(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    places(document, "", &mut all);
    let others = [
        json!(7),
        json!(-1),
        json!(true),
        json!("text"),
        json!(null),
        json!([]),
        json!({}),
        json!([7]),
        json!({"a": 7}),
    ];
    let mut mutated = Vec::new();
    for place in all {
        for other in &others {
            let mut changed = document.clone();
            *changed.pointer_mut(&place).unwrap() = other.clone();
            mutated.push((format!("{other} at {place}"), changed));
        }
        if document.pointer(&place).unwrap().is_object() {
            let mut changed = document.clone();
            changed.pointer_mut(&place).unwrap()["unknown-key"] = json!("text");
            mutated.push((format!("an unknown key at {place}"), changed));
        }
    }
    mutated
}

/// What the reader has against a document.
fn problems(value: &Value, tests: bool, folder: &Path) -> Vec<String> {
    let text = value.to_string();
    let list = if tests {
        let file = folder.join("policy.test.yaml");
        std::fs::write(&file, text).unwrap();
        config::suite(&file).err().map(|problems| problems.list)
    } else {
        config::read(&text, folder, Secrets::Optional, &mut || [7; 48]).err()
    };
    list.unwrap_or_default().into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// Whether a problem is one that a schema can know.
fn is_of_form(problem: &str) -> bool {
    let forms = ["unknown key", "expected text", "expected a mapping", "expected a list", "expected true or false"];
    let more = ["expected a whole number", "the list is empty"];
    // These names are looked up elsewhere in the document.
    forms.iter().chain(&more).any(|form| problem.contains(form)) && !problem.contains("of GitHub's address document")
}

fn held_against_each_other(kind: &str, file: &str) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["everything.yaml", "good.phc"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    std::fs::remove_file(folder.path().join("good.phc")).unwrap();
    let (schema, document) = (schema(kind), document(&root().join(file)));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert_eq!(problems(&document, kind == "test", folder.path()), Vec::<String>::new());
    let (mut refused, mut both) = (0, 0);
    for (what, changed) in mutations(&document) {
        let (problems, valid) = (problems(&changed, kind == "test", folder.path()), validator.is_valid(&changed));
        let form = problems.iter().any(|problem| is_of_form(problem));
        assert!(!(form && valid), "{what}: only the reader refuses it: {problems:?}");
        assert!(
            valid || !problems.is_empty(),
            "{what}: only the schema refuses it: {:?}",
            faults(&validator, &changed)
        );
        refused += usize::from(!problems.is_empty());
        both += usize::from(form);
    }
    assert!(both > 300 && refused >= both, "{refused} {both}");
}

#[test]
fn what_the_reader_refuses_in_policies_the_schema_refuses() {
    held_against_each_other("policy", "src/config/tests/everything.yaml");
}

#[test]
fn what_the_reader_refuses_in_tests_the_schema_refuses() {
    held_against_each_other("test", "src/config/tests/everything.test.yaml");
}
