//! Whatever the gateway's list says, what is learned of it keeps no more than its bounds, and any chunking gives one
//! verdict.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::groups::{self, Detail, ReadError};
use pushguard::inventory::{Bounds, Learned, Learning};
use std::io::{self, Read};

/// Hands out a few bytes at a time.
struct Slow<'b>(&'b [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(out.len()).min(self.0.len());
        let (now, later) = self.0.split_at(count);
        out[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

fn learned(from: impl Read, bounds: &Bounds) -> Result<(Vec<Learned>, usize), ReadError> {
    let mut learning = Learning::new(bounds);
    groups::read(from, 1 << 20, Detail::Hashes, &mut |group| learning.add(group))?;
    Ok(learning.finish())
}

fuzz_target!(|bytes: &[u8]| {
    let Some((step, rest)) = bytes.split_first() else { return };
    let bounds = Bounds { groups: 4, key_bytes: 200, names: 3, families: 5, metrics: 6 };
    let whole = learned(rest, &bounds);
    let slow = learned(Slow(rest, usize::from(*step).max(1)), &bounds);
    assert_eq!(whole.is_ok(), slow.is_ok());
    if let (Ok((groups, odd)), Ok((same, odd_too))) = (whole, slow) {
        assert_eq!((&groups, odd), (&same, odd_too));
        let families: Vec<_> = groups.iter().flat_map(|group| &group.families).collect();
        assert!(families.len() <= bounds.families);
        assert!(families.iter().map(|family| family.metrics.len()).sum::<usize>() <= bounds.metrics);
    }
});
