//! The shell of the composite action `push-metrics`, at a running pair with an issuer of ours, and at what goes wrong.

use crate::common::gateway::Gateway;
use crate::common::guard::{PASSWORD, Start};
use crate::common::mint::{RSA, github_run, key_set};
use crate::common::upstream::{Reaction, Upstream, answer};
use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::SystemTime;
use tempfile::TempDir;

const POLICY: &str = r#"
version: 1
issuers: { github: { preset: github-actions, audience: "https://push.example.com", jwks_file: keys.json } }
principals:
  run:
    token:  { issuer: github, claims: { repository_owner_id: "11", repository_id: "22" } }
    from:   anywhere
    grants: [{ operations: [push], job: ci, labels: { workflow: "*", repository: "{repository}" } }]
  team:
    basic:  { username: ci, password_hash_file: ci.phc }
    from:   anywhere
    grants: [{ operations: [push, replace], job: "*", labels: { "*": "*" } }]
"#;

const METRICS: &str = "# TYPE exunit_tests_total gauge\nexunit_tests_total 42\n";

/// A run of the step: its environment, and what it leaves.
struct Step {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

struct Ran {
    output: Output,
    folder: TempDir,
}

impl Step {
    fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("metrics.txt"), METRICS).unwrap();
        let mut step = Self { folder, variables: BTreeMap::new() };
        for (name, file) in
            [("INPUT_FILE", "metrics.txt"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]
        {
            let path = step.folder.path().join(file).to_str().unwrap().to_owned();
            step = step.with(name, &path);
        }
        step.with("INPUT_URL", url).with("INPUT_TIME_LIMIT", "20").with("INPUT_LABELS", "workflow=Elixir/Phoenix CI\n")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn run(self) -> Ran {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/github/push-metrics/push.sh");
        let mut command = Command::new("bash");
        command.arg(script).env_clear().env("PATH", std::env::var("PATH").unwrap()).envs(&self.variables);
        Ran { output: command.output().expect("bash runs"), folder: self.folder }
    }
}

impl Ran {
    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The outputs, after a look that the step ended as it should.
    #[track_caller]
    fn outputs(&self, code: i32) -> BTreeMap<String, String> {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.said());
        self.file("output")
            .lines()
            .map(|l| l.split_once('=').unwrap())
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect()
    }

    fn said(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}\n{}", text(&self.output.stdout), text(&self.output.stderr))
    }
}

/// The service that gives runs their identity.
fn identities() -> Upstream {
    let iat = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let token = RSA.token(&github_run(iat));
    Upstream::start(move |seen| {
        let asked = seen.line().contains("push.example.com");
        match asked && seen.header("authorization") == ["Bearer of-the-run"] {
            true => {
                answer("200 OK", "Content-Type: application/json\r\n", &format!(r#"{{"count":1,"value":"{token}"}}"#))
            }
            false => answer("401 Unauthorized", "", ""),
        }
    })
}

#[test]
fn a_run_proves_itself_or_sends_its_password_and_any_label_arrives() {
    let Some(gateway) = Gateway::start() else { return };
    let start = Start::new(POLICY, &gateway.url());
    std::fs::write(start.folder.path().join("keys.json"), key_set(&[RSA.jwk()])).unwrap();
    let guard = start.run();
    let url = format!("http://{}", guard.address());
    let issuer = identities();
    let run = Step::new(&url)
        .with("INPUT_AUDIENCE", "https://push.example.com")
        .with("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?api-version=2.0", issuer.url()))
        .with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-run")
        .with("INPUT_LABELS", "workflow=Elixir/Phoenix CI\nrepository=acme/app\n")
        .run();
    let outputs = run.outputs(0);
    assert_eq!((outputs["pushed"].as_str(), outputs["reason"].as_str()), ("true", ""), "{}", run.said());
    let record = guard.log.line("the push", |l| l.get("request_id") == outputs["request-id"]);
    assert_eq!((&record["principal"], &record["operation"]), ("run", "push"));

    let odd = "workflow=ä=b \"c\" $(d) `e` \\ 'f' % & ?#\nempty=\nurl=https://x.example/?a=b&c=d";
    let team = Step::new(&format!("{url}/"))
        .with("INPUT_USERNAME", "ci")
        .with("INPUT_PASSWORD", PASSWORD)
        .with("INPUT_LABELS", odd)
        .with("INPUT_JOB", "job with / and ünï")
        .with("INPUT_METHOD", "PUT")
        .run();
    assert_eq!(team.outputs(0)["pushed"], "true", "{}", team.said());
    assert!(!team.said().contains(PASSWORD) && !run.said().contains("of-the-run"));
    let groups = gateway.groups();
    assert_eq!(groups.len(), 2);
    let of = |job: &str| groups.iter().find(|group| group.labels["job"] == job).unwrap().labels.clone();
    assert_eq!(of("ci")["workflow"], "Elixir/Phoenix CI");
    let labels = of("job with / and ünï");
    assert_eq!(labels["workflow"], "ä=b \"c\" $(d) `e` \\ 'f' % & ?#");
    assert_eq!(labels["url"], "https://x.example/?a=b&c=d");
    assert!(!labels.contains_key("empty"));
}

#[test]
fn a_refusal_is_told_and_never_fails_the_build_unless_asked() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Start::new(POLICY, &gateway.url());
    std::fs::write(guard.folder.path().join("keys.json"), key_set(&[RSA.jwk()])).unwrap();
    let guard = guard.run();
    let url = format!("http://{}", guard.address());
    for (fail, code) in [("false", 0), ("true", 1)] {
        let step = Step::new(&url).with("INPUT_USERNAME", "ci").with("INPUT_PASSWORD", "wrong");
        let ran = step.with("INPUT_FAIL", fail).run();
        let outputs = ran.outputs(code);
        assert_eq!((outputs["pushed"].as_str(), outputs["reason"].as_str()), ("false", "credential_rejected"));
        assert!(!outputs["request-id"].is_empty());
        assert!(ran.said().contains("::warning::Metrics not pushed: 401"), "{}", ran.said());
        let summary = ran.file("summary");
        assert!(summary.contains("exunit_tests_total 42") && summary.contains("credential_rejected"), "{summary}");
    }
    let none = Step::new(&url).with("INPUT_AUDIENCE", "https://push.example.com").run();
    assert_eq!(none.outputs(0)["reason"], "no_token", "the permission is missing");
    assert!(none.said().contains("::warning::"), "{}", none.said());
    for (input, value) in [("INPUT_AUDIENCE", "https://push.example.com"), ("INPUT_USERNAME", "ci")] {
        let fork = Step::new(&url).with(input, value).with("INPUT_FORK", "true").with("INPUT_FAIL", "true").run();
        assert_eq!(fork.outputs(0)["reason"], "skipped", "{}", fork.said());
        assert!(fork.said().contains("::notice::") && fork.file("summary").is_empty(), "{}", fork.said());
    }
    let own = Step::new(&url).with("INPUT_USERNAME", "ci").with("INPUT_PASSWORD", PASSWORD).with("INPUT_FORK", "true");
    assert_eq!(own.run().outputs(0)["pushed"], "true", "a fork that was given a password uses it");
    let absent = Step::new(&url).with("INPUT_FILE", "/nowhere").run();
    assert_eq!(absent.outputs(0)["reason"], "no_file");
}

#[test]
fn without_an_address_it_is_skipped_and_the_environment_has_the_last_word() {
    let skipped = Step::new("").with("INPUT_FAIL", "true").run();
    let outputs = skipped.outputs(0);
    assert_eq!((outputs["pushed"].as_str(), outputs["reason"].as_str()), ("false", "skipped"));
    assert!(skipped.said().contains("::notice::"), "{}", skipped.said());
    assert_eq!(skipped.file("summary"), "", "nothing has failed");
    let overridden = Step::new("http://127.0.0.1:1").with("PUSHGATEWAY_URL", "").run();
    assert_eq!(overridden.outputs(0)["reason"], "skipped");
    let unreachable = Step::new("").with("PUSHGATEWAY_URL", "http://127.0.0.1:1").with("INPUT_TIME_LIMIT", "5").run();
    assert_eq!(unreachable.outputs(0)["reason"], "unreachable", "{}", unreachable.said());
}

#[test]
fn it_comes_back_when_it_is_asked_to_and_gives_up_in_time() {
    let answers = Mutex::new(vec![
        answer("200 OK", "Pushguard-Request-Id: third\r\n", ""),
        answer("503 Service Unavailable", "Pushguard-Reason: upstream_unavailable\r\nRetry-After: 1\r\n", "away\n"),
        answer("429 Too Many Requests", "Pushguard-Reason: quota_exhausted\r\nRetry-After: 1\r\n", "later\n"),
    ]);
    let upstream = Upstream::start(move |_| answers.lock().unwrap().pop().unwrap_or(Reaction::Hang));
    let ran = Step::new(&upstream.url()).run();
    let outputs = ran.outputs(0);
    assert_eq!((outputs["pushed"].as_str(), outputs["request-id"].as_str()), ("true", "third"), "{}", ran.said());
    assert_eq!(upstream.seen().len(), 3);

    let late =
        Upstream::start(|_| answer("429 X", "Pushguard-Reason: quota_exhausted\r\nRetry-After: 3600\r\n", "later\n"));
    let ran = Step::new(&late.url()).run();
    assert_eq!(ran.outputs(0)["reason"], "quota_exhausted");
    assert_eq!(late.seen().len(), 1, "an hour is more than the time limit");
    let hanging = Upstream::start(|_| Reaction::Hang);
    let ran = Step::new(&hanging.url()).with("INPUT_TIME_LIMIT", "1").run();
    assert_eq!(ran.outputs(0)["reason"], "timeout", "{}", ran.said());
    let refused = Upstream::start(|_| {
        answer("403 Forbidden", "Pushguard-Reason: job_not_granted\r\n", "100% no\r\n::error::x\n")
    });
    let ran = Step::new(&refused.url()).run();
    assert_eq!((ran.outputs(0)["reason"].as_str(), refused.seen().len()), ("job_not_granted", 1), "asked once");
    assert!(ran.said().contains("403: 100%25 no%0A::error::x"), "one line, no command of others: {}", ran.said());
}
