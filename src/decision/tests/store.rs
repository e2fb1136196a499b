//! Room at the gateway: asked for last, refused whatever the mode, told to each what is theirs.

use super::*;
use crate::inventory::{Change, Clash, Holder, With};
use crate::payload::Kind;
use crate::request::GroupingKey;

const POLICY: &str = r#"
version: 1
principals:
  ci:
    basic:  { username: ci, password_hash_file: phc }
    from:   anywhere
    grants:
      - { operations: [push, replace], job: ci, labels: { "x?": "*" } }
      - { operations: [delete], job: ci, labels: { x: "*" } }
    payload: { max_groups: 7 }
"#;

fn key(path: &str) -> GroupingKey {
    GroupingKey::read(path.as_bytes()).unwrap()
}

fn holder(path: &str, owner: Option<&str>) -> Holder {
    Holder { key: key(path), owner: owner.map(Into::into) }
}

/// Somebody else has the name as a gauge.
pub(super) fn clash() -> Clash {
    let holders = vec![holder("job/secret/team/x", Some("secret-team"))];
    Clash { name: "up".into(), kind: Kind::Untyped, with: With::Type(Kind::Gauge), holders, count: 1 }
}

#[test]
fn room_is_asked_for_last_and_for_every_write() {
    let world = world(policy(POLICY));
    let asked = |line: &str| {
        let request = request(&world, line);
        let mut facts = Facts { login: Some(Ok(())), charged: Some(Ok(())), ..Facts::default() };
        if let Step::Inspect(admission) = decide(&world, &request.head, &facts) {
            facts.body = Some(admission.inspect(&request.head, &request.body));
        }
        match decide(&world, &request.head, &facts) {
            Step::Reserve(asked) => {
                let names: Vec<String> = asked.families.iter().map(|f| format!("{} {}", f.name, f.kind)).collect();
                (asked.change, asked.key.upstream_path(), asked.principal.to_string(), asked.most_groups, names)
            }
            other => panic!("{line}: {other:?}"),
        }
    };
    let up = vec!["up untyped".to_owned()];
    let who = || "ci".to_owned();
    for (line, change, path, names) in [
        (
            "l 9.9.9.9 POST /metrics/job/ci | user ci:good | Content-Length: 5",
            Change::Push,
            "/metrics/job/ci",
            up.clone(),
        ),
        ("l 9.9.9.9 PUT /metrics/job/c%69 | user ci:good | Content-Length: 5", Change::Replace, "/metrics/job/ci", up),
        ("l 9.9.9.9 PUT /metrics/job/ci/x/1 | user ci:good", Change::Replace, "/metrics/job/ci/x/1", vec![]),
        ("l 9.9.9.9 DELETE /metrics/job/ci/x/1 | user ci:good", Change::Delete, "/metrics/job/ci/x/1", vec![]),
    ] {
        assert_eq!(asked(line), (change, path.to_owned(), who(), 7, names), "{line}");
    }
}

#[test]
fn a_refusal_is_one_in_report_mode_too() {
    for text in [POLICY.to_owned(), POLICY.replace("version: 1", "version: 1\nmode: report")] {
        let world = world(policy(&text));
        let push = "l 9.9.9.9 POST /metrics/job/ci | user ci:good | Content-Length: 5";
        check(
            &world,
            &[
                (push, "verify charge inspect allow push POST /metrics/job/ci"),
                (&format!("{push} | reserve full"), "verify charge inspect deny group_limit_reached"),
                (&format!("{push} | reserve clash"), "verify charge inspect deny group_conflict"),
            ],
        );
    }
}

#[test]
fn texts_of_refusals_for_want_of_room() {
    let world = world(policy(POLICY));
    let part = |name: &str, kind| With::Part { name: name.into(), kind };
    let own = |count: usize| (0..count).map(|n| holder(&format!("job/ci/x/{n}"), Some("ci"))).collect::<Vec<_>>();
    let clash = |with, holders: Vec<Holder>, count| {
        Refusal::Clash(vec![Clash { name: "up".into(), kind: Kind::Counter, with, holders, count }])
    };
    let refusals = [
        ("own groups", Refusal::OwnGroups(7)),
        ("all groups", Refusal::AllGroups(5000)),
        ("names", Refusal::Names),
        ("metrics", Refusal::Metrics(200_000)),
        ("the page", Refusal::Page(60_000_000)),
        ("another's type", Refusal::Clash(vec![self::clash()])),
        ("one's own type", clash(With::Type(Kind::Untyped), own(1), 1)),
        ("many groups of one's own", clash(With::Type(Kind::Untyped), own(8), 12)),
        (
            "one's own that may not be deleted",
            clash(With::Type(Kind::Untyped), vec![holder("job/ci", Some("ci")), holder("job/ci/x/1", None)], 2),
        ),
        ("a part", clash(part("u", Kind::Histogram), own(1), 1)),
        ("the same metric", clash(With::Metric, vec![holder("job/ci/y/1", None)], 1)),
    ];
    let line = "l 9.9.9.9 POST /metrics/job/ci | user ci:good | Content-Length: 5";
    let texts = refusals.map(|(what, refusal)| {
        let request = Request { reserved: Err(refusal), ..request(&world, line) };
        let (_, decision) = drive(&world, &request);
        let denial = decision.denial().unwrap().clone();
        let public = denial.public_text();
        assert!(!public.contains("secret"), "{public}");
        format!("{what}\n  public: {}: {public}\n  detail: {}\n", denial.reason.code(), denial.detail)
    });
    insta::assert_snapshot!(texts.concat());
}
