//! What can be added or exchanged: the components of Kustomize on top of what somebody has already, the community chart,
//! Compose, systemd, and the names that everybody sets for themselves.

use crate::common::gateway::Gateway;
use crate::common::{gateway_is_demanded, skip};
use crate::manifests::{
    DEPLOY, at, build_on, container, documents, environment, fits_the_schemas, list, listeners, one, ports, text, word,
};
use serde_yaml::Value;
use std::path::Path;
use std::process::Command;

/// A gateway as the story has it, with a volume and a rolling update of its own.
const OWN: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: pushgateway, namespace: monitoring, labels: { app: pushgateway, team: ci } }
spec:
  replicas: 1
  strategy: { type: RollingUpdate, rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  selector: { matchLabels: { app: pushgateway } }
  template:
    metadata: { labels: { app: pushgateway, team: ci }, annotations: { own: kept } }
    spec:
      nodeSelector: { disk: ssd }
      containers:
        - name: pushgateway
          image: prom/pushgateway:v1.9.0
          args: [--persistence.file=/old/data]
          ports: [{ containerPort: 9091 }]
          resources: { requests: { cpu: 100m, memory: 128Mi }, limits: { cpu: 200m, memory: 256Mi } }
          livenessProbe: { httpGet: { path: /-/healthy, port: 9091 }, initialDelaySeconds: 10 }
          volumeMounts: [{ name: old, mountPath: /old }]
      volumes: [{ name: old, emptyDir: {} }]
---
apiVersion: v1
kind: Service
metadata: { name: pushgateway, namespace: monitoring, labels: { app: pushgateway } }
spec: { selector: { app: pushgateway }, ports: [{ name: http, port: 9091, targetPort: 9091 }] }
"#;

#[test]
fn somebodys_own_gateway_becomes_the_guarded_one_under_the_same_names() {
    let Some(built) = build_on(OWN, &["components/sidecar", "overlays/production/settings"]) else { return };
    fits_the_schemas("an own gateway", &built);
    let deployment = one(&built, "Deployment", "pushgateway");
    assert_eq!(word(deployment, "metadata.labels.team"), "ci", "what is their own stays");
    let template = at(deployment, "spec.template");
    assert_eq!(word(at(template, "metadata.annotations"), "own"), "kept");
    assert_eq!(word(template, "spec.nodeSelector.disk"), "ssd");
    let names =
        |key: &str| list(at(template, "spec").get(key).unwrap()).iter().map(|c| word(c, "name")).collect::<Vec<_>>();
    assert_eq!((names("containers"), names("initContainers")), (vec!["pushguard".into()], vec!["pushgateway".into()]));
    assert!(deployment.get("spec").unwrap().get("strategy").unwrap().get("rollingUpdate").is_none());
    let service = one(&built, "Service", "pushgateway");
    assert_eq!(word(service, "spec.selector.app"), "pushgateway");
    assert_eq!(at(service, "spec.ports.0.port").as_u64(), Some(9091), "pushes and scrapes go on as they were");
}

#[test]
fn a_route_of_the_gateway_api_takes_the_place_of_the_ingress() {
    for (form, service) in [("sidecar", "pushgateway"), ("standalone", "pushguard")] {
        let own = if form == "sidecar" { OWN } else { "" };
        let form = format!("components/{form}");
        let components = [&form, "overlays/staging/settings", "components/gateway-api"];
        let Some(built) = build_on(own, &components) else { return };
        fits_the_schemas(&form, &built);
        assert!(built.iter().all(|d| word(d, "kind") != "Ingress"), "{form}");
        let route = one(&built, "HTTPRoute", "pushguard");
        assert_eq!(word(route, "apiVersion"), "gateway.networking.k8s.io/v1");
        assert_eq!(word(route, "spec.hostnames.0"), "push.staging.example.com", "{form}: the host of the environment");
        let backend = at(route, "spec.rules.0.backendRefs.0");
        assert_eq!((word(backend, "name"), at(backend, "port").as_u64()), (service.to_owned(), Some(9093)), "{form}");
        assert!(!word(route, "spec.parentRefs.0.name").is_empty());
    }
}

#[test]
fn the_operator_of_prometheus_scrapes_both_by_ports_that_exist() {
    let components = ["components/sidecar", "overlays/staging/settings", "components/service-monitor"];
    let Some(built) = build_on(OWN, &components) else { return };
    let monitor = one(&built, "PodMonitor", "pushguard");
    assert_eq!(word(monitor, "apiVersion"), "monitoring.coreos.com/v1");
    let pods = list(at(monitor, "spec.selector.matchExpressions.0.values"));
    assert!(pods.contains(&Value::from("pushgateway")) && pods.contains(&Value::from("pushguard")));
    let known = ports(&container(&built));
    let endpoints = list(at(monitor, "spec.podMetricsEndpoints"));
    let scraped: Vec<(u64, bool)> = endpoints
        .iter()
        .map(|e| (known[&word(e, "port")], e.get("honorLabels").and_then(Value::as_bool).unwrap_or(false)))
        .collect();
    assert_eq!(scraped, [(9091, true), (9095, false)], "what was pushed keeps its labels");
}

#[test]
fn dashboards_and_rules_come_as_config_maps() {
    let components = ["components/sidecar", "overlays/staging/settings", "../prometheus"];
    let Some(built) = build_on(OWN, &components) else { return };
    fits_the_schemas("dashboards", &built);
    let dashboards = one(&built, "ConfigMap", "pushguard-dashboards");
    assert_eq!(word(dashboards, "metadata.labels.grafana_dashboard"), "1");
    for file in ["gate.json", "ci.json"] {
        let shipped = text(&format!("prometheus/dashboards/{file}"));
        assert_eq!(at(dashboards, "data").get(file).and_then(Value::as_str), Some(shipped.as_str()), "{file}");
    }
    let rules = at(one(&built, "ConfigMap", "pushguard-rules"), "data");
    assert_eq!(rules.get("rules.yml").and_then(Value::as_str), Some(text("prometheus/rules.yml").as_str()));
}

#[test]
fn the_weekly_sweep_reaches_the_gateway_and_nothing_else_does() {
    let components = ["components/standalone", "components/sweep", "overlays/production/settings"];
    let Some(built) = build_on("", &components) else { return };
    fits_the_schemas("sweep", &built);
    let pod = at(one(&built, "CronJob", "pushguard-sweep"), "spec.jobTemplate.spec.template");
    let container = at(pod, "spec.containers.0");
    let image = word(&self::container(&built), "image");
    assert_eq!(word(container, "image"), image, "it is the same pushguard");
    let policy = one(&built, "NetworkPolicy", "pushgateway-sweep");
    assert_eq!(word(policy, "spec.ingress.0.from.0.podSelector.matchLabels.app"), word(pod, "metadata.labels.app"));

    // It starts with these settings and the policy alone: it has no secrets, since it logs nobody in.
    let Some(gateway) = Gateway::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let data = at(one(&built, "ConfigMap", "pushguard-policy"), "data");
    std::fs::write(&file, data.get("policy.yaml").unwrap().as_str().unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushguard"));
    command.args(list(at(container, "args")).iter().map(|a| a.as_str().unwrap().to_owned())).arg("--dry-run");
    for (name, value) in environment(container) {
        let value = match name.as_str() {
            "PUSHGUARD_POLICY_FILE" => file.to_str().unwrap().to_owned(),
            "PUSHGUARD_UPSTREAM_URL" => gateway.url(),
            _ => value,
        };
        command.env(name, value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the chart `prometheus-pushgateway` 3.8.0 knows, of what is used here; it ignores other keys without a word.
const CHART: &[&str] = &[
    "automountServiceAccountToken",
    "containerSecurityContext",
    "extraArgs",
    "extraContainers",
    "extraManifests",
    "extraVolumes",
    "fullnameOverride",
    "liveness",
    "persistentVolume",
    "podLabels",
    "readiness",
    "resources",
    "securityContext",
    "service",
    "serviceMonitor",
    "strategy",
];

/// The Deployment as the template of that chart makes it of the values.
fn charted(values: &Value) -> Vec<Value> {
    let named = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
    let mut gateway = named(
        "{ name: pushgateway, image: 'quay.io/prometheus/pushgateway:v1.11.3', ports: [{ name: metrics, containerPort: 9091 }],
           volumeMounts: [{ name: storage-volume, mountPath: /data, subPath: '' }] }",
    );
    let mut pod = named("{ serviceAccountName: pushgateway, containers: [], volumes: [] }");
    let mut deployment = named(
        "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: pushgateway },
           spec: { replicas: 1, selector: { matchLabels: { app.kubernetes.io/instance: pushgateway } } } }",
    );
    let mut labels = named("{ app.kubernetes.io/instance: pushgateway }");
    labels.as_mapping_mut().unwrap().extend(at(values, "podLabels").as_mapping().unwrap().clone());
    gateway["args"] = at(values, "extraArgs").clone();
    gateway["resources"] = at(values, "resources").clone();
    gateway["securityContext"] = at(values, "containerSecurityContext").clone();
    let mut containers = list(at(values, "extraContainers"));
    containers.push(gateway);
    let mut volumes = list(&named("[{ name: storage-volume, persistentVolumeClaim: { claimName: pushgateway } }]"));
    volumes.extend(list(at(values, "extraVolumes")));
    pod["containers"] = Value::Sequence(containers);
    pod["volumes"] = Value::Sequence(volumes);
    pod["securityContext"] = at(values, "securityContext").clone();
    pod["automountServiceAccountToken"] = at(values, "automountServiceAccountToken").clone();
    deployment["spec"]["strategy"] = at(values, "strategy").clone();
    deployment["spec"]["template"]["metadata"]["labels"] = labels;
    deployment["spec"]["template"]["spec"] = pod;
    std::iter::once(deployment).chain(list(at(values, "extraManifests"))).collect()
}

#[test]
fn the_charts_values_are_keys_that_it_knows_and_make_the_same_pod() {
    let values = &documents(&text("kubernetes/chart-values.yaml"))[0];
    for key in values.as_mapping().unwrap().keys() {
        assert!(CHART.contains(&key.as_str().unwrap()), "the chart does not know {key:?}");
    }
    // Its template reads the HTTP probe of the gateway, which answers on loopback alone, wherever probes are on.
    for probe in ["liveness.enabled", "readiness.enabled"] {
        assert_eq!(at(values, probe).as_bool(), Some(false), "{probe}");
    }
    let made = charted(values);
    fits_the_schemas("the chart", &made);
    let pushguard = container(&made);
    let mut bound = listeners(&environment(&pushguard));
    bound.insert("admin".to_owned(), 9095);
    assert_eq!(ports(&pushguard), bound);
    let service = one(&made, "Service", "pushguard-public");
    let labels = at(one(&made, "Deployment", "pushgateway"), "spec.template.metadata.labels");
    assert_eq!(word(service, "spec.selector.app"), word(labels, "app"), "the ingress finds the pod");
    assert_eq!(at(service, "spec.ports.0.targetPort").as_u64(), Some(bound["public"]));
    let backend = at(one(&made, "Ingress", "pushguard"), "spec.rules.0.http.paths.0.backend.service");
    assert_eq!(word(backend, "name"), "pushguard-public");
    let Some(sidecar) = build_on(OWN, &["components/sidecar", "overlays/production/settings"]) else { return };
    let other = container(&sidecar);
    for key in ["args", "env", "ports", "resources", "securityContext"] {
        assert_eq!(at(&pushguard, key), at(&other, key), "{key} is that of the Kustomize component");
    }
    let gateway = at(one(&made, "Deployment", "pushgateway"), "spec.template.spec.containers.1");
    assert!(list(at(gateway, "args")).contains(&Value::from("--web.listen-address=127.0.0.1:9092")));
}

#[test]
fn compose_reads_its_file_and_every_file_that_it_mounts_is_there() {
    let file = Path::new(DEPLOY).join("compose.yaml");
    let compose = &documents(&text("compose.yaml"))[0];
    for service in ["pushgateway", "gateway", "prometheus", "grafana"] {
        let service = at(at(compose, "services"), service);
        for volume in service.get("volumes").map(list).unwrap_or_default() {
            let source = volume.as_str().unwrap().split(':').next().unwrap().to_owned();
            assert!(Path::new(DEPLOY).join(&source).exists(), "{source}");
        }
    }
    let provider = &documents(&text("compose/grafana/dashboards/pushguard.yaml"))[0];
    let folder = word(provider, "providers.0.options.path");
    let mounted = format!("./prometheus/dashboards:{folder}:ro");
    assert!(list(at(compose, "services.grafana.volumes")).contains(&Value::from(mounted)), "Grafana finds them there");
    let program = std::env::var("DOCKER_COMPOSE").unwrap_or_default();
    if program.is_empty() {
        return skip("docker-compose (make test fetches it, or DOCKER_COMPOSE=/path)", false);
    }
    let output = Command::new(program).arg("-f").arg(file).args(["config", "--quiet"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "not even a warning");
}

#[test]
fn systemd_takes_the_unit_and_finds_little_exposed() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("systemd-analyze cannot be run (apt-get install systemd)", gateway_is_demanded());
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("pushguard.service");
    // It must find the program that is started.
    let text = text("systemd/pushguard.service");
    let text = text
        .replace("/usr/bin/pushguard", env!("CARGO_BIN_EXE_pushguard"))
        .replace("=man:systemd.exec(5)", "=https://example.com");
    std::fs::write(&unit, text).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&unit).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let about_it: Vec<String> =
        run(&["verify", "--man=no"]).lines().filter(|line| line.contains("pushguard")).map(str::to_owned).collect();
    assert_eq!(about_it, Vec::<String>::new());
    // Of 100; the most exposed have 96, nginx's own 92.
    run(&["security", "--offline=yes", "--threshold=15"]);
}

#[test]
fn the_image_is_labelled_and_built_for_the_platform_that_is_asked_for() {
    let dockerfile = text("Dockerfile");
    let lines: Vec<&str> = dockerfile.lines().map(str::trim).collect();
    assert!(lines.contains(&"ARG TARGETARCH"), "a default would win over the platform");
    assert!(lines.iter().any(|line| line.starts_with("FROM --platform=$BUILDPLATFORM ")), "and nothing is emulated");
    for label in ["title", "description", "licenses", "source", "version", "revision"] {
        assert!(dockerfile.contains(&format!("org.opencontainers.image.{label}=\"")), "{label}");
    }
    // What is copied is there, and not kept back.
    let ignored = std::fs::read_to_string(Path::new(DEPLOY).join("../.dockerignore")).unwrap();
    for line in lines.iter().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        for source in line.split_whitespace().skip(1).take(line.split_whitespace().count() - 2) {
            assert!(Path::new(DEPLOY).join("..").join(source).exists(), "{source}");
            assert!(!ignored.lines().any(|pattern| pattern == source), "{source}");
        }
    }
}

/// Its steps were run: they are the targets of the Makefile.
#[test]
fn a_release_is_made_by_targets_that_exist() {
    let root = Path::new(DEPLOY).join("..");
    let makefile = std::fs::read_to_string(root.join("Makefile")).unwrap();
    let release = std::fs::read_to_string(root.join(".github/workflows/release.yml")).unwrap();
    let workflow = &documents(&release)[0];
    let mut targets = Vec::new();
    for step in list(at(workflow, "jobs.release.steps")) {
        assert!(step.get("uses").is_none(), "no action of somebody else");
        for command in word(&step, "run").split(['\n', '&', ';']).filter_map(|command| command.split_once("make ")) {
            targets.extend(command.1.split_whitespace().filter(|word| !word.contains('=')).map(str::to_owned));
        }
    }
    for target in &targets {
        assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "make {target}");
    }
    assert_eq!(targets, ["test", "audit", "image-root", "dist", "dist"]);
    assert!(release.contains("docker buildx build -f deploy/Dockerfile --platform linux/amd64,linux/arm64 --push"));
    assert!(release.contains("gh release create"));
}

/// Where a user puts in names of their own: one place for the image, and the line that names the action.
#[test]
fn names_to_be_exchanged_stand_in_one_place_each() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tracked = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root).output();
    let Some(tracked) = tracked.ok().filter(|output| output.status.success()) else {
        return skip("no git here", false);
    };
    let mut found = Vec::new();
    for file in String::from_utf8(tracked.stdout).unwrap().lines().filter(|file| !file.starts_with("tests/")) {
        let text = std::fs::read(root.join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let lines = text.unwrap_or_default();
        found.extend(
            lines
                .lines()
                .filter(|line| line.contains("example/pushguard"))
                .map(|line| (file.to_owned(), line.trim().to_owned())),
        );
    }
    found.sort();
    let expected = [
        ("deploy/github/workflow.yml", "uses: example/pushguard/deploy/github/push-metrics@v0.1.0"),
        (
            "deploy/kubernetes/image/kustomization.yaml",
            "- { name: pushguard, newName: ghcr.io/example/pushguard, newTag: v0.1.0 }",
        ),
    ];
    assert_eq!(found, expected.map(|(file, line)| (file.to_owned(), line.to_owned())));
    // The version in them is the one of this tree.
    assert!(expected.iter().all(|(_, line)| line.contains(&format!("v{}", env!("CARGO_PKG_VERSION")))));
}
