//! A path that is accepted has one meaning: what is sent upstream for it reads as the same key again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::request::GroupingKey;

fuzz_target!(|bytes: &[u8]| {
    let mut path = b"job/".to_vec();
    path.extend_from_slice(bytes);
    for path in [bytes, &path] {
        let Ok(key) = GroupingKey::read(path) else { continue };
        assert!(!key.job().is_empty());
        let harmless = |value: &str| !value.chars().any(|c| c < ' ' || c == '\u{7f}');
        assert!(harmless(key.job()) && key.labels().values().all(|value| harmless(value)));
        let upstream = key.upstream_path();
        assert!(upstream.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_~-.@=".contains(&b)), "{upstream}");
        assert!(upstream.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != ".."), "{upstream}");
        let again = upstream.strip_prefix("/metrics/").map(|path| GroupingKey::read(path.as_bytes()));
        assert_eq!(again, Some(Ok(key.clone())));
        assert_eq!(GroupingKey::new(key.job(), key.labels().clone()), Ok(key));
    }
});
