//! Paths and origins as the outside knows them.

use crate::common::gateway::{Gateway, labels};
use crate::common::guard::{EVERYTHING, Start};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, ok};

#[test]
fn a_route_prefix_is_part_of_every_path_and_of_no_other() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Start::new(EVERYTHING, &gateway.url()).flag("--web.route-prefix", "/pg").run();
    Request::put("/pg/metrics/job/a/x@base64/YS9i", "m 1\n").send(guard.address()).is(200, "", "behind the prefix");
    assert_eq!(
        gateway.groups().into_iter().map(|g| g.labels).collect::<Vec<_>>(),
        [labels(&[("job", "a"), ("x", "a/b")])]
    );
    Request::get("/pg/metrics").send(guard.address()).is(200, "", "a scrape");
    Request::get("/pg/").send(guard.address()).is(200, "", "the page");
    for path in [
        "/metrics/job/b",
        "/pgx/metrics/job/b",
        "/pg",
        "/pg//metrics/job/b",
        "/PG/metrics/job/b",
        "/%70g/metrics/job/b",
    ] {
        Request::put(path, "m 1\n").send(guard.address()).is(404, "target_unknown", path);
    }
    Request::put("/pg/pg/metrics/job/b", "m 1\n").send(guard.address()).is(404, "target_unknown", "twice");
    assert_eq!(gateway.groups().len(), 1);
}

#[test]
fn the_gateways_own_prefix_is_put_in_front() {
    let upstream = Upstream::start(|_| ok());
    let guard = Start::new(EVERYTHING, &format!("{}/up", upstream.url()))
        .flag("--web.external-url", "https://push.example.com/down/")
        .run();
    Request::put("/down/metrics/job/a", "m 1\n").send(guard.address()).is(200, "", "under the external path");
    Request::put("/metrics/job/a", "m 1\n").send(guard.address()).is(404, "target_unknown", "without it");
    assert_eq!(
        upstream.seen().iter().map(|seen| seen.line().to_owned()).collect::<Vec<_>>(),
        ["PUT /up/metrics/job/a"]
    );
}

/// With an external address the Host header, which every client chooses, says nothing.
#[test]
fn with_an_external_address_only_its_own_pages_push() {
    let upstream = Upstream::start(|_| ok());
    let guard = Start::new(EVERYTHING, &upstream.url()).flag("--web.external-url", "https://push.example.com").run();
    let from = |origin: &str| Request::post("/metrics/job/a", "m 1\n").header("Origin", origin).send(guard.address());
    from("https://push.example.com").is(200, "", "its own page");
    for origin in [
        "https://a",
        "http://push.example.com",
        "https://push.example.com.evil.example",
        "https://push.example.com:8443",
        "null",
    ] {
        from(origin).is(403, "origin_not_allowed", origin);
    }
    Request::post("/metrics/job/a", "m 1\n").send(guard.address()).is(200, "", "no browser");
}
