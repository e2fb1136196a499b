use super::*;
use crate::prefix_set::PrefixSet;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

fn at(pointer: &str) -> Form {
    Form::Json(Pointer::parse(pointer).unwrap())
}

fn json(pointer: &str, body: &str) -> Result<Vec<String>, ListError> {
    read(&at(pointer), body.as_bytes()).map(|list| list.iter().map(ToString::to_string).collect())
}

fn bad_entry(place: &str, entry: &str, why: PrefixError) -> ListError {
    ListError::BadEntry { place: place.to_owned(), entry: entry.to_owned(), why }
}

#[test]
fn reads_only_where_the_pointer_points() {
    let body = r#"{"ssh_keys":["ssh-ed25519 AAAA"],"a":["10.0.0.0/8","2001:db8::/32"],"domains":{"a":[null,{"b":["192.0.2.1"]}]},
        "c":null,"x/y~z":{"":["192.0.2.2"]},"n":7,"f":1.5,"m":-1,"t":true,"s":"x"}"#;
    let cases: [(&str, &[&str]); 4] = [
        ("/a", &["10.0.0.0/8", "2001:db8::/32"]),
        ("/domains/a/1/b", &["192.0.2.1/32"]),
        ("/x~1y~0z/", &["192.0.2.2/32"]),
        ("", &[]),
    ];
    for (pointer, want) in cases {
        let want: Vec<String> = want.iter().map(|text| (*text).to_owned()).collect();
        let got = json(pointer, body);
        if pointer.is_empty() {
            assert_eq!(got, Err(ListError::NotAnArray("the document".to_owned())));
        } else {
            assert_eq!(got, Ok(want), "{pointer}");
        }
    }
    assert_eq!(json("", r#"["10.0.0.0/8"]"#), Ok(vec!["10.0.0.0/8".to_owned()]));
    for nowhere in [
        "/b",
        "/A",
        "/a/b",
        "/n/a",
        "/f/a",
        "/m/a",
        "/t/a",
        "/s/a",
        "/c/a",
        "/domains/a/01/b",
        "/domains/a/+1/b",
        "/domains/a/9",
        "/domains/a/-",
    ] {
        assert_eq!(json(nowhere, body), Err(ListError::Missing(nowhere.to_owned())), "{nowhere}");
    }
}

#[test]
fn refuses_the_whole_list() {
    let list = || "/a".to_owned();
    let not_string = |index| ListError::NotAString { list: list(), index };
    let cases: &[(&str, ListError)] = &[
        ("[]", ListError::Missing(list())),
        ("null", ListError::Missing(list())),
        (r#""a""#, ListError::Missing(list())),
        ("7", ListError::Missing(list())),
        ("{}", ListError::Missing(list())),
        (r#"{"A":["10.0.0.0/8"]}"#, ListError::Missing(list())),
        (r#"{"b":{"a":["10.0.0.0/8"]}}"#, ListError::Missing(list())),
        (r#"{"a":["10.0.0.0/8"],"a":["11.0.0.0/8"]}"#, ListError::Repeated(list())),
        (r#"{"a":["10.0.0.0/8"],"\u0061":["10.0.0.0/8"]}"#, ListError::Repeated(list())),
        (r#"{"a":null}"#, ListError::NotAnArray(list())),
        (r#"{"a":"10.0.0.0/8"}"#, ListError::NotAnArray(list())),
        (r#"{"a":{"0":"10.0.0.0/8"}}"#, ListError::NotAnArray(list())),
        (r#"{"a":true}"#, ListError::NotAnArray(list())),
        (r#"{"a":[]}"#, ListError::Empty(list())),
        (r#"{"a":[null]}"#, not_string(0)),
        (r#"{"a":["10.0.0.0/8",7]}"#, not_string(1)),
        (r#"{"a":["10.0.0.0/8",["11.0.0.0/8"]]}"#, not_string(1)),
        (r#"{"a":["10.0.0.0/8",{}]}"#, not_string(1)),
        (r#"{"a":["10.0.0.0/8","x"],"b":1}"#, bad_entry("entry 1 of /a", "x", PrefixError::Address)),
        (r#"{"a":["\u001b[31m\n/8"]}"#, bad_entry("entry 0 of /a", "\\u{1b}[31m\\n/8", PrefixError::Address)),
    ];
    for (body, want) in cases {
        assert_eq!(json("/a", body).as_ref(), Err(want), "{body}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    let good = r#"{"a":["10.0.0.0/8"],"b":[1]}"#;
    assert!(json("/a", good).is_ok());
    let mut cases = vec![
        "{\"a\":[\"10.0.0.0/8\"]} x".to_owned(),
        "{\"a\":[\"10.0.0.0/8\",]}".to_owned(),
        "{\"a\":[\"10.0.0.0/8\"],}".to_owned(),
        "{\"a\":[\"10.0.0.0/8\"],\"b\":[}".to_owned(),
        "\u{feff}{\"a\":[\"10.0.0.0/8\"]}".to_owned(),
        "<!DOCTYPE html>".to_owned(),
        format!("{{\"b\":{}", "[".repeat(1_000_000)),
        format!("{{\"a\":{}", "[".repeat(1_000_000)),
    ];
    cases.extend((0..good.len()).map(|length| good[..length].to_owned()));
    for body in cases {
        let read = json("/a", &body);
        let deep = body.len() > 1000 && matches!(read, Err(ListError::NotAString { .. }));
        assert!(deep || matches!(read, Err(ListError::NotJson(_))), "{:.100} gave {read:?}", body);
    }
}

#[test]
fn what_is_skipped_is_text_too() {
    for bytes in [&b"{\"b\":\"\xac\",\"a\":[\"4.0.0.0/24\"]}"[..], b"{\"a\":[\"4.0.0.0/24\"]}\xff", b"\xff\xfe{\0}\0"] {
        assert_eq!(read(&at("/a"), bytes), Err(ListError::NotText), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn reads_plain_text() {
    let good = "# from the office\r\n\r\n 192.0.2.0/24 # first floor\n2001:db8::1\n\t198.51.100.7\n";
    let list = read(&Form::Text, good.as_bytes()).unwrap();
    assert_eq!(
        list.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.0.2.0/24", "2001:db8::1/128", "198.51.100.7/32"]
    );
    let bom = format!("\u{feff}{good}");
    assert_eq!(read(&Form::Text, bom.as_bytes()), Ok(list));
    let empty = || ListError::Empty("the list".to_owned());
    let cases: [(&[u8], ListError); 9] = [
        (b"", empty()),
        (b"\n\n", empty()),
        (b"# 192.0.2.0/24\n", empty()),
        (b"192.0.2.0/24\n192.0.2.1/24\n", bad_entry("line 2", "192.0.2.1/24", PrefixError::HostBits)),
        (b"192.0.2.0/24, 192.0.3.0/24", bad_entry("line 1", "192.0.2.0/24, 192.0.3.0/24", PrefixError::Length)),
        (b"192.0.2.0/24\n\n<html>", bad_entry("line 3", "<html>", PrefixError::Address)),
        (b"[\"192.0.2.0/24\"]", bad_entry("line 1", "[\\\"192.0.2.0/24\\\"]", PrefixError::Address)),
        (b"192.0.2.0/24\0", bad_entry("line 1", "192.0.2.0/24\\0", PrefixError::Length)),
        (b"192.0.2.0/24\n\xff", ListError::NotText),
    ];
    for (bytes, want) in cases {
        assert_eq!(read(&Form::Text, bytes), Err(want), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn takes_no_list_without_end() {
    let lines = |count: usize| "192.0.2.1\n".repeat(count);
    let array = |count: usize| format!("[{}\"192.0.2.1\"]", "\"192.0.2.1\",".repeat(count - 1));
    assert_eq!(read(&Form::Text, lines(MAX_PREFIXES).as_bytes()).unwrap().len(), MAX_PREFIXES);
    assert_eq!(read(&at(""), array(MAX_PREFIXES).as_bytes()).unwrap().len(), MAX_PREFIXES);
    for (form, body) in [(Form::Text, lines(MAX_PREFIXES + 1)), (at(""), array(MAX_PREFIXES + 1))] {
        assert!(matches!(read(&form, body.as_bytes()), Err(ListError::TooMany(_))), "{form:?}");
    }
}

#[test]
fn reads_exact_pointers_only() {
    for good in ["", "/", "/a", "/a/b", "/a~1b/~0", "//", "/0"] {
        let pointer = Pointer::parse(good).unwrap();
        let written = if good.is_empty() { "the document" } else { good };
        assert_eq!(pointer.to_string(), written);
    }
    assert_eq!(Pointer::parse("/actions"), Ok(Pointer::key("actions")));
    for (bad, why) in [
        ("a", PointerError::Start),
        ("#/a", PointerError::Start),
        (" /a", PointerError::Start),
        ("/~", PointerError::Escape),
        ("/a~2", PointerError::Escape),
        ("/~ä", PointerError::Escape),
    ] {
        assert_eq!(Pointer::parse(bad), Err(why), "{bad}");
    }
}

#[test]
fn an_error_names_the_entry_and_stays_short() {
    let body = format!(r#"{{"actions":["10.0.0.0/8","{}"]}}"#, "é\\n".repeat(100_000));
    let text = json("/actions", &body).unwrap_err().to_string();
    assert!(text.starts_with("entry 1 of /actions, \"é\\né\\n"), "{text}");
    assert!(text.ends_with("…\": not an IP address") && text.len() < 200, "{text}");
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

#[test]
fn reads_real_documents() {
    for path in samples(".").into_iter().chain(samples("twins")) {
        let body = fs::read(&path).unwrap();
        let list = read(&at("/actions"), &body).unwrap();
        let set = PrefixSet::from_prefixes(list.iter().copied());
        let (addresses, networks) = set.coverage();
        let name = path.display();
        assert!((19_000_000..30_000_000).contains(&addresses), "{name}: {addresses} addresses");
        assert!(networks > 100_000 && !set.contains("127.0.0.1".parse().unwrap()), "{name}: {networks} networks");
        for inside in &list {
            assert!(set.contains(inside.addr()) && set.contains(inside.broadcast()), "{name}: {inside}");
        }
        for refused in ["/ssh_keys", "/ssh_key_fingerprints", "/domains", "/domains/website", "/no_such_key", ""] {
            assert!(read(&at(refused), &body).is_err(), "{name}: {refused}");
        }
    }
}

#[test]
fn counts_the_newest_real_document() {
    let Some(path) = samples(".").into_iter().rfind(|path| path.to_string_lossy().contains("2026-08-13")) else {
        return;
    };
    let body = fs::read(path).unwrap();
    let list = read(&at("/actions"), &body).unwrap();
    let set = PrefixSet::from_prefixes(list.iter().copied());
    assert_eq!((list.len(), read(&at("/actions_macos"), &body).unwrap().len()), (7280, 8));
    assert_eq!((set.ranges(), set.coverage().0 / 10_000), (2003 + 651, 2794));
    assert!(set.bytes() < 128 * 1024, "{} bytes", set.bytes());
    let key = read(&at("/commit_signing_keys"), &body).unwrap_err();
    assert!(matches!(&key, ListError::BadEntry { entry, .. } if entry.starts_with("-----BEGIN PGP")), "{key}");
}

#[test]
fn twins_are_one_list() {
    let twins: Vec<_> = samples("twins").iter().map(|path| read(&at("/actions"), &fs::read(path).unwrap())).collect();
    assert!(twins.windows(2).all(|pair| pair[0].is_ok() && pair[0] == pair[1]));
}

#[test]
fn refuses_real_bad_documents() {
    for path in samples("bad") {
        let body = fs::read(&path).unwrap();
        for pointer in ["/actions", "/hooks", "/web", "/git", "/message", ""] {
            let list = read(&at(pointer), &body);
            assert!(list.is_err(), "{} gave {list:?} for {pointer}", path.display());
        }
        assert!(read(&Form::Text, &body).is_err(), "{}", path.display());
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
        sets in prop::collection::btree_map(".*", prop::collection::vec(prefix(), 1..8), 1..4),
        other in ".*",
    ) {
        let text = |list: &Vec<IpNet>| list.iter().map(IpNet::to_string).collect::<Vec<_>>();
        let mut emitted: BTreeMap<_, _> = sets.iter().map(|(key, list)| (key.clone(), text(list))).collect();
        emitted.entry(other).or_insert_with(|| vec!["not a prefix".to_owned()]);
        for body in [serde_json::to_vec(&emitted).unwrap(), serde_json::to_vec_pretty(&emitted).unwrap()] {
            for (key, list) in &sets {
                prop_assert_eq!(read(&Form::Json(Pointer::key(key)), &body), Ok(list.clone()));
            }
        }
        for list in sets.values() {
            prop_assert_eq!(read(&Form::Text, text(list).join("\n").as_bytes()), Ok(list.clone()));
        }
    }

    /// Against the tree that `serde_json` builds.
    #[test]
    fn pointers_lead_where_the_standard_says(
        value in json_value(),
        tokens in prop::collection::vec(prop_oneof![Just("a".to_owned()), Just("~/".to_owned()), "[0-3]"], 0..4),
    ) {
        let pointer: String = tokens.iter().map(|t| format!("/{}", t.replace('~', "~0").replace('/', "~1"))).collect();
        let list = read(&at(&pointer), value.to_string().as_bytes());
        match value.pointer(&pointer) {
            None => prop_assert!(matches!(list, Err(ListError::Missing(_))), "{list:?}"),
            Some(serde_json::Value::Array(items)) => {
                let texts: Option<Vec<_>> = items.iter().map(|item| item.as_str()?.parse::<IpNet>().ok()).collect();
                prop_assert_eq!(list.ok(), texts.filter(|texts| !texts.is_empty()));
            }
            Some(_) => prop_assert!(matches!(list, Err(ListError::NotAnArray(_))), "{list:?}"),
        }
    }

    #[test]
    fn takes_no_body_by_accident(body in prop::collection::vec(any::<u8>(), 0..200), text in ".*") {
        for bytes in [&body[..], text.as_bytes()] {
            prop_assert!(read(&at("/actions"), bytes).is_err());
            if let Ok(list) = read(&Form::Text, bytes) {
                prop_assert!(!list.is_empty());
            }
        }
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::json!("10.0.0.0/8")),
        Just(serde_json::json!("2001:db8::/32")),
        Just(serde_json::json!("x")),
        Just(serde_json::json!(null)),
        Just(serde_json::json!(7)),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        let key = prop_oneof![Just("a".to_owned()), Just("~/".to_owned()), "[0-3]"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
