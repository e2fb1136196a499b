//! The gateway's own pages through the guard, in a real Chromium: list, open, delete; and that no other site's page can
//! use the password that the browser remembers. The status page in light and dark, wide and narrow. Run by `make browser`, which installs what it needs.

mod common;

use common::gateway::Gateway;
use common::guard::{Guard, PASSWORD};
use common::http::Request;
use common::skip;
use common::upstream::{Upstream, ok};
use std::collections::BTreeMap;
use std::process::Command;

const POLICY: &str = r#"
version: 1
principals:
  ops:
    basic: { username: ops, password_hash_file: ci.phc }
    from: anywhere
    grants:
      - { operations: [push, delete], job: "*", labels: { "*": "*" } }
      - { operations: [ui] }
"#;

/// Groups with values that pages and paths spell in different ways.
const GROUPS: &[&str] =
    &["job/ci/workflow/nightly", "job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k", "job/ci/workflow/one", "job/kept"];

#[test]
fn the_gateways_page_works_and_other_sites_cannot_ride_its_password() {
    let (Ok(chromium), Ok(modules)) = (std::env::var("PUSHGUARD_CHROMIUM"), std::env::var("PUSHGUARD_BROWSER_MODULES"))
    else {
        return skip("a browser (make browser)", false);
    };
    let Some(gateway) = Gateway::start() else { return };
    for group in GROUPS {
        Request::post(format!("/metrics/{group}"), "tests_total 42\n").send(gateway.address).is(200, "", group);
    }
    let guard = Guard::start(POLICY, &gateway.url());
    let screenshot = std::env::var("PUSHGUARD_SCREENSHOT").unwrap_or_else(|_| {
        let file = guard.folder.path().join("page.png");
        file.to_str().unwrap().to_owned()
    });
    let output = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/ui.js"))
        .envs([("CHROMIUM", &chromium), ("MODULES", &modules), ("SCREENSHOT", &screenshot)])
        .envs([("GUARD", format!("http://{}", guard.address())), ("USER_NAME", "ops".to_owned())])
        .env("PASSWORD", PASSWORD)
        .output()
        .expect("node can be run");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    let steps: BTreeMap<String, serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|step| (step["step"].as_str().unwrap().to_owned(), step["found"].clone()))
        .collect();
    let panels = |step: &str, text: &str| {
        let found =
            steps[step].as_array().unwrap().iter().filter(|panel| panel.as_str().unwrap().contains(text)).count();
        assert!(!steps[step].as_array().unwrap().is_empty(), "{step}: {said}");
        found
    };
    assert_eq!(steps["home"], 200, "{said}");
    assert!(panels("listed", "nightly") > 0 && panels("listed", "Elixir/Phoenix CI") > 0, "{said}");
    let asked = "Do you really want to delete all metrics of group {job=\"ci\", workflow=\"nightly\"}?";
    assert_eq!(steps["asked"], asked);
    assert_eq!(steps["deleted"], 202, "{said}");
    assert_eq!(panels("left", "nightly"), 0, "{said}");
    assert!(panels("left", "Elixir/Phoenix CI") > 0, "{said}");
    assert_eq!(steps["own page"], "basic 200", "a page of its own may use the password: {said}");
    assert_eq!(steps["foreign form"], 403, "{said}");
    assert_eq!(steps["foreign delete"], "failed", "{said}");
    let reasons = |reason: &str| {
        let lines = guard.log.lines();
        lines.iter().filter(|line| line.get("msg") == "request" && line.get("reason") == reason).count()
    };
    assert_eq!(reasons("origin_not_allowed"), 2, "the push and the form: {said}");
    let mut stored: Vec<String> = gateway.groups().iter().map(|group| group.labels["job"].clone()).collect();
    stored.sort();
    assert_eq!(stored, ["ci", "ci", "kept", "own"], "{said}");
    println!("{said}");
}

/// The page deletes by paths of its own spelling: values in base64 without padding, and one `=` behind each.
#[test]
fn every_group_can_be_deleted_as_the_page_spells_it() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(POLICY, &gateway.url());
    for (index, value) in ["a", "ab", "abc", "abcd", "Elixir/Phoenix CI", "caf\u{e9}", "..", "="].iter().enumerate() {
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, value);
        let target = format!("/metrics/job/ci/x@base64/{encoded}");
        Request::post(target, "m 1\n").send(gateway.address).is(200, "", value);
        assert_eq!(gateway.groups().len(), 1, "{value}");
        let target = format!("/metrics/job@base64/Y2k/x%40base64/{encoded}%3D");
        let request = Request::delete(target).basic("ops", PASSWORD).header("Sec-Fetch-Site", "same-origin");
        request.send(guard.address()).is(202, "", format!("{index}: {value}"));
        common::wait_for("the end of the group", || gateway.groups().is_empty().then_some(()));
    }
}

/// The status page as people see it: by day and by night, on a desk and in a hand.
#[test]
fn the_status_page_is_fit_to_look_at() {
    let (Ok(chromium), Ok(modules)) = (std::env::var("PUSHGUARD_CHROMIUM"), std::env::var("PUSHGUARD_BROWSER_MODULES"))
    else {
        return skip("a browser (make browser)", false);
    };
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(POLICY, &upstream.url());
    let evil = "<script>document.title='ridden'</script>";
    let coded = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, evil);
    for (target, status, reason) in [
        (format!("/metrics/job/{}", "long-name-".repeat(20)), 200, ""),
        (format!("/metrics/job@base64/{coded}/x/y"), 200, ""),
        ("/metrics/job/ci/instance/".to_owned(), 400, "target_ambiguous"),
    ] {
        Request::post(&target, "m 1\n").basic("ops", PASSWORD).send(guard.address()).is(status, reason, &target);
    }
    let refused = Request::put(format!("/metrics/job@base64/{coded}"), "m 1\n").basic("ops", PASSWORD);
    guard.record(&refused.send(guard.address()).is(403, "operation_not_granted", "a strange job"));
    let screenshots = std::env::var("PUSHGUARD_STATUS_SCREENSHOTS").unwrap_or_else(|_| {
        let file = guard.folder.path().join("status-");
        file.to_str().unwrap().to_owned()
    });
    let output = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/status.js"))
        .envs([("CHROMIUM", &chromium), ("MODULES", &modules), ("SCREENSHOTS", &screenshots)])
        .env("PAGE", format!("http://localhost:{}/", guard.admin().port()))
        .output()
        .expect("node can be run");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    let pages: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pages.len(), 4, "{said}");
    for page in &pages {
        assert_eq!((&page["status"], &page["scripts"]), (&200.into(), &0.into()), "{page}");
        assert_eq!(page["elsewhere"], serde_json::json!([]), "{page}");
        assert!(page["overflow"].as_i64().unwrap() <= 0, "only tables scroll sideways: {page}");
        assert_eq!(page["headings"], serde_json::json!(["Policy", "Principals", "Last refusals"]), "{page}");
        assert!(page["jobs"].as_array().unwrap().contains(&evil.into()), "shown as it is, and nothing more: {page}");
        let errors = page["errors"].as_array().unwrap().iter();
        // The icon that the browser asks for is not there.
        let errors: Vec<_> = errors.filter(|error| !error.as_str().unwrap().contains("404")).collect();
        assert!(errors.is_empty(), "{page}");
    }
    assert_ne!(pages[0]["background"], pages[2]["background"], "light and dark differ: {said}");
}
