//! The real Pushgateway.

use super::http::Request;
use super::log::Log;
use super::{gateway_is_demanded, skip, wait_exit};
use pushguard::tls::TlsFiles;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running gateway; it ends when dropped.
pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
}

/// A group as `/api/v1/metrics` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub labels: BTreeMap<String, String>,
    /// Everything beside the labels: families, and whether the last push went well.
    pub content: BTreeMap<String, Value>,
}

impl Group {
    /// The families that were pushed, without the gateway's own two.
    pub fn families(&self) -> Vec<&str> {
        let own = ["last_push_successful", "push_time_seconds", "push_failure_time_seconds"];
        self.content.keys().map(String::as_str).filter(|name| !own.contains(name)).collect()
    }
}

impl Gateway {
    /// Starts one on a free port; none, after saying so, where this machine has no gateway.
    pub fn start() -> Option<Self> {
        let binary = binary();
        if Command::new(&binary).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            let what = format!("{binary} cannot be run (apt-get install prometheus-pushgateway, or PUSHGATEWAY=/path)");
            skip(&what, gateway_is_demanded());
            return None;
        }
        Some(Self::start_other(&binary, &[]))
    }

    /// Starts that program on a free port, with these variables.
    pub fn start_other(binary: &str, variables: &[(&str, &str)]) -> Self {
        // Between finding a free port and its use somebody else may take it.
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let command = || {
            let mut command = Command::new(binary);
            command.envs(variables.iter().copied());
            command
        };
        let started = (0..20).find_map(|_| Self::start_once(command(), free()));
        started.expect("a gateway on a free port")
    }

    /// Starts one where another has ended.
    pub fn start_at(address: SocketAddr) -> Self {
        let end = Instant::now() + super::DEADLINE;
        loop {
            if let Some(gateway) = Self::start_once(Command::new(binary()), address) {
                return gateway;
            }
            assert!(Instant::now() < end, "the gateway cannot be started again at {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// One that speaks TLS only, with that pair.
    pub fn start_with_tls(files: &TlsFiles) -> Self {
        let config = files.certificate.with_file_name("web.yml");
        let [certificate, key] = [&files.certificate, &files.key].map(|file| file.to_str().unwrap());
        let text = format!("tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n");
        std::fs::write(&config, text).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let started = (0..20).find_map(|_| {
            let mut command = Command::new(binary());
            command.arg(format!("--web.config.file={}", config.display()));
            Self::spawn(command, free(), "TLS is enabled")
        });
        started.expect("a gateway on a free port")
    }

    fn start_once(command: Command, address: SocketAddr) -> Option<Self> {
        let gateway = Self::spawn(command, address, "TLS is disabled")?;
        super::wait_for("the gateway's readiness", || {
            (Request::get("/-/ready").send(address).status == 200).then_some(())
        });
        Some(gateway)
    }

    fn spawn(mut command: Command, address: SocketAddr, says: &str) -> Option<Self> {
        command.arg("--persistence.file=").arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the gateway can be run");
        let log = Log::follow(child.stderr.take().unwrap());
        let gateway = Self { child, address };
        // It says so once it is bound; a port that is taken ends it instead.
        log.find(|lines| lines.iter().any(|line| line.contains(says)).then_some(()))?;
        Some(gateway)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All groups, in order of their labels.
    pub fn groups(&self) -> Vec<Group> {
        let answer = Request::get("/api/v1/metrics").send(self.address).is(200, "", "/api/v1/metrics");
        let data = answer.json()["data"].as_array().cloned().expect("data is a list");
        let group = |value: Value| {
            let mut content: BTreeMap<String, Value> = serde_json::from_value(value).expect("a group is an object");
            let labels = content.remove("labels").expect("a group has labels");
            Group { labels: serde_json::from_value(labels).expect("labels are texts"), content }
        };
        let mut groups: Vec<Group> = data.into_iter().map(group).collect();
        groups.sort_by(|a, b| a.labels.cmp(&b.labels));
        groups
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        wait_exit(&mut self.child);
    }
}

fn binary() -> String {
    std::env::var("PUSHGATEWAY").unwrap_or_else(|_| "/usr/bin/prometheus-pushgateway".to_owned())
}

/// The labels of a group, for comparisons.
pub fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
