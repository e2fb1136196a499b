//! The rules and alerts in `deploy/prometheus`: promtool plays each alert, and they speak of metrics that exist.

mod common;

use common::skip;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const RULES: &str = include_str!("../deploy/prometheus/rules.yml");
const README: &str = include_str!("../README.md");

/// The program beside the Prometheus that the tests use, or the one that is installed.
fn promtool() -> Option<PathBuf> {
    let beside = std::env::var("PROMETHEUS").ok().map(|prometheus| Path::new(&prometheus).with_file_name("promtool"));
    let found = beside.unwrap_or_else(|| PathBuf::from("promtool"));
    let runs = Command::new(&found).arg("--version").output().is_ok();
    if !runs {
        skip("promtool cannot be run (PROMETHEUS=$(tests/scripts/prometheus.sh) makes it)", false);
    }
    runs.then_some(found)
}

#[test]
fn each_alert_fires_on_what_it_is_for_and_not_before() {
    let Some(promtool) = promtool() else { return };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/prometheus/rules_test.yml");
    let output = Command::new(promtool).args(["test", "rules", file]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn alerts() -> BTreeSet<&'static str> {
    RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn each_alert_is_played_and_has_a_line_of_what_to_do() {
    let alerts = alerts();
    assert!(alerts.len() > 5);
    let played = include_str!("prometheus/rules_test.yml");
    let played: BTreeSet<&str> =
        played.lines().filter_map(|line| line.trim().strip_prefix("alertname: ")).map(str::trim).collect();
    assert_eq!(played, alerts);
    let rows = README.lines().skip_while(|line| *line != "| alert | what to do |").skip(2);
    let told: BTreeSet<&str> =
        rows.take_while(|line| line.starts_with('|')).filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(told, alerts);
}

#[test]
fn they_speak_of_metrics_that_exist() {
    let words = RULES.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let names: BTreeSet<&str> = words.filter(|word| word.starts_with("pushguard_")).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let family = name.trim_end_matches("_bucket");
        assert!(README.contains(&format!("| `{family}` |")), "{name} is not in the README's table of metrics");
    }
}
