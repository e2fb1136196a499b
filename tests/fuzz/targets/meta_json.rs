//! The streaming reader against the tree that `serde_json` builds: it accepts the same lists and loses no entry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::ranges::github::{MetaError, parse, parse_prefix};
use serde_json::Value;
use std::collections::BTreeSet;

fuzz_target!(|bytes: &[u8]| {
    let keys = BTreeSet::from(["actions".to_owned(), "hooks".to_owned()]);
    let tree = serde_json::from_slice::<Value>(bytes).ok();
    let list = |key: &str| -> Option<Vec<_>> {
        let texts = tree.as_ref()?.as_object()?.get(key)?.as_array()?.iter().map(Value::as_str);
        texts.map(|text| parse_prefix(text?).ok()).collect()
    };
    let lists: Option<Vec<_>> = keys.iter().map(|key| list(key).filter(|list| !list.is_empty())).collect();
    match (parse(bytes, &keys), lists) {
        (Ok(document), lists) => {
            let sets: Vec<_> = document.sets.into_values().collect();
            assert_eq!(Some(sets), lists);
        }
        // The tree keeps the last of two equal keys.
        (Err(MetaError::Repeated(_)), _) | (Err(_), None) => {}
        (Err(error), Some(_)) => {
            let text = String::from_utf8_lossy(bytes);
            let twice = keys.iter().any(|key| text.matches(key.as_str()).count() > 1 || text.contains('\\'));
            assert!(twice, "refused though the tree is good: {error}");
        }
    }
});
