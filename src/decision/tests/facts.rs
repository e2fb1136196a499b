//! What is asked for at each step, and what every answer to it leads to.

use super::order::POLICY;
use super::*;

#[test]
fn a_password_is_verified_against_its_own_hashes_and_a_strangers_against_decoys() {
    let world = world(policy(POLICY));
    for (line, principal, decoys) in [
        ("public 203.0.113.9 GET /metrics | user ci:good", Some(0), false),
        ("public 203.0.113.9 GET /metrics | user ci:bad", Some(0), false),
        ("public 203.0.113.9 GET /metrics | user cleaner:bad", Some(1), false),
        ("public 203.0.113.9 GET /metrics | user nobody:good", None, true),
        ("public 203.0.113.9 GET /metrics | user runner:good", None, true),
        ("public 203.0.113.9 GET /metrics | user CI:good", None, true),
        ("public 203.0.113.9 GET /metrics | user prometheus:good", None, true),
    ] {
        let Step::Verify(claim) = decide(&world, &request(&world, line).head, &Facts::default()) else {
            panic!("{line}: no password is verified")
        };
        assert_eq!(claim.principal, principal, "{line}");
        assert_eq!(claim.hashes.len(), 1, "{line}");
        assert!(claim.hashes.iter().all(|hash| hash.is_decoy() == decoys), "{line}");
        assert!(line.ends_with(&format!(
            "user {}:{}",
            claim.username,
            String::from_utf8_lossy(claim.password.expose())
        )));
    }
}

/// A lookup that says yes to a user that does not exist must not open the door.
#[test]
fn an_unknown_user_stays_unknown_whatever_the_verifier_says() {
    let world = world(policy(POLICY));
    let request = request(&world, "public 203.0.113.9 GET /metrics | user nobody:good");
    let facts = Facts { login: Some(Ok(())), ..Facts::default() };
    let Step::Done(decision) = decide(&world, &request.head, &facts) else { panic!("not decided") };
    assert_eq!(decision.denial().map(|d| d.reason), Some(Reason::CredentialRejected));
}

#[test]
fn quotas_are_charged_together_own_ones_first() {
    let world = world(policy(POLICY));
    let charged = |line: &str| -> Vec<String> {
        let facts = Facts { login: Some(Ok(())), ..Facts::default() };
        match decide(&world, &request(&world, line).head, &facts) {
            Step::Charge(charge) => {
                let shown = |e: &crate::decision::ChargeEntry| format!("{} {:?} {}", e.rule, e.principal, e.value);
                charge.entries.iter().map(shown).collect()
            }
            other => panic!("{line}: {other:?}"),
        }
    };
    assert_eq!(
        charged("public 2001:db8::9 POST /metrics/job/side | user ci:good | Content-Length: 5"),
        [r#"ci.quotas[0] Some("ci") side"#, r#"ci.quotas[1] Some("ci") 2001:db8:0:0::/64"#, "quotas[0] None ",]
    );
    assert_eq!(
        charged("public 203.0.113.9 PUT /metrics/job/ci/workflow/w | user ci:good | Content-Length: 5"),
        [r#"ci.quotas[0] Some("ci") ci"#]
    );
    assert_eq!(
        charged("public 203.0.113.9 GET /metrics | user ci:good"),
        [r#"default.reads Some("ci") 203.0.113.9"#],
        "reads never spend a push quota"
    );
}

#[test]
fn a_refused_charge_names_the_rule() {
    let world = world(policy(POLICY));
    for (index, rule, burst, period) in
        [(0, "ci.quotas[0]", 10, 60), (1, "ci.quotas[1]", 5, 60), (2, "quotas[0]", 100, 3600)]
    {
        let line =
            format!("public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 5 | charge {index}");
        let (_, decision) = drive(&world, &request(&world, &line));
        let retry = decision.denial().and_then(|d| d.retry.clone()).unwrap();
        assert_eq!(decision.identity.rule.as_deref(), Some(rule));
        assert_eq!(decision.identity.principal.as_deref(), Some("ci"));
        let named = ExhaustedRule { name: rule.to_owned(), burst, period: Duration::from_secs(period) };
        assert_eq!((retry.rule, retry.wait), (Some(named), Duration::from_millis(5400)));
    }
}

#[test]
fn of_several_grants_the_furthest_miss_is_told() {
    let grants = [
        ("[{ operations: [delete], job: a }]", "operation_not_granted", "no grant"),
        ("[{ operations: [delete], job: a }, { operations: [push], job: b }]", "job_not_granted", "p.grants[1]"),
        (
            "[{ operations: [push], job: a, labels: { x: '1' } }, { operations: [push], job: b }]",
            "label_not_granted",
            "p.grants[0]",
        ),
        (
            "[{ operations: [push], job: b }, { operations: [push], job: a, labels: { x: '1' } }, { operations: [delete], job: a }]",
            "label_not_granted",
            "p.grants[1]",
        ),
    ];
    for (grants, reason, furthest) in grants {
        let text = format!("version: 1\nprincipals: {{ p: {{ anonymous: true, from: anywhere, grants: {grants} }} }}");
        let denial = denial(&world(policy(&text)), "l 9.9.9.9 POST /metrics/job/a | Content-Length: 5");
        assert_eq!(denial.reason.code(), reason, "{grants}");
        assert!(reason == "operation_not_granted" || denial.detail.contains(furthest), "{grants}: {}", denial.detail);
    }
}

/// What the body turned out to be is told as it was found.
#[test]
fn a_refused_body_is_refused_with_its_own_reason() {
    let world = world(policy(POLICY));
    let request = request(&world, "public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 5");
    for reason in [Reason::PayloadInvalid, Reason::BodyIncomplete, Reason::PayloadTooLarge, Reason::RequestTimeout] {
        let body = Some(Err(Denial::new(reason)));
        let facts = Facts { login: Some(Ok(())), charged: Some(Ok(())), body, ..Facts::default() };
        let Step::Done(decision) = decide(&world, &request.head, &facts) else { panic!("not decided") };
        assert_eq!(decision.denial().map(|d| d.reason), Some(reason));
        assert_eq!(decision.identity.principal.as_deref(), Some("ci"));
    }
}

/// What the body turns into a delete is charged as one, by the rules that did not charge the replacement.
#[test]
fn a_replacement_that_turns_out_empty_is_charged_as_a_delete() {
    let world = world(policy(
        "version: 1
principals:
  p:
    anonymous: true
    from: anywhere
    grants: [{ operations: [replace, delete], job: a }]
    quotas:
      - { per: principal, burst: 9, period: 1h }
      - { per: job, burst: 1, period: 1h, operations: [delete] }
",
    ));
    let line = |rest: &str| format!("l 9.9.9.9 PUT /metrics/job/a{rest}");
    let rows = [
        (" | Content-Length: 5", "charge inspect allow replace PUT /metrics/job/a"),
        (" | Content-Length: 5 | charge-for-body 0", "charge inspect allow replace PUT /metrics/job/a"),
        (" | Content-Length: 5 | body #\\n", "charge inspect charge allow delete PUT-nothing /metrics/job/a"),
        (" | Content-Length: 5 | body #\\n | charge-for-body 0", "charge inspect charge deny quota_exhausted"),
        ("", "charge allow delete PUT-nothing /metrics/job/a"),
        (" | charge 1", "charge deny quota_exhausted"),
    ];
    let rows = rows.map(|(rest, expected)| (line(rest), expected));
    check(&world, &rows.each_ref().map(|(line, expected)| (line.as_str(), *expected)));
    let (_, decision) = drive(&world, &request(&world, &rows[3].0));
    assert_eq!(decision.identity.rule.as_deref(), Some("p.quotas[1]"));
}

/// Without a credential each operation is granted by whoever may: a grant to one must not hide what another has. A law
/// found it: with the first grant alone gone, the same request passed.
#[test]
fn a_replacement_that_turns_out_empty_is_granted_by_whoever_may_delete() {
    let world = |first: &str, second: &str, third: &str| {
        world(policy(&format!(
            "version: 1
principals:
  first:
    anonymous: true
    from: anywhere
    grants: [{{ operations: [{first}], job: a }}]
    quotas: [{{ per: principal, burst: 9, period: 1h }}]
  second:
    anonymous: true
    from: anywhere
    grants: [{{ operations: [{second}], job: a }}]
    quotas: [{{ per: principal, burst: 9, period: 1h }}, {{ per: job, burst: 1, period: 1h, operations: [delete] }}]
{third}"
        )))
    };
    let password = "  third: { basic: { username: u, password_hash_file: phc }, from: anywhere, grants: [{ operations: [delete], job: a }] }\n";
    let empty = "l 9.9.9.9 PUT /metrics/job/a | Content-Length: 5 | body #\\n";
    let deleted = "charge inspect charge allow delete PUT-nothing /metrics/job/a";
    for (first, second, third, expected) in [
        ("push", "replace, delete", "", deleted),
        ("replace", "replace, delete", "", deleted),
        ("replace", "delete", "", deleted),
        ("replace", "replace", "", "charge inspect deny operation_not_granted"),
        ("replace", "delete", password, deleted),
        ("replace", "replace", password, "charge inspect deny credential_missing"),
    ] {
        check(&world(first, second, third), &[(empty, expected)]);
    }
    // Who deletes pays for it, whatever was paid for the replacement.
    let world = world("replace", "delete", "");
    let refused = format!("{empty} | charge-for-body 0");
    let (_, decision) = drive(&world, &request(&world, &refused));
    assert_eq!(decision.identity.rule.as_deref(), Some("second.quotas[0]"));
    assert_eq!(decision.identity.principal.as_deref(), Some("second"));
}
