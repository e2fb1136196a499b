//! Bodies by volume: whatever the guard takes, every gateway at hand takes, coded or not, text or protobuf.
//!
//! `PUSHGUARD_VOLUME` sets how many bodies, `PUSHGUARD_SEED` which.

mod common;
mod volume;

use common::gateway::Gateway;
use common::guard::{EVERYTHING, Guard};
use common::http::Request;
use std::collections::BTreeMap;
use volume::bodies::{self, PROTOBUF};
use volume::coded::{gzip, snappy};
use volume::kept::Kept;
use volume::rng::Rng;
use volume::{Chance, Volume, gateways, on_every_gateway};

on_every_gateway!(run);

/// Bodies for one guard: its log is held in memory.
const ROUND: u64 = 10_000;

#[derive(Default)]
struct Counts {
    taken: usize,
    /// Taken, by what it was.
    kinds: BTreeMap<&'static str, usize>,
    refused: BTreeMap<String, usize>,
    /// Refused here; the gateway, given the same text, takes it.
    stricter: usize,
    both: usize,
}

fn run(gateway: &Gateway, routing: &str) {
    let volume = Volume::read(2000);
    let mut counts = Counts::default();
    for round in 0..volume.cases.div_ceil(ROUND) {
        let guard = Guard::start(EVERYTHING, &gateway.url());
        let (mut through, mut direct) = (Kept::to(guard.address()), Kept::to(gateway.address));
        for case in round * ROUND..volume.cases.min((round + 1) * ROUND) {
            one(volume, case, &mut through, &mut direct, &mut counts);
        }
        through.exchange(&Request::delete("/metrics/job/a")).is(202, "", "a delete");
    }
    let Counts { taken, kinds, refused, stricter, both } = &counts;
    volume::say(format_args!(
        "{} bodies, {volume}, gateway {} with {routing}: {taken} taken by both {kinds:?}, 0 taken here and refused there; \
         refused here {refused:?}; of refused texts the gateway refuses {both} and takes {stricter}",
        volume.cases,
        gateways::version(gateway)
    ));
    assert!(*taken * 4 > volume.count() && *taken * 10 < volume.count() * 9, "the generator is out of balance");
    assert!(kinds.len() == 6, "every kind is taken now and then: {kinds:?}");
}

fn one(volume: Volume, case: u64, through: &mut Kept, direct: &mut Kept, counts: &mut Counts) {
    let mut chance = volume.chance(case);
    let (content_type, body) = bodies::body(&mut Rng::new(chance.next()));
    let (kind, encoding, sent) = coded(&mut chance, content_type == Some(PROTOBUF), &body);
    let mut request = Request::put("/metrics/job/a", sent);
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    if let Some(encoding) = encoding {
        request = request.header("Content-Encoding", encoding);
    }
    let answer = through.exchange(&request);
    let about = || format!("case {case}, {volume}: {}", request.bytes().escape_ascii());
    match (answer.status, answer.reason()) {
        (200, "") => {
            counts.taken += 1;
            *counts.kinds.entry(kind).or_default() += 1;
        }
        (400 | 413, reason) if !reason.is_empty() => {
            *counts.refused.entry(reason.to_owned()).or_default() += 1;
            // Protobuf that was refused may be what ends a gateway; text only costs it.
            if content_type != Some(PROTOBUF) && !body.is_empty() {
                let plain = direct.try_exchange(&Request::put("/metrics/job/direct", body.clone()));
                // A gateway that hangs up refuses too; that it still runs, the delete shows.
                let taken = plain.is_ok_and(|answer| answer.status == 200);
                *(if taken { &mut counts.stricter } else { &mut counts.both }) += 1;
                direct.exchange(&Request::delete("/metrics/job/direct")).is(202, "", about());
            }
        }
        // The guard let it pass, and the gateway refused it.
        _ => panic!("{} {:?} {}: {}", answer.status, answer.reason(), answer.text(), about()),
    }
}

/// The body in one of the codings, now and then damaged.
fn coded(chance: &mut Chance, protobuf: bool, body: &[u8]) -> (&'static str, Option<&'static str>, Vec<u8>) {
    let (kind, encoding, mut sent) = match (chance.below(10), protobuf) {
        (0..=1, false) => ("gzip text", Some("gzip"), gzip(body)),
        (0..=1, true) => ("gzip protobuf", Some("gzip"), gzip(body)),
        (2..=3, false) => ("snappy text", Some("snappy"), snappy(body)),
        (2..=3, true) => ("snappy protobuf", Some("snappy"), snappy(body)),
        (_, false) => ("text", None, body.to_vec()),
        (_, true) => ("protobuf", None, body.to_vec()),
    };
    if encoding.is_some() && chance.once_in(8) {
        match chance.below(3) {
            0 => sent.truncate(chance.below(sent.len().max(1))),
            1 => sent.push(chance.byte()),
            _ if sent.is_empty() => {}
            _ => {
                let at = chance.below(sent.len());
                sent[at] ^= 1 << chance.below(8);
            }
        }
    }
    (kind, encoding, sent)
}
