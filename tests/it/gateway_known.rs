//! What the guard finds out of the gateway behind it, without ever waiting for that.

use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Guard, Start};
use crate::common::http::Request;
use crate::common::log::Line;
use crate::common::upstream::{Upstream, ok};
use crate::common::{gateway_is_demanded, skip, wait_for};
use std::net::TcpListener;

fn gateway_lines(guard: &Guard) -> Vec<Line> {
    guard.log.lines().into_iter().filter(|line| line.get("msg") == "gateway").collect()
}

fn warnings(guard: &Guard) -> Vec<String> {
    let lines = guard.log.lines().into_iter().filter(|line| line.get("msg") == "gateway warning");
    lines.map(|line| line["detail"].to_owned()).collect()
}

fn known(guard: &Guard) -> Line {
    guard.log.line("of the gateway", |line| line.get("msg") == "gateway")
}

/// The samples of the metric that says which gateway it is.
fn info(guard: &Guard) -> Vec<String> {
    let page = guard.metrics();
    let samples = page.lines().filter(|line| line.starts_with("pushguard_gateway_info{"));
    samples.map(ToOwned::to_owned).collect()
}

fn status(version: &str, flags: &str) -> String {
    format!(
        r#"{{"status":"success","data":{{"build_information":{{"version":"{version}"}},"flags":{{{flags}}},"start_time":"then"}}}}"#
    )
}

fn describing(page: &str) -> (Upstream, Guard) {
    let upstream = Upstream::start(|_| ok());
    upstream.describe(page);
    let guard = Guard::start(EVERYTHING, &upstream.url());
    (upstream, guard)
}

#[test]
fn the_version_of_a_real_gateway_is_told() {
    let newer = std::env::var("PUSHGATEWAY_NEW").ok().filter(|path| !path.is_empty());
    let gateways = [Gateway::start(), newer.map(|binary| Gateway::start_other(&binary, &[]))];
    if gateways.iter().flatten().count() < 2 {
        skip("both gateways (make gateways)", gateway_is_demanded());
    }
    for gateway in gateways.iter().flatten() {
        let guard = Guard::start(EVERYTHING, &gateway.url());
        let line = known(&guard);
        let version = line["version"].to_owned();
        assert_eq!((&line["utf8_names"], &line["consistency_check"]), ("false", "true"), "{version}");
        assert!(line["started"].starts_with("20"), "{line:?}");
        let expected = format!(
            "pushguard_gateway_info{{version=\"{version}\",utf8_names=\"false\",consistency_check=\"true\"}} 1"
        );
        wait_for("the metric", || (info(&guard) == [expected.as_str()]).then_some(()));
        assert_eq!(warnings(&guard), [""; 0], "{version} is tested");
    }
}

#[test]
fn what_changes_the_meaning_of_a_push_is_warned_of() {
    let both = r#""push.disable-consistency-check":"true","push.enable-utf8-names":"true""#;
    for (page, expected) in [
        (status("1.11.2", r#""push.disable-consistency-check":"false""#), &[][..]),
        (status("1.11.2", both), &["--push.disable-consistency-check", "--push.enable-utf8-names"]),
        (status("1.11.0", ""), &["this version closes the connection"]),
        (status("9.0.0", ""), &["this version was not tested"]),
    ] {
        let (upstream, guard) = describing(&page);
        known(&guard);
        wait_for("the metric, which is set last", || (info(&guard).len() == 1).then_some(()));
        wait_for("the warnings", || (warnings(&guard).len() >= expected.len()).then_some(()));
        let found = warnings(&guard);
        assert_eq!(found.len(), expected.len(), "{page}: {found:?}");
        assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{page}: {found:?}");
        assert_eq!(upstream.contacts(), (0, 0), "{page}: only the status was asked for");
    }
}

/// Whatever stands there, the start is not delayed and requests are served.
#[test]
fn a_gateway_that_does_not_tell_is_served_all_the_same() {
    for page in ["", "{}", "<html>not here</html>", "[1,2,3]"] {
        let (_upstream, guard) = describing(page);
        let line = guard.log.line("of an unknown gateway", |line| line.get("msg") == "the gateway is not known");
        assert!(line["detail"].contains("/api/v1/status is not the status of a Pushgateway"), "{line:?}");
        assert_eq!(info(&guard), [""; 0], "{page}");
        Request::post("/metrics/job/a", "m 1\n").send(guard.address()).is(200, "", page);
    }
}

#[test]
fn a_gateway_that_is_away_is_known_once_it_is_there() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let guard = Guard::start(EVERYTHING, &format!("http://{address}"));
    let line = guard.log.line("of an absent gateway", |line| line.get("msg") == "the gateway is not known");
    assert_eq!(&line["gateway"], address.to_string());
    Request::get("/-/ready").send(guard.admin()).is(200, "", "it is ready");
    Request::post("/metrics/job/a", "m 1\n").send(guard.address()).is(503, "upstream_unavailable", "meanwhile");
    let Some(probe) = Gateway::start() else { return };
    drop(probe);
    let _gateway = Gateway::start_at(address);
    known(&guard);
    let told = guard.log.lines().iter().filter(|line| line.get("msg") == "the gateway is not known").count();
    assert_eq!(told, 1, "said once, not every few seconds");
}

/// Another gateway at the same place is noticed by the connection that is opened to it.
#[test]
fn a_gateway_that_was_replaced_is_read_again() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(EVERYTHING, &gateway.url());
    let first = known(&guard);
    Request::post("/metrics/job/a", "m 1\n").send(guard.address()).is(200, "", "a push");
    let address = gateway.address;
    drop(gateway);
    let _second = Gateway::start_at(address);
    wait_for("a push to the other one", || {
        (Request::post("/metrics/job/a", "m 1\n").send(guard.address()).status == 200).then_some(())
    });
    wait_for("another line", || (gateway_lines(&guard).len() == 2).then_some(()));
    let lines = gateway_lines(&guard);
    assert_eq!(lines[0].0, first.0);
    assert_ne!(&lines[0]["started"], &lines[1]["started"]);
    assert_eq!(info(&guard).len(), 1, "the one before is gone");
}

#[test]
fn a_path_that_is_not_the_gateways_is_hinted_at() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Start::new(EVERYTHING, &format!("{}/elsewhere", gateway.url())).run();
    let line = guard.log.line("of an unknown gateway", |line| line.get("msg") == "the gateway is not known");
    assert!(line["detail"].contains("--web.route-prefix"), "{line:?}");
}
