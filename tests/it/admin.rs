//! The admin listener: what it shows, and that it does nothing else.

use crate::common::guard::{Guard, PASSWORD, Start, quickstart};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, answer, ok};

/// The samples of the page: name, the text of the labels, value.
fn samples(guard: &Guard) -> Vec<(String, String, f64)> {
    let page = Request::get("/metrics").send(guard.admin()).is(200, "", "the admin metrics");
    let content_type = page.header("Content-Type").unwrap_or("");
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    let text = page.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let value = value.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
        (name.to_owned(), labels.trim_end_matches('}').to_owned(), value)
    };
    lines.map(sample).collect()
}

#[test]
fn requests_are_counted_by_what_became_of_them() {
    let upstream = Upstream::start(|seen| match seen.line() {
        "POST /metrics/job/nightly" => answer("500 Oh", "", ""),
        _ => ok(),
    });
    let guard = Guard::start(&quickstart(), &upstream.url());
    let ci = |request: Request| request.basic("ci", PASSWORD);
    let push = |job: &str| Request::post(format!("/metrics/job/{job}"), "m 1\n");
    let requests = [
        (ci(push("ci")), "allow", "", "push", "ci"),
        (ci(push("ci")), "allow", "", "push", "ci"),
        (ci(Request::put("/metrics/job/ci", "m 1\n")), "allow", "", "replace", "ci"),
        (Request::get("/metrics"), "allow", "", "scrape", "prometheus"),
        (Request::get("/-/ready"), "allow", "", "probe", "prometheus"),
        (push("ci"), "deny", "credential_missing", "push", "none"),
        (ci(push("prod")), "deny", "job_not_granted", "push", "ci"),
        (ci(Request::delete("/metrics/job/ci")), "deny", "operation_not_granted", "delete", "ci"),
        (Request::get("/nope"), "deny", "target_unknown", "none", "none"),
        (Request::new("BREW", "/metrics"), "deny", "method_not_allowed", "none", "none"),
        (ci(push("nightly")), "error", "upstream_failed", "push", "ci"),
    ];
    for (request, ..) in &requests {
        // The counters stand before the record is written.
        guard.record(&request.send(guard.address()));
    }
    let samples = samples(&guard);
    let mut total = 0.0;
    for (_, verdict, reason, operation, principal) in &requests {
        let wanted = [("verdict", verdict), ("reason", reason), ("operation", operation), ("principal", principal)];
        let labels = wanted.map(|(name, value)| format!("{name}=\"{value}\"")).join(",");
        let same = |other: &&(Request, &str, &str, &str, &str)| {
            (other.1, other.2, other.3, other.4) == (*verdict, *reason, *operation, *principal)
        };
        let expected = requests.iter().filter(same).count();
        let found: Vec<f64> = samples
            .iter()
            .filter(|(name, found, _)| name == "pushguard_requests_total" && *found == labels)
            .map(|(.., value)| *value)
            .collect();
        assert_eq!(found, [f64::from(u32::try_from(expected).unwrap())], "{labels} in {samples:?}");
        total += 1.0;
    }
    let sum: f64 =
        samples.iter().filter(|(name, ..)| name == "pushguard_requests_total").map(|(.., value)| value).sum();
    assert!((sum - total).abs() < 0.5, "{sum} counted, {total} sent: requests to the admin listener are not counted");
    let one = |name: &str| {
        let found: Vec<_> = samples.iter().filter(|(found, ..)| found == name).collect();
        assert_eq!(found.len(), 1, "{name} in {samples:?}");
        found[0]
    };
    assert_eq!(one("pushguard_request_duration_seconds_count").2, total);
    assert_eq!(one("pushguard_upstream_duration_seconds_count").2, 6.0, "six of them went to the gateway");
    let build = one("pushguard_build_info");
    assert_eq!((build.1.as_str(), build.2), (format!("version=\"{}\"", env!("CARGO_PKG_VERSION")).as_str(), 1.0));
}

#[test]
fn a_quota_near_its_end_is_told_before_it_refuses() {
    let upstream = Upstream::start(|_| ok());
    let policy = r#"
version: 1
principals:
  nightly:
    anonymous: true
    from: anywhere
    grants: [{ operations: [push], job: "*", labels: {} }]
    quotas: [{ per: job, burst: 10, period: 24h }]
"#;
    let guard = Guard::start(policy, &upstream.url());
    let counted = || {
        let samples = samples(&guard);
        let found = samples.iter().find(|(name, ..)| name == "pushguard_quota_nearly_spent_total");
        found.map(|(_, labels, value)| (labels.clone(), *value))
    };
    let push = |job: &str| guard.record(&Request::post(format!("/metrics/job/{job}"), "m 1\n").send(guard.address()));
    let told = |value: f64| Some(("principal=\"nightly\"".to_owned(), value));
    (0..8).for_each(|_| drop(push("a")));
    assert_eq!(counted(), None, "a fifth is left");
    assert_eq!((push("a").get("reason"), counted()), ("", told(1.0)));
    assert_eq!((push("a").get("reason"), counted()), ("", told(2.0)));
    assert_eq!((push("a").get("reason"), counted()), ("quota_exhausted", told(3.0)));
    push("b");
    assert_eq!(counted(), told(3.0), "that of another job is full");
}

/// Labels come from the policy and closed sets: what clients choose does not become a series.
#[test]
fn clients_cannot_make_series() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(&quickstart(), &upstream.url());
    let count = |guard: &Guard| samples(guard).len();
    let strange = |n: u32| {
        let requests = [
            Request::post(format!("/metrics/job/job{n}"), "m 1\n"),
            Request::get(format!("/path{n}")),
            Request::new(&format!("METHOD{n}"), "/metrics"),
        ];
        for request in requests {
            guard.record(&request.send(guard.address()));
        }
    };
    strange(0);
    guard.record(&Request::post("/metrics/job/ci", "m 1\n").basic("user0", "x").send(guard.address()));
    let before = count(&guard);
    (1..20).for_each(strange);
    for n in 1..4 {
        guard.record(&Request::post("/metrics/job/ci", "m 1\n").basic(&format!("user{n}"), "x").send(guard.address()));
    }
    assert_eq!(count(&guard), before);
}

#[test]
fn it_only_answers_get_on_its_three_pages() {
    // Nothing of the policy holds here: not even a policy that denies everything.
    let guard = Start::new("version: 1\nprincipals: {}\n", "http://127.0.0.1:1").run();
    for (path, text) in
        [("/-/healthy", Some("OK\n")), ("/-/ready", Some("OK\n")), ("/metrics", None), ("/-/ready?x", None)]
    {
        let answer = Request::get(path).send(guard.admin()).is(200, "", path);
        assert!(text.is_none_or(|text| answer.text() == text), "{path}: {}", answer.text());
        for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"] {
            let answer = Request::new(method, path).send(guard.admin()).is(405, "method_not_allowed", method);
            assert_eq!(answer.header("Allow"), Some("GET"), "{method} {path}");
        }
    }
    for path in ["/", "/nope", "/debug/pprof/", "/-/quit", "/-/reload", "/metrics/job/a"] {
        for method in ["GET", "PUT"] {
            Request::new(method, path).send(guard.admin()).is(404, "target_unknown", path);
        }
    }
    Request::get("/-/healthy").send(guard.address()).is(403, "source_not_allowed", "the proxy's own listener");
}
