//! Decisions on values: a policy text, a request as one line, and what every step answers.

mod certificates;
mod challenges;
mod facts;
mod laws;
mod order;
mod reasons;
mod report;
mod store;
mod texts;
mod tokens;
mod trail;

use super::{
    Claim, Decision, Denial, ExhaustedRule, Facts, Identity, LoginFailure, Reason, Step, TokenClaim, Verdict, Work,
    decide,
};
use crate::auth::Flaw;
use crate::auth::token::{Claims, TokenFault, Verified};
use crate::config::{Secrets, read};
use crate::inventory::Refusal;
use crate::policy::{Policy, World};
use crate::prefix_set::PrefixSet;
use crate::request::{Certificate, Head, RawHead, San, Target, Web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PHC: &str = "$argon2id$v=19$m=12288,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

/// A key that nobody signs with here: the base point of Ed25519.
const JWKS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"}]}"#;

/// A policy with passwords, as it would be served.
fn policy(text: &str) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("phc"), PHC).unwrap();
    std::fs::write(folder.path().join("jwks"), JWKS).unwrap();
    match read(text, folder.path(), Secrets::Required, &mut || [7; 48]) {
        Ok((policy, _)) => policy,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

/// A world that has the set `actions` of 198.51.100.0/24, and no other.
fn world(policy: Policy) -> World {
    let actions = PrefixSet::from_prefixes(["198.51.100.0/24".parse().unwrap()]);
    let sets = BTreeMap::from([("actions".to_owned(), Arc::new(actions))]);
    World { policy: Arc::new(policy), sets: Arc::new(sets), keys: Arc::default(), generation: 3 }
}

/// One request: `LISTENER PEER METHOD TARGET`, then `| user NAME:PASSWORD`, `| run ISSUER CLAIMS` (a token that says so), `| bad
/// CODE` (one that is wrong in that way), `| cert NAMES` (a client certificate with these), `| body TEXT`, `| charge INDEX` or
/// `| charge-for-body INDEX` (that quota is exhausted), `| reserve full` or `| reserve clash`, or any header.
struct Request {
    head: Head,
    body: Vec<u8>,
    exhausted: Option<usize>,
    exhausted_by_body: Option<usize>,
    reserved: Result<(), Refusal>,
}

fn request(world: &World, line: &str) -> Request {
    let mut parts = line.split(" | ");
    let words: Vec<&str> = parts.next().unwrap().split(' ').collect();
    let [listener, peer, method, target] = words[..] else { panic!("{line}") };
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: push.example.com\r\n");
    let (mut body, mut exhausted, mut exhausted_by_body) = (b"up 1\n".to_vec(), None, None);
    let (mut reserved, mut certificate) = (Ok(()), None);
    for part in parts {
        match part.split_once(' ') {
            Some(("user", pair)) => text.push_str(&format!("Authorization: Basic {}\r\n", STANDARD.encode(pair))),
            Some(("run" | "bad", rest)) => {
                text.push_str(&format!("Authorization: Bearer {}\r\n", STANDARD.encode(rest)))
            }
            Some(("cert", names)) => {
                certificate = Some(names.split(' ').map(|name| San::read(name).unwrap()).collect())
            }
            None if part == "cert" => certificate = Some(Vec::new()),
            Some(("body", shown)) => body = shown.replace("\\n", "\n").into_bytes(),
            Some(("reserve", "full")) => reserved = Err(Refusal::OwnGroups(7)),
            Some(("reserve", "clash")) => reserved = Err(Refusal::Clash(vec![store::clash()])),
            Some(("charge", index)) => exhausted = Some(index.parse().unwrap()),
            Some(("charge-for-body", index)) => exhausted_by_body = Some(index.parse().unwrap()),
            _ => text.push_str(&format!("{part}\r\n")),
        }
    }
    let raw = RawHead::read(format!("{text}\r\n").as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
    let peer = world.policy.listener(listener).peer(peer.parse().unwrap(), None);
    let certificate = certificate.map(|names| Arc::new(Certificate { names }));
    let head = Head::read(&raw, &peer, listener.into(), &Web::default()).over(certificate.as_ref());
    Request { head, body, exhausted, exhausted_by_body, reserved }
}

/// What the verifier would say: `good` is everybody's password.
fn login(claim: &Claim) -> Result<(), LoginFailure> {
    let rule = ExhaustedRule { name: "login".into(), burst: 10, period: Duration::from_secs(60) };
    match claim.password.expose() {
        b"often" => Err(LoginFailure::Throttled { rule, wait: Duration::from_secs(6) }),
        b"busy" => Err(LoginFailure::Busy),
        b"good" if claim.principal.is_some() => Ok(()),
        _ => Err(LoginFailure::Rejected),
    }
}

/// What the verifier would say of a token that is `ISSUER CLAIMS`, or the code of what is wrong with it.
fn token(claim: &TokenClaim) -> Result<Verified, TokenFault> {
    let text = String::from_utf8(STANDARD.decode(claim.token.expose()).unwrap_or_default()).unwrap();
    let fault = |flaw| TokenFault { flaw, found: "found".into(), hint: None, unknown_key_of: None };
    let Some((issuer, claims)) = text.split_once(' ') else {
        let flaw = Flaw::ALL.iter().find(|flaw| flaw.code() == text).copied();
        return Err(fault(flaw.unwrap_or(Flaw::TokenParts)));
    };
    if claim.issuers.iter().all(|known| &*known.token.name != issuer) {
        return Err(fault(Flaw::TokenIssuerUnknown));
    }
    Ok(Verified {
        issuer: issuer.into(),
        claims: Claims::read(claims.as_bytes()).unwrap_or_else(|| panic!("{claims}")),
    })
}

/// Answers every step until the decision stands; tells the steps.
fn drive(world: &World, request: &Request) -> (Vec<&'static str>, Decision) {
    let (mut facts, mut steps) = (Facts::default(), Vec::new());
    loop {
        assert!(steps.len() < 5, "asks for one fact twice: {steps:?}");
        match decide(world, &request.head, &facts) {
            Step::Verify(claim) => {
                steps.push("verify");
                facts.login = Some(login(&claim));
            }
            Step::VerifyToken(claim) => {
                steps.push("verify-token");
                facts.token = Some(token(&claim));
            }
            Step::Charge(charge) => {
                steps.push("charge");
                let refused = if charge.for_body { request.exhausted_by_body } else { request.exhausted };
                let answer = Some(refused.map_or(Ok(()), |index| Err((index, Duration::from_millis(5400)))));
                *(if charge.for_body { &mut facts.charged_for_body } else { &mut facts.charged }) = answer;
            }
            Step::Inspect(admission) => {
                steps.push("inspect");
                assert!(admission.max_bytes() > 0);
                facts.body = Some(admission.inspect(&request.head, &request.body));
            }
            Step::Reserve(reservation) => {
                assert!(facts.reserved.is_none(), "asks for one fact twice: {steps:?}");
                assert_eq!(
                    Ok(&reservation.key),
                    request.head.target.as_ref().map(|t| match t {
                        Target::Group(key) => key,
                        Target::Read(_) => panic!("a read reserves nothing"),
                    })
                );
                facts.reserved = Some(request.reserved.clone());
            }
            Step::Done(decision) => return (steps, decision),
        }
    }
}

/// The outcome in words: the steps, then `allow OPERATION METHOD PATH` or `deny REASON`.
fn outcome(world: &World, line: &str) -> String {
    let (mut words, decision) = drive(world, &request(world, line));
    assert_eq!(decision.generation, world.generation);
    let last = match &decision.verdict {
        Verdict::Deny(denial) => format!("deny {}", denial.reason.code()),
        Verdict::Allow(permit) => {
            assert_eq!(decision.identity.operation, Some(permit.operation()), "{line}");
            let known = decision.identity.principal.is_some() && decision.identity.rule.is_some();
            assert!(known || decision.would_deny.is_some(), "{line}");
            format!("allow {} {}", permit.operation(), work(permit.work()))
        }
    };
    words.push(&last);
    words.join(" ")
}

fn work(work: &Work) -> String {
    match work {
        Work::Push(key) => format!("POST {}", key.upstream_path()),
        Work::Replace(key) => format!("PUT {}", key.upstream_path()),
        Work::Delete(key) => format!("DELETE {}", key.upstream_path()),
        Work::Empty(key) => format!("PUT-nothing {}", key.upstream_path()),
        Work::Read(page) => format!("GET {}", page.upstream_path()),
    }
}

/// Runs a table of requests and expected outcomes, and tells all rows that fail.
fn check(world: &World, rows: &[(&str, &str)]) {
    let failed: Vec<String> = rows
        .iter()
        .map(|(line, expected)| (line, expected, outcome(world, line)))
        .filter(|(_, expected, found)| *expected != found)
        .map(|(line, expected, found)| format!("{line}\n  expected {expected}\n  found    {found}"))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn denial(world: &World, line: &str) -> Denial {
    drive(world, &request(world, line)).1.denial().unwrap_or_else(|| panic!("allowed: {line}")).clone()
}
