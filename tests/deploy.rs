//! What is deployed agrees with the binary: the manifests build and fit the schemas of Kubernetes, and the ports, paths,
//! probes, flags and policies in them are those that pushguard has.

mod common;

use common::guard::{PASSWORD, Start};
use common::http::Request;
use common::upstream::{Upstream, ok};
use common::{gateway_is_demanded, skip};
use pushguard::config::{self, Secrets};
use serde_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
const OVERLAYS: &[&str] = &["staging/sidecar", "staging/standalone", "production/sidecar", "production/standalone"];

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(DEPLOY).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn documents(yaml: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// What kustomize makes of a folder; none, after saying so, where there is no kustomize.
fn build(folder: &str) -> Option<String> {
    let kustomize = std::env::var("KUSTOMIZE").unwrap_or_default();
    if kustomize.is_empty() {
        skip("kustomize (make test fetches it, or KUSTOMIZE=/path)", false);
        return None;
    }
    let output = Command::new(kustomize).arg("build").arg(Path::new(DEPLOY).join("kubernetes").join(folder)).output();
    let output = output.expect("kustomize runs");
    assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn overlay(name: &str) -> Option<Vec<Value>> {
    Some(documents(&build(&format!("overlays/{name}"))?))
}

/// Follows a path such as `spec.template.spec`.
#[track_caller]
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, key| match key.parse::<usize>() {
        Ok(index) => value.get(index).unwrap_or_else(|| panic!("no {path}")),
        Err(_) => value.get(key).unwrap_or_else(|| panic!("no {key} of {path} in {value:?}")),
    })
}

#[track_caller]
fn word(value: &Value, path: &str) -> String {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is no text")).to_owned()
}

#[track_caller]
fn one<'v>(documents: &'v [Value], kind: &str, name: &str) -> &'v Value {
    let is = |v: &&Value| word(v, "kind") == kind && word(v, "metadata.name") == name;
    documents.iter().find(is).unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_sequence().cloned().unwrap_or_default()
}

/// The container of pushguard, wherever it stands.
fn container(documents: &[Value]) -> Value {
    let pods = documents.iter().filter(|d| word(d, "kind") == "Deployment");
    let containers = pods.flat_map(|d| list(at(d, "spec.template.spec.containers")));
    containers.into_iter().find(|c| word(c, "name") == "pushguard").expect("a container named pushguard")
}

fn environment(container: &Value) -> BTreeMap<String, String> {
    list(at(container, "env")).iter().map(|v| (word(v, "name"), word(v, "value"))).collect()
}

fn ports(container: &Value) -> BTreeMap<String, u64> {
    list(at(container, "ports")).iter().map(|p| (word(p, "name"), at(p, "containerPort").as_u64().unwrap())).collect()
}

/// Every variable that some command knows.
static VARIABLES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_pushguard")).args([command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let help = ["serve", "sweep"].map(help).concat();
    help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next()).map(str::to_owned).collect()
});

/// The listeners that an environment binds, by name.
fn listeners(environment: &BTreeMap<String, String>) -> BTreeMap<String, u64> {
    let address = |pair: &str| {
        let (name, address) = pair.split_once('=').unwrap_or(("default", pair));
        (name.to_owned(), address.rsplit_once(':').unwrap().1.parse().unwrap())
    };
    environment["PUSHGUARD_WEB_LISTEN_ADDRESS"].split(',').map(address).collect()
}

#[test]
fn every_manifest_builds_and_fits_the_schemas() {
    let folders = OVERLAYS.iter().map(|o| format!("overlays/{o}")).chain(["base".to_owned()]);
    let validate = std::env::var("PUSHGUARD_KUBERNETES_VALIDATE").unwrap_or_default();
    for folder in folders {
        let Some(built) = build(&folder) else { return };
        if !Path::new(&validate).exists() {
            return skip("the schemas (make test-needs installs kubernetes-validate)", gateway_is_demanded());
        }
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        std::fs::write(file.path(), &built).unwrap();
        for version in ["1.33", "1.37"] {
            let output = Command::new(&validate).args(["--strict", "-k", version]).arg(file.path()).output().unwrap();
            assert!(output.status.success(), "{folder}, {version}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn the_settings_of_the_manifests_are_flags_and_the_ports_are_bound() {
    for name in OVERLAYS {
        let Some(documents) = overlay(name) else { return };
        let container = container(&documents);
        let environment = environment(&container);
        for variable in environment.keys() {
            assert!(VARIABLES.contains(variable), "{name}: {variable} is no variable of pushguard");
        }
        let mut bound = listeners(&environment);
        bound.insert("admin".to_owned(), environment["PUSHGUARD_ADMIN_LISTEN_ADDRESS"][1..].parse().unwrap());
        assert_eq!(ports(&container), bound, "{name}");
        let sidecar = name.ends_with("sidecar");
        let service = one(&documents, "Service", if sidecar { "pushgateway" } else { "pushguard" });
        let pairs: Vec<(String, u64, u64)> = list(at(service, "spec.ports"))
            .iter()
            .map(|p| (word(p, "name"), at(p, "port").as_u64().unwrap(), at(p, "targetPort").as_u64().unwrap()))
            .collect();
        assert_eq!(pairs, [("http".to_owned(), 9091, 9091), ("public".to_owned(), 9093, 9093)], "{name}");
        let backend = at(one(&documents, "Ingress", "pushguard"), "spec.rules.0.http.paths.0.backend.service");
        assert_eq!(word(backend, "name"), word(service, "metadata.name"), "{name}");
        assert_eq!(at(backend, "port.number").as_u64(), Some(bound["public"]), "{name}: the ingress uses its own port");
    }
}

/// The policy of an overlay, with its secrets in another folder.
fn policy(documents: &[Value], secrets: &Path) -> String {
    let policy =
        at(one(documents, "ConfigMap", "pushguard-policy"), "data")["policy.yaml"].as_str().unwrap().to_owned();
    policy.replace("/etc/pushguard-secrets", secrets.to_str().unwrap())
}

#[test]
fn it_starts_with_the_settings_of_the_manifests_and_answers_their_probes() {
    let upstream = Upstream::start(|_| ok());
    for name in OVERLAYS {
        let Some(documents) = overlay(name) else { return };
        let container = container(&documents);
        let mut start = Start::bare("");
        let folder = start.folder.path().to_owned();
        std::fs::copy(folder.join("ci.phc"), folder.join("operator.phc")).unwrap();
        std::fs::write(folder.join("policy.yaml"), policy(&documents, &folder)).unwrap();
        for (variable, value) in environment(&container) {
            let value = match variable.as_str() {
                "PUSHGUARD_POLICY_FILE" => folder.join("policy.yaml").to_str().unwrap().to_owned(),
                "PUSHGUARD_STATE_DIR" => folder.join("state").to_str().unwrap().to_owned(),
                "PUSHGUARD_UPSTREAM_URL" => upstream.url(),
                // The same names on free ports of this machine.
                "PUSHGUARD_WEB_LISTEN_ADDRESS" => {
                    let free = |name: &String| format!("{name}=127.0.0.1:0");
                    listeners(&environment(&container)).keys().map(free).collect::<Vec<_>>().join(",")
                }
                "PUSHGUARD_ADMIN_LISTEN_ADDRESS" => "127.0.0.1:0".to_owned(),
                _ => value,
            };
            start = start.env(&variable, &value);
        }
        // Nothing is fetched from elsewhere in a test; the list is seeded.
        let seed = folder.join("meta.json");
        std::fs::write(&seed, r#"{"actions":["4.148.0.0/16"]}"#).unwrap();
        let guard = start
            .env("PUSHGUARD_RANGES_GITHUB_URL", "http://127.0.0.1:1/meta")
            .env("PUSHGUARD_RANGES_SEED_FILE", seed.to_str().unwrap())
            .run();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let get = at(&container, probe).get("httpGet").unwrap();
            assert_eq!(word(get, "port"), "admin", "{name}");
            Request::get(word(get, "path")).send(guard.admin()).is(200, "", format!("{name} {probe}"));
        }
        // From this machine nobody is let in: it is neither the cluster nor a runner, nor has it said who it is.
        for listener in ["internal", "public"] {
            let push = Request::post("/metrics/job/ci/workflow/x", "exunit_tests_total 1\n").basic("ci", PASSWORD);
            let answer = push.send(guard.listener(listener));
            assert!(name.starts_with("staging") == (answer.status == 200), "{name} {listener}: {}", answer.status);
        }
    }
}

#[test]
fn the_pods_are_restricted_and_the_gateway_is_on_loopback() {
    for name in OVERLAYS {
        let Some(documents) = overlay(name) else { return };
        for deployment in documents.iter().filter(|d| word(d, "kind") == "Deployment") {
            assert_eq!(at(deployment, "spec.replicas").as_u64(), Some(1), "{name}");
            assert_eq!(word(deployment, "spec.strategy.type"), "Recreate", "{name}");
            let pod = at(deployment, "spec.template.spec");
            assert_eq!(at(pod, "automountServiceAccountToken").as_bool(), Some(false), "{name}");
            assert_eq!(at(pod, "securityContext.runAsNonRoot").as_bool(), Some(true), "{name}");
            assert_eq!(at(pod, "securityContext.fsGroup").as_u64(), Some(65532), "{name}");
            assert_eq!(word(pod, "securityContext.seccompProfile.type"), "RuntimeDefault", "{name}");
            let init = pod.get("initContainers").map(list).unwrap_or_default();
            for container in list(at(pod, "containers")).iter().chain(&init) {
                let context = at(container, "securityContext");
                assert_eq!(at(context, "allowPrivilegeEscalation").as_bool(), Some(false), "{name}");
                assert_eq!(at(context, "readOnlyRootFilesystem").as_bool(), Some(true), "{name}");
                assert_eq!(word(context, "capabilities.drop.0"), "ALL", "{name}");
                for (place, cpu, memory) in [("requests", "100m", "128Mi"), ("limits", "200m", "256Mi")] {
                    let resources = at(container, "resources").get(place).unwrap();
                    assert_eq!(
                        (word(resources, "cpu"), word(resources, "memory")),
                        (cpu.into(), memory.into()),
                        "{name}"
                    );
                }
            }
            let Some(gateway) = init.first() else { continue };
            // A native sidecar: it starts first and stops last.
            assert_eq!(word(gateway, "restartPolicy"), "Always");
            let arguments: Vec<String> =
                list(at(gateway, "args")).iter().map(|a| a.as_str().unwrap().to_owned()).collect();
            assert!(arguments.contains(&"--web.listen-address=127.0.0.1:9092".to_owned()), "{arguments:?}");
            assert!(gateway.get("ports").is_none(), "it has no port");
            for probe in ["startupProbe", "livenessProbe"] {
                let command = list(at(gateway, probe).get("exec").unwrap().get("command").unwrap());
                assert!(command.last().unwrap().as_str().unwrap().starts_with("http://127.0.0.1:9092/-/"), "{probe}");
            }
            assert_eq!(environment(&container(&documents))["PUSHGUARD_UPSTREAM_URL"], "http://127.0.0.1:9092");
        }
    }
}

#[test]
fn the_network_policy_lets_each_in_by_its_own_port_and_out_to_names_and_tls_alone() {
    for name in OVERLAYS {
        let Some(documents) = overlay(name) else { return };
        let own = if name.ends_with("sidecar") { "pushgateway" } else { "pushguard" };
        let network = one(&documents, "NetworkPolicy", own);
        let ports = |rule: &Value| -> Vec<u64> {
            list(at(rule, "ports")).iter().map(|p| at(p, "port").as_u64().unwrap()).collect()
        };
        let ingress: Vec<Vec<u64>> = list(at(network, "spec.ingress")).iter().map(ports).collect();
        assert_eq!(ingress, [vec![9093], vec![9091, 9095], vec![9091]], "{name}");
        assert!(list(at(network, "spec.ingress")).iter().all(|rule| !list(at(rule, "from")).is_empty()), "{name}");
        let egress: BTreeSet<u64> = list(at(network, "spec.egress")).iter().flat_map(ports).collect();
        let expected: &[u64] = if own == "pushgateway" { &[53, 443] } else { &[53, 443, 9091] };
        assert_eq!(egress.into_iter().collect::<Vec<_>>(), expected, "{name}");
        if own == "pushguard" {
            let gateway = one(&documents, "NetworkPolicy", "pushgateway");
            assert_eq!(word(gateway, "spec.ingress.0.from.0.podSelector.matchLabels.app"), "pushguard", "{name}");
        }
    }
}

#[test]
fn what_is_deployed_otherwise_has_the_same_settings() {
    let compose = &documents(&text("compose.yaml"))[0];
    let environment = at(compose, "services.pushgateway.environment").as_mapping().unwrap();
    let mut variables: Vec<String> = environment.keys().map(|k| k.as_str().unwrap().to_owned()).collect();
    let chart = &documents(&text("kubernetes/chart-values.yaml"))[0];
    let container = at(chart, "extraContainers.0");
    variables.extend(self::environment(container).into_keys());
    let mut bound = listeners(&self::environment(container));
    bound.insert("admin".to_owned(), 9095);
    assert_eq!(ports(container), bound, "the chart's values");
    let unit = text("systemd/pushguard.service");
    let settings = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split('=').next());
    variables.extend(settings.map(str::to_owned));
    let sweep = &documents(&text("kubernetes/components/sweep/cron-job.yaml"))[0];
    let container = at(sweep, "spec.jobTemplate.spec.template.spec.containers.0");
    variables.extend(self::environment(container).into_keys());
    assert!(variables.len() > 10);
    for variable in variables {
        assert!(VARIABLES.contains(&variable), "{variable} is no variable of pushguard");
    }
    let dockerfile = text("Dockerfile");
    for line in ["USER 65532:65532", "EXPOSE 9091 9093 9095", "ENTRYPOINT [\"/bin/pushguard\"]", "CMD [\"serve\"]"] {
        assert!(dockerfile.lines().any(|l| l == line), "{line}");
    }
}

#[test]
fn every_policy_compiles_and_names_its_listeners() {
    for (file, bound) in [
        ("kubernetes/overlays/staging/settings/policy.yaml", vec!["internal", "public"]),
        ("kubernetes/overlays/production/settings/policy.yaml", vec!["internal", "public"]),
        ("compose/policy.yaml", vec!["internal"]),
    ] {
        let compiled = config::read(&text(file), &PathBuf::new(), Secrets::Optional, &mut || [7; 48]);
        let (policy, warnings) = compiled.unwrap_or_else(|problems| panic!("{file}: {problems:#?}"));
        let unexpected: Vec<_> = warnings.iter().filter(|w| !w.path.ends_with("password_hash_file")).collect();
        assert!(unexpected.is_empty(), "{file}: {unexpected:#?}");
        assert_eq!(policy.named_listeners.keys().collect::<Vec<_>>(), bound, "{file}");
        assert!(!policy.ttl.keeps_all(), "{file}");
    }
}
