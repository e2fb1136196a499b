//! How long groups are kept.

use super::*;
use std::time::Duration;

#[test]
fn rules_hold_in_file_order() {
    let policy = good(
        "version: 1\nprincipals: {}\nttl:\n  - { job: \"backup-*\", max_age: never }\n  - { job: [ci, \"ci-*\"], max_age: 30d }\n",
    );
    let kept = |job: &str| policy.ttl.rule(job).map(|(place, rule)| (place, rule.max_age));
    assert_eq!(kept("backup-db"), Some((0, None)));
    assert_eq!(kept("ci-nightly"), Some((1, Some(Duration::from_secs(30 * 86_400)))));
    assert_eq!(kept("web"), None);
    assert!(good("version: 1\nprincipals: {}\n").ttl.keeps_all());
}

#[test]
fn mistakes_are_told() {
    let broken = "version: 1
principals: {}
ttl:
  - { job: ci, max_age: 30 }
  - { job: ci, max_age: 0s }
  - { job: ci, max_age: 5000d }
  - { job: ci, max_age: nevr }
  - { job: \"\", max_age: 1d }
  - { max_age: 1d, jobs: [ci] }
  - ci
";
    insta::assert_snapshot!(report(broken, Secrets::Optional));
    insta::assert_snapshot!(report("version: 1\nprincipals: {}\nttl: []\n", Secrets::Optional));
    insta::assert_snapshot!(report("version: 1\nprincipals: {}\nttl: [{ job: a, max_age: 30m }]\n", Secrets::Optional));
}
