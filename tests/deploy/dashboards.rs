//! The dashboards in `deploy/prometheus/dashboards`, and the rules beside them: they are what Grafana reads, name metrics
//! and labels that exist, and a real Prometheus that scrapes a running pair answers every query with data.

use crate::common::authority::{Authority, days};
use crate::common::gateway::Gateway;
use crate::common::guard::{Guard, PASSWORD, Start, path};
use crate::common::http::{Connection, Request};
use crate::common::issuer::Issuer;
use crate::common::mint::{Signer, but, github_run};
use crate::common::{gateway_is_demanded, skip, wait_for};
use crate::prometheus::Prometheus;
use crate::promql::named;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

const GATE: &str = include_str!("../../deploy/prometheus/dashboards/gate.json");
const CI: &str = include_str!("../../deploy/prometheus/dashboards/ci.json");
const RULES: &str = include_str!("../../deploy/prometheus/rules.yml");
const README: &str = include_str!("../../README.md");

fn boards() -> [(&'static str, Value); 2] {
    [("gate.json", GATE), ("ci.json", CI)].map(|(file, text)| (file, serde_json::from_str(text).expect(file)))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Every expression of a panel, with what it belongs to.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for (file, board) in boards() {
        for panel in list(&board, "panels") {
            for target in list(panel, "targets") {
                let place = format!("{file}, {} {}", word(panel, "title"), word(target, "refId"));
                queries.push((place, word(target, "expr").to_owned()));
            }
        }
    }
    assert!(queries.len() > 50, "{}", queries.len());
    queries
}

/// `label_values(METRIC, LABEL)` of the variables.
fn variables() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, board) in boards() {
        for variable in list(&board["templating"], "list").iter().filter(|v| word(v, "type") == "query") {
            let query = word(&variable["query"], "query");
            assert_eq!(word(variable, "definition"), query, "{file}");
            let inner = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')')).expect(query);
            let (metric, label) = inner.split_once(", ").expect(query);
            found.push((metric.to_owned(), label.to_owned()));
        }
    }
    found
}

/// Expressions of the rules, with their names.
fn rules() -> Vec<(String, String)> {
    let document: serde_yaml::Value = serde_yaml::from_str(RULES).unwrap();
    let rules = document["groups"][0]["rules"].as_sequence().unwrap();
    let text = |rule: &serde_yaml::Value, key: &str| rule.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let name = |rule| text(rule, "record").or_else(|| text(rule, "alert")).unwrap();
    rules.iter().map(|rule| (name(rule), text(rule, "expr").unwrap())).collect()
}

#[test]
fn grafana_can_read_them() {
    for (file, board) in boards() {
        assert!(board["schemaVersion"].as_u64().is_some_and(|v| v >= 41), "{file}: the schema of Grafana 12");
        for key in ["title", "description", "refresh"] {
            assert!(!word(&board, key).is_empty(), "{file}: {key}");
        }
        assert!(board.get("uid").is_none() && board.get("id").is_none(), "{file}: it is Grafana that gives ids");
        let variables = list(&board["templating"], "list");
        assert_eq!((word(&variables[0], "name"), word(&variables[0], "type")), ("datasource", "datasource"), "{file}");
        let known: BTreeSet<&str> = variables.iter().map(|variable| word(variable, "name")).collect();
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&board, "panels") {
            let title = format!("{file}, {}", word(panel, "title"));
            assert!(ids.insert(panel["id"].as_u64()), "{title}: an id of its own");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect(key));
            assert!(x + w <= 24, "{title} is in the grid");
            let area = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
            area.for_each(|cell| assert!(cells.insert(cell), "{title} lies over another panel"));
            let kind = word(panel, "type");
            assert!(["row", "stat", "timeseries", "table"].contains(&kind), "{title}: {kind}");
            if kind != "row" {
                reads_well(&title, panel, &known);
            }
        }
    }
    // Whatever Prometheus they are opened with.
    for text in [GATE, CI] {
        assert_eq!(text.matches("\"uid\":").count(), text.matches("\"uid\": \"${datasource}\"").count());
    }
}

/// Grafana's own types know all that stands in them.
#[test]
fn grafana_has_a_place_for_all_that_they_say() {
    let validate = std::env::var("PUSHGUARD_KUBERNETES_VALIDATE").unwrap_or_default();
    let python = Path::new(&validate).with_file_name("python");
    if !python.exists() {
        return skip("Grafana's types (make test-needs installs them)", gateway_is_demanded());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg(root.join("tests/deploy/grafana.py"));
    command.args(["gate.json", "ci.json"].map(|file| root.join("deploy/prometheus/dashboards").join(file)));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A panel has all that makes it understood, and names no variable that the dashboard does not have.
fn reads_well(title: &str, panel: &Value, known: &BTreeSet<&str>) {
    assert!(word(panel, "description").len() > 15, "{title}: a description");
    assert!(!word(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title}: a unit");
    assert_eq!(word(&panel["datasource"], "uid"), "${datasource}", "{title}");
    let targets = list(panel, "targets");
    assert!(!targets.is_empty(), "{title}: a query");
    let letters: BTreeSet<&str> = targets.iter().map(|target| word(target, "refId")).collect();
    assert_eq!(letters.len(), targets.len(), "{title}: each query has a letter");
    for target in targets {
        assert_eq!(word(&target["datasource"], "uid"), "${datasource}", "{title}");
        for part in word(target, "expr").split('$').skip(1) {
            let name: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(known.contains(&*name) || ["__rate_interval", "__range"].contains(&&*name), "{title}: ${name}");
        }
    }
}

/// What there is: the labels of each metric. What clients choose themselves has no table.
fn existing() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    let mut add = |name: &str, labels: &[&str]| {
        let every = labels.iter().chain(&["instance", "job"]).map(|label| (*label).to_owned());
        all.insert(name.to_owned(), every.collect());
    };
    let rows = README.lines().skip_while(|line| *line != "| metric | type | labels | what it says |").skip(2);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let plain = |cell: &'static str| cell.trim_matches('`');
        let labels: Vec<&str> = cells[3].split(' ').map(plain).filter(|label| !label.is_empty()).collect();
        let name = plain(cells[1]);
        if cells[2] == "histogram" {
            add(&format!("{name}_bucket"), &["le"]);
        }
        add(name, &labels);
    }
    for (name, expression) in rules().iter().filter(|(name, _)| name.contains(':')) {
        let groupings = named(expression).groupings;
        add(name, &groupings.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let pushed = ["workflow", "repository", "branch"];
    for name in ["push_time_seconds", "push_failure_time_seconds"] {
        add(name, &pushed);
    }
    // The story's six, and no other.
    for name in PUSHED {
        add(name, &pushed);
    }
    all
}

const PUSHED: &[&str] = &[
    "github_actions_workflow_run_duration_seconds",
    "github_actions_workflow_run_conclusion",
    "exunit_tests_total",
    "exunit_tests_passed",
    "exunit_tests_failed",
    "coveralls_coverage_percentage",
];

#[test]
fn they_name_metrics_and_labels_that_exist() {
    let existing = existing();
    for (place, expression) in queries().into_iter().chain(rules()) {
        let named = named(&expression);
        assert!(!named.metrics.is_empty(), "{place}: {expression}");
        let mut reachable = BTreeSet::new();
        for (metric, labels) in &named.metrics {
            let known = existing.get(metric).unwrap_or_else(|| panic!("{place}: there is no metric {metric}"));
            for label in labels {
                assert!(known.contains(label), "{place}: {metric} has no label {label}");
            }
            reachable.extend(known);
        }
        for label in &named.groupings {
            assert!(reachable.contains(label), "{place}: none of its metrics has a label {label}");
        }
    }
    for (metric, label) in variables() {
        assert!(existing.get(&metric).is_some_and(|labels| labels.contains(&label)), "{metric} by {label}");
    }
}

#[test]
fn the_dashboard_of_ci_shows_all_that_is_pushed() {
    let shown: BTreeSet<String> = queries()
        .iter()
        .filter(|(place, _)| place.starts_with("ci.json"))
        .flat_map(|(_, expression)| named(expression).metrics)
        .map(|(metric, _)| metric)
        .filter(|metric| metric != "push_time_seconds")
        .collect();
    assert_eq!(shown, PUSHED.iter().map(|name| (*name).to_owned()).collect());
}

/// A pair in which everything happens that a query asks for, and another one whose gateway is away.
struct House {
    gateway: Gateway,
    guard: Guard,
    lost: Guard,
    issuer: Issuer,
}

fn policy(issuer: &Issuer) -> String {
    format!(
        r#"
version: 1
sources:
  runners: {{ file: runners.txt }}
  gone:    {{ file: gone.txt }}
issuers:
  ghes: {{ preset: github-actions, url: "{}", audience: push, algorithms: [ES256], ca_file: {:?} }}
principals:
  ci:
    basic:  {{ username: ci, password_hash_file: ci.phc }}
    from:   anywhere
    grants: [{{ operations: [push], job: ci, labels: {{ "*": "*" }} }}, {{ operations: [delete], job: old, mode: report }}]
    quotas: [{{ per: principal, burst: 4, period: 1m }}]
    payload: {{ max_bytes: 1KiB }}
  run:
    token:  {{ issuer: ghes, claims: {{ repository_owner_id: "11", repository_id: "22" }} }}
    from:   {{ prefer: [gone] }}
    grants: [{{ operations: [push], job: "*", labels: {{ "*": "*" }} }}]
    quotas: [{{ per: principal, burst: 100000, period: 1s }}]
  prometheus: {{ anonymous: true, from: anywhere, grants: [{{ operations: [scrape] }}] }}
ttl: [{{ job: "*", max_age: 30d }}]
"#,
        issuer.url,
        issuer.ca_file()
    )
}

const PUSH: &str = "/metrics/job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k/repository/app/branch/main";

static KEY: LazyLock<Signer> = LazyLock::new(|| Signer::p256("key-1"));

impl House {
    fn new(gateway: Gateway) -> Self {
        let issuer = Issuer::start("/token", &[KEY.jwk()]);
        let start = |upstream: &str| {
            let start = Start::with_policy(&policy(&issuer));
            for file in ["runners.txt", "gone.txt"] {
                std::fs::write(start.folder.path().join(file), "198.51.100.0/24\n").unwrap();
            }
            let files = Authority::new("an authority").issue(days(90)).write(start.folder.path());
            start
                .flag("--upstream.url", upstream)
                .flag("--web.listen-address", "internal=127.0.0.1:0,public=127.0.0.1:0")
                .flag("--web.tls-cert-file", &format!("public={}", path(&files.certificate)))
                .flag("--web.tls-key-file", &format!("public={}", path(&files.key)))
                .flag("--sweep.interval", "1s")
                .flag("--watchdog.interval", "1s")
                .run()
        };
        let (guard, lost) = (start(&gateway.url()), start("http://127.0.0.1:1"));
        // A list that the guard refuses, and one that cannot be had any more.
        std::fs::write(guard.folder.path().join("runners.txt"), "0.0.0.0/0\n").unwrap();
        std::fs::remove_file(guard.folder.path().join("gone.txt")).unwrap();
        Self { gateway, guard, lost, issuer }
    }

    /// One of everything; what becomes of each is another test's.
    fn live(&self) {
        let push = |body: String| Request::post(PUSH, body);
        let run: String = PUSHED.iter().map(|name| format!("{name} 1\n")).collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let claims = but(&but(&github_run(now - 30), "iss", json!(self.issuer.url)), "aud", json!("push"));
        let token = format!("Bearer {}", KEY.token(&claims));
        for guard in [&self.guard, &self.lost] {
            let internal = guard.listener("internal");
            push(run.clone()).header("Authorization", &token).send(internal);
            push(run.clone()).basic("ci", PASSWORD).send(internal);
            push(run.clone()).basic("ci", "wrong").send(internal);
            push("x 1".to_owned()).basic("ci", PASSWORD).send(internal);
            push("x 1\n".repeat(300)).basic("ci", PASSWORD).send(internal);
            Request::delete("/metrics/job/other").basic("ci", PASSWORD).send(internal);
            // No handshake.
            let mut plain = Connection::open(guard.listener("public"));
            plain.try_send(b"GET / HTTP/1.1\r\n\r\n");
        }
    }
}

/// As Grafana fills it in.
fn filled(expression: &str) -> String {
    let filled = expression.replace("$__rate_interval", "1m").replace("$__range", "5m");
    ["$instance", "$workflow", "$repository", "$branch"].iter().fold(filled, |text, name| text.replace(name, ".*"))
}

#[test]
fn every_query_is_answered_with_data() {
    let Some(gateway) = Gateway::start() else { return };
    let house = House::new(gateway);
    let targets = format!("'{}', '{}'", house.guard.admin(), house.lost.admin());
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/rules.yml");
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\nrule_files: ['{rules}']\n\
         scrape_configs:\n\
         - {{ job_name: pushgateway, honor_labels: true, static_configs: [{{ targets: ['{}'] }}] }}\n\
         - {{ job_name: pushguard, static_configs: [{{ targets: [{targets}] }}] }}\n",
        house.guard.listener("internal")
    );
    let Some(prometheus) = Prometheus::with_config(&config) else { return };
    let recorded = self::rules().into_iter().map(|(name, _)| name).filter(|name| name.contains(':'));
    let mut missing: BTreeMap<String, String> = queries().into_iter().chain(recorded.map(|r| (r.clone(), r))).collect();
    let end = Instant::now() + Duration::from_secs(120);
    while !missing.is_empty() {
        assert!(Instant::now() < end, "no data for {missing:#?}");
        house.live();
        // An expression that cannot be read is an error of its own.
        missing.retain(|_, expression| prometheus.series(&filled(expression)) == 0);
    }
    for (metric, label) in variables() {
        assert!(!prometheus.label_values(&metric, &label).is_empty(), "{metric} by {label}");
    }
    let expected = self::rules().len();
    let healthy = || (prometheus.healthy_rules() == expected).then_some(());
    wait_for("all rules to be evaluated without an error", healthy);
    assert_eq!(prometheus.complaints(), Vec::<String>::new());
    drop(house.gateway);
}
