//! The whole road with real parts, in network namespaces of its own: gateway and pushguard wired as in a pod, Prometheus,
//! an issuer and the action's script. What it does stands in `tests/scripts/e2e.py`; `make e2e` runs it alone.

use crate::common::{gateway_is_demanded, skip};
use std::process::{Command, Stdio};

/// How a network of its own is entered here, as root or not; none where that is not allowed.
fn entered() -> Option<Command> {
    let ways: [&[&str]; 2] = [&["--net"], &["--net", "--user", "--map-root-user"]];
    let works = |flags: &&&[&str]| {
        let mut tried = Command::new("unshare");
        tried.args(**flags).args(["ip", "link", "set", "lo", "up"]).stdout(Stdio::null()).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    };
    let flags = ways.iter().find(works)?;
    let mut command = Command::new("unshare");
    command.args(*flags);
    Some(command)
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn from_a_workflow_to_prometheus_and_away_again() {
    let gateway = std::env::var("PUSHGATEWAY").unwrap_or_else(|_| "/usr/bin/prometheus-pushgateway".to_owned());
    let prometheus = std::env::var("PROMETHEUS").unwrap_or_else(|_| "/usr/bin/prometheus".to_owned());
    for program in [&gateway, &prometheus] {
        if !runs(program) {
            return skip(&format!("{program} cannot be run"), gateway_is_demanded() && program == &gateway);
        }
    }
    // A container may forbid it.
    let Some(mut command) = entered() else { return skip("no network namespace can be made here", false) };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/e2e.py");
    command.args(["python3", script, env!("CARGO_BIN_EXE_pushguard"), &gateway, &prometheus]);
    let output = command.output().expect("unshare runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("end to end: all well"), "{said}");
}
