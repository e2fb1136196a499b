//! Client certificates: whom they prove, and beside which other credentials.

use super::*;

const POLICY: &str = r#"
version: 1
sources:
  office: { cidrs: [203.0.113.0/24] }
principals:
  both:
    basic: { username: ci, password_hash_file: phc }
    certificate: { san: ["URI:spiffe://prod/ci/*", "DNS:ci.example.com"] }
    from: anywhere
    grants: [{ operations: [push], job: ci }]
  office-only:
    certificate: { san: "DNS:desk.example.com" }
    from: { require: [office] }
    grants: [{ operations: [push], job: desk }]
  second:
    certificate: { san: "DNS:*.example.com" }
    from: anywhere
    grants: [{ operations: [push], job: second }]
  everybody:
    anonymous: true
    from: anywhere
    grants: [{ operations: [push], job: open }]
"#;

const CI: &str = "charge inspect allow push POST /metrics/job/ci";

fn rows(world: &World, rows: &[(&str, &str)]) {
    let rows: Vec<(String, &str)> =
        rows.iter().map(|(line, out)| (format!("l {line} | Content-Length: 5"), *out)).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(line, out)| (line.as_str(), *out)).collect();
    check(world, &rows);
}

#[test]
fn the_first_principal_that_a_name_fits_is_it() {
    let world = world(policy(POLICY));
    rows(
        &world,
        &[
            ("9.9.9.9 POST /metrics/job/ci | cert URI:spiffe://prod/ci/push", CI),
            ("9.9.9.9 POST /metrics/job/ci | cert DNS:other.test DNS:ci.example.com", CI),
            // In the order of the file: the second would take this name, too.
            ("9.9.9.9 POST /metrics/job/second | cert DNS:ci.example.com", "deny job_not_granted"),
            (
                "9.9.9.9 POST /metrics/job/second | cert DNS:x.example.com",
                "charge inspect allow push POST /metrics/job/second",
            ),
            // Only among those that its source may use.
            (
                "203.0.113.9 POST /metrics/job/desk | cert DNS:desk.example.com",
                "charge inspect allow push POST /metrics/job/desk",
            ),
            ("9.9.9.9 POST /metrics/job/desk | cert DNS:desk.example.com", "deny job_not_granted"),
            ("9.9.9.9 POST /metrics/job/ci | cert DNS:other.test", "deny credential_rejected"),
            ("9.9.9.9 POST /metrics/job/ci | cert", "deny credential_rejected"),
            ("9.9.9.9 POST /metrics/job/ci | cert DNS:ci.example.com | charge 0", "charge deny quota_exhausted"),
            ("9.9.9.9 POST /metrics/job/ci", "deny credential_missing"),
        ],
    );
}

#[test]
fn what_the_request_presents_goes_before_and_nothing_falls_back() {
    let world = world(policy(POLICY));
    rows(
        &world,
        &[
            ("9.9.9.9 POST /metrics/job/ci | cert DNS:x.example.com | user ci:good", &format!("verify {CI}")),
            ("9.9.9.9 POST /metrics/job/ci | cert DNS:ci.example.com | user ci:bad", "verify deny credential_rejected"),
            (
                "9.9.9.9 POST /metrics/job/ci | cert DNS:ci.example.com | Authorization: nonsense",
                "deny credential_rejected",
            ),
            ("9.9.9.9 POST /metrics/job/ci | cert DNS:ci.example.com | run github {}", "deny credential_rejected"),
            // Without a certificate it is granted to anybody; one that names nobody known is not nobody's.
            ("9.9.9.9 POST /metrics/job/open", "charge inspect allow push POST /metrics/job/open"),
            ("9.9.9.9 POST /metrics/job/open | cert DNS:other.test", "deny credential_rejected"),
        ],
    );
    // Where no principal is known by one, a connection has it for other reasons.
    let open = POLICY.replace("certificate: { san: [\"URI:spiffe://prod/ci/*\", \"DNS:ci.example.com\"] }", "");
    let open = open
        .replace("certificate: { san: \"DNS:desk.example.com\" }", "basic: { username: d, password_hash_file: phc }");
    let open =
        open.replace("certificate: { san: \"DNS:*.example.com\" }", "basic: { username: s, password_hash_file: phc }");
    let world = super::world(policy(&open));
    rows(
        &world,
        &[
            (
                "9.9.9.9 POST /metrics/job/open | cert DNS:other.test",
                "charge inspect allow push POST /metrics/job/open",
            ),
            ("9.9.9.9 POST /metrics/job/ci | cert DNS:other.test", "deny credential_missing"),
        ],
    );
}

#[test]
fn a_certificate_rule_may_report_first() {
    let reporting = POLICY.replace("DNS:*.example.com\" }", "DNS:*.example.com\", mode: report }");
    let world = world(policy(&reporting));
    let told = |line: &str| {
        let (_, decision) = drive(&world, &request(&world, &format!("l {line} | Content-Length: 5")));
        let by = decision
            .would_deny
            .as_ref()
            .map(|w| (w.denial.reason.code(), w.rule.clone().unwrap_or_default().to_string()));
        (decision.denial().map(|denial| denial.reason.code()), by)
    };
    let second = |reason| (None, Some((reason, "second.certificate".to_owned())));
    assert_eq!(told("9.9.9.9 POST /metrics/job/second | cert DNS:other.test"), second("credential_rejected"));
    assert_eq!(told("9.9.9.9 POST /metrics/job/second"), second("credential_missing"));
    assert_eq!(told("9.9.9.9 POST /metrics/job/second | cert DNS:x.example.com"), (None, None));
    // A password that is wrong is another rule's.
    assert_eq!(told("9.9.9.9 POST /metrics/job/second | user ci:bad"), (Some("credential_rejected"), None));
}
