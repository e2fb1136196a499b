//! Issuers and rules for tokens: what would let strangers in is refused, with what to write instead.

use super::*;
use crate::auth::token::Claims;
use crate::policy::{KeySource, Preset};

/// A policy with one token principal; `issuer` and `token` are flow mappings.
fn policy(issuer: &str, token: &str) -> String {
    format!(
        "version: 1
issuers:
  i: {{ {issuer} }}
principals:
  p:
    token: {{ issuer: i, {token} }}
    from: anywhere
    grants: [{{ operations: [push], job: ci }}]
"
    )
}

const GITHUB: &str = "preset: github-actions, audience: push, jwks_file: good.jwks";

#[test]
fn rules_that_would_let_strangers_in() {
    let gitlab = "preset: gitlab, audience: push, jwks_file: good.jwks";
    let buildkite = "preset: generic, url: https://agent.buildkite.com, audience: push, jwks_file: good.jwks";
    let rows: Vec<(&str, &str)> = vec![
        (GITHUB, "claims: {}"),
        (GITHUB, ""),
        (GITHUB, "claims: { ref_protected: \"true\" }"),
        (GITHUB, "claims: { ref: refs/heads/main, environment: prod }"),
        (GITHUB, "claims: { sub: \"repo:acme/app:ref:refs/heads/main\" }"),
        (GITHUB, "claims: { job_workflow_ref: \"acme/app/.github/workflows/ci.yml@refs/heads/main\" }"),
        (GITHUB, "claims: { workflow_ref: \"acme/app/*\" }"),
        (GITHUB, "claims: { actor_id: \"5\" }"),
        (GITHUB, "claims: { aud: push }"),
        (GITHUB, "claims: { repository_visibility: private }"),
        (GITHUB, "claims: { runner_environment: github-hosted }"),
        (GITHUB, "claims: { repository: acme/app }"),
        (GITHUB, "claims: { repository: [acme/app, acme/lib] }"),
        (GITHUB, "claims: { repository: acme/* }"),
        (GITHUB, "claims: { repository_owner: acme }"),
        (GITHUB, "claims: { enterprise: acme }"),
        (GITHUB, "claims: { repository_owner: \"*\" }"),
        (GITHUB, "claims: { repository_owner: \"acme*\" }"),
        (GITHUB, "claims: { repository: \"*/app\" }"),
        (GITHUB, "claims: { repository: \"*\" }"),
        (GITHUB, "claims: { repository: [acme/app, \"*/lib\"] }"),
        (GITHUB, "claims: { repository_id: \"*\" }"),
        (GITHUB, "claims: { repository_id: \"4567*\" }"),
        (GITHUB, "claims: { repository_owner_id: [\"11\", \"*\"] }"),
        (GITHUB, "claims: { repository_id: acme/app }"),
        (GITHUB, "claims: { repository: \"*\" }, i_accept_name_based_trust: true"),
        (GITHUB, "claims: { repository: \"*/app\" }, i_accept_name_based_trust: true"),
        (GITHUB, "claims: { ref: refs/heads/main }, i_accept_name_based_trust: true"),
        (GITHUB, "claims: { repository: acme/app }, i_accept_name_based_trust: false"),
        (GITHUB, "claims: { /repository: acme/app }"),
        (gitlab, "claims: { ref_protected: \"true\" }"),
        (gitlab, "claims: { project_path: acme/app }"),
        (gitlab, "claims: { project_id: \"*\" }"),
        (buildkite, "claims: { build_branch: main }"),
        (buildkite, "claims: { organization_slug: acme }"),
    ];
    let unsafe_ones = rows.iter().map(|(issuer, token)| {
        let report = report(&policy(issuer, token), Secrets::Required);
        assert!(report.starts_with("problems\n"), "{token}\n{report}");
        format!("# {token}\n{}", report.trim_start_matches("problems\n"))
    });
    insta::assert_snapshot!(unsafe_ones.collect::<String>());
    for (issuer, token) in [
        (GITHUB, "claims: { repository_id: \"22\" }"),
        (GITHUB, "claims: { repository_owner_id: [\"11\", \"12\"], ref: \"refs/heads/*\" }"),
        (GITHUB, "claims: { /repository_id: \"22\" }"),
        (GITHUB, "claims: { enterprise_id: \"3\" }"),
        (GITHUB, "claims: { repository: acme/app }, i_accept_name_based_trust: true"),
        (GITHUB, "claims: { repository: acme/* }, i_accept_name_based_trust: true"),
        (GITHUB, "claims: { repository_owner: acme }, i_accept_name_based_trust: true"),
        (gitlab, "claims: { namespace_id: \"5\" }"),
        (buildkite, "claims: { pipeline_id: 0184990a-477b-4fa8-9968-496074483cee }"),
        // One's own server signs for nobody else.
        (&format!("{GITHUB}, url: \"https://ghes.acme.example/_services/token\""), "claims: { repository: acme/app }"),
        (&format!("{gitlab}, url: \"https://gitlab.acme.example\""), "claims: { project_path: acme/app }"),
    ] {
        assert_eq!(problems(&policy(issuer, token)), Vec::<String>::new(), "{token}");
    }
}

#[test]
fn issuers_that_are_not_read() {
    let rows = [
        "",
        "preset: github",
        "preset: github-actions",
        "preset: github-actions, audience: \"\", jwks_file: good.jwks",
        "preset: github-actions, audience: push, url: \"http://ghes.example/_services/token\", jwks_file: good.jwks",
        "preset: github-actions, audience: push, url: \"https://ghes.example/_services/token/\", jwks_file: good.jwks",
        "preset: github-actions, audience: push, url: ghes.example, jwks_file: good.jwks",
        "preset: github-actions, audience: push, url: \"https://a:b@ghes.example\", jwks_file: good.jwks",
        "preset: github-actions, audience: push, url: \"https://ghes.example?x=1\", jwks_file: good.jwks",
        "preset: kubernetes, audience: push, jwks_file: good.jwks",
        "preset: generic, audience: push, jwks_file: good.jwks",
        "preset: generic, url: \"https://token.actions.githubusercontent.com\", audience: push, jwks_file: good.jwks",
        "preset: generic, url: \"https://token.actions.githubusercontent.com/acme\", audience: push, jwks_file: good.jwks",
        "preset: github-actions, audience: push, jwks_file: good.jwks, ca_file: ca.pem, bearer_file: t, jwks_url: x",
        "preset: github-actions, audience: push, jwks_file: private.jwks",
        "preset: github-actions, audience: push, jwks_file: good.phc",
        "preset: github-actions, audience: push, jwks_file: missing.jwks",
        "preset: github-actions, audience: push, jwks_file: good.jwks, algorithms: [HS256]",
        "preset: github-actions, audience: push, jwks_file: good.jwks, algorithms: []",
        "preset: github-actions, audience: push, jwks_file: good.jwks, algorithms: [none, rs256]",
        "preset: github-actions, audience: push, jwks_file: good.jwks, leeway: 61s, max_lifetime: 25h",
        "preset: github-actions, audience: push, jwks_file: good.jwks, leeway: 1, lifetime: 5m",
    ];
    let shown = rows.map(|issuer| {
        let report = report(&policy(issuer, "claims: { repository_id: \"22\" }"), Secrets::Required);
        assert!(report.starts_with("problems\n"), "{issuer}\n{report}");
        format!("# {issuer}\n{}", report.trim_start_matches("problems\n"))
    });
    insta::assert_snapshot!(shown.concat());
}

#[test]
fn mistakes_around_tokens() {
    let text = r#"version: 1
sources: { office: { cidrs: [203.0.113.0/24] } }
issuers:
  github: { preset: github-actions, audience: "https://github.com/acme", jwks_file: good.jwks }
  twin:   { preset: github-actions, audience: other, jwks_file: good.jwks }
  bad name: { preset: gitlab, audience: push, jwks_file: good.jwks }
principals:
  unknown:
    token: { issuer: githup, claims: { repository_id: "22" } }
    from: anywhere
    grants: [{ operations: [push], job: ci }]
  nobody:
    token: { claims: { repository_id: 22, "": x, "/a~": x, ref: "", event: "\\" }, repository: x }
    from: { prefer: [office], require: [office] }
    grants: [{ operations: [push], job: "{", labels: { a: "}", b: "{}", "c?": "{sub}", "*": "{sub}" } }]
    quotas: [{ per: "{}", burst: 1, period: 1s }]
  both:
    basic: { username: oauth2, password_hash_file: good.phc }
    token: { issuer: github, claims: { repository_id: "22" } }
    from: { prefer: [office] }
    grants: [{ operations: [push], job: "{repository}" }]
  anonymous:
    anonymous: true
    token: { issuer: github, claims: { repository_id: "22" } }
    from: { prefer: [offise] }
    grants: [{ operations: [scrape] }]
  password:
    basic: { username: a, password_hash_file: good.phc }
    from: anywhere
    grants: [{ operations: [push], job: "{repository}" }]
    quotas: [{ per: "{repository_id}", burst: 1, period: 1s }]
    payload: { metrics: ["{repository}"], max_groups_per: "{repository_id}" }
  unneeded:
    token: { issuer: github, claims: { repository_id: "22" }, i_accept_name_based_trust: true }
    from: { prefer: [] }
    grants: [{ operations: [push], job: ci }]
  empty:
    token: { issuer: github, claims: { repository_id: "22" } }
    from: anywhere
    grants: [{ operations: [push], job: ci }]
    payload: { max_groups_per: "{}" }
  repository:
    token: { issuer: github, claims: { repository_id: "22" } }
    from: anywhere
    grants: [{ operations: [push], job: ci }]
    payload: { max_groups_per: principle }
quotas: [{ per: "{repository_id}", burst: 1, period: 1s }]
defaults: { payload: { max_groups_per: "{repository_id}" } }
"#;
    insta::assert_snapshot!(report(text, Secrets::Required));
}

#[test]
fn a_token_principal_compiles_to_what_it_says() {
    let policy = good(&policy(
        &format!("{GITHUB}, leeway: 5s, max_lifetime: 10m, algorithms: [RS256, ES256]"),
        "claims: { repository_owner_id: \"11\", repository: Acme/App }, mode: enforce",
    ));
    let issuer = &policy.issuers["i"];
    assert_eq!(
        (issuer.preset, &*issuer.token.url),
        (Preset::GithubActions, "https://token.actions.githubusercontent.com")
    );
    assert_eq!((issuer.token.leeway.as_secs(), issuer.token.max_lifetime.as_secs()), (5, 600));
    assert!(matches!(&issuer.keys, KeySource::File(keys) if keys.len() == 1));
    let rule = policy.principals[0].token.as_ref().unwrap();
    let fits = |claims: &str| rule.fits(&Claims::read(claims.as_bytes()).unwrap()).is_ok();
    assert!(fits(r#"{"repository_owner_id":"11","repository":"acme/app","event_name":"push"}"#), "names without case");
    assert!(!fits(r#"{"repository_owner_id":"11","repository":"acme/apps","event_name":"push"}"#));
    assert!(!fits(r#"{"repository_owner_id":"11","repository":"acme/app"}"#), "an event is there");
    let read: Vec<&str> = policy.read_claims["i"].iter().map(|claim| claim.source()).collect();
    let expected =
        ["event_name", "jti", "ref", "ref_protected", "repository", "repository_id", "repository_owner_id", "sub"];
    assert_eq!(read, expected);
}

/// Where policies are only checked, the files of an issuer need not be there.
#[test]
fn files_of_an_issuer_are_optional_where_secrets_are() {
    let text = policy("preset: gitlab, audience: push, jwks_file: missing.jwks", "claims: { project_id: \"5\" }");
    assert!(report(&text, Secrets::Optional).starts_with("ok\npolicy.yaml:3: issuers.i.jwks_file: "));
    assert!(report(&text, Secrets::Required).starts_with("problems\n"));
}
