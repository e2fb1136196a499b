//! Units, single rules and arbitrary text.

use super::*;
use crate::config::units;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn sizes() {
    let rows = [
        ("0", Some(0)),
        ("65536", Some(65_536)),
        ("1B", Some(1)),
        ("256KiB", Some(262_144)),
        ("256 KiB", Some(262_144)),
        ("1MiB", Some(1_048_576)),
        ("1GiB", Some(1_073_741_824)),
        ("300kB", Some(300_000)),
        ("300KB", Some(300_000)),
        ("1MB", Some(1_000_000)),
        ("", None),
        ("KiB", None),
        ("1kib", None),
        ("1.5MiB", None),
        ("-1", None),
        ("+1", None),
        ("1 ", Some(1)),
        ("1e3", None),
        ("1TiB", None),
        ("99999999999999999999", None),
        ("18446744073709551615GiB", None),
    ];
    for (text, expected) in rows {
        assert_eq!(units::size(text), expected, "{text:?}");
    }
}

#[test]
fn durations() {
    let seconds = |s| Some(Duration::from_secs(s));
    let rows = [
        ("500ms", Some(Duration::from_millis(500))),
        ("30s", seconds(30)),
        ("1m", seconds(60)),
        ("1h30m", seconds(5400)),
        ("1d", seconds(86_400)),
        ("1w", seconds(604_800)),
        ("0s", seconds(0)),
        ("", None),
        ("s", None),
        ("60", None),
        ("1 m", None),
        ("1M", None),
        ("1min", None),
        ("1.5h", None),
        ("-1m", None),
        ("1m ", None),
        ("99999999999999999999s", None),
        ("18446744073709551615w", None),
    ];
    for (text, expected) in rows {
        assert_eq!(units::duration(text), expected, "{text:?}");
    }
}

/// One mistake, one problem.
#[test]
fn single_mistakes() {
    let policy = |principal: &str| {
        format!("version: 1\nsources: {{ net: {{ cidrs: [10.0.0.0/8] }} }}\nprincipals: {{ p: {{ {principal} }} }}")
    };
    let rows = [
        ("anonymous: true, from: anywhere, grants: [{ operations: [scrape] }]", None),
        ("anonymous: true, from: anywhere, grants: [{ operations: [scrap] }]", Some("did you mean \"scrape\"?")),
        ("anonymous: true, from: anywhere, grant: []", Some("did you mean \"grants\"?")),
        (
            "anonymous: true, from: { require: [nett] }, grants: [{ operations: [scrape] }]",
            Some("did you mean \"net\"?"),
        ),
        ("anonymous: true, from: { require: [net] }, grants: [{ operations: [scrape] }]", Some("behind an ingress")),
        (
            "anonymous: true, from: anywhere, grants: [{ operations: [push], job: '{repository}' }]",
            Some("token principals"),
        ),
        (
            "anonymous: true, from: anywhere, grants: [{ operations: [push], job: a, labels: { x: '{ref}' } }]",
            Some("token principals"),
        ),
        (
            "anonymous: true, from: anywhere, grants: [{ operations: [push], job: a }], payload: { max_bytes: 25165825 }",
            Some("1 to 25165824"),
        ),
        (
            "anonymous: true, from: anywhere, grants: [{ operations: [push], job: a }], payload: { max_bytes: 24MiB }",
            None,
        ),
        ("anonymous: true, from: anywhere, grants: [{ operations: [push], job: 5 }]", Some("put it in quotes")),
        ("anonymous: true, from: anywhere, grants: [{ operations: push, job: a }]", Some("expected a list")),
        ("anonymous: yes, from: anywhere, grants: [{ operations: [scrape] }]", Some("expected true or false")),
    ];
    for (principal, expected) in rows {
        let found = problems(&policy(principal));
        match expected {
            None => assert!(found.is_empty(), "{principal}: {found:?}"),
            Some(text) => assert!(found.iter().any(|p| p.contains(text)), "{principal}: {found:?}"),
        }
    }
}

fn check(text: &str) {
    if let Err(problems) = compile(text, Secrets::Optional).0 {
        assert!(!problems.is_empty());
        let lines = text.split(['\n', '\r']).count() + 1;
        assert!(problems.iter().all(|p| p.line.is_none_or(|line| (1..=lines).contains(&line))), "{problems:?}\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_read_or_refused(text in "\\PC{0,80}|[\u{0}-\u{7f}]{0,80}") {
        check(&text);
    }

    #[test]
    fn arbitrary_yaml_is_read_or_refused(
        lines in proptest::collection::vec("( ){0,3}-?( )?(version|principals|sources|a|\\?|<<|\"|&x|\\*x|!t)?(: )?[\\[\\]{},:#&*!|>'\"%@`a1\\-]{0,6}", 0..8)
    ) {
        check(&lines.join("\n"));
    }

    /// A good policy with one character changed is read or refused with lines.
    #[test]
    fn damaged_policies_are_read_or_refused(at in any::<prop::sample::Index>(), with in any::<char>()) {
        let text = "version: 1\nprincipals:\n  a: { anonymous: true, from: anywhere, grants: [{ operations: [scrape] }] }\n";
        let at = at.index(text.len());
        check(&format!("{}{with}{}", &text[..at], &text[at + 1..]));
    }
}
