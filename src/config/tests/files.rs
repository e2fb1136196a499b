//! Files on disk.

use super::*;

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
    let started = std::time::Instant::now();
    let problems = load_text(&bomb).unwrap_err();
    assert!(problems.iter().any(|p| p.message.contains("aliases")), "{problems:?}");
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

/// Within the size limit nothing is quadratic.
#[test]
fn a_megabyte_of_keys_is_read_quickly() {
    let started = std::time::Instant::now();
    let sources: String =
        (0..9000).map(|i| format!("  s{i}: {{ cidrs: [203.0.{}.{}/32] }}\n", i / 250, i % 250)).collect();
    assert_eq!(load_text(&format!("version: 1\nsources:\n{sources}principals: {{}}")), Ok(Vec::new()));
    let unknown: String = (0..9000).map(|i| format!("key{i}: 1\n")).collect();
    assert_eq!(load_text(&format!("version: 1\nprincipals: {{}}\n{unknown}")).unwrap_err().len(), 9000);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
