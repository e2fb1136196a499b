//! Sweeps of a gateway whose clock jumps, whose lists break off, and to which people push all the while.
//!
//! `PUSHGUARD_VOLUME` sweeps (2,000 else) from `PUSHGUARD_SEED`. No group may go that was pushed less than its time ago.

use super::model::Model;
use super::ttl;
use crate::groups::Labels;
use crate::janitor::{Doubt, Mode, Step, Sweep};

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

const HOUR: u64 = 3_600_000;
const YEAR: i64 = 365 * 86_400;

struct House {
    model: Model,
    rng: Rng,
    doubt: Doubt,
    /// Groups pushed around the guard since the reading that is relied on began; those are the guard's known window.
    in_window: Vec<Labels>,
    fresh_removed: Vec<String>,
    removed: usize,
    broken_off: usize,
}

impl House {
    fn job(&mut self) -> String {
        format!("job{}", self.rng.below(25))
    }

    fn push(&mut self, except: Option<&Labels>) {
        let (job, around, accepted) = (self.job(), self.rng.chance(20), self.rng.chance(85));
        // A push through the guard waits for the lock of its group.
        if except.is_some_and(|locked| locked.job() == job) && !around {
            return;
        }
        self.model.push(&job, !around, accepted);
        if around {
            self.in_window.push(super::labels(&[("job", &job)]));
        }
    }

    /// Time goes on, and whatever else happens.
    fn pass(&mut self, most_millis: u64, locked: Option<&Labels>) {
        self.model.now += self.rng.below(most_millis) + 1;
        if self.rng.chance(20) {
            self.push(locked);
        }
    }

    fn between_sweeps(&mut self) {
        for _ in 0..self.rng.below(6) {
            self.model.now += self.rng.below(6 * HOUR);
            self.push(None);
        }
        if self.rng.chance(4) {
            let far = i64::try_from(self.rng.below(20)).unwrap() * YEAR - 10 * YEAR;
            let near = i64::try_from(self.rng.below(200_000)).unwrap() - 100_000;
            self.model.skew = if self.rng.chance(50) { far } else { near };
        }
        if self.rng.chance(5) {
            self.model.restart_guard();
            self.doubt = serde_json::from_str(&serde_json::to_string(&self.doubt).unwrap()).unwrap();
        }
    }

    fn sweep(&mut self) {
        let rules = ttl(&[("job1", None), ("job2*", Some(86_400)), ("*", Some(7 * 86_400))]);
        let mut sweep = Sweep::new(rules.clone(), self.doubt.clone(), Mode::Remove);
        loop {
            self.pass(20, None);
            match sweep.step(self.model.tick()) {
                Step::Done => break,
                Step::Read { .. } => {
                    if !self.read(&mut sweep) {
                        break;
                    }
                }
                Step::Remove(due) => {
                    // Waiting for the lock.
                    let wait = if self.rng.chance(5) { 3000 } else { 50 };
                    self.pass(wait, None);
                    let last = self.model.writes.get(&due.labels).copied();
                    if !sweep.still_due(&due, last, self.model.tick()) {
                        continue;
                    }
                    self.pass(30, Some(&due.labels));
                    if self.rng.chance(3) {
                        sweep.removed(&due.labels, Err("no answer".to_owned()));
                        continue;
                    }
                    if let Some(stored) = self.model.groups.remove(&due.labels) {
                        self.removed += 1;
                        let age = (self.model.now - stored.truly) / 1000;
                        let (_, rule) = rules.rule(due.labels.job()).unwrap();
                        // A jump of less than the tolerance is not noticed.
                        if age + 10 <= rule.max_age.unwrap().as_secs() && !self.in_window.contains(&due.labels) {
                            self.fresh_removed.push(format!("{} after {age} s", due.labels));
                        }
                    }
                    sweep.removed(&due.labels, Ok(()));
                }
            }
        }
        self.doubt = sweep.doubt().clone();
    }

    /// False where it broke off.
    fn read(&mut self, sweep: &mut Sweep) -> bool {
        let (tick, wall) = (self.model.tick(), self.model.wall());
        self.in_window.clear();
        self.pass(30, None);
        sweep.begin(std::time::Duration::from_secs(self.model.date()), tick, wall);
        let listing = self.model.listing();
        let whole = !self.rng.chance(10);
        let shown = if whole { listing.len() } else { usize::try_from(self.rng.below(20)).unwrap() };
        listing.iter().take(shown).for_each(|group| sweep.see(group));
        self.pass(300, None);
        if whole {
            sweep.end(self.model.tick());
        } else {
            self.broken_off += 1;
        }
        whole
    }
}

#[test]
fn no_fresh_group_is_removed() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (sweeps, seed) = (number("PUSHGUARD_VOLUME", 2000), number("PUSHGUARD_SEED", 1));
    let mut house = House {
        model: Model::new(),
        rng: Rng(seed),
        doubt: Doubt::default(),
        in_window: Vec::new(),
        fresh_removed: Vec::new(),
        removed: 0,
        broken_off: 0,
    };
    // The first sweep of all only reports; it is what learns the distance of the clocks.
    house.sweep();
    for _ in 0..sweeps {
        house.between_sweeps();
        house.sweep();
    }
    let (removed, broken_off) = (house.removed, house.broken_off);
    println!("{sweeps} sweeps from seed {seed}: {removed} groups removed, {broken_off} readings broken off");
    assert_eq!(house.fresh_removed, Vec::<String>::new());
    assert!(u64::try_from(removed).unwrap() > sweeps / 20, "it removes something: {removed}");
    assert!(broken_off > 0);
}
