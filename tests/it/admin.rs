//! The admin listener: what it shows, and that it does nothing else.

use crate::common::guard::{EVERYTHING, Guard, PASSWORD, Start, quickstart, with};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, answer, ok};
use crate::common::{skip, wait_for};
use std::net::{IpAddr, SocketAddr, UdpSocket};

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
fn it_only_answers_get_on_its_pages() {
    // Nothing of the policy holds here: not even a policy that denies everything.
    let guard = Start::new("version: 1\nprincipals: {}\n", "http://127.0.0.1:1").run();
    for (path, text) in [
        ("/-/healthy", Some("OK\n")),
        ("/-/ready", Some("OK\n")),
        ("/metrics", None),
        ("/-/ready?x", None),
        ("/", None),
    ] {
        let answer = Request::get(path).host("localhost").send(guard.admin()).is(200, "", path);
        assert!(text.is_none_or(|text| answer.text() == text), "{path}: {}", answer.text());
        for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"] {
            let answer = Request::new(method, path).send(guard.admin()).is(405, "method_not_allowed", method);
            assert_eq!(answer.header("Allow"), Some("GET"), "{method} {path}");
        }
    }
    for path in ["/nope", "/index.html", "//", "/debug/pprof/", "/-/quit", "/-/reload", "/metrics/job/a"] {
        for method in ["GET", "PUT"] {
            Request::new(method, path).send(guard.admin()).is(404, "target_unknown", path);
        }
    }
    let reload = Request::new("POST", "/-/reload").send(guard.admin()).is(404, "target_unknown", "no lifecycle");
    assert!(reload.text().contains("--web.enable-lifecycle"), "{}", reload.text());
    Request::get("/-/healthy").send(guard.address()).is(403, "source_not_allowed", "the proxy's own listener");
}

fn page(guard: &Guard) -> String {
    let answer = Request::get("/").host("localhost").send(guard.admin()).is(200, "", "the status page");
    for (name, value) in [
        ("Content-Type", "text/html; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let policy = answer.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    answer.text()
}

#[test]
fn the_status_page_tells_what_happened() {
    let upstream = Upstream::start(|_| ok());
    let policy = with(&quickstart(), "version: 1\n", "version: 1\nmode: report\nreport_until: 2999-01-01\n");
    let mut start = Start::new(&quickstart(), &upstream.url());
    std::fs::write(start.folder.path().join("reporting.yaml"), &policy).unwrap();
    start = start.flag("--policy.watch-interval", "0s");
    let guard = start.run();
    let empty = page(&guard);
    assert!(empty.contains("generation 1,") && empty.contains("None since the start."), "{empty}");
    // Nothing that a client chose becomes markup.
    let evil = "%3Cscript%3Ealert(1)%3C%2Fscript%3E".replace("%2F", "_");
    let push = |job: &str| Request::post(format!("/metrics/job/{job}"), "m 1\n");
    guard.record(&push("ci").basic("ci", PASSWORD).send(guard.address()).is(200, "", "a push"));
    let refused = push(&evil).basic("ci", PASSWORD).send(guard.address()).is(403, "job_not_granted", "a strange job");
    guard.record(&refused);
    guard.record(&push("ci").basic("ci", "secret-canary").send(guard.address()).is(
        401,
        "credential_rejected",
        "a guess",
    ));
    let busy = page(&guard);
    for text in [
        "&lt;script&gt;alert(1)&lt;_script&gt;",
        "job_not_granted",
        "credential_rejected",
        "answers",
        refused.request_id(),
    ] {
        assert!(busy.contains(text), "{text} in {busy}");
    }
    assert!(!busy.contains("<script") && !busy.contains("secret-canary") && !busy.contains(PASSWORD), "{busy}");
    // A policy that is not taken says why, one that only reports says so.
    let file = guard.folder.path().join("policy.yaml");
    std::fs::write(&file, "version: 1\nprincipals: { a: { form: <b> } }\n").unwrap();
    guard.signal("HUP");
    wait_for("the problems", || page(&guard).contains("not reloaded").then_some(()));
    let broken = page(&guard);
    assert!(broken.contains("unknown key &quot;form&quot;") && broken.contains("generation 1,"), "{broken}");
    std::fs::copy(guard.folder.path().join("reporting.yaml"), &file).unwrap();
    guard.signal("HUP");
    wait_for("the next policy", || page(&guard).contains("<code>policy</code> until 2999-01-01").then_some(()));
    assert!(!page(&guard).contains("not reloaded"));
}

/// An address of this machine that is not loopback; nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

#[test]
fn the_status_page_is_for_this_machine_unless_a_flag_says_otherwise() {
    let start = |audience: Option<&str>| {
        let start = Start::bare(EVERYTHING);
        let file = start.policy_file();
        let start = start.flag("--policy.file", &file).flag("--admin.listen-address", "0.0.0.0:0");
        let start = start.flag("--web.listen-address", "127.0.0.1:0").flag("--upstream.url", "http://127.0.0.1:1");
        audience.into_iter().fold(start, |start, who| start.flag("--admin.status-page", who)).run()
    };
    let by_default = start(None);
    let port = by_default.admin().port();
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    let asking = |host: &str, field: Option<(&str, &str)>| {
        let request = Request::get("/").host(host);
        field.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    for host in ["127.0.0.1", "localhost", &format!("localhost:{port}"), "[::1]:1"] {
        asking(host, None).send(local).is(200, "", host);
    }
    // A page of another site that leads its own name here, and a proxy beside the process.
    asking("evil.test", None).send(local).is(403, "source_not_allowed", "a name");
    for name in ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"] {
        asking("localhost", Some((name, "127.0.0.1"))).send(local).is(403, "source_not_allowed", name);
    }
    let nobody = start(Some("nobody"));
    let admin = SocketAddr::from(([127, 0, 0, 1], nobody.admin().port()));
    Request::get("/").send(admin).is(404, "target_unknown", "nobody");
    Request::get("/-/healthy").send(admin).is(200, "", "nobody");
    let everybody = start(Some("everybody"));
    let Some(own) = own_address() else {
        return skip("the status page from another address: this machine has none", false);
    };
    let reached = |guard: &Guard| SocketAddr::from((own, guard.admin().port()));
    asking("push.example.com", None).send(reached(&everybody)).is(200, "", "everybody");
    let answer = Request::get("/").host("localhost").send(reached(&by_default));
    let answer = answer.is(403, "source_not_allowed", "another address");
    assert!(answer.text().contains("--admin.status-page"), "{}", answer.text());
    for path in ["/metrics", "/-/healthy", "/-/ready"] {
        Request::get(path).send(reached(&by_default)).is(200, "", path);
    }
}
