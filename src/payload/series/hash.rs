//! Hashes under a key that is made anew for each process, so that nobody can choose texts that collide.

use foldhash::quality::RandomState;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::sync::LazyLock;

/// One key for all bodies.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The hash of the name of a metric or of a label.
pub(in crate::payload) fn of_name(name: &[u8]) -> u64 {
    let mut hasher = KEY.build_hasher();
    hasher.write(name);
    hasher.finish()
}

/// The hash of a label whose name has that hash.
pub(super) fn of_label(name: u64, value: &[u8]) -> u64 {
    let mut hasher = KEY.build_hasher();
    hasher.write_u64(name);
    hasher.write(value);
    hasher.finish()
}

/// The hash of a label whose name has that hash and whose value is a number.
pub(super) fn of_number(name: u64, value: f64) -> u64 {
    let mut hasher = KEY.build_hasher();
    hasher.write_u64(name);
    // Negative zero is zero.
    hasher.write_u64((value + 0.0).to_bits());
    hasher.finish()
}

/// Hashes, which are hashed no second time.
pub(super) type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// A hash for what it is.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
