//! The streaming reader of the gateway's groups against the tree that `serde_json` builds: no group is lost, none made up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::groups::{Detail, read};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let mut groups = Vec::new();
    let counted = read(bytes, 1 << 20, Detail::Counts, &mut |group| groups.push(group));
    let mut hashed = Vec::new();
    // Labels that are no texts are an error only where they are read.
    if read(bytes, 1 << 20, Detail::Hashes, &mut |group| hashed.push(group)).is_ok() {
        assert_eq!(counted, Ok(()));
        for (group, same) in groups.iter().zip(&hashed) {
            assert_eq!((&group.labels, group.series()), (&same.labels, same.series()));
        }
    }
    if counted.is_err() {
        return;
    }
    let tree: Value = serde_json::from_slice(bytes).expect("what is read is JSON");
    let list = tree["data"].as_array().expect("with a list");
    assert_eq!(groups.len(), list.len());
    for (group, value) in groups.iter().zip(list) {
        assert!(group.paths().len() <= 2);
        if !group.instance_unsure {
            let labels = value["labels"].as_object().expect("labels");
            assert!(group.labels.iter().all(|(name, text)| labels[name] == text));
        }
    }
});
