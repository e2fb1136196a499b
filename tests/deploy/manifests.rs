//! What is deployed, as data: manifests as kustomize builds them, and what is looked up in them.

use crate::common::{gateway_is_demanded, skip};
use serde_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

pub const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

pub fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(DEPLOY).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub fn documents(yaml: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// What kustomize makes of a folder under `kubernetes`; none, after saying so, where there is no kustomize.
pub fn build(folder: &str) -> Option<String> {
    build_at(&Path::new(DEPLOY).join("kubernetes").join(folder))
}

/// What it makes of these components of ours, in that order, on top of a manifest of somebody's own.
pub fn build_on(own: &str, components: &[&str]) -> Option<Vec<Value>> {
    let folder = tempfile::tempdir().unwrap();
    // Kustomize takes no absolute paths: up to the root, and down again.
    let up: String = folder.path().canonicalize().unwrap().components().skip(1).map(|_| "../").collect();
    let components: Vec<String> = components.iter().map(|c| format!("{up}{}/kubernetes/{c}", &DEPLOY[1..])).collect();
    std::fs::write(folder.path().join("own.yaml"), own).unwrap();
    let resources = if own.is_empty() { "" } else { "own.yaml" };
    let kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: monitoring\n\
         resources: [{resources}]\ncomponents: {components:?}\n"
    );
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
    Some(documents(&build_at(folder.path())?))
}

fn build_at(folder: &Path) -> Option<String> {
    let kustomize = std::env::var("KUSTOMIZE").unwrap_or_default();
    if kustomize.is_empty() {
        skip("kustomize (make test fetches it, or KUSTOMIZE=/path)", false);
        return None;
    }
    let output = Command::new(kustomize).arg("build").arg(folder).output().expect("kustomize runs");
    assert!(output.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Follows a path such as `spec.template.spec`.
#[track_caller]
pub fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, key| match key.parse::<usize>() {
        Ok(index) => value.get(index).unwrap_or_else(|| panic!("no {path}")),
        Err(_) => value.get(key).unwrap_or_else(|| panic!("no {key} of {path} in {value:?}")),
    })
}

#[track_caller]
pub fn word(value: &Value, path: &str) -> String {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is no text")).to_owned()
}

#[track_caller]
pub fn one<'v>(documents: &'v [Value], kind: &str, name: &str) -> &'v Value {
    let is = |v: &&Value| word(v, "kind") == kind && word(v, "metadata.name") == name;
    documents.iter().find(is).unwrap_or_else(|| panic!("no {kind} {name}"))
}

pub fn list(value: &Value) -> Vec<Value> {
    value.as_sequence().cloned().unwrap_or_default()
}

/// The container of pushguard, wherever it stands.
pub fn container(documents: &[Value]) -> Value {
    let pods = documents.iter().filter(|d| word(d, "kind") == "Deployment");
    let containers = pods.flat_map(|d| list(at(d, "spec.template.spec.containers")));
    containers.into_iter().find(|c| word(c, "name") == "pushguard").expect("a container named pushguard")
}

pub fn environment(container: &Value) -> BTreeMap<String, String> {
    list(at(container, "env")).iter().map(|v| (word(v, "name"), word(v, "value"))).collect()
}

pub fn ports(container: &Value) -> BTreeMap<String, u64> {
    list(at(container, "ports")).iter().map(|p| (word(p, "name"), at(p, "containerPort").as_u64().unwrap())).collect()
}

/// Every variable that some command knows.
pub static VARIABLES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_pushguard")).args([command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let help = ["serve", "sweep"].map(help).concat();
    help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next()).map(str::to_owned).collect()
});

/// The listeners that an environment binds, by name.
pub fn listeners(environment: &BTreeMap<String, String>) -> BTreeMap<String, u64> {
    let address = |pair: &str| {
        let (name, address) = pair.split_once('=').unwrap_or(("default", pair));
        (name.to_owned(), address.rsplit_once(':').unwrap().1.parse().unwrap())
    };
    environment["PUSHGUARD_WEB_LISTEN_ADDRESS"].split(',').map(address).collect()
}

/// Holds documents against the schemas of Kubernetes; says so where there are none.
pub fn fits_the_schemas(what: &str, documents: &[Value]) {
    let validate = std::env::var("PUSHGUARD_KUBERNETES_VALIDATE").unwrap_or_default();
    if !Path::new(&validate).exists() {
        return skip("the schemas (make test-needs installs kubernetes-validate)", gateway_is_demanded());
    }
    let text: String = documents.iter().map(|d| format!("---\n{}", serde_yaml::to_string(d).unwrap())).collect();
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    for version in ["1.33", "1.37"] {
        let output = Command::new(&validate).args(["--strict", "-k", version]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{what}, {version}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
