//! The push of a team that runs its CI on GitHub Actions: its metrics and no others.

use crate::common::gateway::{Gateway, labels};
use crate::common::guard::{Guard, PASSWORD};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, ok};

const POLICY: &str = r#"
version: 1
principals:
  ci:
    basic:  { username: ci, password_hash_file: ci.phc }
    from:   anywhere
    grants: [{ operations: [push, replace], job: ci, labels: { workflow: "*" } }]
    payload:
      metrics:
        - github_actions_workflow_run_duration_seconds
        - github_actions_workflow_run_conclusion
        - exunit_tests_total
        - exunit_tests_passed
        - exunit_tests_failed
        - coveralls_coverage_percentage
"#;

const METRICS: &str = "\
# TYPE github_actions_workflow_run_duration_seconds gauge
github_actions_workflow_run_duration_seconds{workflow=\"CI\"} 180
github_actions_workflow_run_conclusion{workflow=\"CI\",conclusion=\"success\"} 1
# HELP exunit_tests_total Tests that ran
# TYPE exunit_tests_total gauge
exunit_tests_total 482
exunit_tests_passed 480
exunit_tests_failed 2
coveralls_coverage_percentage 87.3
";

/// `Elixir/Phoenix CI`
const TARGET: &str = "/metrics/job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k";

fn push(body: String) -> Request {
    Request::post(TARGET, body).basic("ci", PASSWORD)
}

#[test]
fn its_metrics_are_stored() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(POLICY, &gateway.url());
    push(METRICS.to_owned()).send(guard.address()).is(200, "", "the push");
    let groups = gateway.groups();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].labels, labels(&[("job", "ci"), ("workflow", "Elixir/Phoenix CI")]));
    assert_eq!(
        groups[0].families(),
        [
            "coveralls_coverage_percentage",
            "exunit_tests_failed",
            "exunit_tests_passed",
            "exunit_tests_total",
            "github_actions_workflow_run_conclusion",
            "github_actions_workflow_run_duration_seconds",
        ]
    );
    let duration = &groups[0].content["github_actions_workflow_run_duration_seconds"]["metrics"][0];
    assert_eq!(duration["value"], "180");
    assert_eq!(duration["labels"]["workflow"], "Elixir/Phoenix CI", "the label of the path replaces that of the body");
}

#[test]
fn one_foreign_name_refuses_the_whole_push_with_its_line() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(POLICY, &upstream.url());
    let foreign = METRICS.replace("exunit_tests_failed 2\n", "exunit_tests_failed 2\nbilling_total 1\n");
    let refused = push(foreign).send(guard.address()).is(400, "payload_invalid", "a foreign name");
    assert_eq!(
        refused.text(),
        "payload_invalid: the push is not a valid set of metrics: line 9, column 1 of \"billing_total 1\": the metric \
         billing_total may not be pushed\n"
    );
    assert_eq!(upstream.contacts(), (0, 0));
}
