//! Names of claims, their texts, and JSON without doubt. Tokens themselves are in `tests/it/tokens.rs`.

use super::json::{JsonFault, object};
use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn claims(json: &Value) -> Claims {
    Claims::read(json.to_string().as_bytes()).unwrap()
}

fn path(text: &str) -> ClaimPath {
    ClaimPath::read(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn claims_are_found_by_odd_and_nested_names_and_are_texts() {
    let claims = claims(&json!({
        "repository": "acme/app", "runner_id": 47561171, "negative": -5, "flag": true, "half": 0.5, "none": null, "empty": "",
        "oidc.circleci.com/project-id": "p", "oidc.circleci.com/context-ids": ["a", 5, null, "b", {}, ["c"], ""],
        "kubernetes.io": { "namespace": "batch", "pod": { "name": "nightly" } }, "a/b": { "c~d": "deep" }, "": "nameless",
    }));
    let rows: &[(&str, Option<&str>)] = &[
        ("repository", Some("acme/app")),
        ("/repository", Some("acme/app")),
        ("runner_id", Some("47561171")),
        ("negative", Some("-5")),
        ("flag", Some("true")),
        ("half", None),
        ("none", None),
        ("empty", None),
        ("missing", None),
        ("Repository", None),
        ("oidc.circleci.com/project-id", Some("p")),
        ("oidc.circleci.com/context-ids", None),
        ("kubernetes.io", None),
        ("/kubernetes.io/namespace", Some("batch")),
        ("/kubernetes.io/pod/name", Some("nightly")),
        ("/kubernetes.io/pod/name/x", None),
        ("/kubernetes.io/pod", None),
        ("kubernetes.io/namespace", None),
        ("/a~1b/c~0d", Some("deep")),
        ("/", Some("nameless")),
        ("/oidc.circleci.com~1context-ids/0", None),
    ];
    for (name, expected) in rows {
        assert_eq!(claims.text(&path(name)).as_deref(), *expected, "{name}");
        assert_eq!(path(name).source(), *name);
    }
    assert_eq!(claims.texts(&path("oidc.circleci.com/context-ids")), ["a", "5", "b"]);
    assert_eq!(claims.texts(&path("repository")), ["acme/app"]);
    assert!(claims.texts(&path("missing")).is_empty());
    let named = [path("repository"), path("/kubernetes.io/namespace"), path("missing")];
    assert_eq!(claims.selected(&named), r#"{"/kubernetes.io/namespace":"batch","repository":"acme/app"}"#);
}

#[test]
fn texts_that_name_no_claim() {
    for (text, error) in [("", ClaimPathError::Empty), ("/a~", ClaimPathError::Escape), ("/~2", ClaimPathError::Escape)]
    {
        assert_eq!(ClaimPath::read(text), Err(error), "{text}");
    }
    assert!(ClaimPath::read("a~b").is_ok(), "only pointers have escapes");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| json!(n)),
        any::<u64>().prop_map(|n| json!(n)),
        "[ -~\u{e9}]{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_the_same(map in proptest::collection::btree_map("[a-c]{1,2}", value(), 0..5)) {
        let map: Map<String, Value> = map.into_iter().collect();
        let text = Value::Object(map.clone()).to_string();
        prop_assert_eq!(object(text.as_bytes()), Ok(map));
    }

    #[test]
    fn a_key_that_stands_twice_at_any_depth_is_found(inside in value(), depth in 0_usize..5, list in any::<bool>()) {
        let mut text = format!("{{\"x\":{inside},\"y\":1,\"x\":2}}");
        for _ in 0..depth {
            text = if list { format!("{{\"z\":[{text}]}}") } else { format!("{{\"z\":{text}}}") };
        }
        prop_assert_eq!(object(text.as_bytes()), Err(JsonFault::DuplicateKey));
    }

    #[test]
    fn anything_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = object(&bytes);
        let _ = KeySet::parse(&bytes);
    }

    /// Every name reaches its claim by pointer, whatever is in it.
    #[test]
    fn pointers_reach_every_name(name in ".{0,12}") {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let claims = claims(&json!({ name.clone(): "found" }));
        let path = path(&pointer);
        prop_assert_eq!(claims.text(&path), Some("found".to_owned()));
        prop_assert_eq!(path.top_level(), Some(name.as_str()));
    }
}
