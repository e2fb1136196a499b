//! Randomness of the operating system.

use ring::rand::{SecureRandom, SystemRandom};

/// `N` random bytes; none where the system has no randomness, and then nothing secret can be made.
pub(super) fn bytes<const N: usize>(random: &SystemRandom) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).ok()?;
    Some(bytes)
}

/// A request id: 128 random bits in hexadecimal.
pub(super) fn request_id(random: &SystemRandom) -> String {
    use std::fmt::Write as _;
    let bytes: [u8; 16] = bytes(random).unwrap_or_default();
    bytes.iter().fold(String::with_capacity(32), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// Fills decoy hashes. They never match whatever their bytes, so a system without randomness costs nothing here.
pub(super) fn decoys(random: &SystemRandom) -> impl FnMut() -> [u8; 48] {
    move || bytes(random).unwrap_or([0; 48])
}
