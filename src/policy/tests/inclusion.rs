//! What is inside of what, against lists of all that there is.

use super::*;
use crate::policy::{Mode, NamedSets, Source};
use std::sync::Arc;

fn words() -> Vec<String> {
    let mut words = vec![String::new()];
    for length in 0..5 {
        let longest: Vec<String> = words.iter().filter(|word| word.len() == length).cloned().collect();
        // The last letter stands in no pattern.
        words.extend(longest.iter().flat_map(|word| ["a", "b", "-"].map(|letter| format!("{word}{letter}"))));
    }
    words
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn a_pattern_covers_exactly_those_that_match_less(one in "[ab*]{1,4}", other in "[ab*]{1,4}") {
        let (one, other) = (pattern(&one), pattern(&other));
        let less = words().iter().filter(|word| other.matches(word)).all(|word| one.matches(word));
        prop_assert_eq!(one.covers(&other), less, "{:?} over {:?}", one, other);
        prop_assert!(one.matches(&one.example()));
    }

    #[test]
    fn a_source_includes_those_that_admit_less(
        one in source(), other in source(), known in any::<[bool; 2]>(), lists in any::<[[bool; 4]; 2]>()
    ) {
        let of = |list: [bool; 4]| Arc::new(PrefixSet::from_prefixes((0u8..4).filter(|n| list[usize::from(*n)]).map(net)));
        let sets = |lists: [[bool; 4]; 2]| NamedSets::from([("l".to_owned(), of(lists[0])), ("m".to_owned(), of(lists[1]))]);
        let mut at_hand = sets(lists);
        at_hand.retain(|name, _| known[usize::from(name == "m")]);
        if !one.includes(&other, &at_hand) {
            return Ok(());
        }
        // Whatever is in the lists that are not at hand.
        for content in 0u8..16 {
            let list = [0, 1, 2, 3].map(|bit| content & (1 << bit) != 0);
            let mut sets = sets([list, list]);
            sets.extend(at_hand.clone());
            for (number, listener) in (0u8..4).flat_map(|n| ["in", "out"].map(|listener| (n, listener))) {
                let address = IpAddr::from([10, number, 1, 1]);
                let admits = |source: &Source| source.admits(address, listener, &sets) == Admits::Yes;
                prop_assert!(!admits(&other) || admits(&one), "{address} {one:?} {other:?}");
            }
        }
    }
}

fn net(number: u8) -> ipnet::IpNet {
    format!("10.{number}.0.0/16").parse().unwrap()
}

fn source() -> impl Strategy<Value = Source> {
    let some = || proptest::sample::subsequence((0u8..4).map(net).collect::<Vec<_>>(), 0..4);
    let lists = proptest::sample::subsequence(vec!["l".to_owned(), "m".to_owned()], 0..=2);
    let listeners = proptest::option::of(Just(BTreeSet::from(["in".to_owned()])));
    (some(), some(), lists, listeners).prop_map(|(prefixes, except, sets, listeners)| Source {
        name: "s".to_owned(),
        mode: Mode::Enforce,
        prefixes: PrefixSet::from_prefixes(prefixes),
        except: PrefixSet::from_prefixes(except),
        sets,
        listeners,
    })
}

#[test]
fn patterns_with_claims() {
    let claims = |text: &str| Pattern::read_with_claims(text).unwrap();
    for (one, other, covers) in [
        ("*", "{a}", true),
        ("{a}", "{a}", true),
        ("{a}", "{b}", false),
        ("{a}", "*", false),
        ("{a}", "x", false),
        ("ci-*", "ci-{a}-x", true),
        ("ci-*y", "ci-{a}-x", false),
        ("ci-{a}*", "ci-{a}", false),
    ] {
        assert_eq!(claims(one).covers(&claims(other)), covers, "{one} over {other}");
    }
}

#[test]
fn a_set_includes_what_adds_nothing_to_it() {
    let set = |list: &[&str]| PrefixSet::from_prefixes(list.iter().map(|net| net.parse().unwrap()));
    for (one, other) in [
        (&["10.0.0.0/9", "10.128.0.0/9"][..], &["10.0.0.0/8"][..]),
        (&["10.0.0.0/8"], &["10.1.0.0/16", "10.2.0.0/16"]),
        (&["10.1.0.0/16"], &["10.0.0.0/8"]),
        (&["10.0.0.0/8"], &["::1/128"]),
        (&["10.0.0.0/8", "::/64"], &["::1/128"]),
        (&["10.0.0.0/8"], &[]),
        (&[], &["10.0.0.0/8"]),
    ] {
        let (one, other) = (set(one), set(other));
        assert_eq!(one.includes(&other), PrefixSet::union([&one, &other]) == one, "{one:?} {other:?}");
    }
}
