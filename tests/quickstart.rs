//! The README's quickstart against the real gateway: what the policy grants arrives, everything else is refused with
//! its reason and changes nothing.

mod common;

use common::gateway::{Gateway, labels};
use common::guard::{Guard, PASSWORD, quickstart, with};
use common::http::{Request, Response};
use common::wait_for;
use std::net::{IpAddr, SocketAddr};

const METRIC: &str = "github_actions_workflow_run_duration_seconds{workflow=\"CI\"} 180\n";

/// With the credential of the quickstart.
fn ci(request: Request) -> Request {
    request.basic("ci", PASSWORD)
}

fn push(address: SocketAddr, target: &str, body: impl Into<Vec<u8>>) -> Response {
    ci(Request::post(target, body)).send(address)
}

#[track_caller]
fn seconds(response: &Response, header: &str) -> u64 {
    let value = response.header(header).unwrap_or_else(|| panic!("no {header} in {response:?}"));
    value.parse().unwrap_or_else(|_| panic!("{header}: {value} is not a number of seconds"))
}

#[test]
fn a_granted_push_is_stored_and_scraped() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    push(guard.address(), "/metrics/job/ci/workflow/CI/instance/i-1", METRIC).is(200, "", "a granted push");
    ci(Request::put("/metrics/job/nightly", "coverage 81.5\n")).send(guard.address()).is(200, "", "a granted replace");
    let page = Request::get("/metrics").send(guard.address()).is(200, "", "a scrape without a password").text();
    for line in [
        "github_actions_workflow_run_duration_seconds{instance=\"i-1\",job=\"ci\",workflow=\"CI\"} 180",
        "coverage{instance=\"\",job=\"nightly\"} 81.5",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
    // Prometheus asks for it compressed.
    let packed = Request::get("/metrics").header("Accept-Encoding", "gzip").send(guard.address()).is(200, "", "gzip");
    assert_eq!((packed.header("Content-Encoding"), &packed.body[..2]), (Some("gzip"), [0x1f, 0x8b].as_slice()));
    for path in ["/-/healthy", "/-/ready"] {
        Request::get(path).send(guard.address()).is(200, "", path);
    }
}

#[test]
fn a_push_without_the_password_or_to_another_job_is_refused_and_stores_nothing() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    let none = Request::post("/metrics/job/ci", METRIC);
    let cases = [
        ("no password", none.clone(), 401, "credential_missing"),
        ("a wrong password", none.clone().basic("ci", "wrong"), 401, "credential_rejected"),
        ("an unknown user", none.clone().basic("cd", PASSWORD), 401, "credential_rejected"),
        ("an empty password", none.clone().basic("ci", ""), 401, "credential_rejected"),
        ("no base64", none.header("Authorization", "Basic ???"), 401, "credential_rejected"),
        ("a wrong job", ci(Request::post("/metrics/job/prod", METRIC)), 403, "job_not_granted"),
        ("in base64", ci(Request::post("/metrics/job@base64/cHJvZA", METRIC)), 403, "job_not_granted"),
        ("with an escaped @", ci(Request::post("/metrics/job%40base64/cHJvZA==", METRIC)), 403, "job_not_granted"),
        ("a job like a granted one", ci(Request::post("/metrics/job/ci%20", METRIC)), 403, "job_not_granted"),
        ("a wrong label", ci(Request::post("/metrics/job/ci/branch/main", METRIC)), 403, "label_not_granted"),
        ("inspect", ci(Request::get("/api/v1/metrics")), 403, "operation_not_granted"),
    ];
    for (case, request, status, reason) in cases {
        let answer = request.send(guard.address()).is(status, reason, case);
        let challenge = (status == 401).then_some("Basic realm=\"pushguard\", charset=\"UTF-8\"");
        assert_eq!(answer.header("WWW-Authenticate"), challenge, "{case}");
    }
    assert_eq!(gateway.groups(), [], "nothing is stored");
}

#[test]
fn the_eleventh_push_waits_while_another_job_passes() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    for count in 1..=10 {
        // Every spelling of one job is one job.
        let target = if count % 2 == 0 { "/metrics/job/ci" } else { "/metrics/job@base64/Y2k" };
        push(guard.address(), target, METRIC).is(200, "", format!("push {count}"));
    }
    let answer = push(guard.address(), "/metrics/job/ci", METRIC).is(429, "quota_exhausted", "push 11");
    let wait = seconds(&answer, "Retry-After");
    assert!((1..=6).contains(&wait), "Retry-After: {wait}");
    assert_eq!(answer.header("RateLimit-Policy"), Some("\"ci.quotas[0]\";q=10;w=60"));
    assert_eq!(answer.header("RateLimit"), Some(format!("\"ci.quotas[0]\";r=0;t={wait}").as_str()));
    push(guard.address(), "/metrics/job/nightly", METRIC).is(200, "", "another job");
    assert_eq!(guard.record(&answer)["rule"], *"ci.quotas[0]");
}

#[test]
fn a_source_outside_is_refused_by_its_address() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    let outside: IpAddr = "127.0.0.2".parse().unwrap();
    for request in [ci(Request::post("/metrics/job/ci", METRIC)), Request::get("/metrics"), Request::get("/nope")] {
        let answer = request.send_from(outside, guard.address()).is(403, "source_not_allowed", "from outside");
        assert!(answer.text().contains("127.0.0.2"), "{}", answer.text());
        assert_eq!(guard.record(&answer)["source"], *"127.0.0.2");
    }
    assert_eq!(gateway.groups(), []);
}

/// Every way to empty a group: the method, the body, and what the gateway answers to it where it is granted.
fn deletes() -> Vec<(&'static str, Request, u16)> {
    let target = "/metrics/job/ci/workflow/CI";
    vec![
        ("DELETE", ci(Request::delete(target)), 202),
        ("DELETE with Content-Length: 0", ci(Request::delete(target).body("")), 202),
        // A delete by policy, and still a PUT to the gateway, which keeps the push times of the group then.
        ("PUT without a length", ci(Request::new("PUT", target)), 200),
        ("an empty PUT", ci(Request::put(target, "")), 200),
        ("an empty chunked PUT", ci(Request::new("PUT", target).chunked("")), 200),
        ("a PUT of comments", ci(Request::put(target, "# HELP m help\n# m 1\n")), 200),
        ("a chunked PUT of comments", ci(Request::new("PUT", target).chunked("# m 1\n#\n")), 200),
        ("a PUT of blank lines", ci(Request::put(target, "\n \n\t\n")), 200),
    ]
}

#[test]
fn without_the_delete_grant_no_group_is_touched() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    push(guard.address(), "/metrics/job/ci/workflow/CI", METRIC).is(200, "", "the group");
    let before = gateway.groups();
    for (case, request, _) in deletes() {
        let answer = request.send(guard.address()).is(403, "operation_not_granted", case);
        assert!(answer.text().contains("delete"), "{case}: {}", answer.text());
        assert_eq!(guard.record(&answer)["operation"], *"delete", "{case}");
        assert_eq!(gateway.groups(), before, "{case}");
    }
}

#[test]
fn with_the_delete_grant_the_group_is_emptied() {
    let Some(gateway) = Gateway::start() else { return };
    let granted = with(&quickstart(), "[push, replace]", "[push, replace, delete]");
    let guard = Guard::start(&with(&granted, "burst: 10,", "burst: 1000,"), &gateway.url());
    for (case, request, status) in deletes() {
        push(guard.address(), "/metrics/job/ci/workflow/CI", METRIC).is(200, "", case);
        assert_eq!(gateway.groups().len(), 1, "{case}: stored before");
        let answer = request.send(guard.address()).is(status, "", case);
        let emptied = || gateway.groups().iter().all(|group| group.families().is_empty()).then_some(());
        // A DELETE is queued by the gateway.
        wait_for("the group to be emptied", emptied);
        assert_eq!(gateway.groups().len(), usize::from(status == 200), "{case}: groups that stay");
        assert_eq!(guard.record(&answer)["operation"], *"delete", "{case}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    let body = |bytes: usize| {
        let mut body = b"m 1\n".to_vec();
        let comments = (body.len()..bytes - 1).map(|at| if at % 1024 == 1023 { b'\n' } else { b'#' });
        body.extend(comments.chain([b'\n']));
        body
    };
    const LIMIT: usize = 256 * 1024;
    let target = "/metrics/job/ci";
    for bytes in [LIMIT + 1, 300 * 1024, 3 * 1024 * 1024] {
        for (kind, request) in [
            ("length", Request::put(target, body(bytes))),
            ("chunked", Request::new("PUT", target).chunked(body(bytes))),
        ] {
            ci(request).send(guard.address()).is(413, "payload_too_large", format!("{kind} {bytes}"));
        }
    }
    assert_eq!(gateway.groups(), [], "nothing is stored");
    for request in [Request::put(target, body(LIMIT)), Request::new("PUT", target).chunked(body(LIMIT))] {
        ci(request).send(guard.address()).is(200, "", "as large as allowed");
    }
    assert_eq!(gateway.groups()[0].labels, labels(&[("job", "ci")]));
}

#[test]
fn a_gateway_that_is_away_is_503_and_200_once_it_is_back() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    let address = gateway.address;
    push(guard.address(), "/metrics/job/ci", METRIC).is(200, "", "before");
    drop(gateway);
    for request in [ci(Request::post("/metrics/job/ci", METRIC)), Request::get("/metrics")] {
        let answer = request.send(guard.address()).is(503, "upstream_unavailable", "away");
        assert!(seconds(&answer, "Retry-After") >= 1);
        assert_eq!(answer.header("RateLimit-Policy"), None, "no rule stands behind it");
        assert!(answer.text().contains("not applied"), "{}", answer.text());
        assert_eq!(guard.record(&answer)["verdict"], *"error");
    }
    let gateway = Gateway::start_at(address);
    push(guard.address(), "/metrics/job/ci", METRIC).is(200, "", "back");
    assert_eq!(gateway.groups().len(), 1);
}
