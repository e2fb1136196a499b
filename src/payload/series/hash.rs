//! Hashes under a key that is made anew for each process, so that nobody can choose texts that collide.

use foldhash::quality::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
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

/// The hash of a number.
pub(super) fn of_number(value: f64) -> u64 {
    let mut hasher = KEY.build_hasher();
    // Negative zero is zero.
    hasher.write_u64((value + 0.0).to_bits());
    hasher.finish()
}

/// The hash of a line of a metric: of what it is, of the metric's hash and of that of the label of its type.
pub(super) fn of_line(line: u64, metric: u64, bound: u64) -> u64 {
    let mut hasher = KEY.build_hasher();
    [line, metric, bound].into_iter().for_each(|hash| hasher.write_u64(hash));
    hasher.finish()
}
