//! Files on disk.

use super::*;
use crate::config::load_noting;
use std::collections::BTreeSet;

fn load_text(text: &str) -> Result<Vec<Problem>, Vec<Problem>> {
    let folder = folder();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&file, Secrets::Required, &mut || [7; 48]);
    loaded.map(|l| l.warnings.list).map_err(|p| p.list)
}

#[test]
fn a_file_is_read_with_its_secrets_beside_it() {
    let text = "version: 1
principals:
  a: { basic: { username: a, password_hash_file: good.phc }, from: anywhere, grants: [{ operations: [scrape] }] }";
    assert_eq!(load_text(text), Ok(Vec::new()));
    assert_eq!(load_text("version: 1\nprincipals: {}"), Ok(Vec::new()));
}

#[test]
fn a_missing_file_and_a_folder_are_problems_of_their_own() {
    let folder = folder();
    for file in [folder.path().join("missing.yaml"), folder.path().to_owned()] {
        let problems = load(&file, Secrets::Optional, &mut || [7; 48]).unwrap_err();
        let shown = problems.to_string();
        assert!(shown.starts_with(&file.display().to_string()) && problems.list.len() == 1, "{shown}");
    }
}

#[test]
fn large_files_are_refused_before_they_are_parsed() {
    let large = format!("version: 1\nprincipals: {{}}\n#{}", "x".repeat(2 * 1024 * 1024));
    let problems = load_text(&large).unwrap_err();
    assert!(problems[0].message.contains("at most 1048576 bytes"), "{problems:?}");
    let bytes = folder();
    let file = bytes.path().join("policy.yaml");
    std::fs::write(&file, b"version: 1\nprincipals: {}\n# \xff").unwrap();
    assert!(load(&file, Secrets::Optional, &mut || [7; 48]).is_err(), "not UTF-8");
}

/// What a name would have to be multiplied into never is: aliases end the reading.
#[test]
fn alias_bombs_cost_nothing() {
    let mut bomb = String::from("version: 1\na0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..40 {
        let previous = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 9].join(", ")));
    }
    let problems = load_text(&bomb).unwrap_err();
    assert!(problems.iter().any(|p| p.message.contains("aliases")), "{problems:?}");
}

/// Within the size limit nothing is quadratic: twice as much takes about twice the allocations.
#[test]
fn the_work_grows_with_the_size() {
    let sources = |count: usize| -> String {
        let source = |i| format!("  s{i}: {{ cidrs: [203.0.{}.{}/32] }}\n", i / 250, i % 250);
        format!("version: 1\nsources:\n{}principals: {{}}", (0..count).map(source).collect::<String>())
    };
    let unknown = |count: usize| -> String {
        let keys: String = (0..count).map(|i| format!("key{i}: 1\n")).collect();
        format!("version: 1\nprincipals: {{}}\n{keys}")
    };
    assert_eq!(load_text(&sources(9000)), Ok(Vec::new()));
    assert_eq!(load_text(&unknown(9000)).unwrap_err().len(), 9000);
    let allocated = |text: &str| allocation_counter::measure(|| drop(load_text(text))).bytes_total;
    for (what, small, large) in [("sources", sources(2000), sources(4000)), ("keys", unknown(2000), unknown(4000))] {
        let (small, large) = (allocated(&small), allocated(&large));
        assert!(large < small * 3, "{what}: {small} bytes, and {large} for twice as many");
    }
}

/// What a policy names is looked at for changes: secrets, keys and certificates.
#[test]
fn every_file_that_is_named_is_noted() {
    let folder = folder();
    let file = folder.path().join("policy.yaml");
    let issuers = "i: { preset: gitlab, audience: push, jwks_file: good.jwks }, \
                   j: { preset: generic, url: \"https://issuer.example\", audience: push, ca_file: ca.pem }";
    let of = |user: &str, hashes: &str| {
        format!(
            "  {user}: {{ basic: {{ username: {user}, password_hash_file: {hashes} }}, from: anywhere, grants: [] }}\n"
        )
    };
    let principals = of("a", "good.phc") + &of("b", "missing.phc");
    std::fs::write(&file, format!("version: 1\nissuers: {{ {issuers} }}\nprincipals:\n{principals}")).unwrap();
    let mut files = BTreeSet::new();
    // One that is missing may be what mends the policy.
    assert!(load_noting(&file, Secrets::Required, &mut || [7; 48], &mut files).is_err());
    let names: Vec<&str> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["ca.pem", "good.jwks", "good.phc", "missing.phc", "policy.yaml"]);
}
