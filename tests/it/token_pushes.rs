//! Runs that push with their own identity: every real shape of a token is taken by the rule that should take it.

use crate::common::guard::{Guard, PASSWORD, Start};
use crate::common::http::{Request, Response};
use crate::common::mint::{RSA, Signer, but, github_run, key_set};
use crate::common::upstream::{Upstream, answer, ok};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::SystemTime;

static P256: LazyLock<Signer> = LazyLock::new(|| Signer::p256("p256-1"));

const POLICY: &str = r#"
version: 1
sources: { nowhere: { cidrs: [192.0.2.0/24] } }
issuers:
  github:     { preset: github-actions, audience: pushgateway.example.com, jwks_file: keys.json }
  ghes:       { preset: github-actions, url: "https://ghes.corp.example/_services/token", audience: "https://ghes.corp.example/octo-org", jwks_file: keys.json }
  tenant:     { preset: github-actions, url: "https://token.actions.octocorp.ghe.com", audience: pushgateway.example.com, jwks_file: keys.json }
  enterprise: { preset: github-actions, url: "https://token.actions.githubusercontent.com/octocat-inc", audience: pushgateway.example.com, jwks_file: keys.json }
  gitlab:     { preset: gitlab, audience: pushgateway.example.com, jwks_file: keys.json }
  cluster:    { preset: kubernetes, url: "https://kubernetes.default.svc.cluster.local", audience: pushgateway.example.com, jwks_file: keys.json }
  buildkite:  { preset: generic, url: "https://agent.buildkite.com", audience: pushgateway.example.com, jwks_file: keys.json }
  circleci:   { preset: generic, url: "https://oidc.circleci.com/org/3fa85f64-5717-4562-b3fc-2c963f66afa6", audience: pushgateway.example.com, jwks_file: keys.json }
principals:
  tags:     { token: { issuer: github, claims: { repository_id: "456789", ref: "refs/tags/*" } }, from: anywhere, grants: [{ operations: [push], job: tag }] }
  deploys:  { token: { issuer: github, claims: { repository_owner_id: "123456", environment: "Production:*" } }, from: anywhere, grants: [{ operations: [push], job: deploy }] }
  shared:   { token: { issuer: github, claims: { repository_owner_id: "123456", job_workflow_ref: "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main" } }, from: anywhere, grants: [{ operations: [push], job: shared }] }
  hosted:   { token: { issuer: github, claims: { repository_owner: octo-org, repository_owner_id: "123456", runner_environment: github-hosted } }, from: { prefer: [nowhere] }, grants: [{ operations: [push], job: ci, labels: { repository: "{repository}", run_id: "{run_id}" } }] }
  own:      { token: { issuer: github, claims: { repository_id: "456789", sub: "repo:octo-org/octo-repo:ref:refs/heads/main" } }, from: anywhere, grants: [{ operations: [push], job: own }] }
  ghes:     { token: { issuer: ghes, claims: { repository: octo-org/octo-repo } }, from: anywhere, grants: [{ operations: [push], job: ghes }] }
  tenant:   { token: { issuer: tenant, claims: { repository: "octo-org/*" } }, from: anywhere, grants: [{ operations: [push], job: tenant }] }
  company:  { token: { issuer: enterprise, claims: { enterprise: octocat-inc } }, from: anywhere, grants: [{ operations: [push], job: company }] }
  lab:      { token: { issuer: gitlab, claims: { namespace_id: "1087575", runner_id: "47561171", ref_protected: "true" } }, from: anywhere, grants: [{ operations: [push], job: lab, labels: { project: "{project_path}" } }] }
  pods:
    basic:  { username: pods, password_hash_file: ci.phc }
    token:  { issuer: cluster, claims: { /kubernetes.io/namespace: batch, /kubernetes.io/serviceaccount/name: nightly } }
    from:   anywhere
    grants: [{ operations: [push], job: "{/kubernetes.io/namespace}" }, { operations: [push], job: legacy }]
  kite:     { token: { issuer: buildkite, claims: { pipeline_id: 0184990a-477b-4fa8-9968-496074483cee, build_number: "1" } }, from: anywhere, grants: [{ operations: [push], job: kite }] }
  circle:   { token: { issuer: circleci, claims: { oidc.circleci.com/project-id: 9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d, oidc.circleci.com/context-ids: [x, 6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b] } }, from: anywhere, grants: [{ operations: [push], job: circle, labels: { project: "{oidc.circleci.com/project-id}" } }] }
"#;

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A guard whose issuers all sign with the keys of this test.
fn guard(upstream: &Upstream) -> Guard {
    let start = Start::new(POLICY, &upstream.url());
    std::fs::write(start.folder.path().join("keys.json"), key_set(&[RSA.jwk(), P256.jwk()])).unwrap();
    start.run()
}

fn push(guard: &Guard, path: &str, token: &str) -> Response {
    Request::post(path, "m 1\n").header("Authorization", &format!("Bearer {token}")).send(guard.address())
}

/// The claims of a file, as if they were issued a minute ago.
fn claims(name: &str) -> Option<Value> {
    let bytes = crate::common::data(&format!("oidc/{name}.json"))?;
    let mut claims: Value = serde_json::from_slice(&bytes).expect("the data is JSON");
    for time in ["exp", "nbf", "iat"] {
        if let Some(seconds) = claims[time].as_u64() {
            claims[time] = json!(seconds + now() - 60 - 1_790_000_000);
        }
    }
    Some(claims)
}

#[test]
fn every_real_shape_is_taken_by_the_rule_that_should_take_it() {
    let upstream = Upstream::start(|_| ok());
    let guard = guard(&upstream);
    let ci = "/metrics/job/ci/repository@base64/b2N0by1vcmcvb2N0by1yZXBv/run_id/19677834613";
    let good = [
        ("gha_push_main", ci, "hosted"),
        ("gha_immutable_sub", ci, "hosted"),
        ("gha_custom_sub", ci, "hosted"),
        ("gha_environment", "/metrics/job/deploy", "deploys"),
        ("gha_reusable_workflow", "/metrics/job/shared", "shared"),
        ("gha_tag", "/metrics/job/tag", "tags"),
        ("gha_self_hosted", "/metrics/job/own", "own"),
        ("gha_ghes", "/metrics/job/ghes", "ghes"),
        ("gha_ghecom", "/metrics/job/tenant", "tenant"),
        ("gha_enterprise_issuer", "/metrics/job/company", "company"),
        ("gitlab", "/metrics/job/lab/project@base64/YWNtZS9wbGF0Zm9ybS9hcHA", "lab"),
        ("kubernetes_sa", "/metrics/job/batch", "pods"),
        ("buildkite", "/metrics/job/kite", "kite"),
        ("circleci", "/metrics/job/circle/project/9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d", "circle"),
        // Decided: ids and names are compared as text, names of GitHub without regard to case.
        ("bad_repo_id_number", ci, "hosted"),
        (
            "bad_case_variant_owner",
            "/metrics/job/ci/repository@base64/T2N0by1Pcmcvb2N0by1yZXBv/run_id/19677834613",
            "hosted",
        ),
    ];
    for (name, path, principal) in good {
        let Some(claims) = claims(name) else { return };
        let signer = if name == "kubernetes_sa" { &*P256 } else { &*RSA };
        let answer = push(&guard, path, &signer.token(&claims)).is(200, "", name);
        assert_eq!(&guard.record(&answer)["principal"], principal, "{name}");
    }
    assert_eq!(upstream.seen().len(), good.len());
    for seen in upstream.seen() {
        assert!(seen.header("authorization").is_empty(), "the token stays here: {}", seen.head);
    }
    let bad = [
        ("gha_pull_request", "token_event_not_granted"),
        ("gha_default_aud", "token_audience"),
        ("bad_exp_string", "token_time"),
        ("bad_iat_future", "token_issued_in_future"),
        ("bad_iss_array", "token_issuer_unknown"),
        ("bad_iss_other_enterprise", "token_issuer_unknown"),
        ("bad_no_aud", "token_audience"),
        ("bad_no_jti", "token_id"),
        ("bad_no_repository_id", "token_claim_missing"),
        ("bad_no_sub", "token_subject"),
    ];
    for (name, detail) in bad {
        let Some(claims) = claims(name) else { return };
        let answer = push(&guard, ci, &RSA.token(&claims)).is(401, "credential_rejected", name);
        let found = guard.record(&answer)["detail"].to_owned();
        assert_eq!(found.split(':').next(), Some(detail), "{name}: {found}");
    }
    assert_eq!(upstream.seen().len(), good.len(), "what is refused reaches nobody");
}

/// A run of the owner that the policy names, with one claim changed.
fn run(name: &str, value: Value) -> Value {
    let claims = but(&github_run(now() - 60), "aud", json!("pushgateway.example.com"));
    but(&but(&but(&claims, "repository_owner_id", json!("123456")), "repository_owner", json!("octo-org")), name, value)
}

#[test]
fn a_refusal_tells_the_run_what_it_is_and_the_operator_what_failed() {
    let upstream = Upstream::start(|_| ok());
    let guard = guard(&upstream);
    let hosted = |value| run("runner_environment", value);
    let own = push(&guard, "/metrics/job/ci/repository/x/run_id/777", &RSA.token(&hosted(json!("github-hosted"))));
    let own = own.is(403, "label_not_granted", "another repository's group");
    assert!(own.text().contains("the token says repository=\"acme/app\""), "{}", own.text());
    let record = guard.record(&own);
    assert_eq!((&record["issuer"], &record["principal"]), ("github", "hosted"));
    let logged: BTreeMap<String, Value> = serde_json::from_str(&record["claims"]).unwrap();
    assert_eq!(
        (&logged["repository"], &logged["run_id"], &logged["jti"]),
        (&json!("acme/app"), &json!("777"), &json!("a-token"))
    );
    assert!(!logged.contains_key("workflow"), "what the policy does not read is not logged: {logged:?}");

    let expired = but(&hosted(json!("github-hosted")), "exp", json!(now() - 45));
    let answer = push(&guard, "/metrics/job/ci", &RSA.token(&expired)).is(401, "credential_rejected", "expired");
    assert!(answer.text().contains("the token expired 4"), "{}", answer.text());
    let challenges = answer.all("WWW-Authenticate");
    let [basic, bearer] = challenges[..] else { panic!("{challenges:?}") };
    assert_eq!(basic, "Basic realm=\"pushguard\", charset=\"UTF-8\"");
    let invalid = "Bearer realm=\"pushguard\", error=\"invalid_token\"";
    assert!(bearer.starts_with(&format!("{invalid}, error_description=\"the token expired 4")), "{bearer}");
    let answer = push(&guard, "/metrics/job/ci", "abc.def.ghi").is(401, "credential_rejected", "nonsense");
    assert_eq!(answer.all("WWW-Authenticate"), [basic, invalid], "what is wrong inside is the operator's");
    let missing = Request::post("/metrics/job/ci", "m 1\n").send(guard.address()).is(401, "credential_missing", "");
    assert_eq!(missing.all("WWW-Authenticate"), [basic, "Bearer realm=\"pushguard\""]);
    assert!(!answer.text().contains("base64"), "what is wrong inside is the operator's: {}", answer.text());
    for detail in ["token_expired", "token_json"] {
        guard.await_metric(&format!("pushguard_credentials_refused_total{{detail=\"{detail}\"}}"), 1.0);
    }
    guard.await_metric("pushguard_preferred_source_requests_total{principal=\"hosted\",listed=\"no\"}", 1.0);
}

/// Groups are capped for each repository; which claim tells them apart, or that none does, the policy may say.
#[test]
fn one_repository_cannot_take_the_room_of_another() {
    let upstream = Upstream::start(|_| ok());
    for (per, capped) in
        [("", false), (", max_groups_per: \"{repository}\"", false), (", max_groups_per: principal", true)]
    {
        let policy = format!(
            "version: 1\nissuers: {{ github: {{ preset: github-actions, audience: push, jwks_file: keys.json }} }}\n\
             principals:\n  ci: {{ token: {{ issuer: github, claims: {{ repository_owner_id: \"11\" }} }}, from: anywhere, \
             grants: [{{ operations: [push, delete], job: ci, labels: {{ n: \"*\" }} }}], \
             payload: {{ max_groups: 2{per} }} }}\n"
        );
        let start = Start::new(&policy, &upstream.url());
        std::fs::write(start.folder.path().join("keys.json"), key_set(&[RSA.jwk()])).unwrap();
        let guard = start.run();
        let token = |repository: &str, id: &str| {
            let claims = but(&github_run(now() - 60), "aud", json!("push"));
            let claims = but(&but(&claims, "repository", json!(repository)), "repository_id", json!(id));
            RSA.token(&but(&claims, "repository_owner_id", json!("11")))
        };
        let (greedy, modest) = (token("acme/greedy", "22"), token("acme/modest", "33"));
        for n in 0..2 {
            push(&guard, &format!("/metrics/job/ci/n/{n}"), &greedy).is(200, "", format!("group {n}{per}"));
        }
        let refused = push(&guard, "/metrics/job/ci/n/2", &greedy).is(403, "group_limit_reached", per);
        assert!(!refused.text().contains("modest") && !refused.text().contains("principal"), "{}", refused.text());
        let (status, reason) = if capped { (403, "group_limit_reached") } else { (200, "") };
        push(&guard, "/metrics/job/ci/n/3", &modest).is(status, reason, format!("another repository{per}"));
        push(&guard, "/metrics/job/ci/n/0", &greedy).is(200, "", "a group that is there");
    }
}

/// Clients that can send nothing but a user name and a password send the token as the password of `oauth2`.
#[test]
fn a_token_may_come_as_a_password() {
    let upstream = Upstream::start(|_| ok());
    let guard = guard(&upstream);
    let token = RSA.token(&run("runner_environment", json!("github-hosted")));
    let path = "/metrics/job/ci/repository@base64/YWNtZS9hcHA/run_id/777";
    let send = |user: &str, password: &str, path: &str| {
        Request::post(path, "m 1\n").basic(user, password).send(guard.address())
    };
    send("oauth2", &token, path).is(200, "", "a token as a password");
    send("oauth2", "wrong", path).is(401, "credential_rejected", "no token");
    send("oauth3", &token, path).is(401, "credential_rejected", "another user");
    send("pods", PASSWORD, "/metrics/job/legacy").is(200, "", "a password of a principal that takes both");
    send("pods", PASSWORD, "/metrics/job/batch").is(403, "job_not_granted", "a password has no claims");
    let padded = format!("{token}{}", "a".repeat(8193 - token.len()));
    let answer = send("oauth2", &padded, path).is(401, "credential_rejected", "too long");
    assert!(guard.record(&answer)["detail"].starts_with("token_too_long"));
}

const README: &str = include_str!("../../README.md");

/// The fenced block of a language that holds a text.
fn block(language: &str, holds: &str) -> String {
    let fence = format!("\n```{language}\n");
    let mut blocks = README.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.find(|block| block.contains(holds)).expect("the README shows it").to_owned()
}

/// The README's workflow step, run by a shell as GitHub's runner does, against the README's policy.
#[test]
fn the_workflow_step_of_the_readme_pushes() {
    let upstream = Upstream::start(|_| ok());
    let policy =
        block("yaml", "preset: github-actions").replace("github: [actions]", "cidrs: [203.0.113.0/24]").replace(
            "audience: \"https://push.example.com\"",
            "audience: \"https://push.example.com\", jwks_file: keys.json",
        );
    let start = Start::new(&policy, &upstream.url());
    std::fs::write(start.folder.path().join("keys.json"), key_set(&[RSA.jwk()])).unwrap();
    std::fs::write(start.folder.path().join("metrics.txt"), "m 1\n").unwrap();
    let guard = start.run();
    let url = format!("http://{}", guard.address());
    let wanted = format!("&audience={url}");
    let tokens = Upstream::start(move |seen| {
        assert!(seen.line().ends_with(&wanted), "{}", seen.head);
        assert_eq!(seen.header("authorization"), ["bearer a-request-token"]);
        let claims = but(&github_run(now() - 60), "repository_owner_id", json!("123456"));
        answer("200 OK", "", &json!({ "count": 1, "value": RSA.token(&claims) }).to_string())
    });
    let step = block("yml", "id-token: write");
    let script: Vec<&str> =
        step.lines().skip_while(|line| line.trim() != "run: |").skip(1).map(str::trim_start).collect();
    let output = std::process::Command::new("bash")
        .args(["-ec", &script.join("\n")])
        .current_dir(guard.folder.path())
        .env("PUSH_URL", &url)
        .env("GITHUB_REPOSITORY", "acme/app")
        .env("GITHUB_WORKFLOW", "Elixir/Phoenix CI")
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "a-request-token")
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/token?api-version=2.0", tokens.url()))
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{output:?}");
    let seen = upstream.seen();
    let path = "POST /metrics/job/ci/repository@base64/YWNtZS9hcHA/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k";
    assert_eq!(seen.iter().map(|seen| seen.line()).collect::<Vec<_>>(), [path]);
}
