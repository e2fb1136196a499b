use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const URL: &str = "https://api.github.com/meta";

fn keys(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn document(pairs: &[(&str, &[&str])]) -> Document {
    let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Document { sets: pairs.iter().map(|(key, texts)| ((*key).to_owned(), list(texts))).collect() }
}

fn sample() -> Document {
    document(&[("actions", &["10.0.0.0/8", "2001:db8::/32"]), ("hooks", &["192.0.2.1/32"])])
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn store(folder: &TempDir) -> Store {
    Store::new(Some(folder.path().to_owned()))
}

/// A folder with the sample in it.
fn saved() -> TempDir {
    let folder = TempDir::new().unwrap();
    store(&folder).save(URL, at(1_700_000_000), &sample()).unwrap();
    folder
}

#[test]
fn gives_back_what_was_saved() {
    let folder = saved();
    let load = |names: &[&str]| store(&folder).load(URL, &keys(names)).unwrap().unwrap();
    let stored = Stored { document: sample(), fetched_at: at(1_700_000_000) };
    assert_eq!(load(&["actions", "hooks"]), stored);
    assert_eq!(load(&["hooks"]).document, document(&[("hooks", &["192.0.2.1/32"])]));
}

#[test]
fn refuses_what_was_asked_for_otherwise() {
    let folder = saved();
    let error = store(&folder).load("https://ghes.example/api/v3/meta", &keys(&["actions"])).unwrap_err();
    assert!(matches!(&error, StoreError::OtherUrl { found, .. } if found == URL), "{error}");
    let error = store(&folder).load(URL, &keys(&["actions", "web"])).unwrap_err();
    assert!(matches!(&error, StoreError::MissingKey { key, .. } if key == "web"), "{error}");
    assert!(error.to_string().contains("ranges/github.json"), "{error}");
}

#[test]
fn refuses_content_that_it_would_not_write() {
    let folder = TempDir::new().unwrap();
    let file = StateFile::new(&folder.path().join("ranges"), "github.json", "ranges", 1);
    let record = |fetched_at: u64, prefixes: &[&str]| serde_json::json!({ "url": URL, "fetched_at": fetched_at, "sets": { "actions": prefixes } });
    let cases = [
        (record(1, &[]), "is empty"),
        (record(1, &["10.0.0.1/8"]), "host bits"),
        (record(u64::MAX, &["10.0.0.0/8"]), "out of range"),
    ];
    for (content, want) in cases {
        file.save(&content).unwrap();
        let error = store(&folder).load(URL, &keys(&["actions"])).unwrap_err();
        assert!(error.to_string().contains(want), "{content}: {error}");
    }
}

fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<[u8; 4]>(), 0u8..=32).prop_map(|(bits, length)| IpNet::new(bits.into(), length).unwrap());
    let v6 = (any::<[u8; 16]>(), 0u8..=128).prop_map(|(bits, length)| IpNet::new(bits.into(), length).unwrap());
    prop_oneof![v4, v6].prop_map(|prefix| prefix.trunc())
}

proptest! {
    #[test]
    fn save_then_load_is_identity(
        sets in prop::collection::btree_map(".*", prop::collection::btree_set(prefix(), 1..8), 1..4),
        url in ".*",
        seconds in 0u64..1 << 40,
    ) {
        let selected: BTreeSet<String> = sets.keys().cloned().collect();
        let sets = sets.into_iter().map(|(key, set)| (key, set.into_iter().collect())).collect();
        let stored = Stored { document: Document { sets }, fetched_at: at(seconds) };
        let text = serde_json::to_string(&Record::new(&url, stored.fetched_at, &stored.document)).unwrap();
        let read = serde_json::from_str::<Record>(&text).unwrap().select(&url, &selected, PathBuf::new()).unwrap();
        prop_assert_eq!(read, stored);
    }
}
