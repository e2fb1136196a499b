//! Request smuggling in volume: whatever is sent, the gateway sees each request once and as we write it, or not at all,
//! and every answer is to its own request.

mod common;
mod framing;
mod volume;

use common::gateway::Gateway;
use common::guard::{EVERYTHING, Guard};
use common::http::{Connection, Request, Response};
use common::upstream::Upstream;
use common::wait_for;
use framing::play::{Recorder, answered, check_answers, check_arrivals, converse, echoes, push, script};
use framing::{Fate, Jobs, Maker, Part, families};
use pushguard::request::GroupingKey;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use volume::{Volume, judge, say};

/// Names that no other case has.
fn jobs(number: u64) -> Jobs {
    let job = |kind| format!("{kind}{number}x");
    Jobs { hostile: job("h"), smuggled: job("s"), good: job("g"), canary: job("c") }
}

/// One case, described where it fails.
fn run(
    number: u64,
    volume: Volume,
    play: impl FnOnce(&[Part], bool, &Jobs) -> Result<(), String>,
) -> Result<(), String> {
    let families = families();
    let (family, make) = families[(number % families.len() as u64) as usize];
    let (jobs, chance) = (jobs(number), &mut volume.chance(number));
    let case = make(&mut Maker { chance, jobs: &jobs });
    let script = script(&case, &jobs, chance);
    // A client of these tests panics at an answer that is no HTTP.
    let played = catch_unwind(AssertUnwindSafe(|| play(&script, case.whole, &jobs)));
    let played = played.unwrap_or_else(|panic| {
        Err(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "the client panicked".to_owned()))
    });
    played.map_err(|fault| {
        let parts: Vec<String> = script.iter().map(shown).collect();
        format!("case {number}, {family}: {fault}\n{}", parts.join("\n"))
    })
}

fn shown(part: &Part) -> String {
    let bytes = part.bytes.escape_ascii().to_string();
    let fate = match &part.fate {
        Fate::Forwarded { line, .. } => format!("forwarded as {line}"),
        other => format!("{other:?}"),
    };
    let cut: String = bytes.chars().take(1200).collect();
    format!("  to be {fate}, keeps {}: {cut}", part.keeps)
}

#[test]
fn each_request_arrives_once_or_never() {
    let volume = Volume::read(1000);
    let recorder = Arc::new(Recorder::default());
    let upstream = {
        let recorder = recorder.clone();
        let host = Arc::new(Mutex::new(String::new()));
        let own = host.clone();
        let upstream = Upstream::start(move |seen| recorder.record(seen, &own.lock().unwrap()));
        *host.lock().unwrap() = upstream.address.to_string();
        upstream
    };
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let forwarded = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (next, failed, forwarded, recorder, guard) = (&next, &failed, &forwarded, &recorder, &guard);
            scope.spawn(move || {
                // A connection that lives beside all these.
                let mut other = Connection::open(guard.address());
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= volume.cases || failed.lock().unwrap().len() > 50 {
                        return;
                    }
                    let played = run(number, volume, |script, whole, jobs| {
                        let answers = converse(script, whole, guard.address(), &mut volume.chance(!number))?;
                        check_answers(script, &answers, echoes)?;
                        check_arrivals(script, &answers, jobs, recorder)?;
                        forwarded
                            .fetch_add(answers.iter().filter(|a| a.status == 200).count() as u64, Ordering::Relaxed);
                        let job = format!("other{worker}");
                        let answer = other.exchange(&Request::post(format!("/metrics/job/{job}"), "m 1\n"));
                        check_answers(&[push(&job)], std::slice::from_ref(&answer), echoes)?;
                        let jobs =
                            Jobs { hostile: String::new(), good: String::new(), canary: job.clone(), ..jobs.clone() };
                        check_arrivals(&[push(&job)], &[answer], &jobs, recorder)
                    });
                    failed.lock().unwrap().extend(played.err());
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.extend(recorder.rest());
    judge(volume, &failed);
    // Not a byte but those of the requests.
    let (_, bytes) = upstream.contacts();
    let seen: usize = upstream.seen().iter().map(|seen| seen.head.len() + seen.body.len()).sum();
    let lossy = upstream.seen().iter().filter(|seen| seen.head.contains('\u{fffd}')).count();
    assert_eq!(bytes, seen - 2 * lossy, "bytes upstream");
    say(format!(
        "framing: {volume}, {} families, {} requests forwarded beside {} canaries, 0 smuggled, 0 crossed",
        families().len(),
        forwarded.load(Ordering::Relaxed),
        volume.cases
    ));
}

#[test]
fn the_gateway_stores_only_what_was_granted() {
    let Some(gateway) = Gateway::start() else { return };
    let whole = Volume::read(1000);
    let volume = Volume { cases: whole.cases.div_ceil(5), seed: whole.seed.wrapping_add(1) };
    let guard = Guard::start(EVERYTHING, &gateway.url());
    let taken = |answer: &Response, _: &str| [200, 202].contains(&answer.status);
    let mut failed = Vec::new();
    for number in 0..volume.cases {
        let played = run(number, volume, |script, whole, jobs| {
            let answers = converse(script, whole, guard.address(), &mut volume.chance(!number))?;
            let checked = check_answers(script, &answers, taken);
            let (mut may, mut must) = (BTreeSet::new(), BTreeSet::new());
            for part in answered(script) {
                if let Fate::Forwarded { line, body } = &part.fate {
                    let path = line.split_once(' ').unwrap().1.to_owned();
                    may.insert(path.clone());
                    // What empties a group may leave it there or not.
                    if body.is_empty() {
                        must.remove(&path)
                    } else {
                        must.insert(path)
                    };
                } else if part.fate == Fate::Either {
                    may.extend([&jobs.hostile, &jobs.canary].map(|job| format!("/metrics/job/{job}")));
                }
            }
            let stored: BTreeSet<String> = paths(&gateway).into_iter().collect();
            for path in &stored {
                Request::delete(path).send(gateway.address);
            }
            wait_for("an empty gateway", || paths(&gateway).is_empty().then_some(()));
            // Only now: the next case begins with an empty gateway.
            checked?;
            if must.is_subset(&stored) && stored.is_subset(&may) { Ok(()) } else { Err(format!("stored: {stored:?}")) }
        });
        failed.extend(played.err());
    }
    judge(volume, &failed);
    say(format!("framing before the real gateway: {volume}, only granted groups"));
}

/// All groups, as we write them.
fn paths(gateway: &Gateway) -> Vec<String> {
    let path = |mut labels: std::collections::BTreeMap<String, String>| {
        let job = labels.remove("job").unwrap_or_default();
        GroupingKey::new(&job, labels).expect("a group of ours").upstream_path()
    };
    gateway.groups().into_iter().map(|group| path(group.labels)).collect()
}
