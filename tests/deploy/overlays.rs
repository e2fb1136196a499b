//! What is deployed agrees with the binary: the manifests build and fit the schemas of Kubernetes, and the ports, paths,
//! probes, flags and policies in them are those that pushguard has.

use crate::common::guard::{Guard, PASSWORD, Start, with};
use crate::common::http::Request;
use crate::common::mint::{RSA, but, encode, github_run, key_set};
use crate::common::upstream::{Upstream, ok};
use crate::manifests::{
    DEPLOY, VARIABLES, at, build, container, documents, environment, fits_the_schemas, list, listeners, one, ports,
    text, word,
};
use pushguard::config::{self, Secrets};
use serde_json::json;
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const OVERLAYS: &[&str] = &["staging/sidecar", "staging/standalone", "production/sidecar", "production/standalone"];

fn overlay(name: &str) -> Option<Vec<Value>> {
    Some(documents(&build(&format!("overlays/{name}"))?))
}

#[test]
fn every_manifest_builds_and_fits_the_schemas() {
    for folder in OVERLAYS.iter().map(|o| format!("overlays/{o}")).chain(["base".to_owned()]) {
        let Some(built) = build(&folder) else { return };
        fits_the_schemas(&folder, &documents(&built));
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
    let policy = policy.replace("/etc/pushguard-secrets", secrets.to_str().unwrap());
    // The issuer cannot be asked from here.
    let keys = format!("preset: github-actions, jwks_file: {:?},", secrets.join("keys.json"));
    with(&policy, "preset: github-actions,", &keys)
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
        std::fs::write(folder.join("keys.json"), key_set(&[RSA.jwk()])).unwrap();
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
        // What is run by `kubectl exec` sees the same settings.
        let mut exec = Command::new(env!("CARGO_BIN_EXE_pushguard"));
        let state = folder.join("state");
        assert!(environment(&container).contains_key("PUSHGUARD_STATE_DIR"));
        let shown = exec.args(["ranges", "show"]).env("PUSHGUARD_STATE_DIR", &state).output().unwrap();
        // The list of this test is a seed, which is not kept.
        let looked = format!("{}: no address list is kept there", state.display());
        assert!(String::from_utf8_lossy(&shown.stderr).contains(&looked), "{name}: {shown:?}");
        a_run_proves_itself(name, &documents, &guard);
        // With a password nobody is let in from this machine: it is neither the cluster nor a runner.
        for listener in ["internal", "public"] {
            let push = Request::post("/metrics/job/ci/workflow/x", "exunit_tests_total 1\n").basic("ci", PASSWORD);
            let answer = push.send(guard.listener(listener));
            assert!(name.starts_with("staging") == (answer.status == 200), "{name} {listener}: {}", answer.status);
        }
    }
}

/// A run of GitHub Actions pushes by its identity, which is made for this place and no other.
fn a_run_proves_itself(name: &str, documents: &[Value], guard: &Guard) {
    let host = word(one(documents, "Ingress", "pushguard"), "spec.rules.0.host");
    let now = SystemTime::now() - Duration::from_secs(30);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let run = but(&github_run(now), "repository_owner_id", json!("123456"));
    let labels = [("workflow", "Elixir/Phoenix CI"), ("repository", "acme/app"), ("branch", "main")];
    let labels: String = labels.iter().map(|(name, value)| format!("/{name}@base64/{}", encode(value))).collect();
    let push = |audience: &str| {
        let token = format!("Bearer {}", RSA.token(&but(&run, "aud", json!(audience))));
        let push = Request::post(format!("/metrics/job/ci{labels}"), "exunit_tests_total 1\n");
        let answer = push.header("Authorization", &token).send(guard.listener("public"));
        guard.record(&answer)
    };
    let taken = push(&format!("https://{host}"));
    assert_eq!((&taken["verdict"], &taken["principal"], &taken["would_deny"]), ("allow", "workflows", ""), "{name}");
    let elsewhere = push("https://push.elsewhere.example");
    let refused = if name.starts_with("staging") { "would_deny" } else { "reason" };
    assert_eq!(&elsewhere[refused], "credential_rejected", "{name}");
}

/// The tests that stand beside the policies.
#[test]
fn the_policies_do_what_their_tests_say() {
    for environment in ["staging", "production"] {
        let policy = Path::new(DEPLOY).join("kubernetes/overlays").join(environment).join("settings/policy.yaml");
        let output = Command::new(env!("CARGO_BIN_EXE_pushguard")).arg("test").arg(policy).output().unwrap();
        assert!(output.status.success(), "{environment}: {}", String::from_utf8_lossy(&output.stdout));
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
    // This one is for the C library, here and in the image.
    variables.extend(settings.filter(|name| *name != "MALLOC_ARENA_MAX").map(str::to_owned));
    let sweep = &documents(&text("kubernetes/components/sweep/cron-job.yaml"))[0];
    let container = at(sweep, "spec.jobTemplate.spec.template.spec.containers.0");
    variables.extend(self::environment(container).into_keys());
    assert!(variables.len() > 10);
    for variable in variables {
        assert!(VARIABLES.contains(&variable), "{variable} is no variable of pushguard");
    }
    let dockerfile = text("Dockerfile");
    assert!(unit.lines().any(|line| line == "Environment=MALLOC_ARENA_MAX=2"));
    for line in [
        "ENV MALLOC_ARENA_MAX=2",
        "USER 65532:65532",
        "EXPOSE 9091 9093 9095",
        "ENTRYPOINT [\"/bin/pushguard\"]",
        "CMD [\"serve\"]",
    ] {
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
