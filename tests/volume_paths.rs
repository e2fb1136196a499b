//! Paths by volume: whatever a target is made of, it is refused with nothing sent to the gateway, or every gateway
//! stores it under exactly the labels that were judged.
//!
//! `PUSHGUARD_VOLUME` sets how many targets, `PUSHGUARD_SEED` which.

mod common;
mod volume;

use common::gateway::Gateway;
use common::guard::{EVERYTHING, Guard};
use common::http::Request;
use pushguard::payload::PayloadShape;
use pushguard::request::{GroupingKey, RawHead, Target, TargetError};
use std::collections::BTreeMap;
use std::time::Instant;
use volume::kept::Kept;
use volume::rng::Rng;
use volume::tap::Tap;
use volume::{Volume, gateways, on_every_gateway, say, targets};

/// Groups that the gateway holds at once: each push costs it a look at all of them.
const BATCH: usize = 40;
/// Targets for one guard: its log is held in memory.
const ROUND: usize = 10_000;

type Labels = BTreeMap<String, String>;

on_every_gateway!(run);

fn run(gateway: &Gateway, routing: &str) {
    let (whole, started) = (Volume::read(5000), Instant::now());
    let (volume, seed) = (whole.count(), whole.seed);
    let name = format!("gateway {} with {routing}", gateways::version(gateway));
    let mut rng = Rng::new(seed);
    let mut counts = Counts::default();
    let mut left = volume;
    while left > 0 {
        let tap = Tap::new(gateway.address);
        let guard = Guard::start(EVERYTHING, &tap.url());
        let mut bench = Bench::new(gateway, &tap, &guard, &mut counts, seed);
        for _ in 0..ROUND.min(left).div_ceil(BATCH) {
            let targets: Vec<Vec<u8>> = (0..BATCH.min(left)).map(|_| targets::target(&mut rng)).collect();
            left -= targets.len();
            bench.batch(&targets);
        }
        assert!(tap.take().is_empty(), "seed {seed}: something was sent late");
    }
    let Counts { accepted, refused, groups, same, differing, why } = counts;
    let rate = f64::from(u32::try_from(volume).unwrap()) / started.elapsed().as_secs_f64();
    say(format!(
        "{volume} paths, seed {seed}, {name}: {accepted} accepted and stored as judged ({groups} groups), {refused} \
         refused unsent, 0 mismatches; as sent, the gateway stored {same} of the accepted under the same labels and \
         refused {differing}; {rate:.0} paths/s\n  refused: {why:?}"
    ));
    assert!(accepted * 4 > volume && refused * 4 > volume, "the generator is out of balance");
}

#[derive(Default)]
struct Counts {
    accepted: usize,
    refused: usize,
    groups: usize,
    /// Accepted targets that the gateway, given the client's own bytes, stored under the same labels.
    same: usize,
    /// Those that it refused or redirected.
    differing: usize,
    /// Refusals by what was wrong.
    why: BTreeMap<String, usize>,
}

struct Bench<'a> {
    gateway: &'a Gateway,
    tap: &'a Tap,
    through: Kept,
    direct: Kept,
    counts: &'a mut Counts,
    seed: u64,
    number: usize,
}

/// An accepted target.
struct Accepted<'t> {
    target: &'t [u8],
    method: &'static str,
    key: GroupingKey,
    body: String,
}

impl<'a> Bench<'a> {
    fn new(gateway: &'a Gateway, tap: &'a Tap, guard: &Guard, counts: &'a mut Counts, seed: u64) -> Self {
        let (through, direct) = (Kept::to(guard.address()), Kept::to(gateway.address));
        Self { gateway, tap, through, direct, counts, seed, number: 0 }
    }

    fn batch(&mut self, targets: &[Vec<u8>]) {
        let accepted: Vec<Accepted<'_>> = targets.iter().filter_map(|target| self.push(target)).collect();
        self.compare_sent(&accepted);
        let expected = stored(accepted.iter().map(|a| (&a.key, a.body.as_str())));
        assert_eq!(self.groups(), expected, "seed {}: stored otherwise than judged", self.seed);
        self.counts.groups += expected.len();
        self.compare_as_sent(&accepted);
        self.delete(&accepted);
    }

    /// Pushes through the guard; answers the target where it was accepted.
    fn push<'t>(&mut self, target: &'t [u8]) -> Option<Accepted<'t>> {
        self.number += 1;
        let method = if self.number.is_multiple_of(3) { "POST" } else { "PUT" };
        let body = format!("m {}\n", self.number);
        let request = Request::new(method, target).body(body.clone());
        let about = format!("seed {}: {method} {:?}", self.seed, Shown(target));
        let before = self.tap.contacts();
        let answer = self.through.exchange(&request);
        match judged(&request, target) {
            Some(key) => {
                answer.is(200, "", format!("{about}, judged {key:?}"));
                self.counts.accepted += 1;
                Some(Accepted { target, method, key, body })
            }
            None => {
                let fine = (400..500).contains(&answer.status) && !answer.reason().is_empty();
                assert!(fine, "{about}: {} {:?}", answer.status, answer.text());
                assert_eq!(self.tap.contacts(), before, "{about}: refused, but the upstream was contacted");
                self.counts.refused += 1;
                *self.counts.why.entry(why(&request)).or_default() += 1;
                None
            }
        }
    }

    /// What went to the gateway is one request for each accepted target, in order, and its path reads as the same key.
    fn compare_sent(&self, accepted: &[Accepted<'_>]) {
        let sent = self.tap.take();
        assert_eq!(sent.len(), accepted.len(), "seed {}: requests to the gateway", self.seed);
        for (sent, judged) in sent.iter().zip(accepted) {
            let about = format!("seed {}: {:?} sent as {}", self.seed, Shown(judged.target), sent.target);
            assert_eq!(
                (sent.method.as_str(), sent.target.as_str()),
                (judged.method, &*judged.key.upstream_path()),
                "{about}"
            );
            assert_eq!(sent.body, judged.body.as_bytes(), "{about}");
            assert_eq!(Target::read(sent.target.as_bytes()), Ok(Target::Group(judged.key.clone())), "{about}");
        }
    }

    /// No gateway may read the client's own bytes as another group than the one that was judged.
    fn compare_as_sent(&mut self, accepted: &[Accepted<'_>]) {
        self.clear();
        let mut taken = Vec::new();
        for accepted in accepted {
            let request = Request::new(accepted.method, accepted.target).body(accepted.body.clone());
            if self.direct.exchange(&request).status == 200 {
                taken.push(accepted);
            }
        }
        let expected = stored(taken.iter().map(|a| (&a.key, a.body.as_str())));
        assert_eq!(self.groups(), expected, "seed {}: the gateway reads the bytes as sent otherwise", self.seed);
        self.counts.same += taken.len();
        self.counts.differing += accepted.len() - taken.len();
    }

    /// The spelling that stored a group deletes it.
    fn delete(&mut self, accepted: &[Accepted<'_>]) {
        for accepted in accepted {
            let about = format!("seed {}: DELETE {:?}", self.seed, Shown(accepted.target));
            self.through.exchange(&Request::delete(accepted.target)).is(202, "", about);
        }
        let left = || self.gateway.groups().into_iter().map(|group| group.labels).collect::<Vec<_>>();
        // A delete is answered before it is done.
        let end = Instant::now() + common::DEADLINE;
        while !left().is_empty() {
            assert!(Instant::now() < end, "seed {}: not deleted by the same spelling: {:?}", self.seed, left());
        }
        assert_eq!(self.tap.take().len(), accepted.len(), "seed {}: deletes", self.seed);
    }

    fn clear(&mut self) {
        for labels in self.groups().into_keys() {
            let (name, rest) = (labels["job"].clone(), labels.into_iter().filter(|(name, _)| name != "job"));
            let key = GroupingKey::new(&name, rest).expect("what is stored is a key");
            self.direct.exchange(&Request::delete(key.upstream_path())).is(202, "", "DELETE at the gateway");
        }
        common::wait_for("an empty store", || self.gateway.groups().is_empty().then_some(()));
    }

    /// The gateway's groups with the value of `m` in each.
    fn groups(&self) -> BTreeMap<Labels, String> {
        let value = |content: &BTreeMap<String, serde_json::Value>| {
            content.get("m").map_or("no m".to_owned(), |m| m["metrics"][0]["value"].as_str().unwrap_or("").to_owned())
        };
        let groups = self.gateway.groups();
        let found: BTreeMap<_, _> = groups.iter().map(|group| (group.labels.clone(), value(&group.content))).collect();
        assert_eq!(found.len(), groups.len(), "no two groups have the same labels");
        found
    }
}

/// What the library makes of a write to that target.
fn judged(request: &Request, target: &[u8]) -> Option<GroupingKey> {
    let raw = RawHead::read(&request.head_bytes()).ok()?;
    assert_eq!(raw.target, target, "the target is read as it was sent");
    match Target::read(&raw.target).ok()? {
        Target::Group(key) => Some(key).filter(within_limits),
        Target::Read(_) => None,
    }
}

/// Whether its labels may be given to a series.
fn within_limits(key: &GroupingKey) -> bool {
    let PayloadShape { labels, name_bytes, value_bytes, .. } = PayloadShape::default();
    let fits = |(name, value): (&String, &String)| name.len() <= name_bytes && value.len() <= value_bytes;
    key.labels().len() < labels && key.job().len() <= value_bytes && key.labels().iter().all(fits)
}

/// What the library has against it, without the names in it.
fn why(request: &Request) -> String {
    let fault = match RawHead::read(&request.head_bytes()) {
        Err(error) => return format!("head: {}", debug_name(&error)),
        Ok(raw) => Target::read(&raw.target),
    };
    match fault {
        Err(TargetError::Path(fault)) => debug_name(&fault),
        Err(error) => debug_name(&error),
        Ok(Target::Group(_)) => "beyond the limits of a series".to_owned(),
        Ok(Target::Read(_)) => "not a group".to_owned(),
    }
}

fn debug_name(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// What a store holds after these pushes, in order.
fn stored<'a>(pushes: impl Iterator<Item = (&'a GroupingKey, &'a str)>) -> BTreeMap<Labels, String> {
    let labels = |key: &GroupingKey| {
        let job = ("job".to_owned(), key.job().to_owned());
        key.labels().clone().into_iter().chain([job]).collect::<Labels>()
    };
    pushes.map(|(key, body)| (labels(key), body.trim_start_matches("m ").trim_end().to_owned())).collect()
}

/// A target with its bytes escaped as in a byte string.
struct Shown<'t>(&'t [u8]);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}
