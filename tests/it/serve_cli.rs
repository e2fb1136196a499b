//! `pushguard serve` as a process: how it is told what to do, what it says while it starts, and how it ends.

use crate::common::guard::{EVERYTHING, Guard, PASSWORD, Start, quickstart, with};
use crate::common::http::{Connection, Request};
use crate::common::log::Line;
use crate::common::upstream::{Reaction, Upstream, ok};
use crate::common::wait_for;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

fn push() -> Request {
    Request::post("/metrics/job/ci", "m 1\n")
}

#[test]
fn it_says_where_it_listens_and_then_that_it_is_ready() {
    for format in ["logfmt", "json"] {
        let start = Start::with_policy(EVERYTHING).flag("--log.format", format);
        let start = start.flag("--web.listen-address", "127.0.0.1:0").flag("--web.listen-address", "b=127.0.0.1:0");
        let mut guard = start.run();
        guard.stop();
        let raw = guard.log.raw();
        let read = |line: &String| match format {
            "json" => Line::json(line),
            _ => Line::logfmt(line),
        };
        let lines: Vec<Line> =
            raw.iter().map(|line| read(line).unwrap_or_else(|e| panic!("{format}: {line}: {e}"))).collect();
        let listeners: Vec<(&str, &str)> =
            lines.iter().filter(|l| &l["msg"] == "listening").map(|l| (&l["listener"], &l["level"])).collect();
        assert_eq!(listeners, [("default", "info"), ("b", "info"), ("admin", "info")], "{format}");
        let at = |msg: &str| lines.iter().position(|line| &line["msg"] == msg).unwrap_or_else(|| panic!("no {msg}"));
        assert!(lines[at("ready") + 1..].iter().all(|line| &line["msg"] != "listening"), "{format}: {raw:#?}");
        assert_eq!(&lines[at("ready")]["version"], env!("CARGO_PKG_VERSION"));
        assert!(at("stopping") > at("ready"));
        for (at, text) in raw.iter().enumerate() {
            let keys = if format == "json" { ["{\"time\":", "\"level\":"] } else { ["time=", "level="] };
            assert!(text.starts_with(keys[0]) && text.contains(keys[1]), "line {at}: {text}");
        }
    }
}

#[test]
fn every_flag_has_its_variable_and_wins_over_it() {
    let upstream = Upstream::start(|_| ok());
    let start = Start::bare(EVERYTHING);
    let (policy, state) = (start.policy_file(), format!("{}/state", start.folder.path().display()));
    let variables = |start: Start| {
        start
            .env("PUSHGUARD_POLICY_FILE", &policy)
            .env("PUSHGUARD_UPSTREAM_URL", &upstream.url())
            .env("PUSHGUARD_WEB_LISTEN_ADDRESS", "127.0.0.1:0,internal=127.0.0.1:0")
            .env("PUSHGUARD_ADMIN_LISTEN_ADDRESS", "127.0.0.1:0")
            .env("PUSHGUARD_STATE_DIR", &state)
            .env("PUSHGUARD_RANGES_GITHUB_URL", "http://127.0.0.1:1/meta")
            .env("PUSHGUARD_LOG_FORMAT", "json")
            .env("PUSHGUARD_LOG_LEVEL", "info")
    };
    let guard = variables(start).run();
    for listener in ["default", "internal"] {
        push().send(guard.listener(listener)).is(200, "", listener);
    }
    Request::get("/-/ready").send(guard.admin()).is(200, "", "admin");
    assert!(guard.log.raw().iter().all(|line| line.starts_with('{')));
    let other = Start::bare(EVERYTHING);
    let guard = variables(other).flag("--log.format", "logfmt").flag("--web.listen-address", "127.0.0.1:0").run();
    assert!(guard.log.raw().iter().all(|line| line.starts_with("time=")));
    push().send(guard.address()).is(200, "", "the flag's listener");
    assert!(guard.log.lines().iter().all(|line| line.get("listener") != "internal"), "the flag replaces the variable");
}

#[test]
fn a_port_alone_listens_everywhere() {
    let upstream = Upstream::start(|_| ok());
    let start = Start::with_policy(&quickstart()).flag("--upstream.url", &upstream.url());
    let guard = start.flag("--web.listen-address", ":0").run();
    assert!(guard.address().ip().is_unspecified());
    let local: SocketAddr = ([127, 0, 0, 1], guard.address().port()).into();
    let answer = push().basic("ci", PASSWORD).send(local).is(200, "", "over IPv4");
    // Not the form in which an IPv6 socket sees it.
    assert_eq!(&guard.record(&answer)["source"], "127.0.0.1");
    let warned = guard.log.line("that warns", |line| line.get("msg") == "passwords in clear text");
    assert_eq!((&warned["level"], &warned["listener"]), ("warn", "default"));
    let exposed = "pushguard_listener_cleartext_credentials{listener=\"default\"}";
    assert_eq!(guard.metric(exposed), Some(1.0));
    let loopback = Guard::start(&quickstart(), &upstream.url());
    assert_eq!(loopback.metric(exposed), Some(0.0));
    assert!(loopback.log.lines().iter().all(|line| line.get("msg") != "passwords in clear text"));
}

#[test]
fn a_bad_policy_ends_the_start_with_1_and_all_its_problems() {
    let good = quickstart();
    let secret = Start::new(&good, "http://127.0.0.1:1");
    std::fs::remove_file(secret.folder.path().join("ci.phc")).unwrap();
    let two = with(
        &with(
            &good,
            "from:   { require: [local] }\n    grants: [{ operations: [push",
            "form: x\n    grants: [{ operations: [pull",
        ),
        "version: 1",
        "version: 2",
    );
    let policy = |text: &str| Start::new(text, "http://127.0.0.1:1");
    let cases: Vec<(&str, Start, &[&str])> = vec![
        ("no YAML", policy("version: [1\n"), &["policy.yaml:"]),
        ("three problems", policy(&two), &["version", "form", "from", "pull", "push"]),
        ("no secret", secret, &["ci.phc", "pushguard hash"]),
        (
            "a listener without an address",
            policy(&with(&good, "listeners: [default]", "listeners: [public]")),
            &["sources.local.listeners", "\"public\"", "--web.listen-address public=ADDR"],
        ),
    ];
    for (case, start, said) in cases {
        let (status, text) = start.fail();
        assert_eq!(status.code(), Some(1), "{case}: {text}");
        assert!(said.iter().all(|word| text.contains(word)), "{case}: {said:?} in {text}");
        assert!(!text.contains("msg=listening"), "{case}: {text}");
    }
    // A file that is not there says nothing, good or bad.
    let (status, text) = Start::bare("").flag("--policy.file", "/nonexistent/policy.yaml").fail();
    assert_eq!(status.code(), Some(2), "{text}");
    assert!(text.contains("/nonexistent/policy.yaml"), "{text}");
}

/// The policy and the flags must fit each other.
#[test]
fn a_body_that_never_fits_ends_the_start_with_1() {
    let policy = with(EVERYTHING, "    quotas:\n", "    payload: { max_bytes: 2MiB }\n    quotas:\n");
    let start = |room| Start::new(&policy, "http://127.0.0.1:1").flag("--web.max-body-memory", room);
    let (status, said) = start("1MiB").fail();
    assert_eq!(status.code(), Some(1), "{said}");
    let expected = "principals.all.payload.max_bytes: a body of 2097152 bytes never fits into --web.max-body-memory";
    assert!(said.contains(expected), "{said}");
    drop(start("2MiB").run());
}

#[test]
fn a_hash_that_needs_more_memory_than_is_set_aside_ends_the_start_with_1() {
    let start = |workers: &str, memory: &str| {
        let start = Start::new(&quickstart(), "http://127.0.0.1:1").flag("--login.workers", workers);
        start.flag("--memory.limit", "0").flag("--login.max-memory", memory)
    };
    for (workers, memory, said) in [
        ("1", "8MiB", "needs m=12288 KiB for each of --login.workers 1, and --login.max-memory sets 8192 KiB aside"),
        ("4", "47MiB", "needs m=12288 KiB for each of --login.workers 4, and --login.max-memory sets 48128 KiB aside"),
    ] {
        let (status, text) = start(workers, memory).fail();
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(text.contains("policy.yaml: principals.ci.basic.password_hash_file: a hash in it"), "{text}");
        assert!(text.contains(said) && text.contains("pushguard hash"), "{text}");
        assert!(!text.contains("msg=listening"), "{text}");
    }
    drop(start("1", "12MiB").run());
    drop(start("4", "48MiB").run());
}

#[test]
fn what_cannot_be_bound_ends_the_start_with_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    let start = || Start::bare(EVERYTHING);
    let with_policy = |start: Start| {
        let file = start.policy_file();
        start.flag("--policy.file", &file)
    };
    let free = "127.0.0.1:0";
    let cases = [
        ("web", taken.1.as_str(), free),
        ("admin", free, taken.1.as_str()),
        // An address that is not ours.
        ("web", "192.0.2.1:0", free),
    ];
    for (case, web, admin) in cases {
        let start = with_policy(start()).flag("--web.listen-address", web).flag("--admin.listen-address", admin);
        let (status, text) = start.fail();
        assert_eq!(status.code(), Some(2), "{case}: {text}");
        let address = if web == free { admin } else { web };
        let told = format!("--{case}.listen-address: cannot listen on {address}");
        assert!(text.contains(&told) && !text.contains("msg=ready"), "{case}: {text}");
    }
}

#[test]
fn a_state_folder_that_cannot_be_used_ends_the_start_with_one_line_and_2() {
    let start = |folder: &str| Start::new(EVERYTHING, "http://127.0.0.1:1").flag("--state.dir", folder);
    for folder in ["/proc/pushguard", "/etc/passwd/state"] {
        let (status, text) = start(folder).fail();
        assert_eq!(status.code(), Some(2), "{folder}: {text}");
        assert_eq!(text.lines().count(), 1, "{folder}: {text}");
        assert!(text.starts_with(&format!("pushguard: --state.dir: cannot write {folder}/")), "{text}");
    }
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/state");
    let _guard = start(folder.to_str().unwrap()).run();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "it is made, and nothing is left in it");
}

/// A limit of the control group is found by itself; what a container has is played by the flag.
#[test]
fn what_can_need_more_memory_than_there_is_ends_the_start_with_the_sum() {
    let start = |limit: &str| Start::new(EVERYTHING, "http://127.0.0.1:1").flag("--memory.limit", limit);
    let (status, text) = start("64MiB").fail();
    assert_eq!(status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    for said in ["pushguard: this configuration can need", "64 MiB", "24 MiB for bodies (--web.max-body-memory)"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    start("64MiB").flag("--web.max-body-memory", "8MiB").flag("--web.max-connections", "128").run();
    for limit in ["128MiB", "0"] {
        start(limit).run();
    }
}

#[test]
fn a_wrong_command_line_is_64_and_help_is_0() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushguard"));
        command.args(arguments).stdin(Stdio::null()).output().expect("pushguard can be run")
    };
    let serve = |more: &[&'static str]| [&["serve", "--policy.file", "/nonexistent"], more].concat();
    let cases = [
        vec![],
        vec!["serve"],
        vec!["sing"],
        vec!["check"],
        serve(&["--no.such-flag", "1"]),
        serve(&["--web.listen-address", "nonsense"]),
        serve(&["--web.listen-address", "127.0.0.1:99999"]),
        serve(&["--web.listen-address", "=127.0.0.1:0"]),
        serve(&["--upstream.url", "ftp://127.0.0.1:1"]),
        serve(&["--upstream.url", "http://user:password@127.0.0.1:1"]),
        serve(&["--log.format", "xml"]),
        serve(&["--log.level", "loud"]),
    ];
    for arguments in cases {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
    for arguments in [["--version"].as_slice(), &["--help"], &["serve", "--help"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    let version = run(&["--version"]).stdout;
    assert_eq!(String::from_utf8(version).unwrap(), format!("pushguard {}\n", env!("CARGO_PKG_VERSION")));
}

/// An upstream that answers when it is told, and a push that waits for it.
fn in_flight() -> (Upstream, Guard, Connection) {
    let upstream = Upstream::start(|_| Reaction::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()));
    // Longer than any test waits: who ends, ends for another reason.
    let guard = Start::new(EVERYTHING, &upstream.url()).flag("--web.shutdown-timeout", "1h").run();
    let mut connection = Connection::open(guard.address());
    connection.send(push().bytes());
    upstream.wait_seen(1);
    (upstream, guard, connection)
}

#[test]
fn a_signal_ends_it_with_0_once_what_is_in_flight_is_answered() {
    for signal in ["TERM", "INT"] {
        let (upstream, mut guard, mut connection) = in_flight();
        let mut idle = [guard.address(), guard.admin()].map(Connection::open);
        idle[0].exchange(&Request::get("/nope")).is(404, "target_unknown", "before");
        idle[1].exchange(&Request::get("/-/ready")).is(200, "", "before");
        guard.signal(signal);
        let stopping = guard.log.line("that it stops", |line| line.get("msg") == "stopping");
        assert_eq!(&stopping["in_flight"], "1", "{signal}");
        for connection in &mut idle {
            connection.is_closed("an idle connection");
        }
        wait_for("refused connections", || TcpStream::connect(guard.address()).is_err().then_some(()));
        upstream.release();
        let answer = connection.receive("POST").is(200, "", signal);
        assert_eq!(&guard.record(&answer)["verdict"], "allow", "{signal}");
        assert_eq!(guard.ended().code(), Some(0), "{signal}");
    }
}

#[test]
fn with_nothing_in_flight_it_ends_at_once_and_a_second_signal_ends_it_anyway() {
    let mut guard = Start::new(EVERYTHING, "http://127.0.0.1:1").flag("--web.shutdown-timeout", "1h").run();
    // A connection in the middle of a head is nothing in flight yet.
    Connection::open(guard.address()).send("POST /metrics");
    assert_eq!(guard.stop().code(), Some(0));

    let (_upstream, mut guard, _connection) = in_flight();
    guard.signal("TERM");
    guard.log.line("that it stops", |line| line.get("msg") == "stopping");
    guard.signal("TERM");
    assert_eq!(guard.ended().code(), Some(0));
}
