//! Pushes beside what others pushed: what would clash never reaches the gateway, groups are capped, and what happens to
//! the gateway behind the guard's back is learned.

use crate::common::gateway::{Gateway, labels};
use crate::common::guard::{EVERYTHING, Guard, PASSWORD, Start, with};
use crate::common::http::{Request, Response};
use crate::volume::gateways;
use crate::volume::tap::Tap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeSet;

/// Two teams with a job each; one may delete, the other not.
const TEAMS: &str = r#"
version: 1
principals:
  red:
    basic:  { username: red, password_hash_file: ci.phc }
    from:   anywhere
    grants: [{ operations: [push, replace, delete], job: red, labels: { "x?": "*" } }]
    quotas: [{ per: principal, burst: 100000, period: 1s }]
  blue:
    basic:  { username: blue, password_hash_file: ci.phc }
    from:   anywhere
    grants: [{ operations: [push, replace], job: blue, labels: { "x?": "*" } }]
    quotas: [{ per: principal, burst: 100000, period: 1s }]
"#;

fn post(team: &str, rest: &str, body: &str) -> Request {
    Request::post(format!("/metrics/job/{team}{rest}"), body).basic(team, PASSWORD)
}

fn put(team: &str, rest: &str, body: &str) -> Request {
    Request::put(format!("/metrics/job/{team}{rest}"), body).basic(team, PASSWORD)
}

/// A guard that asks the gateway what it holds, at the start and when in doubt.
fn learning(policy: &str, upstream: &str) -> Start {
    Start::new(policy, upstream).flag("--upstream.learn-interval", "1h")
}

#[test]
fn a_clash_is_told_to_each_as_it_concerns_them_and_reaches_no_gateway() {
    let Some(gateway) = Gateway::start() else { return };
    let tap = Tap::new(gateway.address);
    let guard = Guard::start(TEAMS, &tap.url());
    let send = |request: &Request| request.send(guard.address());
    send(&post("red", "", "# TYPE m gauge\nm 1\n")).is(200, "", "the first");
    let sent = tap.contacts();
    let refused = send(&post("blue", "", "# TYPE m counter\nm 1\n")).is(409, "group_conflict", "another type");
    assert_eq!(
        refused.text(),
        "group_conflict: the push clashes with metrics that are already stored: m is stored as gauge and pushed as \
         counter; push it as gauge (# TYPE m gauge), or rename it\n"
    );
    assert_eq!(&guard.record(&refused)["detail"], "m is a gauge in {\"job\": \"red\"} of red");
    // The gateway made no group of it, and the metric can be pushed as what it is.
    assert_eq!(tap.contacts(), sent, "it reached the gateway");
    assert_eq!(gateway.groups().len(), 1);
    send(&post("blue", "", "# TYPE m gauge\nm 1\n")).is(200, "", "the same type");
    // Its own groups are named to the one who may delete them.
    send(&post("red", "/x/1", "n 1\n")).is(200, "", "untyped");
    let refused = send(&put("red", "/x/2", "# TYPE n gauge\nn 1\n")).is(409, "group_conflict", "its own old type");
    assert!(refused.text().ends_with("or first delete your own /metrics/job/red/x/1\n"), "{}", refused.text());
    send(&Request::delete("/metrics/job/red/x/1").basic("red", PASSWORD)).is(202, "", "a delete");
    send(&put("red", "/x/2", "# TYPE n gauge\nn 1\n")).is(200, "", "after it");
    // A group gives way to itself.
    send(&post("red", "/x/2", "# TYPE n counter\nn 1\n")).is(200, "", "another type of its own");
    send(&put("red", "", "# TYPE o histogram\no_sum 1\no_count 1\n")).is(200, "", "a replacement");
    let refused = send(&post("blue", "", "# TYPE o_count gauge\no_count 1\n")).is(409, "group_conflict", "a part");
    assert!(refused.text().contains("one has the name of a part of the other"), "{}", refused.text());
}

/// What one group says in its body and another in its path is one metric to the gateway.
#[test]
fn one_metric_in_two_groups_is_refused() {
    for gateway in [gateways::installed(), gateways::newer_new_routing()].into_iter().flatten() {
        let guard = Guard::start(TEAMS, &gateway.url());
        post("red", "", "m{x=\"1\"} 1\nm{x=\"2\"} 1\n").send(guard.address()).is(200, "", "in the body");
        let refused = post("red", "/x/1", "m 1\n").send(guard.address()).is(409, "group_conflict", "in the path");
        assert!(refused.text().contains("or first delete your own /metrics/job/red"), "{}", refused.text());
        post("red", "/x/3", "m 1\n").send(guard.address()).is(200, "", "another value");
        // The gateway agrees.
        let there = Request::post("/metrics/job/red/x/2", "m 1\n").send(gateway.address);
        assert_eq!(there.status, 400, "{}", there.text());
    }
}

#[test]
fn groups_are_capped_for_each_and_in_all() {
    let Some(gateway) = Gateway::start() else { return };
    let policy = with(
        TEAMS,
        "job: red, labels: { \"x?\": \"*\" } }]",
        "job: red, labels: { \"x?\": \"*\" } }]\n    payload: { max_groups: 2 }",
    );
    let guard = Start::new(&policy, &gateway.url()).flag("--upstream.max-groups", "4").run();
    let send = |request: Request| request.send(guard.address());
    send(post("red", "/x/1", "m 1\n")).is(200, "", "one");
    // Refused by the gateway only, as a syntax that it alone does not take would be: the group counts all the same.
    send(post("red", "/x/2", "m 1\n")).is(200, "", "two");
    let refused = send(post("red", "/x/3", "m 1\n")).is(403, "group_limit_reached", "three");
    assert!(refused.text().contains("you have 2 groups"), "{}", refused.text());
    assert!(guard.record(&refused)["detail"].contains("red has 2 live groups, payload.max_groups"));
    send(post("red", "/x/1", "m 2\n")).is(200, "", "one that lives");
    send(Request::delete("/metrics/job/red/x/1").basic("red", PASSWORD)).is(202, "", "a delete");
    send(post("red", "/x/3", "m 1\n")).is(200, "", "after it");
    send(post("blue", "/x/1", "m 1\n")).is(200, "", "another's");
    send(post("blue", "/x/2", "m 1\n")).is(200, "", "another's second");
    let refused = send(post("blue", "/x/3", "m 1\n")).is(403, "group_limit_reached", "the gateway's");
    assert!(refused.text().contains("the gateway has as many groups as it may"), "{}", refused.text());
    assert_eq!(gateway.groups().len(), 4);
}

#[test]
fn a_start_learns_what_the_gateway_holds() {
    let Some(gateway) = Gateway::start() else { return };
    let direct = |request: Request| request.send(gateway.address).is(200, "", "a push to the gateway");
    direct(Request::put("/metrics/job/old/x@base64/Lw", "# TYPE m gauge\nm 1\n# TYPE h summary\nh_sum 1\nh_count 1\n"));
    direct(Request::put("/metrics/job/red", "n{x=\"1\"} 1\n"));
    let policy = with(
        TEAMS,
        "job: red, labels: { \"x?\": \"*\" } }]",
        "job: red, labels: { \"x?\": \"*\" } }]\n    payload: { max_groups: 1 }",
    );
    let guard = learning(&policy, &gateway.url()).run();
    let refused = |request: Request, reason: &str, status| {
        let answer = request.send(guard.address()).is(status, reason, "known from the start");
        guard.record(&answer)["detail"].to_owned()
    };
    let detail = refused(post("blue", "", "# TYPE m counter\nm 1\n"), "group_conflict", 409);
    assert_eq!(detail, "m is a gauge in {\"job\": \"old\", \"x\": \"/\"}");
    refused(post("blue", "", "h_sum 1\n"), "group_conflict", 409);
    assert!(refused(post("blue", "", "n 1\n# TYPE n gauge\n"), "payload_invalid", 400).contains("TYPE"));
    // The group counts for the principal whose job it is.
    refused(post("red", "/x/2", "n 1\n"), "group_limit_reached", 403);
    post("red", "", "n{x=\"1\"} 2\n").send(guard.address()).is(200, "", "its own group");
}

/// Groups that others delete, and a gateway that forgets everything, are soon out of the way.
#[test]
fn what_happens_behind_its_back_is_learned() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = learning(TEAMS, &gateway.url()).run();
    let counter = post("blue", "", "# TYPE m counter\nm 1\n");
    let soon = |what: &str| {
        crate::common::wait_for(what, || (counter.send(guard.address()).status == 200).then_some(()));
    };
    post("red", "", "# TYPE m gauge\nm 1\n").send(guard.address()).is(200, "", "a gauge");
    counter.send(guard.address()).is(409, "group_conflict", "a counter");
    Request::delete("/metrics/job/red").send(gateway.address).is(202, "", "a delete at the gateway");
    soon("the deleted group");
    // And what the gateway alone knows is its answer, with the words of a clash.
    Request::put("/metrics/job/elsewhere", "# TYPE k gauge\nk 1\n").send(gateway.address).is(
        200,
        "",
        "behind its back",
    );
    let clash = post("blue", "/x/1", "# TYPE k counter\nk 1\n");
    clash.send(guard.address()).is(409, "group_conflict", "the gateway's refusal");
    let groups = || gateway.groups().len();
    let before = groups();
    crate::common::wait_for("the learned type", || {
        let refused = clash.send(guard.address()).is(409, "group_conflict", "a clash");
        guard.record(&refused)["detail"].contains("{\"job\": \"elsewhere\"}").then_some(())
    });
    assert_eq!(groups(), before);
    // A gateway that starts anew has nothing.
    let address = gateway.address;
    drop(gateway);
    let _again = Gateway::start_at(address);
    let red = post("red", "", "# TYPE m gauge\nm 1\n");
    crate::common::wait_for("the gateway's new start", || (red.send(guard.address()).status == 200).then_some(()));
}

/// Nothing that one team pushes keeps the gateway from taking what another pushes: whatever the guard takes of the second,
/// the gateway takes; and what it refuses, the gateway would have refused.
#[test]
fn no_team_is_in_anothers_way_at_the_gateway() {
    for gateway in [gateways::installed(), gateways::newer_new_routing()].into_iter().flatten() {
        matrix(&gateway);
    }
}

/// Bodies that hold the name `N` in one way or another.
fn bodies(name: &str) -> Vec<(&'static str, Request)> {
    use crate::volume::bodies::{GAUGE, PROTOBUF, family, metric};
    let text = |body: &str| Request::new("POST", "/").body(body.replace('N', name));
    let wire = family(name, b"other help", GAUGE, &[metric(&[], GAUGE, 1.0)]);
    vec![
        ("counter", text("# TYPE N counter\nN 1\n")),
        ("gauge", text("# HELP N some\n# TYPE N gauge\nN 1\n")),
        ("histogram", text("# TYPE N histogram\nN_bucket{le=\"1\"} 1\nN_sum 1\nN_count 1\n")),
        ("summary", text("# TYPE N summary\nN{quantile=\"0.5\"} 1\nN_sum 1\nN_count 1\n")),
        ("untyped", text("# TYPE N untyped\nN{a=\"1\"} 1\n")),
        ("no type", text("N{a=\"2\"} 1\n")),
        ("parts", text("N_count 1\n# TYPE N_bucket counter\nN_bucket 1\n")),
        ("protobuf gauge", Request::new("POST", "/").body(wire).header("Content-Type", PROTOBUF)),
    ]
}

fn matrix(gateway: &Gateway) {
    let tap = Tap::new(gateway.address);
    let guard = Guard::start(EVERYTHING, &tap.url());
    let (mut taken, mut refused) = (0, 0);
    let count = bodies("m").len();
    for first in 0..count {
        for second in 0..count {
            let bodies = bodies(&format!("m_{first}_{second}"));
            let about = format!("{} before {}", bodies[first].0, bodies[second].0);
            let at = |request: &Request, target: &str| request.clone().at(target);
            at(&bodies[first].1, "/metrics/job/attacker").send(guard.address()).is(200, "", &about);
            let before = tap.contacts();
            let answer: Response = at(&bodies[second].1, "/metrics/job/victim").send(guard.address());
            // Given the bytes themselves, would the gateway have taken them?
            let direct = at(&bodies[second].1, "/metrics/job/direct").send(gateway.address);
            match (answer.status, answer.reason()) {
                (200, "") => {
                    assert_eq!(direct.status, 200, "{about}: {}", direct.text());
                    taken += 1;
                }
                (409, "group_conflict") => {
                    assert_eq!(tap.contacts(), before, "{about}: it reached the gateway");
                    assert_eq!(direct.status, 400, "{about}: the gateway would have taken it");
                    refused += 1;
                }
                other => panic!("{about}: {other:?} {}", answer.text()),
            }
            for job in ["attacker", "victim"] {
                Request::delete(format!("/metrics/job/{job}")).send(guard.address()).is(202, "", &about);
            }
            Request::delete("/metrics/job/direct").send(gateway.address).is(202, "", &about);
            crate::common::wait_for("an empty gateway", || gateway.groups().is_empty().then_some(()));
        }
    }
    assert!(taken > 10 && refused > 30, "{taken} taken, {refused} refused");
    let version = gateways::version(gateway);
    crate::volume::say(format_args!(
        "64 pairs of pushes, gateway {version}: {taken} taken by both, {refused} refused by both"
    ));
}

/// Pushes to one group at once, of two types: whichever ends last, the guard and the gateway agree on it.
#[test]
fn pushes_at_once_leave_both_with_the_same_types() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(EVERYTHING, &gateway.url());
    let address = guard.address();
    for round in 0..20 {
        let pushes: Vec<_> = (0..6)
            .map(|n| {
                let kind = ["gauge", "counter"][n % 2];
                let body = format!("# TYPE m_{round} {kind}\nm_{round} {n}\n");
                std::thread::spawn(move || Request::put("/metrics/job/a", body).send(address).status)
            })
            .collect();
        let statuses: BTreeSet<u16> = pushes.into_iter().map(|push| push.join().unwrap()).collect();
        assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
        let group = &gateway.groups()[0];
        assert_eq!(group.labels, labels(&[("job", "a")]));
        let stored = group.content[&format!("m_{round}")]["type"].as_str().unwrap().to_lowercase();
        let other = if stored == "gauge" { "counter" } else { "gauge" };
        let body = |kind: &str| format!("# TYPE m_{round} {kind}\nm_{round} 1\n");
        Request::put("/metrics/job/b", body(other)).send(address).is(409, "group_conflict", "the other type");
        Request::put("/metrics/job/b", body(&stored)).send(address).is(200, "", "the stored type");
        Request::delete("/metrics/job/b").send(address).is(202, "", "a delete");
    }
}

/// Label values with which two groups of `job="ci"` share a hash of the gateway's, as `workflow`.
pub const ONE: &str = "ppppppppppppppppppppaaaaaaaammmmmmmmmmmmmmmmmmmmmmmmle3_huFkmmmmmmmmmmmmmmmmmmmmmmmm";
pub const OTHER: &str = "ppppppppppppppppppppNNgQ4AwwmmmmmmmmmmmmmmmmmmmmmmmmX[&Ew(lDmmmmmmmmmmmmmmmmmmmmmmmm";

/// Two metrics that the gateway would take for one: whichever comes second is refused, and every scrape goes on.
#[test]
fn what_the_gateway_would_take_for_one_metric_is_refused() {
    /// As a label's value, for the time of a group that is not there yet, and for one of the gateway's own counts.
    const FOR_A_GROUP: &str = "RkZYnV2UexuskwUIu94QLjOOpJw8qA5DxvOryhxm46D2uuhIE5iq* J<Pj|Z";
    const FOR_A_COUNT: &str = "k22VB8aXSklO_RcQTe8ol8uVUOf_eH3Lda1chKZV0-3-TmtQ_n6Xwg3!tv$X";
    let path = |value: &str| format!("/metrics/job/ci/workflow@base64/{}", URL_SAFE_NO_PAD.encode(value));
    let body = |value: &str| format!("harmless{{x=\"{value}\"}} 1\n");
    for gateway in [gateways::installed(), gateways::newer_own_routing()].into_iter().flatten() {
        let version = gateways::version(&gateway);
        let guard = learning(EVERYTHING, &gateway.url()).run();
        let send = |path: &str, body: &str| Request::post(path, body).send(guard.address());
        let scraped = || Request::get("/metrics").send(guard.address()).is(200, "", &version);
        send(&path(ONE), "m 1\n").is(200, "", &version);
        scraped();
        let refused = send(&path(OTHER), "m 1\n").is(409, "group_conflict", &version);
        assert!(refused.text().contains("their hashes are the same"), "{}", refused.text());
        send(&path(&OTHER.replace('X', "Y")), "m 1\n").is(200, "", "another value");
        scraped();
        send("/metrics/job/ci", &body(FOR_A_COUNT)).is(409, "group_conflict", &version);
        send("/metrics/job/ci", &body(FOR_A_GROUP)).is(200, "", "the group is not there yet");
        let refused = send("/metrics/job/other", "o 1\n").is(409, "group_conflict", &version);
        assert!(refused.text().contains("push_time_seconds"), "{}", refused.text());
        // An empty one would be made as well.
        Request::put("/metrics/job/other", "").send(guard.address()).is(409, "group_conflict", &version);
        send("/metrics/job/another", "o 1\n").is(200, "", &version);
        scraped();
        // Asked anew, the gateway says the same.
        drop(guard);
        let guard = learning(EVERYTHING, &gateway.url()).run();
        Request::post("/metrics/job/other", "o 1\n").send(guard.address()).is(409, "group_conflict", &version);
        Request::get("/metrics").send(guard.address()).is(200, "", &version);
    }
}
