//! `pushguard ranges` against servers: what it fetches, keeps, refuses and lets in.

use crate::common::guard::path;
use crate::common::upstream::{Reaction, Upstream, answer};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

const SIX: &str = r#"{"actions":["4.0.0.0/24","4.0.1.0/24","4.0.2.0/24","4.0.3.0/24","4.0.4.0/24","4.0.5.0/24"],"hooks":["5.0.0.0/24"]}"#;
const SIX_OTHERS: &str = r#"{"actions":["4.0.1.0/24","4.0.2.0/24","4.0.3.0/24","4.0.4.0/24","4.0.5.0/24","4.0.6.0/24"],"hooks":["5.0.0.0/24"]}"#;
const ONE: &str = r#"{"actions":["4.0.0.0/24"],"hooks":["5.0.0.0/24"]}"#;

fn ranges(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushguard"));
    for (name, _) in std::env::vars() {
        if name.starts_with("PUSHGUARD_") || name.to_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.arg("ranges").args(arguments);
    command
}

/// The exit code and all that was said.
fn told(output: &Output) -> (i32, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

fn run(arguments: &[&str]) -> (i32, String) {
    told(&ranges(arguments).output().unwrap())
}

/// A server whose answer can be changed; where it has none to give, it ends the connection.
struct Source {
    upstream: Upstream,
    body: Arc<Mutex<&'static str>>,
}

impl Source {
    fn of(body: &'static str) -> Self {
        let body = Arc::new(Mutex::new(body));
        let now = body.clone();
        let upstream = Upstream::start(move |_| match *now.lock().unwrap() {
            "" => Reaction::Close(Vec::new()),
            body => answer("200 OK", "", body),
        });
        Self { upstream, body }
    }

    fn says(&self, body: &'static str) {
        *self.body.lock().unwrap() = body;
    }

    fn url(&self) -> String {
        format!("{}/meta", self.upstream.url())
    }
}

/// Every file of the folder that is served from, with its content.
fn good(state: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(state.join("ranges")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .map(|file| (path(&file), std::fs::read(&file).unwrap()))
        .filter(|(name, _)| name.contains("/good-"))
        .collect();
    files.sort();
    files
}

#[test]
fn fetch_keeps_what_is_good_and_changes_nothing_for_what_is_not() {
    let source = Source::of(SIX);
    let state = tempfile::tempdir().unwrap();
    let (url, folder) = (source.url(), path(state.path()));
    let at = ["--ranges.github-url", &url, "--state.dir", &folder];
    let fetch = |more: &[&str]| run(&[&["fetch"], more, &at].concat());
    let two = ["--set", "actions", "--set", "hooks"];
    let added = |set, n| format!("{set}: {n} ({n} IPv4, 0 IPv6) prefixes, {n} added, 0 removed\n");
    assert_eq!(fetch(&two), (0, added("actions", 6) + &added("hooks", 1)));
    let same = "actions: 6 (6 IPv4, 0 IPv6) prefixes, unchanged\n";
    assert_eq!(fetch(&[]), (0, same.to_owned()));
    source.says(SIX_OTHERS);
    assert_eq!(fetch(&[]), (0, "actions: 6 (6 IPv4, 0 IPv6) prefixes, 1 added, 1 removed\n".to_owned()));
    let before = good(state.path());
    assert_eq!(before.len(), 2);
    for (body, why) in [
        (
            ONE,
            "it lacks 1536 of the 1792 IPv4 addresses that are served: at most 20 %; pushguard ranges approve actions lets it in",
        ),
        ("{}", "/actions is missing"),
        ("<html>", "not JSON: expected value at line 1 column 1"),
        (r#"{"actions":["0.0.0.0/0"]}"#, "0.0.0.0/0 is too broad: at most /12"),
    ] {
        source.says(body);
        assert_eq!(fetch(&[]), (1, format!("actions: refused, the old list stays: {why}\n")));
        assert_eq!(good(state.path()), before, "{body}");
    }
    // Were it to end, another server could get its port.
    source.says("");
    let (code, text) = fetch(&[]);
    assert!(code == 2 && text.contains("github: error sending request"), "{code} {text}");
    assert_eq!(good(state.path()), before);
    // What is kept answers without a network.
    let contains = |address| run(&[&["contains", address], &at[..]].concat());
    assert_eq!(contains("4.0.0.1").0, 0);
    assert!(contains("4.0.0.1").1.contains("left the list, served until"), "{}", contains("4.0.0.1").1);
    assert_eq!(contains("4.0.9.1").0, 1);
}

#[test]
fn an_approved_list_is_kept_by_the_next_fetch() {
    let source = Source::of(SIX);
    let state = tempfile::tempdir().unwrap();
    let (url, folder) = (source.url(), path(state.path()));
    let at = ["--ranges.github-url", &url, "--state.dir", &folder];
    let fetch = || run(&[&["fetch"], &at[..]].concat());
    fetch();
    source.says(ONE);
    assert_eq!(fetch().0, 1);
    let diff = run(&[&["diff", "held", "refused"], &at[..]].concat());
    let lines: Vec<&str> = diff.1.lines().collect();
    assert_eq!((diff.0, lines[0], lines[5]), (1, "- 4.0.1.0/24", "0 added, 5 removed, 1 the same"));
    assert!(lines[8].starts_with("the guard would refuse it: it lacks 1280 of the 1536"), "{lines:?}");
    assert_eq!(run(&[&["diff", "refused", "published"], &at[..]].concat()).0, 0, "the same");
    assert_eq!(run(&["diff", "held", "published", "--ranges.github-url", &url]).0, 2, "without a folder");
    let elsewhere = run(&["approve", "actions", "--state.dir", &folder]);
    assert!(elsewhere.0 == 2 && elsewhere.1.contains("--ranges.github-url"), "{elsewhere:?}");
    let (code, text) = run(&[&["approve", "actions"], &at[..]].concat());
    assert!(code == 0 && text.ends_with("\napproved\n"), "{code} {text}");
    let (code, text) = fetch();
    assert_eq!(code, 0, "{text}");
    assert!(
        text.starts_with(
            "actions: the refused list was approved\nactions: 1 (1 IPv4, 0 IPv6) prefixes, 0 added, 5 removed\n"
        ),
        "{text}"
    );
    assert_eq!(run(&[&["approve", "actions"], &at[..]].concat()).0, 1, "nothing waits any more");
    assert_eq!(run(&[&["diff", "held", "refused"], &at[..]].concat()).0, 2);
    let (_, shown) = run(&[&["show"], &at[..]].concat());
    assert!(shown.contains("  leaving    5, the last served until 2") && !shown.contains("refused"), "{shown}");
}

#[test]
fn without_a_state_folder_the_network_is_asked() {
    let source = Source::of(SIX);
    let url = source.url();
    let ask = |arguments: &[&str]| run(&[arguments, &["--ranges.github-url", &url]].concat());
    assert_eq!(ask(&["contains", "4.0.0.1"]).0, 0);
    assert_eq!(ask(&["contains", "5.0.0.1"]).0, 1, "hooks are not asked for");
    assert_eq!(ask(&["contains", "5.0.0.1", "--set", "hooks"]).0, 0);
    assert_eq!(ask(&["export"]), (0, "4.0.0.0/22\n4.0.4.0/23\n".to_owned()));
    assert_eq!(ask(&["export", "--set", "nothing"]).0, 2);
    source.says("{}");
    assert_eq!(ask(&["contains", "4.0.0.1"]), (2, "pushguard: actions: /actions is missing\n".to_owned()));
}

#[test]
fn the_lists_of_a_policy_are_fetched_with_their_tokens() {
    let meta = Source::of(SIX);
    let list = Source::of("8.8.8.0/24 # partner\n");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("partner.token", "s3cret\n");
    write("office.json", r#"{"nets":["10.0.0.0/8"]}"#);
    let partner = list.url();
    let policy = format!(
        "version: 1\nsources:\n  runners: {{ github: [actions, hooks] }}\n  partner: {{ url: {partner}, token_file: partner.token }}\n  \
         office: {{ file: office.json, pointer: /nets }}\nprincipals: {{}}\n"
    );
    write("policy.yaml", &policy);
    let (url, state) = (meta.url(), path(&folder.path().join("state")));
    let file = path(&folder.path().join("policy.yaml"));
    let (code, text) = run(&["fetch", "--policy.file", &file, "--ranges.github-url", &url, "--state.dir", &state]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
    assert_eq!(list.upstream.seen()[0].header("authorization"), ["Bearer s3cret"]);
    assert_eq!(meta.upstream.seen().len(), 1, "both keys with one request");
    assert!(meta.upstream.seen()[0].header("authorization").is_empty());
    let at = ["--state.dir", &state, "--ranges.github-url", &url];
    let (code, text) = run(&[&["contains", "4.0.0.1", "5.0.0.1", "8.8.8.8", "10.9.9.9"], &at[..]].concat());
    assert_eq!(code, 0, "{text}");
    let sets: Vec<&str> = text.lines().map(|line| line.split("  ").nth(1).unwrap()).collect();
    assert_eq!(sets, ["actions", "hooks", "partner", "office"]);
    let everything = std::fs::read_dir(Path::new(&state).join("ranges")).unwrap();
    for entry in everything {
        assert!(!std::fs::read_to_string(entry.unwrap().path()).unwrap().contains("s3cret"));
    }
}

#[test]
fn goes_through_the_proxy_that_the_environment_names() {
    let proxy = Upstream::start(|_| answer("502 Bad Gateway", "", ""));
    let fetch = |proxied: &str, no_proxy: &str| {
        let mut command = ranges(&["fetch", "--ranges.github-url", "https://meta.invalid/meta"]);
        told(&command.env(proxied, proxy.url()).env("NO_PROXY", no_proxy).output().unwrap())
    };
    for (count, variable) in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"].into_iter().enumerate() {
        assert_eq!(fetch(variable, "").0, 2, "the proxy refuses");
        let seen = proxy.seen();
        assert_eq!(seen.len(), count + 1, "{variable}");
        assert!(seen[count].line().starts_with("CONNECT meta.invalid:443"), "{seen:?}");
    }
    fetch("HTTPS_PROXY", "meta.invalid");
    fetch("HTTP_PROXY", "");
    assert_eq!(proxy.seen().len(), 3);
    // What is on this machine is asked without one.
    let source = Source::of(SIX);
    let mut command = ranges(&["fetch", "--ranges.github-url", &source.url()]);
    assert_eq!(told(&command.env("HTTP_PROXY", proxy.url()).env("ALL_PROXY", proxy.url()).output().unwrap()).0, 0);
    assert_eq!(proxy.seen().len(), 3);
}

/// Killed again and again while it writes, it always finds a whole list.
#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let source = Source::of(SIX);
    let state = tempfile::tempdir().unwrap();
    let (url, folder) = (source.url(), path(state.path()));
    let at = ["--ranges.github-url", &url, "--state.dir", &folder];
    assert_eq!(run(&[&["fetch"], &at[..]].concat()).0, 0);
    let rounds: u64 = std::env::var("PUSHGUARD_VOLUME").map_or(30, |text| text.parse().expect("a number"));
    for round in 0..rounds {
        source.says(if round % 2 == 0 { SIX_OTHERS } else { SIX });
        let mut child = ranges(&[&["fetch"], &at[..]].concat()).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(1500 * (round % 20)));
        child.kill().unwrap();
        child.wait().unwrap();
        let (code, text) = run(&[&["contains", "4.0.1.1", "4.0.5.1"], &at[..]].concat());
        assert_eq!(code, 0, "round {round}: {text}");
    }
}
