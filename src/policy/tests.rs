//! Matching: patterns, grants, sources and quota keys, each against a rule that is written down naively.

mod inclusion;
mod tokens;

use super::*;
use crate::auth::token::{ClaimPathError, Claims};
use crate::limit::Rate;
use crate::prefix_set::PrefixSet;
use crate::request::GroupingKey;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn pattern(text: &str) -> Pattern {
    Pattern::read(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn patterns() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("ci", &["ci"], &["", "c", "cii", "CI", "ci ", "xci"]),
        ("*", &["", "a", "a/b", "\u{1f600}", "*", "line\nfeed"], &[]),
        ("**", &["", "a"], &[]),
        ("ci-*", &["ci-", "ci-1", "ci-a/b", "ci-*"], &["ci", "xci-1", "CI-1"]),
        ("*-ci", &["-ci", "x-ci", "-ci-ci"], &["ci", "x-ci-"]),
        ("a*a", &["aa", "aba", "aaa"], &["a", "ab", "ba"]),
        ("a*b*c", &["abc", "a-b-c", "abbc", "abcbc"], &["ac", "acb", "abcx"]),
        ("*ab*ab*", &["abab", "xabxabx"], &["ab", "aba", "aab"]),
        ("ab*ba", &["abba", "ab-ba"], &["aba", "ab"]),
        ("a\\*b", &["a*b"], &["ab", "axb", "a\\*b"]),
        ("a\\\\b", &["a\\b"], &["ab", "a\\\\b"]),
        ("\\{x\\}", &["{x}"], &["x", "\\{x\\}"]),
        ("\\a", &["a"], &["\\a"]),
        ("Elixir/Phoenix *", &["Elixir/Phoenix CI"], &["Elixir/Phoenix"]),
        ("a.c", &["a.c"], &["abc"]),
        ("a?", &["a?"], &["a", "ab"]),
        ("[ab]", &["[ab]"], &["a"]),
        ("caf\u{e9}*", &["caf\u{e9}s"], &["cafe\u{301}s"]),
        ("\u{e9}*\u{e9}", &["\u{e9}\u{e9}", "\u{e9}x\u{e9}"], &["\u{e9}"]),
    ];
    for (text, matching, others) in rows {
        for value in *matching {
            assert!(pattern(text).matches(value), "{text:?} does not match {value:?}");
        }
        for value in *others {
            assert!(!pattern(text).matches(value), "{text:?} matches {value:?}");
        }
        assert_eq!(pattern(text).source(), *text);
    }
}

#[test]
fn texts_that_are_no_patterns() {
    use PatternError::*;
    let rows = [
        ("", Empty),
        ("a\\", DanglingEscape),
        ("\\", DanglingEscape),
        ("{repository}", Claim),
        ("a}", Brace),
        ("a\\\\{", Brace),
        ("{a", Brace),
        ("{}", Name(ClaimPathError::Empty)),
        ("{/~}", Name(ClaimPathError::Escape)),
    ];
    for (text, error) in rows {
        assert_eq!(Pattern::read(text), Err(error), "{text:?}");
    }
}

/// Matching by trying everything.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
        (['\\', c, rest @ ..], [t, tail @ ..]) => c == t && naive(rest, tail),
        ([c, rest @ ..], [t, tail @ ..]) if *c != '\\' => c == t && naive(rest, tail),
        _ => false,
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn patterns_match_as_the_naive_rule(text in "[ab*\\\\\u{e9}]{1,7}", value in "[ab*\\\\\u{e9}]{0,8}") {
        if let Ok(pattern) = Pattern::read(&text) {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            prop_assert_eq!(pattern.matches(&value), naive(&chars(&text), &chars(&value)), "{:?} {:?}", text, value);
        }
    }

    #[test]
    fn any_escaped_text_matches_itself_alone(text in ".{1,12}", other in ".{0,12}") {
        let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
        prop_assert!(pattern(&escaped).matches(&text));
        prop_assert_eq!(pattern(&escaped).matches(&other), text == other);
    }
}

/// Against catastrophic backtracking: many stars over a long value that almost matches.
#[test]
fn many_stars_cost_little() {
    let pattern = pattern(&"a*".repeat(2000));
    assert!(!pattern.matches(&format!("{}b", "a".repeat(1000))));
    assert!(pattern.matches(&"a".repeat(8000)));
}

fn key(text: &str) -> GroupingKey {
    GroupingKey::read(format!("job/{text}").as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// A grant of pushes to the job `j` with labels as `name=pattern`; the name may be `*` or end in `?`.
fn labelled(labels: &str) -> Grant {
    let mut grant = Grant {
        mode: Mode::Enforce,
        name: "grant".into(),
        operations: [Operation::Push].into_iter().collect(),
        jobs: vec![pattern("j"), pattern("k-*")],
        labels: Vec::new(),
        further: None,
    };
    for (name, value) in labels.split_whitespace().filter_map(|label| label.split_once('=')) {
        match (name, name.strip_suffix('?')) {
            ("*", _) => grant.further = Some(pattern(value)),
            (_, Some(name)) => {
                grant.labels.push(LabelRule { name: name.into(), value: pattern(value), optional: true })
            }
            _ => grant.labels.push(LabelRule { name: name.into(), value: pattern(value), optional: false }),
        }
    }
    grant
}

#[test]
fn grants_cover_what_they_name_and_no_more() {
    use LabelFault::*;
    let missing = |name: &str| Err(Miss::Label(Missing(name.into())));
    let unexpected = |name: &str| Err(Miss::Label(Unexpected(name.into())));
    let value = |name: &str| Err(Miss::Label(Value(name.into())));
    let rows = [
        ("", "j", Ok(())),
        ("", "k-1", Ok(())),
        ("", "x", Err(Miss::Job)),
        ("", "x/a/1", Err(Miss::Job)),
        ("", "j/a/1", unexpected("a")),
        ("a=1", "j/a/1", Ok(())),
        ("a=1", "j", missing("a")),
        ("a=1", "j/a/2", value("a")),
        ("a=1", "j/a/1/b/2", unexpected("b")),
        ("a=1", "j/b/2", unexpected("b")),
        ("a=1 b=2", "j/b/2/a/1", Ok(())),
        ("a=*", "j/a@base64/Lw", Ok(())),
        ("a=1", "j/a@base64/MQ", Ok(())),
        ("a?=1", "j", Ok(())),
        ("a?=1", "j/a/1", Ok(())),
        ("a?=1", "j/a/2", value("a")),
        ("*=*", "j", Ok(())),
        ("*=*", "j/a/1/b/2", Ok(())),
        ("*=v-*", "j/a/v-1", Ok(())),
        ("*=v-*", "j/a/1", value("a")),
        ("a=1 *=*", "j/b/2", missing("a")),
        ("a=1 *=*", "j/a/2/b/2", value("a")),
        ("a=1 *=*", "j/a/1/b/2", Ok(())),
        ("a?=1 *=*", "j/a/2", value("a")),
        ("a=1", "j/A/1", unexpected("A")),
    ];
    for (labels, path, expected) in rows {
        let found = labelled(labels).covers(Operation::Push, Some(&key(path)), Claims::none());
        assert_eq!(found, expected, "labels {labels:?} on {path}");
        let other = labelled(labels).covers(Operation::Replace, Some(&key(path)), Claims::none());
        assert_eq!(other, Err(Miss::Operation), "labels {labels:?} on {path}");
    }
}

#[test]
fn reads_have_no_job_to_cover() {
    let grant = Grant { operations: [Operation::Scrape].into_iter().collect(), jobs: Vec::new(), ..labelled("") };
    assert_eq!(grant.covers(Operation::Scrape, None, Claims::none()), Ok(()));
    assert_eq!(grant.covers(Operation::Probe, None, Claims::none()), Err(Miss::Operation));
    let writes = Grant { operations: OperationSet::writes(), jobs: Vec::new(), ..labelled("") };
    assert_eq!(writes.covers(Operation::Push, Some(&key("j")), Claims::none()), Err(Miss::Job), "no pattern is no job");
}

proptest! {
    #![proptest_config(cases(4000))]

    /// The labels that pass are exactly those that the rule in words lets pass.
    #[test]
    fn labels_fit_as_the_rule_says(
        rules in proptest::collection::btree_map("[abc]", (prop_oneof!["[12]", Just("*".to_owned())], any::<bool>()), 0..3),
        further in proptest::option::of(prop_oneof!["[12]", Just("*".to_owned())]),
        labels in proptest::collection::btree_map("[abcd]", "[123]", 0..4),
    ) {
        let mut grant = labelled("");
        grant.further = further.as_deref().map(pattern);
        grant.labels = rules
            .iter()
            .map(|(name, (value, optional))| LabelRule { name: name.clone(), value: pattern(value), optional: *optional })
            .collect();
        let fits = |wanted: &str, value: &str| wanted == "*" || wanted == value;
        let each = labels.iter().all(|(name, value)| match (rules.get(name), &further) {
            (Some((wanted, _)), _) => fits(wanted, value),
            (None, Some(wanted)) => fits(wanted, value),
            (None, None) => false,
        });
        let all_there = rules.iter().all(|(name, (_, optional))| *optional || labels.contains_key(name));
        let key = GroupingKey::new("j", labels).unwrap();
        prop_assert_eq!(grant.covers(Operation::Push, Some(&key), Claims::none()).is_ok(), each && all_there);
    }
}

#[test]
fn quotas_are_counted_under_values_that_do_not_mix() {
    let (v4, v6): (IpAddr, IpAddr) = ("203.0.113.9".parse().unwrap(), "2001:db8:1:2:3:4:5:6".parse().unwrap());
    let key = GroupingKey::read(b"job/a/x/1").unwrap();
    let rows = [
        (Per::Job, v4, "a"),
        (Per::Group, v4, "/metrics/job/a/x/1"),
        (Per::Principal, v4, ""),
        (Per::Source, v4, "203.0.113.9"),
        (Per::Source, v6, "2001:db8:1:2::/64"),
        (Per::Source, "2001:db8:1:2:ffff::1".parse().unwrap(), "2001:db8:1:2::/64"),
        (Per::Source, "2001:db8:1:3::".parse().unwrap(), "2001:db8:1:3::/64"),
        (Per::Source, "::1".parse().unwrap(), "0:0:0:0::/64"),
        (Per::Source, "::ffff:203.0.113.9".parse().unwrap(), "203.0.113.9"),
    ];
    for (per, source, expected) in rows {
        assert_eq!(per.value(Some(&key), source, Claims::none()), expected, "{} {source}", per.name());
    }
    assert_eq!(Per::Job.value(None, v4, Claims::none()), "");
    let spelled = |path: &[u8]| Per::Group.value(Some(&GroupingKey::read(path).unwrap()), v4, Claims::none());
    assert_eq!(spelled(b"job/a/x/1/y/2"), spelled(b"job@base64/YQ==/y/2/x@base64/MQ/"), "one group, one bucket");
    assert_ne!(spelled(b"job/a/x/1"), spelled(b"job/a/x@base64/MS94"));
}

fn source(prefixes: &[&str], github: &[&str], listeners: Option<&[&str]>) -> Arc<Source> {
    Arc::new(Source {
        mode: Mode::Enforce,
        name: "source".into(),
        prefixes: PrefixSet::from_prefixes(prefixes.iter().map(|p| p.parse().unwrap())),
        sets: github.iter().map(|key| (*key).to_owned()).collect(),
        except: PrefixSet::default(),
        listeners: listeners.map(|names| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>()),
    })
}

#[test]
fn sources_admit_by_address_and_listener() {
    use Admits::*;
    let actions = PrefixSet::from_prefixes(["198.51.100.0/24".parse().unwrap()]);
    let sets = NamedSets::from([("actions".to_owned(), Arc::new(actions))]);
    let rows = [
        (source(&["10.0.0.0/8"], &[], None), "10.1.1.1", "any", Yes),
        (source(&["10.0.0.0/8"], &[], None), "::ffff:10.1.1.1", "any", Yes),
        (source(&["10.0.0.0/8"], &[], None), "11.0.0.0", "any", No),
        (source(&["10.0.0.0/8"], &[], Some(&["in"])), "10.1.1.1", "in", Yes),
        (source(&["10.0.0.0/8"], &[], Some(&["in"])), "10.1.1.1", "out", No),
        (source(&["10.0.0.0/8"], &[], Some(&[])), "10.1.1.1", "in", No),
        (source(&[], &[], None), "10.1.1.1", "any", No),
        (source(&[], &["actions"], None), "198.51.100.7", "any", Yes),
        (source(&[], &["actions"], None), "198.51.101.7", "any", No),
        (source(&[], &["hooks"], None), "198.51.100.7", "any", SetMissing),
        (source(&[], &["actions", "hooks"], None), "198.51.100.7", "any", Yes),
        (source(&[], &["actions", "hooks"], None), "9.9.9.9", "any", SetMissing),
        (source(&["9.9.9.9/32"], &["hooks"], None), "9.9.9.9", "any", Yes),
        (source(&[], &["hooks"], Some(&["in"])), "9.9.9.9", "out", No),
    ];
    for (source, address, listener, expected) in rows {
        let found = source.admits(address.parse().unwrap(), listener, &sets);
        assert_eq!(found, expected, "{source:?} {address} over {listener}");
    }
}

#[test]
fn a_principal_may_be_used_where_any_of_its_sources_admits() {
    use Admits::*;
    let sets = NamedSets::new();
    let admits = |from: &From| from.admits("10.1.1.1".parse().unwrap(), "in", &sets);
    let (yes, no, missing) =
        (source(&["10.0.0.0/8"], &[], None), source(&["11.0.0.0/8"], &[], None), source(&[], &["x"], None));
    let rows = [
        (vec![], No),
        (vec![&no], No),
        (vec![&yes], Yes),
        (vec![&no, &yes], Yes),
        (vec![&missing], SetMissing),
        (vec![&missing, &no], SetMissing),
        (vec![&no, &missing], SetMissing),
        (vec![&missing, &yes], Yes),
        (vec![&yes, &missing], Yes),
    ];
    for (sources, expected) in rows {
        let from = From::Require(sources.into_iter().cloned().collect());
        assert_eq!(admits(&from), expected, "{from:?}");
    }
    assert_eq!(admits(&From::Anywhere), Yes);
}

#[test]
fn private_addresses() {
    let private = [
        "10.0.0.0",
        "10.255.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.168.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.0",
        "100.127.255.255",
        "::1",
        "fd00::1",
        "fc00::",
        "fe80::1",
        "febf::1",
        "::ffff:10.0.0.1",
    ];
    let public = [
        "9.255.255.255",
        "11.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "169.253.0.1",
        "2001:db8::1",
        "fec0::1",
        "ff02::1",
        "::2",
        "::ffff:8.8.8.8",
    ];
    for (addresses, expected) in [(&private[..], true), (&public[..], false)] {
        for address in addresses {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }
}

#[test]
fn operation_sets() {
    assert_eq!(OperationSet::writes().iter().map(Operation::name).collect::<Vec<_>>(), ["push", "replace", "delete"]);
    assert_eq!(OperationSet::reads().iter().map(Operation::name).collect::<Vec<_>>(), ["scrape", "inspect", "ui"]);
    assert!(OperationSet::default().is_empty());
    for operation in Operation::ALL {
        let alone: OperationSet = [*operation].into_iter().collect();
        assert_eq!(alone.iter().collect::<Vec<_>>(), [*operation]);
        assert_eq!(OperationSet::writes().contains(*operation), operation.writes());
    }
}

#[test]
fn default_limits_are_the_documented_ones() {
    let minute = Duration::from_secs(60);
    let shown = default_quotas().map(|rule| (rule.name.to_string(), rule.per, rule.rate, rule.operations));
    assert_eq!(
        shown,
        [
            ("default.writes".into(), Per::Job, Rate::new(60, minute).unwrap(), OperationSet::writes()),
            ("default.reads".into(), Per::Source, Rate::new(300, minute).unwrap(), OperationSet::reads()),
        ]
    );
    assert_eq!(Limits::default().login_rate(), Rate::new(10, minute).unwrap());
    assert!(PayloadLimits::default().max_bytes <= Limits::default().body_bytes);
    assert_eq!(Policy::default().verifier_memory_kib(), 0);
    assert!(Policy::default().listener("any").trusted_proxies.is_empty());
}
