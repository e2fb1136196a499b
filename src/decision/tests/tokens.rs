//! Runs with tokens: who they prove, what they may write, what they are told.

use super::*;
use crate::decision::learned_owner;
use crate::request::GroupingKey;

const POLICY: &str = r#"
version: 1
sources:
  office:  { cidrs: [203.0.113.0/24] }
  runners: { github: [actions] }
issuers:
  github:  { preset: github-actions, audience: "https://push.example.com", jwks_file: jwks }
  cluster: { preset: kubernetes, url: "https://k8s.example.com", audience: push, jwks_file: jwks }
principals:
  release:
    token:  { issuer: github, claims: { repository_id: "22", environment: "prod-*" } }
    from:   { require: [office] }
    grants: [{ operations: [push, delete], job: release }]
  workflows:
    token:  { issuer: github, claims: { repository_owner_id: "11", ref_protected: "true" } }
    from:   { prefer: [runners] }
    grants:
      - { operations: [push, replace], job: ci, labels: { repository: "{repository}", run_id: "{run_id}", "instance?": "*" } }
      - { operations: [push], job: "team-{repository_property_team}" }
      - { operations: [push], job: "{repository_owner}-*", labels: { workflow: "x {workflow}" } }
    quotas: [{ per: "{repository_id}", burst: 10, period: 1m }]
    payload: { metrics: ["ci_*", "{metric}_total"] }
  reviews:
    token:  { issuer: github, claims: { repository_id: "22", event_name: [pull_request] } }
    from:   anywhere
    grants: [{ operations: [push], job: reviews }]
  pods:
    basic:  { username: pods, password_hash_file: phc }
    token:  { issuer: cluster, claims: { "/kubernetes.io/namespace": "batch-*" } }
    from:   anywhere
    grants: [{ operations: [push], job: "{/kubernetes.io/namespace}" }, { operations: [push], job: legacy }]
  scrape: { anonymous: true, from: anywhere, grants: [{ operations: [scrape] }] }
"#;

/// A run of the owner 11 on a protected branch, with more claims in front.
fn run(more: &str) -> String {
    let claims =
        r#""repository":"acme/app","repository_id":"22","repository_owner":"acme","repository_owner_id":"11","#;
    let ends =
        r#""ref":"refs/heads/main","ref_protected":"true","event_name":"push","run_id":"777","sub":"s","jti":"j""#;
    let mut map: serde_json::Map<_, _> = serde_json::from_str(&format!("{{{claims}{ends}}}")).unwrap();
    map.extend(serde_json::from_str::<serde_json::Map<_, _>>(&format!("{{{more}}}")).unwrap());
    format!("run github {}", serde_json::Value::Object(map))
}

const CI: &str = "/metrics/job/ci/repository@base64/YWNtZS9hcHA/run_id/777";

fn push(path: &str, credential: &str) -> String {
    format!("l 9.9.9.9 POST {path} | {credential} | body ci_x 1\\n | Content-Length: 7")
}

fn token_world() -> World {
    world(policy(POLICY))
}

#[test]
fn a_run_writes_what_its_token_says_and_nothing_else() {
    let world = token_world();
    let good = "verify-token charge inspect allow push POST";
    let of =
        |namespace: &str| format!("run cluster {{\"sub\":\"s\",\"kubernetes.io\":{{\"namespace\":\"{namespace}\"}}}}");
    let rows: Vec<(String, String)> = [
        (push(CI, &run("")), format!("{good} {CI}")),
        (
            push(&format!("{CI}/instance/i"), &run("")),
            format!("{good} /metrics/job/ci/instance/i/repository@base64/YWNtZS9hcHA/run_id/777"),
        ),
        // Another repository's group, another run's, no binding at all.
        (push(&CI.replace("YWNtZS9hcHA", "YWNtZS9hcHI"), &run("")), "verify-token deny label_not_granted".into()),
        (push(&CI.replace("777", "778"), &run("")), "verify-token deny label_not_granted".into()),
        (push("/metrics/job/ci", &run("")), "verify-token deny label_not_granted".into()),
        (push("/metrics/job/ci/repository/x/run_id/777", &run("")), "verify-token deny label_not_granted".into()),
        // What a claim holds is text: it is no pattern, and an empty or missing one matches nothing.
        (
            push("/metrics/job/ci/repository/abc/run_id/777", &run(r#""repository":"*""#)),
            "verify-token deny label_not_granted".into(),
        ),
        (
            push("/metrics/job/ci/repository/{sub}/run_id/777", &run(r#""repository":"{sub}""#)),
            "verify-token charge inspect allow push POST /metrics/job/ci/repository@base64/e3N1Yn0/run_id/777".into(),
        ),
        (push(CI, &run(r#""run_id":"""#)), "verify-token deny label_not_granted".into()),
        (push(CI, &run(r#""run_id":null"#)), "verify-token deny label_not_granted".into()),
        (push(CI, &run(r#""run_id":["777"]"#)), "verify-token deny label_not_granted".into()),
        (push(CI, &run(r#""run_id":777"#)), format!("{good} {CI}")),
        (push("/metrics/job/team-", &run("")), "verify-token deny job_not_granted".into()),
        (push("/metrics/job/team-a", &run(r#""repository_property_team":"a""#)), format!("{good} /metrics/job/team-a")),
        (
            push("/metrics/job/acme-x/workflow/x%20CI", &run(r#""workflow":"CI""#)),
            format!("{good} /metrics/job/acme-x/workflow@base64/eCBDSQ"),
        ),
        (
            push("/metrics/job/acme-x/workflow/x%20CI%20", &run(r#""workflow":"CI""#)),
            "verify-token deny label_not_granted".into(),
        ),
        (
            push("/metrics/job/evil-x/workflow/x%20CI", &run(r#""workflow":"CI""#)),
            "verify-token deny job_not_granted".into(),
        ),
        // Another principal's rule, by file order; its source must admit it.
        (
            push("/metrics/job/release", &run(r#""environment":"prod-eu""#)).replace("9.9.9.9", "203.0.113.5"),
            format!("{good} /metrics/job/release"),
        ),
        (
            push(CI, &run(r#""environment":"prod-eu""#)).replace("9.9.9.9", "203.0.113.5"),
            "verify-token deny job_not_granted".into(),
        ),
        (push("/metrics/job/release", &run(r#""environment":"prod-eu""#)), "verify-token deny job_not_granted".into()),
        (
            push("/metrics/job/release", &run(r#""environment":"prod:eu""#)).replace("9.9.9.9", "203.0.113.5"),
            "verify-token deny job_not_granted".into(),
        ),
        // Claims that no rule fits.
        (
            push(CI, &run(r#""repository_owner_id":"12","repository_id":"23""#)),
            "verify-token deny credential_rejected".into(),
        ),
        (push(CI, &run(r#""ref_protected":"false""#)), "verify-token deny credential_rejected".into()),
        (push(CI, &run(r#""ref_protected":true"#)), format!("{good} {CI}")),
        (push(CI, &run(r#""repository_owner_id":11"#)), format!("{good} {CI}")),
        (push(CI, &run(r#""repository_owner_id":["12","11"]"#)), format!("{good} {CI}")),
        // Events that run what strangers wrote must be named.
        (push(CI, &run(r#""event_name":"pull_request""#)), "verify-token deny job_not_granted".into()),
        (
            push("/metrics/job/reviews", &run(r#""event_name":"pull_request","ref_protected":"false""#)),
            format!("{good} /metrics/job/reviews"),
        ),
        (push(CI, &run(r#""event_name":"pull_request_target""#)), "verify-token deny credential_rejected".into()),
        (push(CI, &run(r#""event_name":"""#)), "verify-token deny credential_rejected".into()),
        // Pods, by a nested claim, in the same principal as a password.
        (push("/metrics/job/batch-1", &of("batch-1")), format!("{good} /metrics/job/batch-1")),
        (push("/metrics/job/batch-2", &of("batch-1")), "verify-token deny job_not_granted".into()),
        (push("/metrics/job/batch-1", &of("web")), "verify-token deny credential_rejected".into()),
        (
            push("/metrics/job/legacy", "user pods:good"),
            "verify charge inspect allow push POST /metrics/job/legacy".into(),
        ),
        (push("/metrics/job/batch-1", "user pods:good"), "verify deny job_not_granted".into()),
        // A credential that is wrong never falls back to anonymous, or to the other kind.
        ("l 9.9.9.9 GET /metrics".into(), "charge allow scrape GET /metrics".into()),
        ("l 9.9.9.9 GET /metrics | bad token_expired".into(), "verify-token deny credential_rejected".into()),
        (format!("l 9.9.9.9 GET /metrics | {}", run("")), "verify-token deny operation_not_granted".into()),
        (push(CI, "bad token_signature"), "verify-token deny credential_rejected".into()),
        (push(CI, "bad token_keys_unavailable"), "verify-token deny keys_unavailable".into()),
        (push(CI, "run nobody {}"), "verify-token deny credential_rejected".into()),
        (push("/metrics/job/legacy", "X-Nothing: 1"), "deny credential_missing".into()),
    ]
    .into();
    check(&world, &rows.iter().map(|(line, expected)| (line.as_str(), expected.as_str())).collect::<Vec<_>>());
}

#[test]
fn only_metrics_that_the_token_names_are_taken() {
    let world = token_world();
    let body = |body: &str, more: &str| {
        let line = format!("l 9.9.9.9 POST {CI} | {} | body {body} 1\\n | Content-Length: 9", run(more));
        outcome(&world, &line).ends_with("deny payload_invalid")
    };
    assert!(!body("ci_x", "") && body("other", "") && body("app_total", ""));
    assert!(!body("app_total", r#""metric":"app""#) && body("lib_total", r#""metric":"app""#));
    assert!(body("app_total", r#""metric":"*""#), "a claim is no pattern");
}

/// A repository cannot spend another's quota: it is counted by what the token says.
#[test]
fn quotas_are_counted_by_claims() {
    let world = token_world();
    let charged_in = |world: &World, credential: &str, path: &str| -> Vec<String> {
        let request = request(world, &push(path, credential));
        let mut facts = Facts::default();
        loop {
            match decide(world, &request.head, &facts) {
                Step::VerifyToken(claim) => facts.token = Some(token(&claim)),
                Step::Verify(claim) => facts.login = Some(login(&claim)),
                Step::Charge(charge) => {
                    return charge.entries.iter().map(|e| format!("{} {:?}", e.rule, e.value)).collect();
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    };
    let charged = |credential: &str, path: &str| charged_in(&world, credential, path);
    assert_eq!(charged(&run(""), CI), [r#"workflows.quotas[0] "22""#]);
    let other = run(r#""repository_id":"33""#);
    assert_eq!(charged(&other, CI), [r#"workflows.quotas[0] "33""#]);
    let review = run(r#""event_name":"pull_request","ref_protected":"false""#);
    assert_eq!(charged(&review, "/metrics/job/reviews"), [r#"default.writes "22""#], "by repository");
    let pod = r#"run cluster {"sub":"system:serviceaccount:batch-1:x","kubernetes.io":{"namespace":"batch-1"}}"#;
    assert_eq!(charged(pod, "/metrics/job/batch-1"), [r#"default.writes "system:serviceaccount:batch-1:x""#]);
    assert_eq!(charged("user pods:good", "/metrics/job/legacy"), [r#"default.writes "legacy""#], "a password by job");

    // The file's defaults too, whatever else they count by; what a principal says itself is as it says.
    let quotas = ["principal", "job", "source", "group"].map(|per| format!("{{ per: {per}, burst: 5, period: 1m }}"));
    let world = super::world(policy(&format!("{POLICY}defaults: {{ quotas: [{}] }}\n", quotas.join(", "))));
    let charged = |credential: &str, path: &str| charged_in(&world, credential, path);
    let numbered = |values: [&str; 4]| -> Vec<String> {
        values.iter().enumerate().map(|(n, value)| format!("defaults.quotas[{n}] {value:?}")).collect()
    };
    let reviews = "/metrics/job/reviews";
    assert_eq!(
        charged(&review, reviews),
        numbered(["22", r#""22" reviews"#, r#""22" 9.9.9.9"#, r#""22" /metrics/job/reviews"#])
    );
    let legacy = charged("user pods:good", "/metrics/job/legacy");
    assert_eq!(legacy, numbered(["", "legacy", "9.9.9.9", "/metrics/job/legacy"]), "a password has no claims");
    assert_eq!(charged(&run(""), CI), [r#"workflows.quotas[0] "22""#]);
}

/// Nor the room of another: whose groups are counted together is told by a claim, unless the policy says otherwise.
#[test]
fn groups_are_counted_by_claims() {
    let owner = |text: &str, path: &str, credential: &str| {
        let world = world(policy(text));
        let request = request(&world, &push(path, credential));
        let mut facts = Facts { charged: Some(Ok(())), ..Facts::default() };
        loop {
            match decide(&world, &request.head, &facts) {
                Step::VerifyToken(claim) => facts.token = Some(token(&claim)),
                Step::Verify(claim) => facts.login = Some(login(&claim)),
                Step::Inspect(admission) => facts.body = Some(admission.inspect(&request.head, &request.body)),
                Step::Reserve(reservation) => return (reservation.principal.to_string(), reservation.most_groups),
                other => panic!("{path}: {other:?}"),
            }
        }
    };
    let of = |repository: &str| run(&format!(r#""repository_id":{repository:?}"#));
    let by_default = |credential: &str| owner(POLICY, CI, credential);
    assert_eq!(by_default(&of("22")), (r#"workflows "22""#.into(), 1000));
    assert_eq!(by_default(&of("33")), (r#"workflows "33""#.into(), 1000));
    let set = |per: &str| POLICY.replace("payload: {", &format!("payload: {{ max_groups: 7, max_groups_per: {per:?},"));
    assert_eq!(owner(&set("{run_id}"), CI, &of("22")), (r#"workflows "777""#.into(), 7));
    assert_eq!(owner(&set("{run_id}"), CI, &of("33")), (r#"workflows "777""#.into(), 7));
    assert_eq!(owner(&set("principal"), CI, &of("22")), ("workflows".into(), 7));
    assert_eq!(owner(&set("{no_such}"), CI, &of("22")), ("workflows".into(), 7), "those that do not say it share");
    let pod = r#"run cluster {"sub":"system:serviceaccount:batch-1:x","kubernetes.io":{"namespace":"batch-1"}}"#;
    let subject = r#"pods "system:serviceaccount:batch-1:x""#;
    assert_eq!(owner(POLICY, "/metrics/job/batch-1", pod).0, subject);
    assert_eq!(owner(POLICY, "/metrics/job/legacy", "user pods:good").0, "pods", "a password has no claims");
}

/// After a restart, as far as the key tells.
#[test]
fn groups_that_were_there_before_are_counted_by_claims() {
    let set = |per: &str| POLICY.replace("payload: {", &format!("payload: {{ max_groups_per: {per:?},"));
    let owner = |text: &str, path: &str| {
        let key = GroupingKey::read(path.as_bytes()).unwrap();
        learned_owner(&world(policy(text)).policy, &key).map(|owner| owner.to_string())
    };
    let ci = CI.trim_start_matches("/metrics/");
    assert_eq!(owner(&set("{repository}"), ci).as_deref(), Some(r#"workflows "acme/app""#));
    assert_eq!(owner(&set("{run_id}"), ci).as_deref(), Some(r#"workflows "777""#));
    assert_eq!(owner(&set("principal"), ci).as_deref(), Some("workflows"));
    assert_eq!(owner(&set("{repository_property_team}"), "job/team-red").as_deref(), Some(r#"workflows "red""#));
    // The key does not tell the repository's number: it is of whoever pushes to it next.
    assert_eq!(owner(POLICY, ci), None);
    assert_eq!(owner(POLICY, "job/release"), None);
    assert_eq!(owner(&set("{repository}"), "job/ci/run_id/777"), None, "no grant fits it");
    assert_eq!(owner(POLICY, "job/nobodys"), None);
}

/// The run sees itself, and the operator all of it; nothing of the policy is told.
#[test]
fn texts_for_runs() {
    let world = token_world();
    let lines = [
        push(CI, &run(r#""repository_owner_id":"12","repository_id":"23""#)),
        push(CI, &run(r#""event_name":"pull_request_target""#)),
        push("/metrics/job/other", &run("")),
        push("/metrics/job/ci/repository/evil/run_id/777", &run("")),
        format!("l 9.9.9.9 DELETE /metrics/job/ci | {}", run("")),
        push(CI, "bad token_expired"),
        push(CI, "bad token_keys_unavailable"),
        push("/metrics/job/batch-1", r#"run cluster {"sub":"system:serviceaccount:web:x"}"#),
        push(CI, "run nobody {}"),
    ];
    let shown = |line: &String| {
        let (_, decision) = drive(&world, &request(&world, line));
        let denial = decision.denial().unwrap();
        let public = denial.public_text();
        for secret in ["prod", "batch-*", "reviews", "workflows", "ref_protected is"] {
            assert!(!public.contains(secret), "{public}");
        }
        let Identity { issuer, claims, principal, .. } = &decision.identity;
        let (code, detail) = (denial.reason.code(), &denial.detail);
        format!("{line}\n  public: {code}: {public}\n  detail: {detail}\n  log: {principal:?} {issuer:?} {claims}\n")
    };
    insta::assert_snapshot!(lines.iter().map(shown).collect::<Vec<_>>().join("\n"));
}

/// A verified run outranks the list; that its address is unknown there is told.
#[test]
fn a_preferred_source_does_not_refuse() {
    let world = token_world();
    for (address, preferred) in [("9.9.9.9", Some(false)), ("198.51.100.7", Some(true))] {
        let line = push(CI, &run("")).replace("9.9.9.9", address);
        let (_, decision) = drive(&world, &request(&world, &line));
        assert!(decision.denial().is_none(), "{address}");
        assert_eq!(decision.identity.preferred, preferred, "{address}");
    }
    let (_, decision) = drive(&world, &request(&world, "l 9.9.9.9 GET /metrics"));
    assert_eq!(decision.identity.preferred, None);
}

/// Whatever the verifier says, only candidates of the source are proven, and only issuers that they take are asked.
#[test]
fn issuers_are_those_of_the_candidates() {
    let world = token_world();
    let asked = |address: &str| {
        let line = push(CI, &run("")).replace("9.9.9.9", address);
        match decide(&world, &request(&world, &line).head, &Facts::default()) {
            Step::VerifyToken(claim) => claim.issuers.iter().map(|i| i.token.name.to_string()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked("9.9.9.9"), ["github", "cluster"]);
    let text = POLICY.replace(
        "from:   anywhere\n    grants: [{ operations: [push], job: \"{/k",
        "from:   { require: [office] }\n    grants: [{ operations: [push], job: \"{/k",
    );
    let narrow = super::world(policy(&text));
    let request =
        request(&narrow, &push("/metrics/job/batch-1", r#"run cluster {"kubernetes.io":{"namespace":"batch-1"}}"#));
    let Step::VerifyToken(claim) = decide(&narrow, &request.head, &Facts::default()) else {
        panic!("no token is asked")
    };
    assert_eq!(claim.issuers.iter().map(|i| &*i.token.name).collect::<Vec<_>>(), ["github"]);
    // A verifier that answers for an issuer that was not asked for proves nobody.
    let verified = Verified {
        issuer: "cluster".into(),
        claims: Claims::read(br#"{"kubernetes.io":{"namespace":"batch-1"}}"#).unwrap(),
    };
    let facts = Facts { token: Some(Ok(verified)), ..Facts::default() };
    let Step::Done(decision) = decide(&narrow, &request.head, &facts) else { panic!("not decided") };
    assert_eq!(decision.denial().map(|d| d.reason), Some(Reason::CredentialRejected));
}

/// A rule that only reports lets a run pass that it would refuse.
#[test]
fn a_token_rule_may_report_first() {
    let text = POLICY
        .replace("ref_protected: \"true\" } }", "ref_protected: \"true\" }, mode: report }")
        .replace("event_name: [pull_request]", "event_name: [x]");
    let world = super::world(policy(&text));
    let line = format!(
        "l 9.9.9.9 POST /metrics/job/acme-x/workflow/x%20CI | {} | body ci_x 1\\n | Content-Length: 7",
        run(r#""ref_protected":"false","workflow":"CI""#)
    );
    let (_, decision) = drive(&world, &request(&world, &line));
    assert!(decision.denial().is_none(), "{decision:?}");
    let would_deny = decision.would_deny.as_deref().unwrap();
    assert_eq!(
        (would_deny.denial.reason, would_deny.rule.as_deref()),
        (Reason::CredentialRejected, Some("workflows.token"))
    );
}
