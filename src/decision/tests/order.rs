//! THE ORDER, one row a request. A refusal stands beside the request that differs from it in one thing and passes.

use super::*;
use std::collections::BTreeSet;

pub(super) const POLICY: &str = r#"
version: 1
listeners:
  public:   { trusted_proxies: [10.42.0.0/16] }
  internal: {}
sources:
  office:  { cidrs: [203.0.113.0/24, "2001:db8::/32"] }
  runners: { github: [actions] }
  unready: { github: [hooks], extra: [192.0.2.1] }
  cluster: { cidrs: [10.0.0.0/8], listeners: [internal] }
principals:
  ci:
    basic:  { username: ci, password_hash_file: phc }
    from:   { require: [office] }
    grants:
      - { operations: [push, replace], job: [ci, "nightly-*"], labels: { workflow: "*", "instance?": "host-*" } }
      - { operations: [push, scrape], job: side }
    quotas: [{ per: job, burst: 10, period: 1m }, { per: source, burst: 5, period: 1m, operations: [push] }]
    payload: { max_bytes: 100 }
  cleaner:
    basic:  { username: cleaner, password_hash_file: phc }
    from:   { require: [office] }
    grants: [{ operations: [push, replace, delete], job: tmp }]
  runner:
    basic:  { username: runner, password_hash_file: phc }
    from:   { require: [runners] }
    grants: [{ operations: [push], job: run }]
  prometheus:
    anonymous: true
    from:   { require: [cluster] }
    grants: [{ operations: [scrape, probe] }]
  janitor:
    anonymous: true
    from:   { require: [cluster] }
    grants: [{ operations: [inspect] }, { operations: [delete], job: tmp }]
quotas: [{ per: principal, burst: 100, period: 1h, operations: [push] }]
"#;

const ROWS: &[(&str, &str)] = &[
    // Source: who is behind the trusted proxy.
    ("public 10.42.0.1 POST /metrics/job/tmp | user cleaner:good | Content-Length: 5", "deny source_unknown"),
    ("public 10.42.0.1 GET /nowhere", "deny source_unknown"),
    ("public 10.42.0.1 GET /nowhere | X-Forwarded-For: garbage", "deny source_unknown"),
    ("public 10.42.0.1 GET /nowhere | X-Forwarded-For: 10.42.0.2", "deny source_unknown"),
    (
        "public 10.42.0.1 POST /metrics/job/tmp | X-Forwarded-For: 203.0.113.9 | user cleaner:good | Content-Length: 5",
        "verify charge inspect allow push POST /metrics/job/tmp",
    ),
    (
        "public 10.42.0.1 POST /metrics/job/tmp | X-Forwarded-For: 203.0.113.9, 9.9.9.9 | user cleaner:good",
        "deny source_not_allowed",
    ),
    // A stranger learns nothing: not what exists, not whether a password is right, and costs no hash and no quota.
    ("public 9.9.9.9 GET /nowhere", "deny source_not_allowed"),
    ("public 9.9.9.9 POST /metrics/job", "deny source_not_allowed"),
    ("public 9.9.9.9 PATCH /metrics/job/ci", "deny source_not_allowed"),
    ("public 9.9.9.9 POST /metrics/job/tmp | user cleaner:good | Content-Length: 5", "deny source_not_allowed"),
    ("public 9.9.9.9 POST /metrics/job/tmp | Authorization: Digest x", "deny source_not_allowed"),
    ("public 9.9.9.9 POST /metrics/job/tmp | Origin: https://evil.example", "deny source_not_allowed"),
    ("public 9.9.9.9 POST /metrics/job/tmp | X-Forwarded-For: 203.0.113.9 | user ci:good", "deny source_not_allowed"),
    (
        "public 2001:db8::7 DELETE /metrics/job/tmp | user cleaner:good",
        "verify charge allow delete DELETE /metrics/job/tmp",
    ),
    ("public 2001:db9::7 DELETE /metrics/job/tmp | user cleaner:good", "deny source_not_allowed"),
    (
        "public ::ffff:203.0.113.9 DELETE /metrics/job/tmp | user cleaner:good",
        "verify charge allow delete DELETE /metrics/job/tmp",
    ),
    // The cluster is the cluster only over its own listener.
    ("internal 10.1.2.3 GET /metrics", "charge allow scrape GET /metrics"),
    ("public 10.1.2.3 GET /metrics", "deny source_not_allowed"),
    ("other 10.1.2.3 GET /metrics", "deny source_not_allowed"),
    // Target.
    ("internal 10.1.2.3 GET /nowhere", "deny target_unknown"),
    ("internal 10.1.2.3 PUT /api/v1/admin/wipe", "deny target_unknown"),
    ("internal 10.1.2.3 POST /metrics/job", "deny target_ambiguous"),
    ("internal 10.1.2.3 POST /metrics/job/a%2Fb", "deny target_ambiguous"),
    ("internal 10.1.2.3 DELETE /metrics/job/tmp?x=1", "deny target_ambiguous"),
    ("internal 10.1.2.3 DELETE /metrics/job/tmp", "charge allow delete DELETE /metrics/job/tmp"),
    ("internal 10.1.2.3 GET /metrics?x=1", "charge allow scrape GET /metrics"),
    ("internal 10.1.2.3 GET /metrics/job/tmp", "deny method_not_allowed"),
    ("internal 10.1.2.3 POST /metrics", "deny method_not_allowed"),
    ("internal 10.1.2.3 HEAD /-/ready", "deny method_not_allowed"),
    ("internal 10.1.2.3 GET /-/ready", "allow probe GET /-/ready"),
    ("internal 10.1.2.3 OPTIONS /api/v1/metrics", "deny method_not_allowed"),
    ("internal 10.1.2.3 GET /api/v1/metrics", "charge allow inspect GET /api/v1/metrics"),
    // Origin: before the credential that a browser adds by itself.
    (
        "public 203.0.113.9 DELETE /metrics/job/tmp | user cleaner:good | Origin: https://evil.example",
        "deny origin_not_allowed",
    ),
    (
        "public 203.0.113.9 DELETE /metrics/job/tmp | user cleaner:good | Sec-Fetch-Site: cross-site",
        "deny origin_not_allowed",
    ),
    (
        "public 203.0.113.9 DELETE /metrics/job/tmp | user cleaner:good | Sec-Fetch-Site: same-site",
        "deny origin_not_allowed",
    ),
    (
        "public 203.0.113.9 DELETE /metrics/job/tmp | user cleaner:good | Origin: https://push.example.com",
        "verify charge allow delete DELETE /metrics/job/tmp",
    ),
    (
        "public 203.0.113.9 DELETE /metrics/job/tmp | user cleaner:good | Sec-Fetch-Site: same-origin",
        "verify charge allow delete DELETE /metrics/job/tmp",
    ),
    ("internal 10.1.2.3 GET /metrics | Origin: https://evil.example", "charge allow scrape GET /metrics"),
    // Credential.
    ("public 203.0.113.9 POST /metrics/job/tmp | Content-Length: 5", "deny credential_missing"),
    ("public 203.0.113.9 POST /metrics/job/tmp | Authorization: Bearer abc", "deny credential_rejected"),
    ("public 203.0.113.9 POST /metrics/job/tmp | Authorization: Digest abc", "deny credential_rejected"),
    ("public 203.0.113.9 POST /metrics/job/tmp | Authorization: Basic !", "deny credential_rejected"),
    (
        "public 203.0.113.9 POST /metrics/job/tmp | user cleaner:bad | Content-Length: 5",
        "verify deny credential_rejected",
    ),
    (
        "public 203.0.113.9 POST /metrics/job/tmp | user nobody:good | Content-Length: 5",
        "verify deny credential_rejected",
    ),
    ("public 203.0.113.9 POST /metrics/job/tmp | user cleaner:often", "verify deny login_throttled"),
    ("public 203.0.113.9 POST /metrics/job/tmp | user nobody:often", "verify deny login_throttled"),
    ("public 203.0.113.9 POST /metrics/job/tmp | user cleaner:busy", "verify deny verifier_busy"),
    // The right password of a principal that may not be used from here is an unknown user's.
    (
        "public 203.0.113.9 POST /metrics/job/run | user runner:good | Content-Length: 5",
        "verify deny credential_rejected",
    ),
    (
        "public 198.51.100.9 POST /metrics/job/run | user runner:good | Content-Length: 5",
        "verify charge inspect allow push POST /metrics/job/run",
    ),
    ("public 198.51.100.9 POST /metrics/job/tmp | user cleaner:good", "verify deny credential_rejected"),
    // A wrong credential never becomes anonymous, though anonymous would do.
    ("internal 10.1.2.3 GET /metrics | user ci:good", "deny credential_rejected"),
    ("internal 10.1.2.3 GET /metrics | Authorization: Bearer abc", "deny credential_rejected"),
    ("internal 10.1.2.3 GET /metrics | Authorization: nonsense", "deny credential_rejected"),
    // Anonymous: the first that is granted it; else the first one's refusal, since nobody here could log in.
    ("internal 10.1.2.3 GET /", "deny operation_not_granted"),
    ("internal 10.1.2.3 POST /metrics/job/tmp | Content-Length: 5", "deny operation_not_granted"),
    // Grant.
    (
        "public 203.0.113.9 POST /metrics/job/ci/workflow/w | user ci:good | Content-Length: 5",
        "verify charge inspect allow push POST /metrics/job/ci/workflow/w",
    ),
    (
        "public 203.0.113.9 PUT /metrics/job/nightly-1/workflow/w/instance/host-7 | user ci:good | Content-Length: 5",
        "verify charge inspect allow replace PUT /metrics/job/nightly-1/instance/host-7/workflow/w",
    ),
    (
        "public 203.0.113.9 POST /metrics/job@base64/Y2k/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k | user ci:good | Transfer-Encoding: chunked",
        "verify charge inspect allow push POST /metrics/job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k",
    ),
    ("public 203.0.113.9 DELETE /metrics/job/ci/workflow/w | user ci:good", "verify deny operation_not_granted"),
    ("public 203.0.113.9 GET /status | user ci:good", "verify deny operation_not_granted"),
    ("public 203.0.113.9 GET /metrics | user ci:good", "verify charge allow scrape GET /metrics"),
    ("public 203.0.113.9 POST /metrics/job/CI/workflow/w | user ci:good", "verify deny job_not_granted"),
    ("public 203.0.113.9 POST /metrics/job@base64/Y2l4/workflow/w | user ci:good", "verify deny job_not_granted"),
    ("public 203.0.113.9 POST /metrics/job/ci | user ci:good", "verify deny label_not_granted"),
    ("public 203.0.113.9 POST /metrics/job/ci/workflow/w/branch/b | user ci:good", "verify deny label_not_granted"),
    ("public 203.0.113.9 POST /metrics/job/ci/workflow/w/instance/x | user ci:good", "verify deny label_not_granted"),
    ("public 203.0.113.9 PUT /metrics/job/side | user ci:good | Content-Length: 5", "verify deny job_not_granted"),
    // Room at the gateway: last of all.
    (
        "public 203.0.113.9 POST /metrics/job/tmp | user cleaner:good | Content-Length: 5 | reserve full",
        "verify charge inspect deny group_limit_reached",
    ),
    (
        "public 203.0.113.9 POST /metrics/job/tmp | user cleaner:good | Content-Length: 5 | reserve clash",
        "verify charge inspect deny group_conflict",
    ),
    // Declared body: after the grant, before a quota.
    ("public 203.0.113.9 POST /metrics/job/tmp | user cleaner:good", "verify deny length_required"),
    ("public 203.0.113.9 POST /metrics/job/ci | user ci:good | Content-Encoding: br", "verify deny label_not_granted"),
    (
        "public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 5 | Content-Encoding: br",
        "verify deny encoding_unsupported",
    ),
    (
        "public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 5 | Content-Encoding: Identity",
        "verify charge inspect allow push POST /metrics/job/side",
    ),
    ("public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 101", "verify deny payload_too_large"),
    (
        "public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 100",
        "verify charge inspect allow push POST /metrics/job/side",
    ),
    (
        "public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 0",
        "verify charge inspect allow push POST /metrics/job/side",
    ),
    (
        "public 203.0.113.9 DELETE /metrics/job/tmp | user cleaner:good | Content-Length: 1",
        "verify deny request_malformed",
    ),
    ("internal 10.1.2.3 GET /metrics | Transfer-Encoding: chunked", "deny request_malformed"),
    ("internal 10.1.2.3 GET /metrics | Content-Length: 0", "charge allow scrape GET /metrics"),
    // Quota: after everything that the head tells, before the body.
    (
        "public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 5 | charge 0",
        "verify charge deny quota_exhausted",
    ),
    ("public 203.0.113.9 POST /metrics/job/side | user ci:good | charge 0", "verify deny length_required"),
    // Payload: last of all, and the charge stands.
    (
        "public 203.0.113.9 POST /metrics/job/side | user ci:good | Content-Length: 5 | body up one\\n",
        "verify charge inspect deny payload_invalid",
    ),
    // A replacement without a sample is a delete, and is granted as one.
    ("public 203.0.113.9 PUT /metrics/job/ci/workflow/w | user ci:good", "verify deny operation_not_granted"),
    (
        "public 203.0.113.9 PUT /metrics/job/ci/workflow/w | user ci:good | Content-Length: 0",
        "verify deny operation_not_granted",
    ),
    (
        "public 203.0.113.9 PUT /metrics/job/ci/workflow/w | user ci:good | Content-Length: 9 | body # up 1\\n\\n",
        "verify charge inspect deny operation_not_granted",
    ),
    (
        "public 203.0.113.9 PUT /metrics/job/ci/workflow/w | user ci:good | Transfer-Encoding: chunked | body ",
        "verify charge inspect deny operation_not_granted",
    ),
    (
        "public 203.0.113.9 PUT /metrics/job/tmp | user cleaner:good",
        "verify charge allow delete PUT-nothing /metrics/job/tmp",
    ),
    (
        "public 203.0.113.9 PUT /metrics/job/tmp | user cleaner:good | Content-Length: 0",
        "verify charge allow delete PUT-nothing /metrics/job/tmp",
    ),
    (
        "public 203.0.113.9 PUT /metrics/job/tmp | user cleaner:good | Content-Length: 2 | body #\\n",
        "verify charge inspect allow delete PUT-nothing /metrics/job/tmp",
    ),
    (
        "public 203.0.113.9 PUT /metrics/job/tmp | user cleaner:good | Content-Length: 5 | body #\\nup 1\\n",
        "verify charge inspect allow replace PUT /metrics/job/tmp",
    ),
    (
        "public 203.0.113.9 POST /metrics/job/tmp | user cleaner:good | Content-Length: 2 | body #\\n",
        "verify charge inspect allow push POST /metrics/job/tmp",
    ),
];

#[test]
fn the_order_is_the_table() {
    check(&world(policy(POLICY)), ROWS);
}

/// A required set that is not loaded is told apart from a source that is simply not meant.
#[test]
fn a_set_that_is_not_loaded_denies_with_its_own_reason() {
    let full = world(policy(&POLICY.replace("[office]", "[runners]").replace(
        "[runners] }\n    grants: [{ operations: [push], job: run",
        "[runners, unready] }\n    grants: [{ operations: [push], job: run",
    )));
    check(
        &full,
        &[
            ("public 9.9.9.9 POST /metrics/job/run | user runner:good", "deny ranges_unavailable"),
            ("public 9.9.9.9 GET /nowhere", "deny ranges_unavailable"),
            ("public 198.51.100.9 GET /nowhere", "deny target_unknown"),
            ("public 192.0.2.1 POST /metrics/job/run | user runner:bad", "verify deny credential_rejected"),
        ],
    );
    let empty = World { sets: Arc::default(), ..full };
    check(&empty, &[("public 198.51.100.9 GET /metrics | user ci:good", "deny ranges_unavailable")]);
}

/// Others may come from anywhere, so that somebody is always admitted: the missing list is still what keeps this one out.
#[test]
fn a_set_that_is_not_loaded_is_told_beside_principals_that_need_none() {
    let text = "version: 1
sources: { runners: { github: [actions] } }
principals:
  ci:
    basic: { username: ci, password_hash_file: phc }
    from: { require: [runners] }
    grants: [{ operations: [push], job: a }]
  other:
    basic: { username: other, password_hash_file: phc }
    from: anywhere
    grants: [{ operations: [push], job: a }]
  reader: { anonymous: true, from: anywhere, grants: [{ operations: [scrape] }] }";
    let loaded = world(policy(text));
    let missing = World { sets: Arc::default(), ..loaded.clone() };
    check(
        &missing,
        &[
            // Nothing tells a user that there is from one that there is not.
            ("l 9.9.9.9 POST /metrics/job/a | user ci:good", "verify deny ranges_unavailable"),
            ("l 9.9.9.9 POST /metrics/job/a | user nobody:good", "verify deny ranges_unavailable"),
            ("l 9.9.9.9 POST /metrics/job/a | user other:bad", "verify deny ranges_unavailable"),
            ("l 9.9.9.9 POST /metrics/job/b | user other:good", "verify deny job_not_granted"),
            // No list would help these.
            ("l 9.9.9.9 POST /metrics/job/a", "deny credential_missing"),
            ("l 9.9.9.9 POST /metrics/job/a | Authorization: Bearer a.b.c", "deny credential_rejected"),
            ("l 9.9.9.9 GET /metrics", "charge allow scrape GET /metrics"),
        ],
    );
    check(&loaded, &[("l 9.9.9.9 POST /metrics/job/a | user ci:good", "verify deny credential_rejected")]);
}

/// Anonymous beside passwords: what anonymous lacks might be granted to a password, so that is asked for.
#[test]
fn anonymous_beside_a_password_asks_for_the_password() {
    let world = world(policy(
        "version: 1
principals:
  first:  { anonymous: true, from: anywhere, grants: [{ operations: [push], job: a }] }
  second: { anonymous: true, from: anywhere, grants: [{ operations: [push], job: [a, b] }] }
  ci:
    basic: { username: ci, password_hash_file: phc }
    from: anywhere
    grants: [{ operations: [push], job: c }]",
    ));
    check(
        &world,
        &[
            ("l 9.9.9.9 POST /metrics/job/a | Content-Length: 5", "charge inspect allow push POST /metrics/job/a"),
            ("l 9.9.9.9 POST /metrics/job/b | Content-Length: 5", "charge inspect allow push POST /metrics/job/b"),
            ("l 9.9.9.9 POST /metrics/job/c | Content-Length: 5", "deny credential_missing"),
            (
                "l 9.9.9.9 POST /metrics/job/c | user ci:good | Content-Length: 5",
                "verify charge inspect allow push POST /metrics/job/c",
            ),
            ("l 9.9.9.9 POST /metrics/job/a | user ci:good | Content-Length: 5", "verify deny job_not_granted"),
            ("l 9.9.9.9 POST /metrics/job/a | user ci:bad | Content-Length: 5", "verify deny credential_rejected"),
        ],
    );
    let who = |job: &str| {
        let line = format!("l 9.9.9.9 POST /metrics/job/{job} | Content-Length: 5");
        drive(&world, &request(&world, &line)).1.identity.principal
    };
    assert_eq!((who("a").as_deref(), who("b").as_deref()), (Some("first"), Some("second")));
}

#[test]
fn a_policy_without_principals_denies_everything() {
    let world = world(Policy::default());
    check(
        &world,
        &[
            ("l 127.0.0.1 GET /metrics", "deny source_not_allowed"),
            ("l 127.0.0.1 GET /-/healthy", "deny source_not_allowed"),
            ("l 127.0.0.1 POST /metrics/job/a | user a:good", "deny source_not_allowed"),
        ],
    );
}

/// Every reason that `decide` itself can give is in the tables above.
#[test]
fn the_tables_show_every_reason_of_decide() {
    let mut shown: BTreeSet<&str> = ROWS.iter().filter_map(|(_, o)| o.split_once("deny ")).map(|(_, r)| r).collect();
    shown.insert("ranges_unavailable");
    let all = "source_unknown source_not_allowed ranges_unavailable target_unknown target_ambiguous method_not_allowed \
               origin_not_allowed payload_invalid credential_missing credential_rejected login_throttled verifier_busy \
               operation_not_granted job_not_granted label_not_granted request_malformed encoding_unsupported \
               length_required payload_too_large quota_exhausted group_limit_reached group_conflict";
    assert_eq!(shown, all.split_whitespace().collect());
}
