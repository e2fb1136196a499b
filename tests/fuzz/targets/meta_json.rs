//! The streaming reader against the tree that `serde_json` builds: it accepts the same lists and loses no entry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::ranges::list::{Form, ListError, MAX_PREFIXES, Pointer, read};
use pushguard::ranges::prefix::parse_prefix;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    // What stands before the first line end is the pointer.
    let cut = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (pointer, bytes) = bytes.split_at(cut);
    let text = std::str::from_utf8(pointer).unwrap_or("/actions");
    let Ok(parsed) = Pointer::parse(text) else { return };
    // What is skipped may be more than a tree can hold: numbers without bounds, half characters, any depth.
    let Ok(tree) = serde_json::from_slice::<Value>(bytes) else {
        let _ = read(&Form::Json(parsed), bytes);
        return;
    };
    let list = || -> Option<Vec<_>> {
        let items = tree.pointer(text)?.as_array()?;
        items.iter().map(|item| parse_prefix(item.as_str()?).ok()).collect()
    };
    let want = list().filter(|list| !list.is_empty() && list.len() <= MAX_PREFIXES);
    match (read(&Form::Json(parsed), bytes), want) {
        (Ok(list), want) => assert_eq!(Some(list), want),
        // The tree keeps the last of two equal keys.
        (Err(ListError::Repeated(_)), _) | (Err(_), None) => {}
        (Err(error), Some(_)) => {
            // One of two equal keys leads to the list, the other does not.
            let body = String::from_utf8_lossy(bytes);
            let twice = text.split('/').skip(1).any(|key| body.matches(key).count() > 1 || body.contains('\\'));
            assert!(twice, "refused though the tree is good: {error}");
        }
    }
});
