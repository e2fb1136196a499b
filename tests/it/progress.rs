//! How far something is: shown to people who watch a terminal, and to nobody else.

use crate::common::gateway::Gateway;
use crate::common::http::Request;
use crate::common::{gateway_is_demanded, skip, wait_for};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const POLICY: &str = "version: 1\nprincipals: {}\nttl: [{ job: \"*\", max_age: 1s }]\n";

/// What it writes to a terminal, all streams together; none where no terminal can be had.
fn on_a_terminal(folder: &Path, command: &str) -> Option<String> {
    let whole = format!("{} {command}", env!("CARGO_BIN_EXE_pushguard"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &whole, "/dev/null"]).current_dir(folder).stdin(Stdio::null());
    match script.output() {
        Ok(output) => Some(text(&output)),
        Err(error) => {
            skip(&format!("script (`make test` installs it): {error}"), gateway_is_demanded());
            None
        }
    }
}

/// What it writes where nobody watches.
fn in_a_pipe(folder: &Path, command: &str) -> String {
    let words = command.split(' ');
    text(&Command::new(env!("CARGO_BIN_EXE_pushguard")).args(words).current_dir(folder).output().unwrap())
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream)).concat()
}

/// The bars in a text, and whether the line is empty again behind the last one.
fn bars(text: &str) -> Vec<&str> {
    let drawn = text.split('\r').filter(|part| part.starts_with('['));
    let bars: Vec<&str> = drawn.map(|part| part.trim_end_matches("\u{1b}[K")).collect();
    if let Some(last) = bars.last() {
        let behind = &text[text.rfind(last).unwrap() + last.len()..];
        assert!(behind.starts_with("\u{1b}[K\r\r\u{1b}[K\r"), "the bar is wiped away: {behind:?}");
    }
    bars
}

#[test]
fn a_long_log_is_told_by_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    // Lines that say nothing are read as well, and cost nothing.
    std::fs::write(folder.path().join("log"), "\n".repeat(250_000)).unwrap();
    let command = "replay policy.yaml --log log";
    let Some(text) = on_a_terminal(folder.path(), command) else { return };
    insta::assert_snapshot!(bars(&text).join("\n"), @"
    [################------------------------] 100000 lines
    [################################--------] 200000 lines
    ");
    assert_eq!(bars(&in_a_pipe(folder.path(), command)), [""; 0]);
}

#[test]
fn a_sweep_is_told_by_its_groups() {
    let Some(gateway) = Gateway::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    let command = format!("sweep --policy.file policy.yaml --upstream.url {}", gateway.url());
    let old_groups = || {
        for n in 0..3 {
            Request::put(format!("/metrics/job/j{n}"), "m 1\n").send(gateway.address).is(200, "", "around the guard");
        }
        let due = || in_a_pipe(folder.path(), &format!("{command} --dry-run")).contains("3 due");
        wait_for("all of them to be due", || due().then_some(()));
    };
    old_groups();
    let Some(text) = on_a_terminal(folder.path(), &command) else { return };
    insta::assert_snapshot!(bars(&text).join("\n"), @"
    [#############---------------------------] 1/3 groups
    [##########################--------------] 2/3 groups
    [########################################] 3/3 groups
    ");
    old_groups();
    assert_eq!(bars(&in_a_pipe(folder.path(), &command)), [""; 0]);
}
