//! The official client libraries push through the guard to a real Pushgateway, unmodified.

use crate::common::gateway::Gateway;
use crate::common::guard::{Guard, Start};
use crate::common::http::Request;
use crate::common::log::Line;
use crate::common::{gateway_is_demanded, skip};
use pushguard::secret::Secret;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const USER: &str = "ci";
/// What a library might get wrong on the way: a colon, a space, letters beyond ASCII.
const PASSWORD: &str = "Grüße: 1 aus der CI";
const POLICY: &str = r#"
version: 1
sources: { local: { cidrs: [127.0.0.1/32], listeners: [default] } }
principals:
  ci:
    basic: { username: ci, password_hash_file: ci.phc }
    from: { require: [local] }
    grants: [{ operations: [push, replace, delete], job: ci, labels: { workflow: "*", "instance?": "*" } }]
"#;
const SUITE: &str = "unit \"quoted\" / ü";

/// A script that makes one call of a library.
struct Client {
    program: PathBuf,
    script: &'static str,
    node_modules: PathBuf,
    /// Whether the library compresses what it pushes.
    gzip: bool,
}

/// Whom a call is made as, and for which group.
#[derive(Clone)]
struct Call<'a> {
    password: &'a str,
    job: &'a str,
    grouping: Value,
}

impl Client {
    /// What the library made of it: nothing to say, or the text of its error.
    fn call(&self, house: &House, operation: &str, call: &Call<'_>, value: u32) -> Result<(), String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let output = Command::new(&self.program)
            .arg(folder.join(self.script))
            .args([operation, &house.url, USER, call.job, &call.grouping.to_string(), &value.to_string()])
            .env("PASSWORD", call.password)
            .env("COMPRESSION", if self.gzip { "gzip" } else { "" })
            .env("NODE_PATH", &self.node_modules)
            .output()
            .unwrap_or_else(|e| panic!("{}: {e}", self.program.display()));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Ok(()),
            Some(1) => Err(text),
            _ => panic!("{} {operation}: {}\n{text}", self.script, output.status),
        }
    }
}

fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(path)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The programs of that name in the search path.
fn programs(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).collect()
}

/// A gateway with a guard in front of it.
struct House {
    url: String,
    gateway: Gateway,
    guard: Guard,
}

fn house() -> Option<House> {
    let gateway = Gateway::start()?;
    let start = Start::new(POLICY, &gateway.url());
    let hash = pushguard::auth::phc::hash(&Secret::new(PASSWORD.into()), *b"sixteen of salt!").unwrap();
    std::fs::write(start.folder.path().join("ci.phc"), hash).unwrap();
    let guard = start.run();
    Some(House { url: format!("http://{}", guard.address()), gateway, guard })
}

impl House {
    /// All groups that the gateway holds, as its API tells them.
    fn groups(&self) -> Vec<Value> {
        let answer = Request::get("/api/v1/metrics").send(self.gateway.address).is(200, "", "/api/v1/metrics");
        answer.json()["data"].as_array().cloned().expect("a list of groups")
    }

    /// The bytes of the bodies of that many pushes, as they came.
    fn came(&self, pushes: usize) -> Vec<usize> {
        let found = self.guard.log.find(|lines| {
            let lines = lines.iter().filter_map(|line| Line::read(line).ok());
            let pushed = lines.filter(|line| line.get("msg") == "request" && line.get("operation") != "delete");
            let bytes: Vec<usize> = pushed.map(|line| line.get("bytes_in").parse().expect("a number")).collect();
            (bytes.len() == pushes).then_some(bytes)
        });
        found.unwrap_or_else(|| panic!("not {pushes} pushes: {:#?}", self.guard.log.raw()))
    }
}

/// A part of the environment that `make test` installs.
fn need(what: &str, candidates: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = candidates.into_iter().collect();
    let found = candidates.iter().find(|path| path.exists()).cloned();
    if found.is_none() {
        skip(&format!("{what} (`make test` installs it); looked for {candidates:?}"), gateway_is_demanded());
    }
    found
}

fn python() -> Option<Client> {
    let path = variable("PUSHGUARD_PYTHON").unwrap_or_else(|| target("clients/python/bin/python"));
    let program = need("the Python client", [path])?;
    Some(Client { program, script: "client.py", node_modules: PathBuf::new(), gzip: false })
}

fn node() -> Option<Client> {
    let modules = variable("PUSHGUARD_NODE_MODULES").unwrap_or_else(|| target("clients/node/node_modules"));
    let library = need("prom-client", [modules.join("prom-client")])?;
    let program = need("node", programs("node").into_iter().chain(programs("nodejs")))?;
    Some(Client { program, script: "client.js", node_modules: library.parent()?.to_path_buf(), gzip: false })
}

/// The labels of the one group that the gateway holds, and its families with label sets and values. Of the families
/// only those that the scripts name: the gateway adds its push times, the Python client the times of creation.
fn stored(house: &House) -> (Value, Value) {
    let groups = house.groups();
    let [group] = groups.as_slice() else { panic!("expected one group, found {groups:#?}") };
    assert_eq!(group["last_push_successful"], true);
    let families = group.as_object().expect("an object").iter().filter_map(|(name, family)| {
        let metrics =
            family.get("metrics").filter(|_| !name.starts_with("push_") && !name.ends_with("_created"))?.as_array()?;
        let told = |m: &Value| match m.get("value") {
            Some(value) => json!([m["labels"], value]),
            None => json!([m["labels"], { "count": m["count"], "sum": m["sum"] }]),
        };
        Some((name.clone(), Value::Array(metrics.iter().map(told).collect())))
    });
    (group["labels"].clone(), Value::Object(families.collect()))
}

/// Replace, add, replace again, delete: after each the gateway holds what the library pushed under the labels meant.
/// Answers the bytes of the three bodies as they came.
fn pushes_arrive(client: &Client, grouping: Value, labels: Value) -> Vec<usize> {
    let Some(house) = house() else { return Vec::new() };
    let call = Call { password: PASSWORD, job: "ci", grouping };
    // The gateway gives every metric an instance label, empty where the group has none.
    let mut base = labels.clone();
    let instance = base.get("instance").cloned().unwrap_or_else(|| json!(""));
    base["instance"] = instance;
    let mut suite = base.clone();
    suite["suite"] = json!(SUITE);
    let histogram = json!([[base.clone(), { "count": "1", "sum": "0.25" }]]);
    let pushed = |value: &str| json!([[suite.clone(), value]]);

    assert_eq!(client.call(&house, "push", &call, 42), Ok(()));
    assert_eq!(stored(&house), (labels.clone(), json!({ "tests": pushed("42"), "run_seconds": histogram })));
    assert_eq!(client.call(&house, "pushadd", &call, 7), Ok(()));
    let added = json!([[base.clone(), "7"]]);
    let all = json!({ "tests": pushed("42"), "run_seconds": histogram, "added": added });
    assert_eq!(stored(&house), (labels.clone(), all), "an addition keeps what is there");
    assert_eq!(client.call(&house, "push", &call, 43), Ok(()));
    let replaced = json!({ "tests": pushed("43"), "run_seconds": histogram });
    assert_eq!(stored(&house), (labels, replaced), "a replacement keeps nothing");
    assert_eq!(client.call(&house, "delete", &call, 0), Ok(()));
    assert_eq!(house.groups(), Vec::<Value>::new());
    house.came(3)
}

/// What the library compresses arrives as what it does not, and is less on the wire.
fn compressed_pushes_arrive(client: Client) {
    let (grouping, labels) = (json!({ "workflow": "nightly" }), json!({ "job": "ci", "workflow": "nightly" }));
    let plain = pushes_arrive(&client, grouping.clone(), labels.clone());
    let coded = pushes_arrive(&Client { gzip: true, ..client }, grouping, labels);
    // The first and the last have a histogram, which is worth compressing.
    let less = |at: usize| plain.get(at).zip(coded.get(at)).is_none_or(|(plain, coded)| coded < plain);
    assert!(less(0) && less(2), "{plain:?} {coded:?}");
}

/// The library tells its user of each refusal, and the gateway never hears of it.
fn refusals_are_errors(client: &Client) {
    let Some(house) = house() else { return };
    let granted = Call { password: PASSWORD, job: "ci", grouping: json!({ "workflow": "nightly" }) };
    assert_eq!(client.call(&house, "push", &granted, 42), Ok(()));
    let before = stored(&house);
    let wrong_password = Call { password: "Grüße: 2 aus der CI", ..granted.clone() };
    let wrong_job = Call { job: "billing", ..granted.clone() };
    let missing_label = Call { grouping: json!({}), ..granted.clone() };
    let further_label = Call { grouping: json!({ "workflow": "nightly", "team": "a" }), ..granted };
    for operation in ["push", "pushadd", "delete"] {
        let refused = [(&wrong_password, "401"), (&wrong_job, "403"), (&missing_label, "403"), (&further_label, "403")];
        for (call, status) in refused {
            let error = client.call(&house, operation, call, 1).expect_err(operation);
            assert!(error.contains(status), "{operation}: expected {status}, found {error}");
        }
    }
    assert_eq!(stored(&house), before);
}

#[test]
fn python_pushes_arrive() {
    let Some(python) = python() else { return };
    pushes_arrive(&python, json!({ "workflow": "nightly" }), json!({ "job": "ci", "workflow": "nightly" }));
}

#[test]
fn python_values_with_slash_and_space_arrive() {
    let Some(python) = python() else { return };
    let grouping = json!({ "workflow": "Elixir/Phoenix CI", "instance": "runner 1+2%40/ü" });
    let mut labels = grouping.clone();
    labels["job"] = json!("ci");
    pushes_arrive(&python, grouping, labels);
}

#[test]
fn python_learns_of_refusals() {
    let Some(python) = python() else { return };
    refusals_are_errors(&python);
}

#[test]
fn python_pushes_arrive_compressed() {
    let Some(python) = python() else { return };
    compressed_pushes_arrive(python);
}

#[test]
fn prom_client_pushes_arrive_compressed() {
    let Some(node) = node() else { return };
    compressed_pushes_arrive(node);
}

/// A file that `gzip` made, sent as it is.
#[test]
fn curl_pushes_a_compressed_file() {
    let Some(house) = house() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (plain, zipped) = (folder.path().join("metrics"), folder.path().join("metrics.gz"));
    let lines: String = (0..50).map(|n| format!("tests{{suite=\"suite {n} ü\"}} {n}\n")).collect();
    std::fs::write(&plain, format!("# TYPE tests gauge\n{lines}")).unwrap();
    let gzip = Command::new("gzip").arg("--keep").arg(&plain).status().expect("gzip can be run");
    assert!(gzip.success());
    let push = |file: &Path, headers: &[&str], url: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "-u", &format!("{USER}:{PASSWORD}"), "--data-binary"]);
        curl.arg(format!("@{}", file.display())).args(headers.iter().flat_map(|header| ["-H", *header])).arg(url);
        let output = curl.output().expect("curl can be run");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let url = format!("{}/metrics/job/ci/workflow/nightly", house.url);
    assert_eq!(push(&zipped, &["Content-Encoding: gzip"], &url), (Some(0), String::new()));
    let (labels, coded) = stored(&house);
    assert_eq!(labels, json!({ "job": "ci", "workflow": "nightly" }));
    assert_eq!(coded["tests"].as_array().map(Vec::len), Some(50));
    assert_eq!(push(&plain, &[], &url), (Some(0), String::new()));
    assert_eq!(stored(&house), (labels, coded), "the same as without compression");
    let came = house.came(2);
    assert!(came[0] * 2 < came[1], "{came:?}");
    // Without the header it is no text, and curl tells what to do.
    let (code, told) = push(&zipped, &[], &url);
    assert!(code == Some(22) && told.contains("Content-Encoding: gzip"), "{code:?} {told}");
}

#[test]
fn prom_client_pushes_arrive() {
    let Some(node) = node() else { return };
    let grouping = json!({ "workflow": "Phoenix CI ü", "instance": "runner-1" });
    let mut labels = grouping.clone();
    labels["job"] = json!("ci");
    pushes_arrive(&node, grouping, labels);
}

/// prom-client escapes a slash as `%2F`, which the gateway takes for a separator; its users have to encode it.
#[test]
fn prom_client_values_with_a_slash_are_refused_or_sent_as_base64() {
    let Some(node) = node() else { return };
    let encoded = json!({ "workflow@base64": "RWxpeGlyL1Bob2VuaXggQ0k" });
    pushes_arrive(&node, encoded, json!({ "job": "ci", "workflow": "Elixir/Phoenix CI" }));
    let Some(house) = house() else { return };
    let plain = Call { password: PASSWORD, job: "ci", grouping: json!({ "workflow": "Elixir/Phoenix CI" }) };
    let error = node.call(&house, "push", &plain, 1).expect_err("the slash cuts the value");
    assert!(error.contains("400") && error.contains("@base64"), "{error}");
    assert_eq!(house.groups(), Vec::<Value>::new());
}

#[test]
fn prom_client_learns_of_refusals() {
    let Some(node) = node() else { return };
    refusals_are_errors(&node);
}
