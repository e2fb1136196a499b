use std::os::unix::fs::{PermissionsExt, symlink};

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

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("ranges/github.json")
}

/// A folder with the sample in it, and the bytes of its file.
fn saved() -> (TempDir, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    store(&folder).save(URL, at(1_700_000_000), &sample()).unwrap();
    let bytes = fs::read(file(&folder)).unwrap();
    (folder, bytes)
}

#[test]
fn gives_back_what_was_saved() {
    let (folder, _) = saved();
    let load = |names: &[&str]| store(&folder).load(URL, &keys(names)).unwrap().unwrap();
    let stored = Stored { document: sample(), fetched_at: at(1_700_000_000) };
    assert_eq!(load(&["actions", "hooks"]), stored);
    assert_eq!(load(&["hooks"]).document, document(&[("hooks", &["192.0.2.1/32"])]));
}

#[test]
fn the_last_save_wins_and_leaves_one_file() {
    let (folder, _) = saved();
    fs::write(folder.path().join("ranges/.github.json.new"), "left by a crash").unwrap();
    let newer = document(&[("actions", &["11.0.0.0/8"])]);
    store(&folder).save(URL, at(1_700_000_001), &newer).unwrap();
    let stored = store(&folder).load(URL, &keys(&["actions"])).unwrap();
    assert_eq!(stored, Some(Stored { document: newer, fetched_at: at(1_700_000_001) }));
    assert_eq!(fs::read_dir(folder.path().join("ranges")).unwrap().count(), 1);
}

#[test]
fn one_content_has_one_form() {
    let (folder, bytes) = saved();
    let shuffled =
        document(&[("hooks", &["192.0.2.1/32"]), ("actions", &["2001:db8::/32", "10.0.0.0/8", "10.0.0.0/8"])]);
    store(&folder).save(URL, at(1_700_000_000), &shuffled).unwrap();
    assert_eq!(fs::read(file(&folder)).unwrap(), bytes);
}

#[test]
fn keeps_nothing_without_a_folder_and_finds_nothing_before_a_save() {
    let memory = Store::new(None);
    memory.save(URL, at(1), &sample()).unwrap();
    assert_eq!(memory.load(URL, &keys(&["actions"])).unwrap(), None);
    let folder = TempDir::new().unwrap();
    let missing = Store::new(Some(folder.path().join("a/b")));
    assert_eq!(missing.load(URL, &keys(&["actions"])).unwrap(), None);
    assert!(!folder.path().join("a").exists(), "loading must not create anything");
    missing.save(URL, at(1), &sample()).unwrap();
    assert!(missing.load(URL, &keys(&["actions"])).unwrap().is_some());
}

#[test]
fn only_the_owner_may_read() {
    let (folder, _) = saved();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file(&folder)), 0o600);
    assert_eq!(mode(folder.path().join("ranges")), 0o700);
    fs::set_permissions(file(&folder), fs::Permissions::from_mode(0o644)).unwrap();
    store(&folder).save(URL, at(2), &sample()).unwrap();
    assert_eq!(mode(file(&folder)), 0o600, "the mode of an old file must not be taken over");
}

#[test]
fn writes_through_no_link() {
    let (folder, _) = saved();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.path().join("ranges/.github.json.new")).unwrap();
    store(&folder).save(URL, at(2), &sample()).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_failed_save_keeps_the_old_document() {
    let (folder, bytes) = saved();
    fs::create_dir(folder.path().join("ranges/.github.json.new")).unwrap();
    let error = store(&folder).save(URL, at(2), &document(&[("actions", &["11.0.0.0/8"])])).unwrap_err();
    assert!(matches!(error, StoreError::Write { .. }), "{error}");
    assert!(error.to_string().contains("ranges/github.json"), "{error}");
    assert_eq!(fs::read(file(&folder)).unwrap(), bytes);
}

#[test]
fn refuses_what_was_asked_for_otherwise() {
    let (folder, _) = saved();
    let error = store(&folder).load("https://ghes.example/api/v3/meta", &keys(&["actions"])).unwrap_err();
    assert!(matches!(&error, StoreError::OtherUrl { found, .. } if found == URL), "{error}");
    let error = store(&folder).load(URL, &keys(&["actions", "web"])).unwrap_err();
    assert!(matches!(&error, StoreError::MissingKey { key, .. } if key == "web"), "{error}");
    let text = error.to_string();
    assert!(text.contains("ranges/github.json") && text.contains("fetched again"), "{text}");
}

#[test]
fn no_flipped_bit_changes_what_is_served() {
    let (folder, bytes) = saved();
    let want = store(&folder).load(URL, &keys(&["actions", "hooks"])).unwrap();
    let mut accepted = 0;
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << bit;
            fs::write(file(&folder), &flipped).unwrap();
            // The case of a hexadecimal digit in an address is the one thing that a flip may change without a meaning.
            if let Ok(stored) = store(&folder).load(URL, &keys(&["actions", "hooks"])) {
                assert_eq!(stored, want, "byte {position}, bit {bit}");
                accepted += 1;
            }
        }
    }
    assert!(accepted <= 2, "only the letters of 2001:db8::/32 may change their case, not {accepted} bits");
}

#[test]
fn refuses_a_file_cut_anywhere() {
    let (folder, bytes) = saved();
    for length in 0..bytes.len() {
        fs::write(file(&folder), &bytes[..length]).unwrap();
        let error = store(&folder).load(URL, &keys(&["actions"])).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{length} bytes: {error}");
    }
}

#[test]
fn refuses_files_that_it_did_not_write() {
    let (folder, bytes) = saved();
    let text = String::from_utf8(bytes).unwrap();
    let empty = Record::new(URL, at(1), &document(&[("actions", &[])])).encode().unwrap();
    let late = Record { fetched_at: u64::MAX, ..Record::new(URL, at(1), &sample()) }.encode().unwrap();
    let newer = Record { version: 2, ..Record::new(URL, at(1), &sample()) }.encode().unwrap();
    let cases = [
        (text.replace("10.0.0.0/8", "0.0.0.0/0"), "checksum"),
        (text.replace("10.0.0.0/8", "10.0.0.1/8"), "host bits"),
        (text.replace("1700000000", "1800000000"), "checksum"),
        (text.replace("\"version\":1", "\"version\":1,\"more\":1"), "unknown field"),
        (String::from_utf8(empty).unwrap(), "is empty"),
        (String::from_utf8(late).unwrap(), "out of range"),
        (String::from_utf8(newer).unwrap(), "version 2"),
        ("<html>".to_owned(), "expected value"),
    ];
    for (content, want) in cases {
        fs::write(file(&folder), &content).unwrap();
        let error = store(&folder).load(URL, &keys(&["actions"])).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{content}: {error}");
        let text = error.to_string();
        assert!(text.contains(want) && text.contains("ranges/github.json"), "{want}: {text}");
    }
}

#[test]
fn reads_no_folder_and_no_huge_file() {
    let (folder, _) = saved();
    fs::File::create(file(&folder)).unwrap().set_len(MAX_FILE + 1).unwrap();
    let error = store(&folder).load(URL, &keys(&["actions"])).unwrap_err();
    assert!(matches!(error, StoreError::Read { .. }) && error.to_string().contains("8 MiB"), "{error}");
    fs::remove_file(file(&folder)).unwrap();
    fs::create_dir(file(&folder)).unwrap();
    let error = store(&folder).load(URL, &keys(&["actions"])).unwrap_err();
    assert!(matches!(error, StoreError::Read { .. }), "{error}");
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
        let bytes = Record::new(&url, stored.fetched_at, &stored.document).encode().unwrap();
        let read = Record::decode(&bytes).unwrap().select(&url, &selected, PathBuf::new()).unwrap();
        prop_assert_eq!(read, stored);
    }
}
