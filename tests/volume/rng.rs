//! Random choices that a seed repeats.

use super::Chance;

pub struct Rng(Chance);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(Chance::from_seed(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// Changes a few bytes: takes one out, puts one in, replaces one, doubles or drops a stretch.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>, likely: &[u8]) {
        let at = self.below(bytes.len() + 1);
        let byte = if self.chance(80) { likely[self.below(likely.len())] } else { self.byte() };
        let end = (at + 1 + self.below(8)).min(bytes.len());
        match self.below(5) {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => bytes[at] = byte,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < end => {
                let stretch = bytes[at..end].to_vec();
                bytes.splice(at..at, stretch);
            }
            4 if at < end => drop(bytes.drain(at..end)),
            _ => bytes.push(byte),
        }
    }
}
