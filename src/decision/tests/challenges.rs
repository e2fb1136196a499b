//! What a 401 asks for: only kinds of credentials, and only those that are taken from there.

use super::*;
use crate::decision::{Bearer, Challenge};

const POLICY: &str = r#"
version: 1
sources:
  passwords: { cidrs: [192.0.2.0/24] }
  tokens:    { cidrs: [198.51.100.0/24] }
  both:      { cidrs: [203.0.113.0/24] }
  neither:   { cidrs: [233.252.0.0/24] }
issuers:
  github: { preset: github-actions, audience: secret-audience, jwks_file: jwks }
principals:
  user: { basic: { username: secret-user, password_hash_file: phc }, from: { require: [passwords, both] }, grants: [{ operations: [push], job: ci }] }
  runs: { token: { issuer: github, claims: { repository_id: "22" } }, from: { require: [tokens, both] }, grants: [{ operations: [push], job: ci }] }
  scrape: { anonymous: true, from: { require: [neither, tokens] }, grants: [{ operations: [scrape] }] }
"#;

/// The challenge of a push; `hint` is what the holder of a bad token may be told of it.
fn challenge(world: &World, peer: &str, credential: &str, hint: Option<&str>) -> (Reason, Option<Challenge>) {
    let request = request(world, &format!("l {peer} POST /metrics/job/ci | {credential}"));
    let mut facts = Facts::default();
    loop {
        match decide(world, &request.head, &facts) {
            Step::Verify(claim) => facts.login = Some(login(&claim)),
            Step::VerifyToken(claim) => {
                facts.token =
                    Some(token(&claim).map_err(|fault| TokenFault { hint: hint.map(str::to_owned), ..fault }));
            }
            Step::Done(decision) => {
                let denial = decision.denial().unwrap_or_else(|| panic!("{peer} {credential}: allowed"));
                return (denial.reason, denial.challenge.clone());
            }
            other => panic!("{peer} {credential}: {other:?}"),
        }
    }
}

#[test]
fn a_401_asks_for_what_is_taken_from_there() {
    let world = world(policy(POLICY));
    let (missing, rejected) = (Reason::CredentialMissing, Reason::CredentialRejected);
    let (wanted, invalid) = (Some(Bearer::Wanted), Some(Bearer::Invalid(None)));
    let none = "X-Nothing: 1";
    let rows = [
        ("192.0.2.1", none, missing, true, None),
        ("192.0.2.1", "user secret-user:bad", rejected, true, None),
        ("192.0.2.1", "user nobody:bad", rejected, true, None),
        ("192.0.2.1", "bad token_expired", rejected, true, None),
        ("192.0.2.1", "Authorization: Digest x", rejected, true, None),
        ("198.51.100.1", none, missing, false, wanted.clone()),
        ("198.51.100.1", "user secret-user:good", rejected, false, wanted.clone()),
        ("198.51.100.1", "bad token_signature", rejected, false, invalid.clone()),
        ("198.51.100.1", r#"run github {"repository_id":"23"}"#, rejected, false, invalid.clone()),
        ("198.51.100.1", "Authorization: Digest x", rejected, false, wanted.clone()),
        ("203.0.113.1", none, missing, true, wanted.clone()),
        ("203.0.113.1", "user secret-user:bad", rejected, true, wanted.clone()),
        ("203.0.113.1", "user nobody:bad", rejected, true, wanted),
        ("203.0.113.1", "bad token_signature", rejected, true, invalid.clone()),
        ("203.0.113.1", "user oauth2:dG9rZW5fcGFydHM=", rejected, true, invalid),
        // Nothing is taken from there, and a 401 has to name something.
        ("233.252.0.1", "user secret-user:good", rejected, true, None),
        ("233.252.0.1", "bad token_expired", rejected, true, None),
    ];
    for (peer, credential, reason, basic, bearer) in rows {
        let expected = (reason, Some(Challenge { basic, bearer }));
        assert_eq!(challenge(&world, peer, credential, None), expected, "{peer} {credential}");
    }
}

#[test]
fn only_what_its_holder_sees_in_a_token_is_said_beside_it() {
    let world = world(policy(POLICY));
    let found = challenge(&world, "203.0.113.1", "bad token_expired", Some("the token expired 7 s ago"));
    let bearer = Some(Bearer::Invalid(Some("the token expired 7 s ago".into())));
    assert_eq!(found.1, Some(Challenge { basic: true, bearer }));
    // What is wrong inside a token, what the rules compare, and who there is, is not.
    for credential in ["bad token_signature", "bad token_key_unknown", r#"run github {"repository_id":"23"}"#] {
        let (_, found) = challenge(&world, "203.0.113.1", credential, None);
        assert_eq!(found.and_then(|found| found.bearer), Some(Bearer::Invalid(None)), "{credential}");
    }
}

#[test]
fn no_other_refusal_asks_for_a_credential() {
    let world = world(policy(POLICY));
    for (peer, credential, reason) in [
        ("9.9.9.9", "X-Nothing: 1", Reason::SourceNotAllowed),
        ("203.0.113.1", "user secret-user:often", Reason::LoginThrottled),
        ("203.0.113.1", "user secret-user:busy", Reason::VerifierBusy),
        ("203.0.113.1", "bad token_keys_unavailable", Reason::KeysUnavailable),
        ("233.252.0.1", "X-Nothing: 1", Reason::OperationNotGranted),
    ] {
        assert_eq!(challenge(&world, peer, credential, None), (reason, None), "{peer} {credential}");
    }
}
