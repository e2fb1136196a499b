//! What a target is taken for is what is asked upstream: the upstream path reads as the same target.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::request::Target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(target) = Target::read(bytes) else { return };
    let upstream = match &target {
        Target::Group(key) => {
            assert!(!bytes.contains(&b'?'));
            key.upstream_path()
        }
        Target::Read(page) => page.upstream_path().to_owned(),
    };
    assert!(upstream.starts_with('/') && !upstream.contains("//") && !upstream.contains("/."), "{upstream}");
    assert!(upstream.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_~-.@=".contains(&b)), "{upstream}");
    assert_eq!(Target::read(upstream.as_bytes()), Ok(target));
});
