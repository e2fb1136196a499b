//! Advice on policies: what is said of one that says much in vain, and that its twin without any of that is left alone.

use super::*;
use crate::config::advice;
use crate::policy::NamedSets;
use crate::prefix_set::PrefixSet;
use std::sync::Arc;

/// What is said of a policy, with what is in the list `actions` as far as that is known.
fn said(text: &str, actions: &[&str]) -> String {
    let folder = folder();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, text).unwrap();
    let loaded =
        load(&file, Secrets::Required, &mut || [7; 48]).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let mut sets = NamedSets::new();
    if !actions.is_empty() {
        let list = PrefixSet::from_prefixes(actions.iter().map(|net| net.parse().unwrap()));
        sets.insert("actions".to_owned(), Arc::new(list));
    }
    let list = advice(&loaded, &sets, humantime::parse_rfc3339("2026-11-24T12:00:00Z").unwrap());
    list.iter().map(|problem| problem.in_file(Path::new("policy.yaml")) + "\n").collect()
}

const IN_VAIN: &str = r#"version: 1
listeners: { public: { trusted_proxies: [10.42.0.0/16] }, internal: {} }
sources:
  office:  { cidrs: [203.0.113.0/24] }
  desk:    { cidrs: [203.0.113.7/32] }
  house:   { cidrs: [203.0.113.0/25, 203.0.113.128/25] }
  nobody:  { cidrs: [198.51.100.0/25], except: [198.51.100.0/24] }
  proxies: { cidrs: [10.42.7.0/24], listeners: [public] }
issuers:
  github: { preset: github-actions, audience: push, jwks_file: good.jwks }
principals:
  ci:
    basic:  { username: ci, password_hash_file: good.phc }
    from:   { require: [office, desk, proxies] }
    grants:
      - { operations: [push, replace], job: "ci-*", labels: { "instance?": "*" } }
      - { operations: [push], job: [ci-a, "ci-b-*"] }
      - { operations: [scrape, push], job: "tab\there", labels: { "team?": "new\nline", "*": "\u007f" } }
      - { operations: [scrape] }
    quotas:
      - { per: principal, burst: 10, period: 1m }
      - { per: principal, burst: 10, period: 1m, operations: [inspect] }
    payload: { metrics: ["ci_*", "go_*", "a-b", "x_total"], denied_metrics: ["x_*"], denied_labels: ["user-*"] }
  nobody:
    basic:  { username: nobody, password_hash_file: good.phc }
    from:   { require: [nobody] }
    grants: [{ operations: [push], job: nobody }]
  free:
    basic:  { username: free, password_hash_file: good.phc }
    from:   { require: [house] }
    grants: [{ operations: [push, delete], job: "*" }]
  team:
    token:  { issuer: github, claims: { repository_owner_id: "1" } }
    from:   anywhere
    grants: [{ operations: [push], job: "{repository}" }]
  one-of-it:
    token:  { issuer: github, claims: { repository_owner_id: "1", ref_protected: "true" } }
    from:   anywhere
    grants: [{ operations: [push], job: "{repository}" }]
quotas: [{ per: source, burst: 10, period: 1m, operations: [ui] }]
ttl:
  - { job: ["ci-*", web], max_age: 30d }
  - { job: [ci-a, web], max_age: never }
"#;

#[test]
fn what_a_policy_says_in_vain() {
    insta::assert_snapshot!(said(IN_VAIN, &[]));
}

/// The same, each rule a little wider or narrower than it would have to be to be in vain.
const MEANT: &str = r#"version: 1
listeners: { public: { trusted_proxies: [10.42.0.0/16] }, internal: {} }
sources:
  office:  { cidrs: [203.0.113.0/24] }
  desk:    { cidrs: [203.0.113.7/32], mode: report, report_until: 2030-01-01 }
  house:   { cidrs: [203.0.113.0/25, 203.0.113.128/26] }
  some:    { cidrs: [198.51.100.0/25], except: [198.51.100.0/26] }
  proxies: { cidrs: [10.42.7.0/24], listeners: [public, internal] }
issuers:
  github: { preset: github-actions, audience: push, jwks_file: good.jwks }
principals:
  ci:
    basic:  { username: ci, password_hash_file: good.phc }
    from:   { require: [office, desk, proxies] }
    grants:
      - { operations: [push, replace], job: "ci-*", labels: { "instance?": "a*" } }
      - { operations: [push], job: [ci, "ci-b-*"] }
      - { operations: [push], job: "ci-*", labels: { "instance?": "*" } }
      - { operations: [push], job: ci-1, mode: report, report_until: 2030-01-01 }
      - { operations: [scrape, probe] }
    quotas:
      - { per: principal, burst: 10, period: 1m }
      - { per: principal, burst: 10, period: 1m, operations: [scrape, inspect] }
    payload: { metrics: ["ci_*", "go*", "labels*", "x_*"], denied_metrics: ["x_total"], denied_labels: ["user_*"] }
  some:
    basic:  { username: some, password_hash_file: good.phc }
    from:   { require: [some] }
    grants: [{ operations: [push], job: some, labels: { "*": "*" } }]
  bound:
    basic:  { username: bound, password_hash_file: good.phc }
    from:   { require: [house] }
    grants: [{ operations: [push, delete], job: "*" }]
    quotas: [{ per: job, burst: 10, period: 1m }, { per: source, burst: 100, period: 1m }]
  operator:
    basic:  { username: operator, password_hash_file: good.phc }
    from:   { require: [house] }
    grants: [{ operations: [delete], job: "*", labels: { "*": "*" } }]
  one-of-it:
    token:  { issuer: github, claims: { repository_owner_id: "1", ref_protected: "true" } }
    from:   anywhere
    grants: [{ operations: [push], job: "*" }]
  team:
    token:  { issuer: github, claims: { repository_owner_id: "1" } }
    from:   anywhere
    grants: [{ operations: [push], job: "{repository}" }]
  forks:
    token:  { issuer: github, claims: { repository_owner_id: "1", event_name: [push, pull_request] } }
    from:   anywhere
    grants: [{ operations: [push], job: "{repository}" }]
quotas: [{ per: source, burst: 10, period: 1m, operations: [scrape] }]
ttl:
  - { job: ["ci-*", web], max_age: 30d }
  - { job: ["c*", web], max_age: never }
"#;

#[test]
fn what_was_meant_is_left_alone() {
    assert_eq!(said(MEANT, &[]), "");
}

#[test]
fn a_list_says_more_where_it_is_at_hand() {
    let text = "version: 1
sources:
  runners: { github: [actions] }
  mine:    { cidrs: [192.0.2.0/25] }
principals:
  ci:
    basic:  { username: ci, password_hash_file: good.phc }
    from:   { require: [mine, runners] }
    grants: [{ operations: [push], job: ci }]
";
    let nothing_known = said(text, &[]);
    let outside = said(text, &["198.51.100.0/24"]);
    let inside = said(text, &["192.0.2.0/24"]);
    assert_eq!((nothing_known.as_str(), outside.as_str()), ("", ""));
    insta::assert_snapshot!(inside, @"policy.yaml:8: principals.ci.from.require[0]: it adds nothing: runners holds all of its addresses; remove it");
}

#[test]
fn an_end_of_report_mode_that_has_passed() {
    let text = |until: &str| {
        format!(
            "version: 1
mode: report
report_until: {until}
sources:
  desk: {{ cidrs: [192.0.2.0/25], mode: report, report_until: {until} }}
principals:
  ci:
    basic:  {{ username: ci, password_hash_file: good.phc, mode: report, report_until: {until} }}
    from:   {{ require: [desk] }}
    grants: [{{ operations: [push], job: ci, mode: report, report_until: {until} }}]
    quotas: [{{ per: principal, burst: 1, period: 1m, mode: report, report_until: {until} }}]
quotas: [{{ per: source, burst: 10, period: 1m, mode: report, report_until: {until} }}]
"
        )
    };
    assert_eq!(said(&text("2026-11-25"), &[]), "");
    insta::assert_snapshot!(said(&text("2026-11-24"), &[]));
}
