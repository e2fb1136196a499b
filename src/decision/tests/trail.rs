//! The trail of a decision: which checks were made, in which order, and by which rule each was decided.

use super::order::POLICY;
use super::*;
use crate::decision::{Check, Outcome, explain};

/// Drives a request to its end or to the fact that is not answered; tells the trail of the last call.
fn trail(world: &World, line: &str, stop: Option<&str>) -> String {
    let request = request(world, line);
    let mut facts = Facts::default();
    loop {
        let (step, checks) = explain(world, &request.head, &facts);
        let (name, done) = match &step {
            Step::Verify(claim) => ("verify", facts.login.replace(login(claim)).is_some()),
            Step::VerifyToken(claim) => ("verify-token", facts.token.replace(token(claim)).is_some()),
            Step::Charge(charge) => {
                let answer = request.exhausted.map_or(Ok(()), |index| Err((index, Duration::from_millis(5400))));
                (
                    "charge",
                    if charge.for_body { &mut facts.charged_for_body } else { &mut facts.charged }
                        .replace(answer)
                        .is_some(),
                )
            }
            Step::Inspect(admission) => {
                ("inspect", facts.body.replace(admission.inspect(&request.head, &request.body)).is_some())
            }
            Step::Reserve(_) => ("reserve", facts.reserved.replace(request.reserved.clone()).is_some()),
            Step::Done(_) => ("done", false),
        };
        assert!(!done, "asks twice for {name}");
        if name == "done" || stop == Some(name) {
            return checks.iter().map(shown).collect();
        }
    }
}

fn shown(check: &Check) -> String {
    let outcome = match check.outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Refused(reason) => reason.code().to_owned(),
        Outcome::WouldRefuse(reason) => format!("would {}", reason.code()),
        Outcome::Asks => "asks".to_owned(),
    };
    let rule = check.rule.as_deref().unwrap_or("-");
    format!("{:10} {outcome} [{rule}] {}\n", check.stage.name(), check.note)
}

#[test]
fn trails() {
    let world = world(policy(POLICY));
    let push = "public 203.0.113.9 POST /metrics/job/ci/workflow/nightly | user ci:good | Content-Length: 5";
    let empty = "public 203.0.113.9 PUT /metrics/job/tmp | user cleaner:good | Content-Length: 5 | body #\\n";
    let rows = [
        (push.to_owned(), None),
        (push.to_owned(), Some("verify")),
        (push.to_owned(), Some("charge")),
        (push.to_owned(), Some("inspect")),
        (push.to_owned(), Some("reserve")),
        (format!("{push} | reserve clash"), None),
        (format!("{push} | charge 1"), None),
        (push.replace("job/ci", "job/other"), None),
        (push.replace("POST", "DELETE"), None),
        (push.replace(": 5", ": 500"), None),
        (push.replace("good", "bad"), None),
        (push.replace("203.0.113.9", "9.9.9.9"), None),
        (empty.to_owned(), None),
        (empty.replace("tmp", "side").replace("cleaner", "ci"), None),
        ("internal 10.0.0.1 GET /metrics".to_owned(), None),
        ("internal 10.0.0.1 GET /status".to_owned(), None),
    ];
    let text: String = rows
        .iter()
        .map(|(line, stop)| {
            format!(
                "{line}{}\n{}\n",
                stop.map_or(String::new(), |s| format!(" (until {s})")),
                trail(&world, line, *stop)
            )
        })
        .collect();
    insta::assert_snapshot!(text);
}
