//! What the volume tests share: how many cases, from which seed, and a chance that repeats itself.
//!
//! `PUSHGUARD_VOLUME` sets the number of cases, `PUSHGUARD_SEED` where they begin; a failure names both.
use std::io::Write as _;

/// How many cases to run, and from which seed.
#[derive(Clone, Copy)]
pub struct Volume {
    pub cases: u64,
    pub seed: u64,
}

impl Volume {
    /// As many as the environment says, or `default`; from the same seed unless it names another.
    pub fn read(default: u64) -> Self {
        let number = |name: &str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
        };
        Self { cases: number("PUSHGUARD_VOLUME").unwrap_or(default), seed: number("PUSHGUARD_SEED").unwrap_or(1) }
    }

    /// The number of cases, to count them in memory.
    pub fn count(self) -> usize {
        usize::try_from(self.cases).expect("a volume")
    }

    /// The chance of one case: the same for the same seed and number, whatever ran before it.
    pub fn chance(self, case: u64) -> Chance {
        let mut chance = Chance(self.seed ^ case.wrapping_mul(0xd134_2543_de82_ef95));
        chance.next();
        chance
    }
}

impl std::fmt::Display for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PUSHGUARD_VOLUME={} PUSHGUARD_SEED={}", self.cases, self.seed)
    }
}

/// Numbers that look random: SplitMix64.
pub struct Chance(u64);

impl Chance {
    /// The numbers that follow from a seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// Each letter in one of its cases.
    pub fn any_case(&mut self, text: &str) -> String {
        text.chars().map(|c| if self.once_in(2) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
    }
}

/// Says what was run, past the test harness's capture.
pub fn say(line: impl std::fmt::Display) {
    let _ = std::io::stderr().write_all(format!("\n{line}\n").as_bytes());
}

/// Fails with the first of the cases that failed.
pub fn judge(volume: Volume, failed: &[String]) {
    let shown: Vec<&str> = failed.iter().take(12).map(String::as_str).collect();
    assert!(failed.is_empty(), "{} cases failed, {volume}\n{}", failed.len(), shown.join("\n\n"));
}
