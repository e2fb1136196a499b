//! A running pushguard.

use super::http::{Request, Response};
use super::log::{Line, Log};
use super::{wait_exit, wait_for};
use pushguard::auth::phc;
use pushguard::secret::Secret;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

/// The password of every user in the policies of the tests.
pub const PASSWORD: &str = "correct horse: battery";

/// Its hash; made once, since it is dear on purpose.
static HASH: LazyLock<String> =
    LazyLock::new(|| phc::hash(&Secret::new(PASSWORD.as_bytes().to_vec()), *b"a salt for tests").unwrap());

/// Anybody may do anything, as often as a test can ask.
pub const EVERYTHING: &str = r#"
version: 1
principals:
  all:
    anonymous: true
    from: anywhere
    grants:
      - { operations: [push, replace, delete], job: "*", labels: { "*": "*" } }
      - { operations: [scrape, inspect, ui, probe] }
    quotas:
      - { per: principal, burst: 100000, period: 1s }
      - { per: source, burst: 100000, period: 1s, operations: [scrape, inspect, ui, probe] }
"#;

/// The policy of the quickstart, with its hash in the policy's own folder.
pub fn quickstart() -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/quickstart.yaml")).unwrap();
    let adapted = text.replace("../target/quickstart/ci.phc", "ci.phc");
    assert_ne!(text, adapted, "policies/quickstart.yaml names its hash file otherwise");
    adapted
}

/// Replaces a text that must be there.
#[track_caller]
pub fn with(policy: &str, old: &str, new: &str) -> String {
    assert_eq!(policy.matches(old).count(), 1, "{old} stands once in\n{policy}");
    policy.replace(old, new)
}

/// What a pushguard is started with.
pub struct Start {
    pub folder: TempDir,
    pub command: Command,
}

impl Start {
    /// `serve` with nothing but what the test adds; the policy lies in a folder of its own, beside `ci.phc`.
    pub fn bare(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let secret = folder.path().join("ci.phc");
        std::fs::write(&secret, format!("{}\n", *HASH)).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushguard"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PUSHGUARD_")) {
            command.env_remove(name);
        }
        // Nobody learns late here; tests of the end set their own.
        command.env("PUSHGUARD_WEB_DRAIN_DELAY", "0s");
        // Every line is looked for here.
        command.env("PUSHGUARD_LOG_MAX_REFUSALS", "0");
        // Tests count what reaches the gateway; those that are about this set it.
        command.env("PUSHGUARD_UPSTREAM_LEARN_INTERVAL", "0s");
        // A hash takes its time where much else is going on.
        command.env("PUSHGUARD_LOGIN_TIMEOUT", "60s");
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self { folder, command }
    }

    /// With the policy and an admin listener on a free port.
    pub fn with_policy(policy: &str) -> Self {
        let start = Self::bare(policy);
        let file = start.policy_file();
        start.flag("--policy.file", &file).flag("--admin.listen-address", "127.0.0.1:0")
    }

    /// With one listener named `default`, in front of `upstream`.
    pub fn new(policy: &str, upstream: &str) -> Self {
        Self::with_policy(policy).flag("--web.listen-address", "127.0.0.1:0").flag("--upstream.url", upstream)
    }

    pub fn policy_file(&self) -> String {
        path(&self.folder.path().join("policy.yaml"))
    }

    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.command.arg(name).arg(value);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts and waits until it is ready.
    pub fn run(self) -> Guard {
        self.run_until("ready", 1)
    }

    /// Starts and waits until it has said that so often.
    pub fn run_until(self, msg: &str, times: usize) -> Guard {
        let (folder, mut child, log) = self.spawn();
        let mut listeners = BTreeMap::new();
        let ready = log.find(|lines| {
            let lines = lines.iter().filter_map(|line| Line::read(line).ok());
            (lines.filter(|line| line.get("msg") == msg).count() >= times).then_some(())
        });
        if ready.is_none() {
            let _ = child.kill();
            panic!("pushguard did not start: {:?}\n{}", child.wait(), log.raw().join("\n"));
        }
        for line in log.lines().iter().filter(|line| line.get("msg") == "listening") {
            listeners.insert(line["listener"].to_owned(), line["address"].parse().expect("an address"));
        }
        Guard { child, log, listeners, folder }
    }

    /// Starts what is not meant to run; answers how it ended and what it said.
    pub fn fail(self) -> (ExitStatus, String) {
        let (_folder, mut child, log) = self.spawn();
        let status = wait_exit(&mut child);
        log.find(|_| None::<()>);
        (status, log.raw().join("\n"))
    }

    fn spawn(mut self) -> (TempDir, Child, Log) {
        let mut child = self.command.spawn().expect("pushguard can be run");
        let log = Log::follow(child.stderr.take().unwrap());
        (self.folder, child, log)
    }
}

/// A path as text.
pub fn path(path: &Path) -> String {
    path.to_str().expect("the path is text").to_owned()
}

/// A running pushguard; it ends when dropped.
pub struct Guard {
    child: Child,
    pub log: Log,
    listeners: BTreeMap<String, SocketAddr>,
    pub folder: TempDir,
}

impl Guard {
    pub fn start(policy: &str, upstream: &str) -> Self {
        Start::new(policy, upstream).run()
    }

    /// The address of the listener `default`.
    pub fn address(&self) -> SocketAddr {
        self.listener("default")
    }

    /// Of the process, for what the system tells of it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn admin(&self) -> SocketAddr {
        self.listener("admin")
    }

    #[track_caller]
    pub fn listener(&self, name: &str) -> SocketAddr {
        *self.listeners.get(name).unwrap_or_else(|| panic!("no listener {name}: {:?}", self.listeners))
    }

    /// The one record of the request behind an answer.
    #[track_caller]
    pub fn record(&self, response: &Response) -> Line {
        let id = response.request_id();
        self.log.line(id, |line| line.get("msg") == "request" && line.get("request_id") == id)
    }

    /// The metrics page of the admin listener.
    #[track_caller]
    pub fn metrics(&self) -> String {
        Request::get("/metrics").send(self.admin()).is(200, "", "metrics").text()
    }

    /// The value of a series, by the text in front of it; none where the page has no such series.
    #[track_caller]
    pub fn metric(&self, series: &str) -> Option<f64> {
        let page = self.metrics();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(value.parse().unwrap_or_else(|error| panic!("{series} {value}: {error}")))
    }

    /// Waits until a series has that value. What a request did is counted when it is over, and that may be after its
    /// client has read the answer.
    #[track_caller]
    pub fn await_metric(&self, series: &str, value: f64) {
        wait_for(&format!("{series} {value}"), || (self.metric(series) == Some(value)).then_some(()));
    }

    /// Files that it has open, sockets among them.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal {name} can be sent");
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        wait_exit(&mut self.child)
    }

    /// Asks it to end, and waits until its log is whole.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        let status = self.ended();
        self.log.find(|_| None::<()>);
        status
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the log of pushguard ---\n{}\n---", self.log.raw().join("\n"));
        }
    }
}
