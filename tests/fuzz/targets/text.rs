//! What a body of text holds does not depend on what says nothing around it.
#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;
use pushguard::payload::Format;
use shared::series;

fuzz_target!(|bytes: &[u8]| {
    let found = series(Format::Text, bytes);
    if !bytes.windows(4).any(|name| name == b"zzz_") && found.as_ref().map_or(true, |count| *count < 900) {
        // What stood before sets what the reader expects next, and changes nothing.
        let behind = [b"zzz_before{a=\"1\",b=\"2\",c=\"3\"} 1\n", bytes].concat();
        assert_eq!(series(Format::Text, &behind).ok(), found.as_ref().ok().map(|count| count + 1));
    }
    let Ok(count) = found else { return };
    assert!(std::str::from_utf8(bytes).is_ok());
    assert!(bytes.is_empty() || bytes.ends_with(b"\n"));
    assert!(count <= bytes.split(|b| *b == b'\n').count());
    assert_eq!(series(Format::Text, &[b"# a comment\n\n", bytes, b" \t\n#\n"].concat()), Ok(count));
    let further = [bytes, b"zzz_only_here{x=\"1\"} 1\n"].concat();
    assert!(series(Format::Text, &further).is_err() || series(Format::Text, &further) == Ok(count + 1));
    assert!(series(Format::Text, &[bytes, b"up 1"].concat()).is_err(), "a cut line");
});
