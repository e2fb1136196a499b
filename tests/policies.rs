//! The policies that ship: each says when to use it, compiles without a warning but for secrets that are not here, and passes its tests.

use std::path::{Path, PathBuf};
use std::process::Command;

fn policies() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.to_str().unwrap().ends_with(".test.yaml"));
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    files
}

fn pushguard(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pushguard"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn every_policy_says_when_to_use_it_and_has_tests() {
    for file in policies() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# ") && text.lines().next().unwrap().len() > 30, "{}", file.display());
        assert!(file.with_extension("test.yaml").exists(), "{} has no tests", file.display());
        let (ok, said) = pushguard(&["check", "--strict", file.to_str().unwrap()]);
        let unexpected: Vec<&str> = said.lines().filter(|line| !line.contains("password_hash_file")).collect();
        assert!(ok && unexpected.len() == 1, "{said}");
    }
}

#[test]
fn every_policy_passes_its_tests_and_they_reach_every_grant() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml");
    let (ok, said) = pushguard(&["test", "policies", "--junit", junit.to_str().unwrap()]);
    assert!(ok, "{said}");
    assert!(!said.contains("no test reached"), "{said}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert_eq!(xml.matches("<testsuite ").count(), policies().len(), "{xml}");
    assert!(xml.contains("failures=\"0\"") && !xml.contains("<failure"), "{xml}");
}
