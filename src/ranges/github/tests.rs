use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::prefix_set::PrefixSet;

fn keys(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

type Sets = BTreeMap<String, Vec<IpNet>>;

fn sets(pairs: &[(&str, &[&str])]) -> Sets {
    let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    pairs.iter().map(|(key, texts)| ((*key).to_owned(), list(texts))).collect()
}

/// Files of a folder of real documents, which are no part of the project; none where they are not there.
fn samples(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/meta")).join(folder);
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED, NOTHING IS PROVED: {} is missing", folder.display());
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.is_file() && !path.to_string_lossy().ends_with(".jsonl")).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn bad_entry(key: &str, index: usize, entry: &str, why: PrefixError) -> MetaError {
    MetaError::BadEntry { key: key.to_owned(), index, entry: entry.to_owned(), why }
}

#[test]
fn reads_selected_keys_only() {
    let body = br#"{"ssh_keys":["ssh-ed25519 AAAA"],"a":["10.0.0.0/8","2001:db8::/32"],"domains":{"a":[null,{}]},
        "b":["192.0.2.1","2001:db8::1"],"c":null,"a\u0062":"x"}"#;
    let cases: &[(&[&str], Sets)] = &[
        (&["a"], sets(&[("a", &["10.0.0.0/8", "2001:db8::/32"])])),
        (&["b"], sets(&[("b", &["192.0.2.1/32", "2001:db8::1/128"])])),
        (&["a", "b"], sets(&[("a", &["10.0.0.0/8", "2001:db8::/32"]), ("b", &["192.0.2.1/32", "2001:db8::1/128"])])),
        (&[], sets(&[])),
    ];
    for (names, want) in cases {
        assert_eq!(parse(body, &keys(names)), Ok(Document { sets: want.clone() }), "keys {names:?}");
    }
}

#[test]
fn refuses_the_whole_document() {
    let key = || "a".to_owned();
    let not_string = |index| MetaError::NotAString { key: key(), index };
    let cases: &[(&str, MetaError)] = &[
        ("[]", MetaError::NotAnObject),
        ("null", MetaError::NotAnObject),
        (r#""a""#, MetaError::NotAnObject),
        ("7", MetaError::NotAnObject),
        ("{}", MetaError::Missing(key())),
        (r#"{"A":["10.0.0.0/8"]}"#, MetaError::Missing(key())),
        (r#"{"b":{"a":["10.0.0.0/8"]}}"#, MetaError::Missing(key())),
        (r#"{"a":["10.0.0.0/8"],"a":["11.0.0.0/8"]}"#, MetaError::Repeated(key())),
        (r#"{"a":["10.0.0.0/8"],"\u0061":["10.0.0.0/8"]}"#, MetaError::Repeated(key())),
        (r#"{"a":null}"#, MetaError::NotAnArray(key())),
        (r#"{"a":"10.0.0.0/8"}"#, MetaError::NotAnArray(key())),
        (r#"{"a":{"0":"10.0.0.0/8"}}"#, MetaError::NotAnArray(key())),
        (r#"{"a":true}"#, MetaError::NotAnArray(key())),
        (r#"{"a":[]}"#, MetaError::Empty(key())),
        (r#"{"a":[null]}"#, not_string(0)),
        (r#"{"a":["10.0.0.0/8",7]}"#, not_string(1)),
        (r#"{"a":["10.0.0.0/8",["11.0.0.0/8"]]}"#, not_string(1)),
        (r#"{"a":["10.0.0.0/8",{}]}"#, not_string(1)),
        (r#"{"a":["10.0.0.0/8","x"],"b":1}"#, bad_entry("a", 1, "x", PrefixError::Address)),
        (r#"{"a":["\u001b[31m\n/8"]}"#, bad_entry("a", 0, "\\u{1b}[31m\\n/8", PrefixError::Address)),
    ];
    for (body, want) in cases {
        assert_eq!(parse(body.as_bytes(), &keys(&["a"])).as_ref(), Err(want), "{body}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    let good = r#"{"a":["10.0.0.0/8"],"b":[1]}"#;
    assert!(parse(good.as_bytes(), &keys(&["a"])).is_ok());
    let mut cases = vec![
        "{\"a\":[\"10.0.0.0/8\"]} x".to_owned(),
        "{\"a\":[\"10.0.0.0/8\",]}".to_owned(),
        "{\"a\":[\"10.0.0.0/8\"],}".to_owned(),
        "{\"a\":[\"10.0.0.0/8\"],\"b\":[}".to_owned(),
        "\u{feff}{\"a\":[\"10.0.0.0/8\"]}".to_owned(),
        "<!DOCTYPE html>".to_owned(),
    ];
    cases.extend((0..good.len()).map(|length| good[..length].to_owned()));
    for body in cases {
        let read = parse(body.as_bytes(), &keys(&["a"]));
        let bad_cut = matches!(read, Err(MetaError::NotJson(_)));
        assert!(bad_cut, "{body:?} gave {read:?}");
    }
}

#[test]
fn reads_exact_prefixes_only() {
    let good = [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("192.0.2.1/32", "192.0.2.1/32"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("2001:0db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104"),
    ];
    for (text, want) in good {
        assert_eq!(parse_prefix(text).map(|prefix| prefix.to_string()), Ok(want.to_owned()), "{text}");
    }
    let bad: &[(PrefixError, &[&str])] = &[
        (
            PrefixError::Address,
            &["", "/", "/8", "x", "10.0.0/8", "10.0.0.0.0/8", " 10.0.0.0/8", "010.0.0.0/8", "256.0.0.0/8"],
        ),
        (
            PrefixError::Address,
            &["fe80::1%eth0/128", "[::1]/128", "10.0.0.0:80", "0x0a.0.0.0/8", "12:::/16", "10.0.0.0 "],
        ),
        (PrefixError::Length, &["10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/-1"]),
        (
            PrefixError::Length,
            &["10.0.0.0/8/8", "10.0.0.0/8 ", "10.0.0.0/00", "10.0.0.0/256", "10.0.0.0/255.0.0.0", "10.0.0.0/٨"],
        ),
        (PrefixError::HostBits, &["10.0.0.1/8", "192.0.2.1/31", "2001:db8::1/64", "0.0.0.1/0", "::ffff:10.0.0.1/104"]),
    ];
    for (why, texts) in bad {
        for text in *texts {
            assert_eq!(parse_prefix(text), Err(*why), "{text:?}");
        }
    }
}

#[test]
fn an_error_names_key_and_entry_and_stays_short() {
    let body = format!(r#"{{"actions":["10.0.0.0/8","{}"]}}"#, "é\\n".repeat(100_000));
    let text = parse(body.as_bytes(), &keys(&["actions"])).unwrap_err().to_string();
    assert!(text.starts_with("entry 1 of key \"actions\", \"é\\né\\n"), "{text}");
    assert!(text.ends_with("…\": not an IP address"), "{text}");
    assert!(text.len() < 200, "{} bytes", text.len());
    assert_eq!(shown(&"a".repeat(64)), "a".repeat(64));
    assert_eq!(shown(&"a".repeat(65)), format!("{}…", "a".repeat(64)));
}

#[test]
fn reads_real_documents() {
    for path in samples(".").into_iter().chain(samples("twins")) {
        let body = fs::read(&path).unwrap();
        let document = parse(&body, &keys(&["actions", "hooks", "web"])).unwrap();
        let set = PrefixSet::from_prefixes(document.sets["actions"].iter().copied());
        let (addresses, networks) = set.coverage();
        let name = path.display();
        assert!((19_000_000..30_000_000).contains(&addresses), "{name}: {addresses} addresses");
        assert!(networks > 100_000 && !set.contains("127.0.0.1".parse().unwrap()), "{name}: {networks} networks");
        for inside in &document.sets["actions"] {
            assert!(set.contains(inside.addr()) && set.contains(inside.broadcast()), "{name}: {inside}");
        }
        for refused in ["ssh_keys", "ssh_key_fingerprints", "domains", "no_such_key"] {
            assert!(parse(&body, &keys(&["actions", refused])).is_err(), "{name}: {refused}");
        }
    }
}

#[test]
fn counts_the_newest_real_document() {
    let Some(path) = samples(".").into_iter().rfind(|path| path.to_string_lossy().contains("2026-08-13")) else {
        return;
    };
    let document = parse(&fs::read(path).unwrap(), &keys(&["actions", "actions_macos"])).unwrap();
    let set = PrefixSet::from_prefixes(document.sets["actions"].iter().copied());
    assert_eq!((document.sets["actions"].len(), document.sets["actions_macos"].len()), (7280, 8));
    assert_eq!((set.ranges(), set.coverage().0 / 10_000), (2003 + 651, 2794));
}

#[test]
fn twins_are_one_document() {
    let twins: Vec<_> =
        samples("twins").iter().map(|path| parse(&fs::read(path).unwrap(), &keys(&["actions"]))).collect();
    assert!(twins.windows(2).all(|pair| pair[0].is_ok() && pair[0] == pair[1]));
}

#[test]
fn refuses_real_bad_documents() {
    for path in samples("bad") {
        let body = fs::read(&path).unwrap();
        for key in ["actions", "hooks", "web", "git", "message"] {
            let read = parse(&body, &keys(&[key]));
            assert!(read.is_err(), "{} gave {read:?} for {key}", path.display());
        }
    }
}

fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<[u8; 4]>(), 0u8..=32).prop_map(|(bits, length)| IpNet::new(IpAddr::from(bits), length).unwrap());
    let v6 = (any::<[u8; 16]>(), 0u8..=128).prop_map(|(bits, length)| IpNet::new(IpAddr::from(bits), length).unwrap());
    prop_oneof![v4, v6].prop_map(|prefix| prefix.trunc())
}

proptest! {
    #[test]
    fn emit_then_parse_is_identity(
        sets in prop::collection::btree_map(".*", prop::collection::vec(prefix(), 1..8), 0..4),
        other in ".*",
    ) {
        let text = |list: &Vec<IpNet>| list.iter().map(IpNet::to_string).collect::<Vec<_>>();
        let mut emitted: BTreeMap<_, _> = sets.iter().map(|(key, list)| (key.clone(), text(list))).collect();
        let selected: BTreeSet<String> = sets.keys().cloned().collect();
        emitted.entry(other).or_insert_with(|| vec!["not a prefix".to_owned()]);
        for body in [serde_json::to_vec(&emitted).unwrap(), serde_json::to_vec_pretty(&emitted).unwrap()] {
            prop_assert_eq!(parse(&body, &selected), Ok(Document { sets: sets.clone() }));
        }
    }

    #[test]
    fn takes_no_body_by_accident(body in prop::collection::vec(any::<u8>(), 0..200), text in ".*") {
        prop_assert!(parse(&body, &keys(&["actions"])).is_err());
        prop_assert!(parse(text.as_bytes(), &keys(&["actions"])).is_err());
        if let Ok(prefix) = parse_prefix(&text) {
            prop_assert_eq!(prefix, prefix.trunc());
        }
    }
}
