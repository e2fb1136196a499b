//! Completions and the manual are made from the command line, so that they know all of it.

use crate::common::{gateway_is_demanded, skip};
use std::collections::BTreeSet;
use std::process::{Command, Output};

fn pushguard(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pushguard")).args(arguments).output().unwrap()
}

fn said(arguments: &[&str]) -> String {
    let output = pushguard(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands, those of commands too: `ranges`, `ranges show`.
fn commands() -> Vec<Vec<String>> {
    let below = |of: &[&str]| -> Vec<String> {
        let help = said(&[of, &["--help"]].concat());
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        lines
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned))
            .filter(|n| !n.is_empty())
            .collect()
    };
    let top = below(&[]);
    let nested = ["ranges", "import"]
        .iter()
        .flat_map(|of| below(&[*of]).into_iter().map(|name| vec![(*of).to_owned(), name]).collect::<Vec<_>>());
    let nested: Vec<Vec<String>> = nested.collect();
    top.into_iter().map(|name| vec![name]).chain(nested).collect()
}

/// The long flags that a help text lists.
fn flags(help: &str) -> BTreeSet<String> {
    let words = help
        .lines()
        .filter_map(|line| line.trim_start().split("--").nth(1).filter(|_| line.trim_start().starts_with('-')));
    words.map(|word| word.split([' ', '=']).next().unwrap().to_owned()).filter(|flag| !flag.is_empty()).collect()
}

#[test]
fn every_command_and_flag_has_its_place_in_the_manual() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    assert_eq!(said(&["man", pages.to_str().unwrap()]), "");
    let commands = commands();
    assert!(commands.len() > 18, "{commands:?}");
    let mut expected = BTreeSet::from(["pushguard.1".to_owned()]);
    for command in &commands {
        let name = format!("pushguard-{}.1", command.join("-"));
        let page = std::fs::read_to_string(pages.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        for flag in flags(&said(&arguments)) {
            let escaped = flag.replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{escaped}")), "{name} lacks --{flag}");
        }
        expected.insert(name);
    }
    let found = std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    assert_eq!(said(&["man"]), std::fs::read_to_string(pages.join("pushguard.1")).unwrap());
}

#[test]
fn every_command_is_completed() {
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(command.last().unwrap()), "{shell}: {command:?}");
        }
        assert!(script.contains("policy.file"), "{shell} knows no flags");
        // The shell itself says whether it can read it.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        std::fs::write(&file, &script).unwrap();
        match Command::new(shell).arg("-n").arg(&file).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {output:?}"),
            Err(error) => skip(&format!("{shell} (`make test` installs it): {error}"), gateway_is_demanded()),
        }
    }
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = pushguard(&["man", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(file.to_str().unwrap()), "{output:?}");
}
