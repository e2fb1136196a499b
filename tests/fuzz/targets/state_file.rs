//! Files of the state folder: what was not written is not believed, also where its checksum is right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::ranges::guard::{Rules, readmit};
use pushguard::ranges::store::{Good, RefusedList};
use pushguard::state::{StateFile, sha256};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let file = StateFile::new(Path::new("/"), "fuzz", "address set", 1);
    let _ = file.decode::<Good>(bytes);
    let _ = file.decode::<RefusedList>(bytes);
    // The same content with a label that fits.
    let label = format!("{{\"kind\":\"address set\",\"format\":1,\"sha256\":\"{}\"}}\n", sha256(bytes));
    let whole = [label.as_bytes(), bytes, b"\n"].concat();
    if let Ok(good) = file.decode::<Good>(&whole) {
        let again = serde_json::to_vec(&good).expect("a set can be written");
        let read: Good = serde_json::from_slice(&again).expect("what was written can be read");
        assert_eq!(read, good);
        if readmit(&good.held, Rules { fetched: true, allow_private: false }).is_ok() {
            assert!(!good.held.set(0).is_empty() && !good.held.set(0).contains([10, 0, 0, 1].into()));
        }
    }
});
