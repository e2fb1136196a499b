//! A real Pushgateway with a guard in front of it, for one test.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

const GUARD: &str = env!("CARGO_BIN_EXE_pushguard");
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct House {
    /// Where clients push.
    pub url: String,
    gateway: String,
    _running: [Running; 2],
    _folder: TempDir,
}

impl House {
    /// Starts both, with a policy beside which `ci.phc` holds the hash of `password`.
    pub fn open(gateway: &str, policy: &str, password: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("policy.yaml"), policy).expect("the policy is written");
        hash(password, File::create(folder.path().join("ci.phc")).expect("the hash file"));
        let mut command = Command::new(gateway);
        command.args(["--web.listen-address=127.0.0.1:0", "--persistence.file="]);
        let (behind, address) = start(command, |line| {
            let (_, rest) = line.split_once("address=")?;
            rest.contains("127.0.0.1:")
                .then(|| rest.trim_start_matches('"').split(['"', ' ']).next().map(str::to_owned))?
        });
        let mut command = Command::new(GUARD);
        command.arg("serve").arg("--policy.file").arg(folder.path().join("policy.yaml"));
        command.args(["--upstream.url", &format!("http://{address}")]);
        command.args(["--web.listen-address", "127.0.0.1:0", "--admin.listen-address", "127.0.0.1:0"]);
        let mut listening = None;
        let (front, url) = start(command, move |line| {
            if let Some((_, rest)) = line.split_once("msg=listening listener=default address=") {
                listening = rest.split(' ').next().map(|address| format!("http://{address}"));
            }
            line.contains("msg=ready").then(|| listening.clone()).flatten()
        });
        Self { url, gateway: address, _running: [front, behind], _folder: folder }
    }

    /// All groups that the gateway holds, as its API tells them.
    pub fn groups(&self) -> Vec<serde_json::Value> {
        let mut stream = TcpStream::connect(&self.gateway).expect("the gateway listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(stream, "GET /api/v1/metrics HTTP/1.0\r\nHost: {}\r\n\r\n", self.gateway).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let mut answer: serde_json::Value = serde_json::from_str(body).expect("JSON");
        serde_json::from_value(answer["data"].take()).expect("a list of groups")
    }
}

fn hash(password: &str, into: File) {
    let mut child = Command::new(GUARD).arg("hash").stdin(Stdio::piped()).stdout(into).spawn().expect("hash starts");
    child.stdin.take().expect("its input").write_all(password.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

/// Starts a server and waits for the line of its log that `found` makes something of.
fn start(mut command: Command, mut found: impl FnMut(&str) -> Option<String> + Send + 'static) -> (Running, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the server starts");
    let log = BufReader::new(child.stderr.take().expect("its log"));
    let running = Running(child);
    let (send, receive) = mpsc::channel();
    // The log is read to its end, or the server would wait for a reader.
    std::thread::spawn(move || {
        let mut seen = String::new();
        let mut send = Some(send);
        for line in log.lines().map_while(Result::ok) {
            if send.is_none() {
                continue;
            }
            if let Some(text) = found(&line) {
                let _ = send.take().map(|send| send.send(Ok(text)));
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        if let Some(send) = send {
            let _ = send.send(Err(seen));
        }
    });
    match receive.recv_timeout(PATIENCE) {
        Ok(Ok(text)) => (running, text),
        Ok(Err(log)) => panic!("{command:?} ended:\n{log}"),
        Err(_) => panic!("{command:?} did not say that it is ready"),
    }
}

/// The part of the environment that a test needs; without it the test is skipped loudly, or fails where nothing may be
/// missing.
pub fn need(what: &str, candidates: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = candidates.into_iter().collect();
    if let Some(found) = candidates.iter().find(|path| path.exists()) {
        return Some(found.clone());
    }
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    let message = format!("{what} is missing (`make test` installs it); looked for {candidates:?}");
    assert!(!set("PUSHGUARD_REQUIRE_ALL", "1") && !set("CI", "true"), "{message}");
    // Past the test runner's capture, which shows nothing of a test that passes.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED, NOT TESTED: {message}");
    None
}
