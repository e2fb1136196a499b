//! `pushguard doctor`, and the watch of `serve`, at gateways that were broken around pushguard.

use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Start};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, answer};
use crate::volume::gateways;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::process::{Command, Output};

fn doctor(url: &str, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushguard"));
    command.args(["doctor", "--upstream.url", url]).args(flags).output().expect("pushguard can be run")
}

#[track_caller]
fn exit(output: &Output, code: i32) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    out.into_owned()
}

fn scrape(gateway: &Gateway) -> u16 {
    Request::get("/metrics").send(gateway.address).status
}

/// Whatever is done to a gateway is done straight to it; the answer does not matter.
fn push(gateway: &Gateway, target: &str, body: &str) {
    Request::post(target, body).send(gateway.address);
}

/// What it is called, the pushes that do it, and how many groups break the scrape then.
type Poison = (&'static str, &'static [(&'static str, &'static str)], usize);

const POISONS: &[Poison] = &[
    ("bytes that are not UTF-8", &[("/metrics/job/%ff/x/a%fe", "")], 1),
    ("the same in base64, with an instance", &[("/metrics/job@base64/_w/instance/i", "m 1\n")], 1),
    ("an empty instance beside none", &[("/metrics/job/good/instance/", "other 1\n")], 1),
    ("le beside a histogram", &[("/metrics/job/h/le/1", HISTOGRAM)], 1),
    (
        "all of it",
        &[("/metrics/job/h/le/1", HISTOGRAM), ("/metrics/job/good/instance/", "o 1\n"), ("/metrics/job/%ff", "")],
        3,
    ),
];
const HISTOGRAM: &str = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";

fn only_the_poison_is_healed(gateway: &Gateway) {
    let version = gateways::version(gateway);
    push(gateway, "/metrics/job/good", "m 1\n");
    push(gateway, "/metrics/job/good/instance/i", "m 2\n");
    push(gateway, "/metrics/job/other@base64/w6Qv", "m 3\n");
    push(gateway, "/metrics/job@base64/w6Qv/x@base64/PQ", "m 3\n");
    let good = gateway.groups();
    exit(&doctor(&gateway.url(), &[]), 0);
    for (what, pushes, count) in POISONS {
        for (target, body) in *pushes {
            push(gateway, target, body);
        }
        let out = exit(&doctor(&gateway.url(), &[]), 1);
        assert!(out.contains("BAD     scrape"), "{version}, {what}: {out}");
        assert_eq!(out.matches("BAD     group").count(), *count, "{version}, {what}: {out}");
        let out = exit(&doctor(&gateway.url(), &["--heal"]), 0);
        assert_eq!(out.matches("healed").count(), *count, "{version}, {what}: {out}");
        assert_eq!(scrape(gateway), 200, "{version}, {what}: {out}");
        assert_eq!(gateway.groups().len(), good.len(), "{version}, {what}: {out}");
        let left: Vec<_> = gateway.groups().into_iter().map(|group| group.labels).collect();
        assert_eq!(left, good.iter().map(|group| group.labels.clone()).collect::<Vec<_>>(), "{version}, {what}");
    }
}

#[test]
fn it_heals_the_installed_gateway_and_removes_nothing_else() {
    let Some(gateway) = gateways::installed() else { return };
    only_the_poison_is_healed(&gateway);
}

#[test]
fn it_heals_newer_gateways_and_removes_nothing_else() {
    for gateway in [gateways::newer_own_routing(), gateways::newer_new_routing()].into_iter().flatten() {
        only_the_poison_is_healed(&gateway);
    }
}

#[test]
fn what_cannot_be_reached_is_not_judged() {
    let output = doctor("http://127.0.0.1:1", &[]);
    exit(&output, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1:1"));
}

#[test]
fn the_document_for_programs() {
    let Some(gateway) = Gateway::start() else { return };
    push(&gateway, "/metrics/job/%ff", "");
    let document: Value = serde_json::from_str(&exit(&doctor(&gateway.url(), &["--json"]), 1)).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let levels: Vec<&str> = findings.iter().map(|f| f["level"].as_str().unwrap()).collect();
    assert!(levels.contains(&"BAD") && levels.contains(&"ok"), "{document:#}");
    let healed: Value = serde_json::from_str(&exit(&doctor(&gateway.url(), &["--json", "--heal"]), 0)).unwrap();
    assert_eq!(healed["healed"].as_array().map(Vec::len), Some(1), "{healed:#}");
}

/// Two groups whose metrics the gateway takes for one: the one that was there first stays.
#[test]
fn a_group_that_shares_a_hash_is_made_out_and_healed() {
    use crate::inventory::{ONE, OTHER};
    for gateway in [gateways::installed(), gateways::newer_own_routing()].into_iter().flatten() {
        let version = gateways::version(&gateway);
        let path = |value: &str| format!("/metrics/job@base64/Y2k/workflow@base64/{}", URL_SAFE_NO_PAD.encode(value));
        push(&gateway, &path(ONE), "m 1\n");
        push(&gateway, &path("another"), "m 1\n");
        push(&gateway, &path(OTHER), "m 1\n");
        let out = exit(&doctor(&gateway.url(), &["--heal"]), 0);
        assert_eq!(out.matches("healed").count(), 1, "{version}: {out}");
        assert_eq!((scrape(&gateway), gateway.groups().len()), (200, 2), "{version}: {out}");
        assert!(gateway.groups().iter().all(|group| group.labels["workflow"] != OTHER), "{version}");
    }
}

#[test]
fn the_watch_of_serve_tells_what_was_broken_around_it() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Start::new(EVERYTHING, &gateway.url()).flag("--watchdog.interval", "1s").run();
    let broken = "pushguard_gateway_scrape_broken";
    guard.await_metric(broken, 0.0);
    push(&gateway, "/metrics/job/%ff", "");
    guard.await_metric(broken, 1.0);
    let line = guard.log.line("about it", |line| line.get("msg") == "the gateway cannot be scraped");
    assert!(line["group"].contains("\\xff"), "{line:?}");
    exit(&doctor(&gateway.url(), &["--heal"]), 0);
    guard.await_metric(broken, 0.0);
}

#[test]
fn the_watch_of_serve_tells_when_the_gateway_is_away() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Start::new(EVERYTHING, &gateway.url()).flag("--watchdog.interval", "1s").run();
    let up = "pushguard_gateway_up";
    guard.await_metric(up, 1.0);
    let address = gateway.address;
    drop(gateway);
    guard.await_metric(up, 0.0);
    let _again = Gateway::start_at(address);
    guard.await_metric(up, 1.0);
}

/// Something between may answer for it.
#[test]
fn an_answer_of_something_before_the_gateway_is_none_of_it() {
    for (status, up) in [("503 Service Unavailable", 0.0), ("502 Bad Gateway", 0.0), ("500 Internal Server Error", 1.0)]
    {
        let upstream = Upstream::start(move |_| answer(status, "", "no"));
        let guard = Start::new(EVERYTHING, &upstream.url()).flag("--watchdog.interval", "1s").run();
        guard.await_metric("pushguard_gateway_up", up);
    }
}
