//! The checklist in `deploy/README.md`: its commands run here as they stand there, against a pair with the settings of
//! production, except for what only a cluster, GitHub or Grafana can answer.

use crate::common::authority::{Authority, days};
use crate::common::gateway::Gateway;
use crate::common::guard::{Guard, PASSWORD, Start, path, with};
use crate::common::mint::{RSA, key_set};
use crate::manifests::text;
use crate::prometheus::Prometheus;
use pushguard::decision::Reason;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../deploy/README.md");

/// How a row is tried here.
enum Here {
    /// Its command shows that.
    Shows(&'static str),
    /// It cannot be, since that is missing.
    Needs(&'static str),
}

use Here::{Needs, Shows};

const ROWS: &[(&str, Here)] = &[
    ("pod healthy", Needs("a cluster; the probes are asked in tests/deploy/overlays.rs")),
    ("policy in use", Shows("\"msg\":\"ready\"")),
    ("internal service answers", Shows("200")),
    ("TLS valid", Shows("expire date")),
    ("external endpoint is closed", Shows("401")),
    ("gateway closed", Shows("on loopback only")),
    ("Prometheus target up", Shows("\"1\"")),
    ("test metric pushed", Shows("200")),
    ("and read back", Shows("\"workflow\":\"smoke\"")),
    ("workflow green", Needs("GitHub; the action is tried in tests/it/push_action.rs")),
    ("dashboard shows", Needs("Grafana; what it shows is asked for in tests/deploy/dashboards.rs")),
    ("old groups known", Shows("1 fresh")),
    ("cleaning works", Shows("202")),
];

/// Name and command of each row.
fn rows() -> Vec<(&'static str, String)> {
    let lines = PAGE.lines().skip_while(|line| *line != "| what | command | shows |").skip(2);
    let rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
        // A | in a command is written as \|.
        let cells: Vec<String> = line.replace("\\|", "\0").split('|').map(|c| c.trim().replace('\0', "|")).collect();
        let name = line.split('|').nth(1).unwrap().trim();
        (name, cells[2].trim_matches('`').to_owned())
    });
    rows.collect()
}

/// Stands for the cluster: a pod's log, its programs, and another pod with curl.
const KUBECTL: &str = r#"#!/bin/sh
case "$*" in
    *" logs "*) exec cat "$HERE/log" ;;
    *" exec "*) while [ "$1" != -- ]; do shift; done; shift 2; exec "$PUSHGUARD" "$@" ;;
    *" run "*) while [ "$1" != -- ]; do shift; done; shift; exec curl "$@" ;;
esac
echo "kubectl $*: there is no cluster here" >&2
exit 9
"#;

/// The policy of production, for this machine: the loopback addresses are the cluster and the runners.
fn policy(folder: &Path) -> String {
    let mut policy = text("kubernetes/overlays/production/settings/policy.yaml");
    for (theirs, ours) in [
        ("github: [actions]", "cidrs: [127.0.0.0/8]"),
        ("cidrs: [10.0.0.0/8]", "cidrs: [127.0.0.0/8]"),
        ("preset: github-actions,", "preset: github-actions, jwks_file: keys.json,"),
    ] {
        policy = with(&policy, theirs, ours);
    }
    policy.replace("/etc/pushguard-secrets", folder.to_str().unwrap())
}

fn start(gateway: &Gateway) -> Guard {
    let start = Start::with_policy("");
    let folder = start.folder.path().to_owned();
    std::fs::copy(folder.join("ci.phc"), folder.join("operator.phc")).unwrap();
    std::fs::write(folder.join("keys.json"), key_set(&[RSA.jwk()])).unwrap();
    std::fs::write(folder.join("policy.yaml"), policy(&folder)).unwrap();
    let authority = Authority::new("an authority");
    let files = authority.issue_for("push.example.com", days(90)).write(&folder);
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    start
        .flag("--upstream.url", &gateway.url())
        .flag("--web.listen-address", "internal=127.0.0.1:0,public=127.0.0.1:0")
        .flag("--web.tls-cert-file", &format!("public={}", path(&files.certificate)))
        .flag("--web.tls-key-file", &format!("public={}", path(&files.key)))
        .flag("--log.format", "json")
        .run()
}

/// The names of the cluster and of the internet, for curl.
fn curlrc(guard: &Guard) -> String {
    format!(
        "connect-to = \"push.example.com:443:{}\"\nconnect-to = \"pushgateway:9091:{}\"\ncacert = {:?}\n",
        guard.listener("public"),
        guard.listener("internal"),
        guard.folder.path().join("ca.pem")
    )
}

#[test]
fn the_reasons_that_are_told_of_exist() {
    let rows = PAGE.lines().skip_while(|line| *line != "| seen | look at |").skip(2).take_while(|l| l.starts_with('|'));
    let seen = rows.map(|row| row.split('|').nth(1).unwrap());
    let codes: Vec<&str> =
        seen.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|w| w.contains('_')).collect();
    assert!(codes.len() > 3, "{codes:?}");
    for code in codes {
        assert!(Reason::ALL.iter().any(|reason| reason.code() == code), "there is no reason {code}");
    }
}

#[test]
fn each_row_is_tried_or_says_why_not() {
    let named: Vec<&str> = rows().into_iter().map(|(name, _)| name).collect();
    assert_eq!(named, ROWS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, tried) in ROWS {
        if let Needs(why) = tried {
            let instead = why.rsplit(' ').next().unwrap();
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(instead);
            assert!(file.exists(), "{name}: {why}");
        }
    }
}

#[test]
fn the_commands_show_what_they_are_for() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = start(&gateway);
    let scrape = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n\
         - {{ job_name: pushgateway, honor_labels: true, static_configs: [{{ targets: ['{}'] }}] }}\n",
        guard.listener("internal")
    );
    let Some(prometheus) = Prometheus::with_config(&scrape) else { return };
    let here = guard.folder.path().to_owned();
    std::fs::write(here.join("kubectl"), KUBECTL).unwrap();
    std::fs::set_permissions(here.join("kubectl"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(here.join(".curlrc"), curlrc(&guard)).unwrap();
    std::fs::write(here.join("log"), guard.log.raw().join("\n")).unwrap();
    for ((name, command), (_, tried)) in rows().into_iter().zip(ROWS) {
        let shows = match tried {
            Needs(_) => continue,
            Shows(text) => *text,
        };
        let run = || {
            let output = Command::new("sh")
                .args(["-c", &command])
                .env("PATH", format!("{}:{}", here.display(), std::env::var("PATH").unwrap()))
                .env("HERE", &here)
                .env("CURL_HOME", &here)
                .env("PUSHGUARD", env!("CARGO_BIN_EXE_pushguard"))
                .env("PUSHGUARD_POLICY_FILE", here.join("policy.yaml"))
                .env("PUSHGUARD_UPSTREAM_URL", gateway.url())
                .env("PROMETHEUS", prometheus.url())
                .env("PASSWORD", PASSWORD)
                .env("OPERATOR_PASSWORD", PASSWORD)
                .output()
                .unwrap();
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        };
        // Prometheus comes by once a second.
        let mut said = String::new();
        let end = std::time::Instant::now() + crate::common::DEADLINE;
        while !said.contains(shows) {
            assert!(std::time::Instant::now() < end, "{name}: {command}\nshows no {shows:?} but {said}");
            said = run();
        }
    }
    assert!(gateway.groups().is_empty(), "the smoke is cleaned up");
}
