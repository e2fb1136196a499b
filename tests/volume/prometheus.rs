//! A real Prometheus that scrapes a listener once a second.

use crate::common::http::Request;
use crate::common::log::Log;
use crate::common::{gateway_is_demanded, skip, wait_exit, wait_for};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running Prometheus; it ends when dropped.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    log: Log,
    _folder: TempDir,
}

impl Prometheus {
    /// One that scrapes `target` each second; none, after saying so, where this machine has no Prometheus.
    pub fn scraping(target: SocketAddr) -> Option<Self> {
        let scrape = format!("[{{ job_name: g, honor_labels: true, static_configs: [{{ targets: ['{target}'] }}] }}]");
        let global = "{ scrape_interval: 1s, scrape_timeout: 1s }";
        Self::with_config(&format!("global: {global}\nscrape_configs: {scrape}\n"))
    }

    /// One with that configuration; none, after saying so, where this machine has no Prometheus.
    pub fn with_config(config: &str) -> Option<Self> {
        let binary = std::env::var("PROMETHEUS").unwrap_or_else(|_| "/usr/bin/prometheus".to_owned());
        if Command::new(&binary).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            let what = format!("{binary} cannot be run (apt-get install prometheus, or PROMETHEUS=/path)");
            skip(&what, gateway_is_demanded() && std::env::var_os("PROMETHEUS").is_some());
            return None;
        }
        // Between finding a free port and its use somebody else may take it.
        let started = (0..20).find_map(|_| Self::start_once(&binary, config));
        Some(started.expect("a Prometheus on a free port"))
    }

    fn start_once(binary: &str, text: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, text).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let mut command = Command::new(binary);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        // At that level it says why a scrape failed.
        command.arg(format!("--web.listen-address={address}")).arg("--log.level=debug");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("Prometheus can be run");
        let log = Log::follow(child.stderr.take().unwrap());
        let prometheus = Self { child, address, log, _folder: folder };
        prometheus.log.find(|lines| lines.iter().any(|l| l.contains("ready to receive web requests")).then_some(()))?;
        Some(prometheus)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn get(&self, path: &str) -> Value {
        Request::get(path).send(self.address).is(200, "", path).json()["data"].clone()
    }

    fn target(&self) -> Value {
        self.get("/api/v1/targets?state=active")["activeTargets"][0].clone()
    }

    /// Waits for a scrape that began after this call; answers the target's health and its last error.
    pub fn next_scrape(&self) -> (String, String) {
        let mut last = self.target()["lastScrape"].clone();
        // One that was under way may end first.
        for _ in 0..2 {
            last = wait_for("a scrape", || {
                let now = self.target()["lastScrape"].clone();
                (now != last).then_some(now)
            });
        }
        let target = self.target();
        let text = |name: &str| target[name].as_str().unwrap_or_default().to_owned();
        (text("health"), text("lastError"))
    }

    fn query(&self, expression: &str) -> Value {
        let encoded: String = expression.bytes().map(|b| format!("%{b:02X}")).collect();
        self.get(&format!("/api/v1/query?query={encoded}"))["result"].clone()
    }

    /// Waits for a value of an expression, or for it to have none: a scrape is told of a moment before its samples can
    /// be asked for.
    pub fn await_value(&self, expression: &str, expected: Option<f64>, about: &str) {
        wait_for(&format!("{about}: {expression} to be {expected:?}"), || {
            let value = self.query(expression)[0]["value"][1].as_str().and_then(|value| value.parse().ok());
            (value == expected).then_some(())
        });
    }

    /// How many series an expression has.
    pub fn series(&self, expression: &str) -> usize {
        self.query(expression).as_array().map(Vec::len).unwrap_or_default()
    }

    /// The values of a label of a metric.
    pub fn label_values(&self, metric: &str, label: &str) -> Vec<Value> {
        self.get(&format!("/api/v1/label/{label}/values?match[]={metric}")).as_array().cloned().unwrap_or_default()
    }

    /// How many rules were evaluated without an error.
    pub fn healthy_rules(&self) -> usize {
        let groups = self.get("/api/v1/rules")["groups"].clone();
        let rules = groups.as_array().into_iter().flatten().filter_map(|group| group["rules"].as_array()).flatten();
        rules.filter(|rule| rule["health"] == "ok").count()
    }

    /// What it has against scrapes so far, other than that the machine was too slow for it.
    pub fn complaints(&self) -> Vec<String> {
        let about = ["Scrape failed", "Append failed", "append failed"];
        let mut lines = self.log.raw();
        lines.retain(|line| about.iter().any(|text| line.contains(text)) && !line.contains("deadline exceeded"));
        lines
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        wait_exit(&mut self.child);
    }
}
