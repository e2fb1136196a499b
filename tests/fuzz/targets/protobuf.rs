//! What a body of protobuf holds does not depend on where a sender begins a second one.
#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;
use pushguard::payload::Format;
use shared::series;

fuzz_target!(|bytes: &[u8]| {
    if let Some(format) = Format::of(Some(bytes)) {
        assert_eq!(Format::of(Some(format.content_type().as_bytes())), Some(format));
    }
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
});
