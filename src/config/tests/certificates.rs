//! `certificate` of a principal.

use super::*;

fn report_of(certificate: &str) -> String {
    let text = format!(
        "version: 1\nprincipals:\n  p:\n    certificate: {certificate}\n    from: anywhere\n    \
         grants: [{{ operations: [scrape] }}]\n"
    );
    report(&text, Secrets::Required)
}

#[test]
fn names_are_one_or_several_and_say_their_kind() {
    for good in ["{ san: \"DNS:a.example\" }", "{ san: [\"URI:spiffe://a/*\", \"email:a@b\"], mode: enforce }"] {
        assert!(report_of(good).starts_with("ok"), "{good}: {}", report_of(good));
    }
    let cases = [
        "{}",
        "{ san: [] }",
        "{ san: ci.example.com }",
        "{ san: \"spiffe://prod/ci\" }",
        "{ san: [ci@example.com, \"DNS:\", \"DNS:a\\\\\"] }",
        "{ san: 7, ca_file: ca.pem }",
        "{ sans: \"DNS:a\" }",
        "DNS:a",
    ];
    let reports: Vec<String> = cases.iter().map(|case| format!("{case}\n{}", report_of(case))).collect();
    insta::assert_snapshot!(reports.join("\n"));
}

#[test]
fn a_certificate_goes_with_other_credentials_but_not_with_none() {
    let text = |more: &str| {
        format!(
            "version: 1\nsources: {{ a: {{ cidrs: [192.0.2.0/24] }} }}\nprincipals:\n  p:\n    \
             certificate: {{ san: \"DNS:a\" }}\n    grants: [{{ operations: [scrape] }}]\n    {more}\n"
        )
    };
    let basic = "basic: { username: a, password_hash_file: good.phc }\n    from: anywhere";
    assert!(report(&text(basic), Secrets::Required).starts_with("ok"));
    let anonymous = report(&text("anonymous: true\n    from: anywhere"), Secrets::Required);
    assert!(anonymous.contains("a credential and anonymous: true exclude each other"), "{anonymous}");
    let prefer = report(&text("from: { prefer: [a] }"), Secrets::Required);
    assert!(prefer.contains("prefer is for principals that prove themselves by a token alone"), "{prefer}");
}
