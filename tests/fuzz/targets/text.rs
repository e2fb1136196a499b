//! What a body holds does not depend on what says nothing around it, nor on where a sender begins a second body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::payload::{Fault, Format, PayloadShape, Rules, inspect};

fuzz_target!(|bytes: &[u8]| {
    text(bytes);
    protobuf(bytes);
    if let Some(format) = Format::of(Some(bytes)) {
        assert_eq!(Format::of(Some(format.content_type().as_bytes())), Some(format));
    }
});

fn series(format: Format, body: &[u8]) -> Result<usize, Vec<Fault>> {
    let shape = PayloadShape::default();
    let rules = Rules { shape: &shape, overwritten: &[("job", "j"), ("instance", "i")], metric: &|_| true, labels: None, report: false };
    let found = inspect(format, body, &rules).map(|summary| summary.series);
    match &found {
        Ok(series) => assert!(*series <= shape.series),
        Err(faults) => {
            assert!((1..=6).contains(&faults.len()));
            for fault in faults {
                let shown = fault.to_string();
                assert!(shown.len() < 2000 && !shown.contains(['\n', '\r', '\u{1b}', '\0']), "{shown:?}");
            }
        }
    }
    found
}

fn text(bytes: &[u8]) {
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
}

fn protobuf(bytes: &[u8]) {
    let whole = series(Format::Protobuf, bytes);
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    if let (Ok(first), Ok(rest), Ok(whole)) = (series(Format::Protobuf, first), series(Format::Protobuf, rest), &whole)
    {
        assert_eq!(*whole, first + rest);
    }
    if whole.is_ok() && !bytes.is_empty() {
        // The same families again, a cut length, a cut message, an empty one.
        for tail in [bytes, &[0x80], &[0x05], &[0x00]] {
            assert!(series(Format::Protobuf, &[bytes, tail].concat()).is_err());
        }
    }
}
