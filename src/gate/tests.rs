//! Logins: how many hashes each costs, and that its time tells nothing.

use super::*;
use crate::auth::PasswordHash;
use crate::auth::phc::decoy;
use crate::clock::ManualClock;
use crate::config::{Secrets, read};
use crate::decision::Reason;
use crate::request::{RawHead, Web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::{Duration, Instant};

const PHC: &str = "$argon2id$v=19$m=12288,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
const POLICY: &str = r#"
version: 1
sources: { office: { cidrs: [203.0.113.0/24] } }
principals:
  ci:     { basic: { username: ci, password_hash_file: phc }, from: anywhere, grants: [{ operations: [probe] }] }
  office: { basic: { username: office, password_hash_file: phc }, from: { require: [office] }, grants: [{ operations: [probe] }] }
"#;

struct House {
    gate: Gate,
    world: World,
    clock: ManualClock,
}

/// A gate whose passwords are all `good`, under hashes that cost next to nothing.
fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("phc"), PHC).unwrap();
    let (mut policy, _) = read(POLICY, folder.path(), Secrets::Required, &mut || [7; 48]).unwrap();
    let cheap = PasswordHash::cheap(b"good", [1; 16]);
    for basic in policy.principals.iter_mut().filter_map(|p| p.basic.as_mut()) {
        basic.hashes = [cheap.clone()].into();
    }
    policy.decoy = [decoy(&cheap, [9; 48])].into();
    let clock = ManualClock::default();
    // On a busy machine a hash may wait long for its thread.
    let limits = Limits { login_wait: Duration::from_secs(600), ..Limits::default() };
    let gate = Gate::new(Arc::new(clock.clone()), limits, 8, [3; 32]);
    House { gate, world: World { policy: Arc::new(policy), ..World::default() }, clock }
}

fn head(user: &str, password: &str) -> Head {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    let text = format!("GET /-/ready HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\n\r\n");
    let raw = RawHead::read(text.as_bytes()).unwrap();
    let listener = crate::policy::Listener::default();
    Head::read(&raw, &listener.peer("198.51.100.9".parse().unwrap(), None), "l".into(), &Web::default())
}

impl House {
    /// The reason, or none where it passes, and how many hashes it took.
    async fn log_in(&self, head: &Head) -> (Option<Reason>, u64) {
        let before = self.gate.hashes();
        let Gated::Done(decision) = self.gate.run(&self.world, head, &mut Facts::default()).await else {
            panic!("a probe has no body")
        };
        (decision.denial().map(|denial| denial.reason), self.gate.hashes() - before)
    }
}

#[tokio::test]
async fn every_failed_login_costs_one_hash_and_a_remembered_or_throttled_one_none() {
    let house = house();
    let rejected = Some(Reason::CredentialRejected);
    for (user, password, expected) in [
        ("ci", "wrong", (rejected, 1)),
        ("ci", "", (rejected, 1)),
        ("nobody", "good", (rejected, 1)),
        ("nobody", "wrong", (rejected, 1)),
        ("office", "good", (rejected, 1)),
        ("CI", "good", (rejected, 1)),
        ("ci", "good", (None, 1)),
        ("ci", "good", (None, 0)),
        ("ci", "wrong", (rejected, 1)),
    ] {
        assert_eq!(house.log_in(&head(user, password)).await, expected, "{user}:{password}");
        house.clock.advance(Duration::from_secs(1));
    }
    // Two guesses for `ci` are left of five, then none; the remembered password still passes.
    for expected in [(rejected, 1), (rejected, 1), (Some(Reason::LoginThrottled), 0)] {
        assert_eq!(house.log_in(&head("ci", "guess")).await, expected);
    }
    assert_eq!(house.log_in(&head("ci", "good")).await, (None, 0));
}

/// A run that pushes several times at once is one login, right or wrong: one hash, and one guess of five.
#[tokio::test]
async fn equal_logins_at_one_time_cost_one_hash_and_one_guess() {
    let mut house = house();
    // It finds every password right, so that only who is known passes, and waits for a go: until then all have come.
    let (gated, go, begins) = crate::auth::verifier::tests::gated(8);
    let real = std::mem::replace(&mut house.gate.verifier, gated);
    for (user, reason) in [("nobody", Some(Reason::CredentialRejected)), ("ci", None)] {
        let head = head(user, "same");
        let log_in = || house.log_in(&head);
        let then_go = async {
            tokio::task::yield_now().await;
            go.send(()).unwrap();
        };
        let (a, b, c, d, ()) = tokio::join!(log_in(), log_in(), log_in(), log_in(), then_go);
        assert!([a, b, c, d].iter().all(|(found, _)| *found == reason), "{user}");
        assert_eq!(begins.try_iter().count(), 1, "{user}");
    }
    house.gate.verifier = real;
    for expected in [Some(Reason::CredentialRejected); 4].into_iter().chain([Some(Reason::LoginThrottled)]) {
        assert_eq!(house.log_in(&head("nobody", "guess")).await.0, expected, "one of five guesses was spent");
    }
    // Others at the same time are logins of their own.
    let (one, other) = (head("stranger", "one"), head("stranger", "other"));
    let before = house.gate.hashes();
    let _ = tokio::join!(house.log_in(&one), house.log_in(&other));
    assert_eq!(house.gate.hashes() - before, 2);
}

/// More right passwords at once than may be wrong are no failure; as many wrong ones are.
#[tokio::test]
async fn logins_at_one_time_are_throttled_once_they_have_failed() {
    async fn all(house: &House, heads: &[Head]) -> Vec<Option<Reason>> {
        let mut logins: Vec<_> = heads.iter().map(|head| Box::pin(house.log_in(head))).collect();
        let mut found = Vec::new();
        std::future::poll_fn(|context| {
            logins.retain_mut(|login| match login.as_mut().poll(context) {
                std::task::Poll::Ready((reason, _)) => {
                    found.push(reason);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if logins.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        found
    }
    let mut house = house();
    let (gated, go, _begins) = crate::auth::verifier::tests::gated(8);
    let real = std::mem::replace(&mut house.gate.verifier, gated);
    let heads: Vec<Head> = (0..12).map(|n| head("ci", &format!("password {n}"))).collect();
    heads.iter().for_each(|_| go.send(()).unwrap());
    assert_eq!(all(&house, &heads).await, [None; 12], "each is right, and five may fail");
    house.gate.verifier = real;
    house.gate.cache.clear();
    let found = all(&house, &heads).await;
    let count = |reason| found.iter().filter(|found| **found == Some(reason)).count();
    assert_eq!((count(Reason::CredentialRejected), count(Reason::LoginThrottled)), (5, 7), "{found:?}");
}

#[tokio::test]
async fn a_reload_forgets_passwords_and_leaves_guesses_spent() {
    let house = house();
    assert_eq!(house.log_in(&head("ci", "good")).await, (None, 1));
    assert_eq!(house.log_in(&head("ci", "good")).await, (None, 0), "remembered");
    for _ in 0..4 {
        assert_eq!(house.log_in(&head("ci", "guess")).await, (Some(Reason::CredentialRejected), 1));
    }
    house.gate.adopt(&house.world.policy);
    assert_eq!(house.log_in(&head("ci", "good")).await, (None, 1), "verified anew");
    assert_eq!(house.log_in(&head("ci", "guess")).await, (Some(Reason::CredentialRejected), 1));
    assert_eq!(house.log_in(&head("ci", "guess")).await, (Some(Reason::LoginThrottled), 0));
}

/// Who cannot be verified is told to come back, is neither let in nor called wrong, and has guessed nothing.
#[tokio::test]
async fn a_login_that_cannot_be_verified_is_told_to_come_back() {
    let mut house = house();
    // Its hashes do not fit.
    house.gate = Gate::new(Arc::new(house.clock.clone()), Limits::default(), 7, [3; 32]);
    for user in ["ci", "nobody"].repeat(20) {
        let head = head(user, "good");
        let Gated::Done(decision) = house.gate.run(&house.world, &head, &mut Facts::default()).await else {
            panic!("a probe has no body")
        };
        let denial = decision.denial().expect("nobody is verified");
        let wait = denial.retry.as_ref().map(|retry| retry.wait.as_secs());
        assert_eq!((denial.reason, wait), (Reason::VerifierBusy, Some(1)), "{user}");
    }
    assert_eq!(house.gate.hashes(), 0);
}

/// What is decided of an unknown user and of a wrong password takes the same memory, as often: a step that only one of
/// them takes would tell them apart by its time. In report mode somewhere too, where more is looked for.
#[test]
fn an_unknown_user_takes_the_same_allocations_as_a_wrong_password() {
    let mut house = house();
    let policy = std::sync::Arc::make_mut(&mut house.world.policy);
    for reporting in [false, true] {
        if reporting {
            policy.principals[1].basic.as_mut().unwrap().mode = crate::policy::Mode::Report { until: None };
        }
        let world = World { policy: Arc::new(policy.clone()), ..World::default() };
        let facts = Facts { login: Some(Err(LoginFailure::Rejected)), ..Facts::default() };
        let allocated = |user: &str| {
            let head = head(user, "guess");
            [&Facts::default(), &facts].map(|facts| {
                let mut step = None;
                let taken = allocation_counter::measure(|| step = Some(decide(&world, &head, facts)));
                (taken.count_total, matches!(step, Some(Step::Done(_))))
            })
        };
        let [known, unknown] = ["ci", "xx"].map(allocated);
        assert_eq!(known, unknown, "reporting: {reporting}");
        assert!(known[1].1 && known[1].0 > 0, "it decides: {known:?}");
    }
}

/// Welch's t over the times of two kinds of logins that fail.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let moments = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        (mean, times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (count - 1.0) / count)
    };
    let ((a, of_a), (b, of_b)) = (moments(a), moments(b));
    (a - b) / (of_a + of_b).sqrt()
}

/// An unknown user takes as long as a wrong password: `PUSHGUARD_VOLUME` samples of each, and only then is the time
/// judged.
#[tokio::test]
async fn the_time_of_a_failed_login_tells_no_user_name() {
    let volume = std::env::var("PUSHGUARD_VOLUME").ok().and_then(|text| text.parse::<usize>().ok());
    let house = house();
    let mut times = [Vec::new(), Vec::new()];
    let (mut pair, mut chance) = (0_usize, 1_u64);
    let warm_up = if volume.is_some() { 1000 } else { 10 };
    while pair < volume.unwrap_or(200) + warm_up {
        // Names and passwords of one length; which of the two comes first is chance, and both leave as much behind.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let first = usize::from(chance >> 63 == 1);
        for kind in [first, 1 - first] {
            let head = head(["ci", "xx"][kind], &format!("guess {pair:09}"));
            house.clock.advance(Duration::from_secs(60));
            let started = Instant::now();
            let outcome = house.log_in(&head).await;
            let took = started.elapsed().as_secs_f64();
            if pair >= warm_up {
                times[kind].push(took);
            }
            assert_eq!(outcome, (Some(Reason::CredentialRejected), 1));
        }
        pair += 1;
    }
    // The slowest twentieth of both is what else happened on the machine.
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let most = all[all.len() * 19 / 20];
    let [known, unknown] = times.map(|times| times.into_iter().filter(|time| *time <= most).collect::<Vec<_>>());
    let t = welch(&known, &unknown);
    println!("{} samples of each, Welch's t {t:.2}", volume.unwrap_or(200));
    assert!(volume.is_none() || t.abs() < 4.5, "t {t}");
}
