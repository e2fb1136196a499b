//! Good policies compile to what they say.

use super::*;
use crate::auth::token::Claims;
use crate::limit::Rate;
use crate::payload::{LabelRefusal, PayloadShape};
use crate::policy::{Admits, Mode, NamedSets, Operation, Per, Principal, default_quotas};
use crate::prefix_set::PrefixSet;
use crate::request::GroupingKey;
use std::sync::Arc;
use std::time::Duration;

const EXAMPLE: &str = r#"
version: 1
listeners:
  public:   { trusted_proxies: [10.42.0.0/16, "fd00::/8"] }
  internal: {}
sources:
  github-runners: { github: [actions], extra: [203.0.113.7/32, 203.0.113.8] }
  cluster:        { cidrs: [10.0.0.0/8], listeners: [internal] }
principals:
  ci:
    basic:  { username: ci, password_hash_file: two.phc }
    from:   { require: [github-runners] }
    grants: [{ operations: [push, replace], job: ci, labels: { workflow: "*", "instance?": "*" } }]
    quotas: [{ per: job, burst: 10, period: 1m }]
    payload: { max_bytes: 256KiB, max_series: 2000, metrics: [github_actions_*, exunit_*, coveralls_*] }
  other:
    basic:  { username: other, password_hash_file: good.phc }
    from:   anywhere
    grants: [{ operations: [push, delete], job: [a, "b-*"], labels: { "*": "x*" } }]
  prometheus:
    anonymous: true
    from:   { require: [cluster] }
    grants: [{ operations: [scrape] }]
quotas: [{ per: source, burst: 1000, period: 1h30m, operations: [push, scrape] }]
defaults:
  quotas: [{ per: group, burst: 5, period: 30s }]
  payload: { max_bytes: 100kB }
"#;

fn principal<'p>(policy: &'p Policy, name: &str) -> &'p Principal {
    policy.principals.iter().find(|p| &*p.name == name).unwrap()
}

fn quotas(principal: &Principal) -> Vec<(String, Per, u32, Duration)> {
    let shown = |q: &crate::policy::QuotaRule| (q.name.to_string(), q.per.clone(), q.rate.burst(), q.rate.period());
    principal.quotas.iter().map(shown).collect()
}

#[test]
fn listeners_and_sources() {
    let policy = good(EXAMPLE);
    let trusted =
        |listener: &str, address: &str| policy.listener(listener).trusted_proxies.contains(address.parse().unwrap());
    assert!(trusted("public", "10.42.7.7") && trusted("public", "fd00::1") && !trusted("public", "10.43.0.0"));
    assert!(!trusted("internal", "10.42.7.7") && !trusted("unknown", "10.42.7.7"));
    assert_eq!(policy.ranges.github.iter().map(|list| &list.name).collect::<Vec<_>>(), ["actions"]);
    assert_eq!(policy.named_listeners.keys().collect::<Vec<_>>(), ["internal", "public"]);
    let admits = |name: &str, address: &str, listener: &str| {
        principal(&policy, name).from.admits(address.parse().unwrap(), listener, &NamedSets::new())
    };
    assert_eq!(admits("ci", "203.0.113.7", "public"), Admits::Yes);
    assert_eq!(admits("ci", "203.0.113.8", "public"), Admits::Yes);
    assert_eq!(admits("ci", "203.0.113.9", "public"), Admits::SetMissing);
    assert_eq!(admits("other", "9.9.9.9", "public"), Admits::Yes);
    assert_eq!(admits("prometheus", "10.1.1.1", "internal"), Admits::Yes);
    assert_eq!(admits("prometheus", "10.1.1.1", "public"), Admits::No);
}

#[test]
fn principals_and_grants() {
    let policy = good(EXAMPLE);
    let names: Vec<&str> = policy.principals.iter().map(|p| &*p.name).collect();
    assert_eq!(names, ["ci", "other", "prometheus"], "in the order of the file");
    let ci = principal(&policy, "ci");
    assert!(!ci.anonymous && ci.basic.as_ref().is_some_and(|b| b.username == "ci" && b.hashes.len() == 2));
    let anonymous = principal(&policy, "prometheus");
    assert!(anonymous.anonymous && anonymous.basic.is_none());
    let may = |name: &str, operation: Operation, path: &str| {
        let key = (!path.is_empty()).then(|| GroupingKey::read(path.as_bytes()).unwrap());
        principal(&policy, name).grant_for(operation, key.as_ref(), Claims::none()).map(|g| g.name.to_string()).ok()
    };
    let rows = [
        ("ci", Operation::Push, "job/ci/workflow/w", Some("ci.grants[0]")),
        ("ci", Operation::Replace, "job/ci/workflow/w/instance/i", Some("ci.grants[0]")),
        ("ci", Operation::Delete, "job/ci/workflow/w", None),
        ("ci", Operation::Push, "job/ci", None),
        ("ci", Operation::Push, "job/ci/workflow/w/x/y", None),
        ("other", Operation::Delete, "job/b-1/z/x1", Some("other.grants[0]")),
        ("other", Operation::Delete, "job/b-1/z/y1", None),
        ("other", Operation::Push, "job/b", None),
        ("prometheus", Operation::Scrape, "", Some("prometheus.grants[0]")),
        ("prometheus", Operation::Probe, "", None),
    ];
    for (name, operation, path, expected) in rows {
        assert_eq!(may(name, operation, path).as_deref(), expected, "{name} {operation} {path}");
    }
}

#[test]
fn quotas_and_limits_own_defaults_and_built_in() {
    let policy = good(EXAMPLE);
    let reads = ("default.reads".to_owned(), Per::Source, 300, Duration::from_secs(60));
    let default = ("defaults.quotas[0]".to_owned(), Per::Group, 5, Duration::from_secs(30));
    let own = ("ci.quotas[0]".to_owned(), Per::Job, 10, Duration::from_secs(60));
    assert_eq!(quotas(principal(&policy, "ci")), [own, reads.clone()]);
    assert_eq!(quotas(principal(&policy, "other")), [default, reads]);
    let shared = &policy.shared_quotas[0];
    assert_eq!((&*shared.name, &shared.per), ("quotas[0]", &Per::Source));
    assert_eq!(Some(shared.rate), Rate::new(1000, Duration::from_secs(5400)));
    assert_eq!(shared.operations.iter().collect::<Vec<_>>(), [Operation::Push, Operation::Scrape]);
    let (ci, other) = (&principal(&policy, "ci").payload, &principal(&policy, "other").payload);
    assert_eq!((ci.max_bytes, ci.shape.series), (256 * 1024, 2000));
    assert!(ci.rules.allows("exunit_tests") && !ci.rules.allows("up"));
    assert_eq!((other.max_bytes, other.rules.allows("up")), (100_000, true));
}

#[test]
fn limits_and_rules_of_a_body() {
    let policy = good(
        r#"
version: 1
principals:
  own:
    anonymous: true
    from: anywhere
    grants: [{ operations: [push], job: a }]
    payload:
      max_bytes: 8MiB
      max_families: 7
      max_labels: 64
      max_name_bytes: 200
      max_value_bytes: 2KiB
      max_help_bytes: 3KiB
      max_line_bytes: 4KiB
      max_message_bytes: 5KiB
      denied_metrics: ["secret_*"]
      labels: { team: "a-*", "branch?": main }
      denied_labels: ["user_*"]
      mode: enforce
  other: { anonymous: true, from: anywhere, grants: [{ operations: [push], job: b }] }
defaults:
  payload: { max_decoded_bytes: 2MiB, max_series: 9, metrics: ["*_total"], mode: report, report_until: 2030-01-31 }
"#,
    );
    let (own, other) = (&principal(&policy, "own").payload, &principal(&policy, "other").payload);
    let built_in = PayloadShape::default();
    assert_eq!(other.shape, PayloadShape { series: 9, ..built_in });
    assert_eq!((other.max_bytes, other.max_decoded_bytes), (1 << 20, 2 << 20));
    assert_eq!(
        own.shape,
        PayloadShape {
            series: 9,
            families: 7,
            labels: 64,
            name_bytes: 200,
            value_bytes: 2048,
            help_bytes: 3072,
            line_bytes: 4096,
            message_bytes: 5120,
        }
    );
    assert_eq!((own.max_bytes, own.max_decoded_bytes), (8 << 20, 8 << 20), "a body may come without an encoding");
    assert_eq!(own.rules.mode, Mode::Enforce);
    assert_eq!(policy.reporting().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["other.payload"]);
    let rules = &own.rules;
    assert!(rules.says_labels() && !other.rules.says_labels());
    for (name, allowed) in [("a_total", true), ("up", false), ("secret_x_total", false)] {
        assert_eq!(rules.allows(name), allowed, "{name}");
    }
    for (name, value, verdict) in [
        ("team", "a-1", None),
        ("team", "b-1", Some(LabelRefusal::Value)),
        ("branch", "main", None),
        ("branch", "x", Some(LabelRefusal::Value)),
        ("user_id", "1", Some(LabelRefusal::Denied)),
        ("other", "1", None),
    ] {
        assert_eq!(rules.judge(name, value), verdict, "{name}={value}");
    }
}

/// What is not limited has the built-in limit, operation by operation; nothing is unlimited.
#[test]
fn every_operation_is_counted() {
    let all: Vec<Operation> = default_quotas().iter().flat_map(|rule| rule.operations.iter()).collect();
    for own in ["", "[push]", "[delete]", "[push, replace]", "[scrape]", "[ui, delete]", "[probe]"] {
        let rule = |at: &str| match own {
            "" => String::new(),
            own => format!("{at}quotas: [{{ per: principal, burst: 1, period: 1h, operations: {own} }}]\n"),
        };
        let grants = "grants: [{ operations: [push, replace, delete, scrape, inspect, ui, probe], job: a }]";
        let principal = |quotas: &str| {
            format!("version: 1\nprincipals:\n  a:\n    anonymous: true\n    from: anywhere\n    {grants}\n{quotas}")
        };
        let defaults = match own {
            "" => principal(""),
            _ => principal(&format!("defaults:\n{}", rule("  "))),
        };
        for text in [principal(&rule("    ")), defaults] {
            let policy = good(&text);
            for operation in &all {
                let rules = policy.principals[0].quotas.iter().filter(|rule| rule.operations.contains(*operation));
                assert_eq!(rules.count(), 1, "{operation} with quotas for {own}\n{text}");
            }
        }
    }
}

/// Unknown users cost what the dearest known one costs, and everybody's refused login costs the same.
#[test]
fn decoys_cost_what_passwords_cost() {
    let policy = good(EXAMPLE);
    let cost = |hashes: &[crate::auth::PasswordHash]| hashes.iter().map(|h| h.params()).collect::<Vec<_>>();
    let of = |name: &str| principal(&policy, name).basic.as_ref().map(|b| b.hashes.clone()).unwrap();
    assert_eq!(cost(&policy.decoy), cost(&of("ci")));
    assert_eq!(cost(&policy.decoy), cost(&of("other")));
    assert!(policy.decoy.iter().all(crate::auth::PasswordHash::is_decoy));
    assert_eq!(of("other").iter().map(|h| h.is_decoy()).collect::<Vec<_>>(), [false, true]);
    // Hashes of all kinds: everybody computes one of each.
    let mixed = EXAMPLE.replace("other, password_hash_file: good.phc", "other, password_hash_file: bcrypt.phc");
    let policy = good(&mixed);
    let sorted = |name: &str| {
        let basic = principal(&policy, name).basic.as_ref().unwrap();
        let mut costs = cost(&basic.hashes);
        costs.sort_unstable();
        costs
    };
    assert_eq!((cost(&policy.decoy).len(), sorted("ci")), (3, sorted("other")));
    assert_eq!(sorted("ci"), cost(&policy.decoy));
    let policy = good(EXAMPLE);
    assert_eq!(policy.verifier_memory_kib(), 12288);
    assert!(good("version: 1\nprincipals: {}").decoy.is_empty());
}

/// The case that most people have takes at most 12 lines.
#[test]
fn github_ranges_a_password_and_ten_pushes_a_minute_take_twelve_lines() {
    let text = "version: 1
sources:
  runners: { github: [actions] }
principals:
  ci:
    basic:  { username: ci, password_hash_file: good.phc }
    from:   { require: [runners] }
    grants: [{ operations: [push, replace], job: ci, labels: { workflow: \"*\" } }]
    quotas: [{ per: job, burst: 10, period: 1m }]
";
    assert!(text.lines().count() <= 12, "{} lines", text.lines().count());
    let policy = good(text);
    assert_eq!(quotas(&policy.principals[0])[0], ("ci.quotas[0]".into(), Per::Job, 10, Duration::from_secs(60)));
    assert_eq!(policy.ranges.github.iter().map(|list| &list.name).collect::<Vec<_>>(), ["actions"]);
    assert!(policy.principals[0].basic.is_some());
}

#[test]
fn absolute_secret_files_are_taken() {
    let folder = folder();
    let text = EXAMPLE.replace("two.phc", &folder.path().join("good.phc").display().to_string());
    assert_eq!(good(&text).principals[0].basic.as_ref().map(|b| b.hashes.len()), Some(1));
}

#[test]
fn every_rule_can_report() {
    let policy = good(
        "version: 1
mode: report
report_until: 2030-01-31
sources: { s: { cidrs: [192.0.2.0/24], mode: report } }
principals:
  p:
    basic: { username: p, password_hash_file: good.phc, mode: report }
    from: { require: [s] }
    grants: [{ operations: [push], job: a }, { operations: [push], job: b, mode: report }]
    quotas: [{ per: job, burst: 1, period: 1m, mode: report }]
quotas: [{ per: job, burst: 1, period: 1m, mode: report, report_until: 2030-02-01 }]
",
    );
    let until = |day| Mode::Report { until: Some(humantime::parse_rfc3339(day).unwrap()) };
    let always = Mode::Report { until: None };
    let expected = [
        ("policy", until("2030-01-31T00:00:00Z")),
        ("p.basic", always),
        ("p.grants[1]", always),
        ("p.quotas[0]", always),
        ("quotas[0]", until("2030-02-01T00:00:00Z")),
        ("sources.s", always),
    ];
    assert_eq!(policy.reporting(), expected.map(|(name, mode)| (name.to_owned(), mode)));
}

const LISTS: &str = r#"
version: 1
sources:
  runners: { github: [actions, actions_macos], extra: [203.0.113.7], except: [4.148.0.0/24, 203.0.113.7] }
  ghes: { url: "https://ghes.example.com/api/v3/meta", pointer: /hooks, token_file: good.phc, allow_private: true }
  partner: { url: "https://example.com/list.txt" }
  office: { file: office.txt, pointer: /a~1b }
principals:
  ci:
    basic: { username: ci, password_hash_file: good.phc }
    from: { require: [runners, ghes, partner, office] }
    grants: [{ operations: [push], job: ci }]
"#;

#[test]
fn lists_come_from_github_urls_and_files() {
    use crate::ranges::feed::Origin;
    use crate::ranges::list::Form;
    let policy = good(LISTS);
    let keys: Vec<_> = policy.ranges.github.iter().map(|list| (list.name.as_str(), list.allow_private)).collect();
    assert_eq!(keys, [("actions", false), ("actions_macos", false)]);
    let feeds = policy.ranges.feeds.iter().map(|feed| {
        let [list] = feed.lists.as_slice() else { panic!("one list each: {feed:?}") };
        let origin = match &feed.origin {
            Origin::Url { url, token_file } => format!("{url} {}", token_file.is_some()),
            Origin::File(path) => path.file_name().unwrap().to_string_lossy().into_owned(),
        };
        let form = match &list.form {
            Form::Json(pointer) => pointer.to_string(),
            Form::Text => "text".to_owned(),
        };
        (list.name.clone(), origin, form, list.allow_private)
    });
    let want = [
        ("ghes", "https://ghes.example.com/api/v3/meta true", "/hooks", true),
        ("office", "office.txt", "/a~1b", false),
        ("partner", "https://example.com/list.txt false", "text", false),
    ];
    let want = want.map(|(name, origin, form, private)| (name.into(), origin.into(), form.into(), private));
    assert_eq!(feeds.collect::<Vec<_>>(), want);
    let set = |prefix: &str| Arc::new(PrefixSet::from_prefixes([prefix.parse().unwrap()]));
    let sets = NamedSets::from([("actions".into(), set("4.148.0.0/16")), ("actions_macos".into(), set("8.8.8.0/24"))]);
    let runners = &principal(&policy, "ci").from.sources()[0];
    let admits = |address: &str| runners.admits(address.parse().unwrap(), "default", &sets);
    assert_eq!((admits("4.148.1.1"), admits("8.8.8.8")), (Admits::Yes, Admits::Yes));
    assert_eq!((admits("4.148.0.1"), admits("203.0.113.7"), admits("9.9.9.9")), (Admits::No, Admits::No, Admits::No));
}

#[test]
fn a_list_that_is_the_only_control_is_warned_about() {
    let warned = |policy: &str| match compile(policy, Secrets::Required).0 {
        Ok((_, warnings)) => warnings.iter().filter(|w| w.message.contains("only control")).count(),
        Err(problems) => panic!("{problems:#?}"),
    };
    let policy = |source: &str, who: &str| {
        format!(
            "version: 1\nsources: {{ s: {{ {source} }} }}\nprincipals: {{ p: {{ {who}, from: {{ require: [s] }}, grants: [{{ operations: [push], job: a }}] }} }}"
        )
    };
    let (anonymous, basic) = ("anonymous: true", "basic: { username: a, password_hash_file: good.phc }");
    assert_eq!(warned(&policy("github: [actions]", anonymous)), 1);
    assert_eq!(warned(&policy("url: \"https://example.com/\"", anonymous)), 1);
    assert_eq!(warned(&policy("cidrs: [203.0.113.0/24]", anonymous)), 0);
    assert_eq!(warned(&policy("github: [actions]", basic)), 0);
}
