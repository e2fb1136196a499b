//! Snapshots of what is said of broken policies.

use super::*;

/// Every kind of mistake that leaves a file readable.
const BROKEN: &str = r#"versoin: 1
listeners:
  public: { trusted_proxies: [0.0.0.0/0, 10.42.0.1/16, nonsense] }
  internal: { trusted_proxys: [10.0.0.0/8] }
  empty: { trusted_proxies: [] }
  "bad name": {}
sources:
  everybody4: { cidrs: [0.0.0.0/0] }
  everybody6: { cidrs: ["::/0"] }
  hostbits: { cidrs: [203.0.113.7/24, "2001:db8::1/32"] }
  empty: { cidrs: [] }
  nothing: {}
  extra: { extra: [203.0.113.0/24] }
  badkey: { github: [Actions, "", ssh_keys] }
  kinds: { github: [actions], url: "https://example.com/", file: list.txt }
  badurl: { url: "http://example.com/list", pointer: actions, token_file: missing.token }
  ours: { github: [actions], pointer: /actions, token_file: good.phc }
  actions: { file: good.phc, allow_private: true }
  other: { github: [actions], allow_private: true, extra: [0.0.0.0/0], except: [10.0.0.0/33] }
  typo: { cidrs: [203.0.113.0/24], listeners: [publik] }
  far: { cidrs: [203.0.113.0/24], listeners: [something-else] }
  private: { cidrs: [10.0.0.0/8] }
  office: { cidrs: [203.0.113.0/24], tokens: [x] }
  wrong: [203.0.113.0/24]
  number: { cidrs: [5] }
principals:
  ci:
    basic: { username: ci, password: hunter2, password_hash: $argon2id$x, password_hash_file: good.phc }
    from: { require: [ofice] }
    grants:
      - { operations: [push, replase], job: ci }
      - { operations: [scrape], job: ci }
      - { operations: [scrape], labels: { a: "1" } }
      - { operations: [push] }
      - { operations: [], job: ci }
      - { job: ci }
      - { operations: [push], job: twice, labels: { a: "1" } }
      - { operations: [push], job: twice, labels: { a: "1" } }
      - { operations: [push], job: "", labels: { job: x, le: "*", __x: "*", bad-name: "*", "x?": "1", x: "2" } }
      - { operations: [push], job: "{repository}", labels: { a: "\\", b: 5 } }
      - push
    quotas:
      - { per: jobb, burst: 10, period: 1m }
      - { per: job, burst: 0, period: 1 minute }
      - { per: job, burst: ten, period: 0s }
      - { burst: 1 }
      - { per: job, burst: 1, period: 400d, operations: [push] }
      - { per: job, burst: 1, period: 1m, operations: [scrape] }
    payload:
      max_bytes: 1TiB
      max_series: 0
      max_labels: 2000
      max_line_bytes: 1GiB
      metrics: []
      denied_metrics: ["\\"]
      denied_labels: x
      labels: { a: "1", "a?": "1", "*": "*", b-c: "1", le: 5 }
      max_lables: 5
      mode: dry-run
  twin:
    basic: { username: ci, password_hash_file: good.phc }
    from: { require: [office] }
    grants: [{ operations: [push], job: a }]
  weak:
    basic: { username: weak, password_hash_file: weak.phc }
    from: { require: [office] }
    grants: [{ operations: [push], job: a }]
  absurd:
    basic: { username: absurd, password_hash_file: absurd.phc }
    from: { prefer: [office] }
    grants: [{ operations: [push], job: a }]
  plain:
    basic: { username: "a:b", password_hash_file: plain.phc }
    from: everywhere
    grants: [{ operations: [push], job: a }]
  missing:
    basic: { password_hash_file: missing.phc }
    grants: [{ operations: [push], job: a }]
  many:
    basic: { username: many, password_hash_file: five.phc }
    from: {}
    grants: [{ operations: [push], job: a }]
  files:
    basic: { username: 5 }
    from: { require: [] }
    grants: []
  nobody:
    from: { require: [private] }
  both:
    anonymous: true
    basic: { username: both, password_hash_file: empty.phc }
    from: { require: [private] }
    grants: [{ operations: [push], job: a }]
  anon:
    anonymous: "yes"
    from: { require: [private] }
    grants: [{ operations: [scrape] }]
  ingress:
    anonymous: true
    from: { require: [private] }
    grants: [{ operations: [scrape] }]
  none: { anonymous: true, from: anywhere, grants: [{ operations: [scrape] }] }
  list: []
quotas: [{ per: principal, burst: 10 }]
defaults: { quotas: {}, payload: { max_bytes: 25MiB, max_decoded_bytes: 1KiB } }
"#;

#[test]
fn all_mistakes_at_once() {
    insta::assert_snapshot!(report(BROKEN, Secrets::Required));
}

/// Every problem points into the file, at the line that holds its key.
#[test]
fn lines_are_those_of_the_keys() {
    let (read, _folder) = compile(BROKEN, Secrets::Required);
    let lines: Vec<&str> = BROKEN.lines().collect();
    let problems = read.unwrap_err();
    assert!(problems.is_sorted_by_key(|p| p.line.unwrap_or(0)), "problems are in the order of the file");
    for problem in problems {
        if problem.path.is_empty() {
            continue;
        }
        let line = lines[problem.line.unwrap() - 1];
        let keys = problem.path.split(['.', '[']).rev().filter(|part| !part.ends_with(']'));
        // An item stands on the line of its list, or on one of its own.
        let key = keys.clone().next().unwrap();
        assert!(line.contains(key) || line.trim_start().starts_with('-'), "{problem:?}\n{line}");
    }
}

#[test]
fn optional_secrets_are_only_warned_about() {
    let text = "version: 1
principals:
  a: { basic: { username: a, password_hash_file: missing.phc }, from: anywhere, grants: [{ operations: [scrape] }] }
  b: { basic: { username: b, password_hash_file: public.phc }, from: anywhere, grants: [{ operations: [scrape] }] }
  c: { basic: { username: c, password_hash_file: dearer.phc }, from: anywhere, grants: [{ operations: [scrape] }] }
";
    insta::assert_snapshot!(report(text, Secrets::Optional));
    insta::assert_snapshot!(report(text, Secrets::Required));
}

#[test]
fn hash_files() {
    let names =
        ["weak", "absurd", "bcrypt", "cheap", "cut", "plain", "empty", "huge", "five", "missing", "two", "good"];
    let report = |name: &&str| {
        let text = format!(
            "version: 1\nprincipals:\n  p:\n    basic: {{ username: p, password_hash_file: {name}.phc }}\n    from: \
             anywhere\n    grants: [{{ operations: [scrape] }}]\n"
        );
        super::report(&text, Secrets::Required)
    };
    let all: String = names.iter().map(report).collect();
    assert!(!all.contains("hunter2"), "a password reached a message");
    insta::assert_snapshot!(all);
}

#[test]
fn forms_that_are_not_read() {
    let texts = [
        ("nothing", ""),
        ("a text", "just text"),
        ("a list", "- version: 1"),
        ("another version", "version: 2\nprincipals: {}"),
        ("a version as text", "version: \"1\"\nprincipals: {}"),
        ("no YAML", "version: 1\nprincipals: {"),
        ("tabs", "version: 1\n\tprincipals: {}"),
        ("an alias", "version: 1\nsources: { a: &net { cidrs: [203.0.113.0/24] }, b: *net }\nprincipals: {}"),
        ("an alias of nothing", "version: 1\nprincipals: *nothing"),
        ("a merge key", "version: 1\nprincipals:\n  <<: { a: {} }"),
        ("a repeated key", "version: 1\nprincipals: {}\nprincipals: {}"),
        ("a repeated key in quotes", "version: 1\n\"version\": 1\nprincipals: {}"),
        ("a tag", "version: !!int 1\nprincipals: !policy {}"),
        ("two documents", "version: 1\nprincipals: {}\n---\nversion: 1\nprincipals: {}"),
        ("a key that is a list", "version: 1\n? [a, b]\n: c\nprincipals: {}"),
        ("a key that is a number", "version: 1\nprincipals: { 5: {} }"),
        ("a null key", "version: 1\nprincipals: { ~: {} }"),
        ("deep nesting", &format!("version: 1\nprincipals: {}{}", "[".repeat(100), "]".repeat(100))),
    ];
    let shown = |(what, text): &(&str, &str)| format!("# {what}\n{}", report(text, Secrets::Optional));
    insta::assert_snapshot!(texts.iter().map(shown).collect::<Vec<_>>().join("\n"));
}

#[test]
fn modes() {
    let principal = "p: { anonymous: true, from: anywhere, grants: [{ operations: [scrape] }] }";
    let said = |keys: &str| report(&format!("version: 1\n{keys}\nprincipals: {{ {principal} }}\n"), Secrets::Optional);
    for (keys, expected) in [
        ("mode: enforce", "ok\n"),
        ("mode: report\nreport_until: 2030-01-31", "ok\n"),
        ("mode: report\nreport_until: 2030-01-31T12:30:00Z", "ok\n"),
        (
            "mode: report",
            "ok\npolicy.yaml:2: mode: without an end; report_until: 2030-01-31 would name the day it enforces again\n",
        ),
        ("mode: reprot", "problems\npolicy.yaml:2: mode: unknown mode \"reprot\"; did you mean \"report\"?\n"),
        (
            "report_until: 2030-01-31",
            "problems\npolicy.yaml:2: report_until: report_until is for mode: report; write that too, or remove it\n",
        ),
        (
            "mode: report\nreport_until: 31.1.2030",
            "problems\npolicy.yaml:3: report_until: \"31.1.2030\" is not a day such as 2030-01-31, or a time such as \
             2030-01-31T12:00:00Z\n",
        ),
        (
            "mode: report\nreport_until: 2030-02-31",
            "problems\npolicy.yaml:3: report_until: \"2030-02-31\" is not a day such as 2030-01-31, or a time such as \
             2030-01-31T12:00:00Z\n",
        ),
    ] {
        assert_eq!(said(keys), expected, "{keys}");
    }
}
