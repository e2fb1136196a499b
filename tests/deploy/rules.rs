//! The rules and alerts in `deploy/prometheus`: promtool plays each alert, and they speak of metrics that exist.

use crate::common::skip;
use crate::manifests::{at, documents, list, ports, text, word};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const RULES: &str = include_str!("../../deploy/prometheus/rules.yml");
const README: &str = include_str!("../../README.md");

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
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/deploy/rules_test.yml");
    let output = Command::new(promtool).args(["test", "rules", file]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn prometheus_reads_the_scrape_jobs() {
    let Some(promtool) = promtool() else { return };
    for file in ["compose/prometheus.yaml", "prometheus/scrape.yml"] {
        let read = tempfile::NamedTempFile::new().unwrap();
        // Debian's Prometheus knows no Kubernetes.
        let known = text(file)
            .replace("kubernetes_sd_configs: [{ role: pod, namespaces:", "file_sd_configs: [{ files: [x.json] }] #");
        std::fs::write(read.path(), known).unwrap();
        // The files that it names lie where it is mounted.
        let mut command = Command::new(&promtool);
        let output = command.args(["check", "config", "--syntax-only"]).arg(read.path()).output().unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let jobs = &documents(&text(file))[0];
        let jobs: Vec<_> = list(at(jobs, "scrape_configs"))
            .iter()
            .map(|job| (word(job, "job_name"), job.get("honor_labels").and_then(serde_yaml::Value::as_bool)))
            .collect();
        assert_eq!(jobs, [("pushgateway".to_owned(), Some(true)), ("pushguard".to_owned(), None)], "{file}");
    }
}

/// The ports that the jobs of a cluster look for are those of the container.
#[test]
fn the_jobs_of_a_cluster_find_the_ports() {
    let jobs = list(at(&documents(&text("prometheus/scrape.yml"))[0], "scrape_configs"));
    let found: Vec<String> = jobs.iter().map(|job| word(job, "relabel_configs.0.regex")).collect();
    let chart = &documents(&text("kubernetes/chart-values.yaml"))[0];
    let container = at(chart, "extraContainers.0");
    for (regex, port) in found.iter().zip(["internal", "admin"]) {
        assert_eq!(*regex, format!("{};{port}", word(container, "name")));
        assert!(ports(container).contains_key(port));
    }
}

fn alerts() -> BTreeSet<&'static str> {
    RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn each_alert_is_played_and_has_a_line_of_what_to_do() {
    let alerts = alerts();
    assert!(alerts.len() > 5);
    let played = include_str!("rules_test.yml");
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
