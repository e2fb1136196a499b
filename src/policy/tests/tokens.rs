//! Conditions on claims, and patterns bound to a token, each against a rule that is written down naively.

use super::*;
use crate::auth::token::{self, ClaimPath};
use crate::policy::{Condition, Issuer, KeySource, Preset, TokenRule};
use std::sync::Arc;

fn glob(text: &str) -> ClaimGlob {
    ClaimGlob::read(text, false).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn a_star_in_a_claim_stays_between_its_separators() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "refs/heads/*",
            &["refs/heads/main", "refs/heads/"],
            &["refs/heads/a/b", "refs/heads", "refs/tags/x", "xrefs/heads/a"],
        ),
        ("refs/heads/*/*", &["refs/heads/a/b"], &["refs/heads/a", "refs/heads/a/b/c"]),
        ("*", &["main", ""], &["a/b", "a:b"]),
        ("acme/*", &["acme/app"], &["acme/app/x", "acme-evil/app", "acme/app:x"]),
        (
            "repo:acme/*:ref:refs/heads/main",
            &["repo:acme/app:ref:refs/heads/main"],
            &["repo:acme/app:environment:x:ref:refs/heads/main"],
        ),
        ("a*/b*", &["a/b", "ax/by"], &["a/xb", "ax/y/b"]),
        ("*-*", &["a-b", "-"], &["a/-b", "ab"]),
        ("a\\*", &["a*"], &["ab"]),
        ("a\\/b", &["a/b"], &["a\\/b", "ab"]),
        ("{x}", &["{x}"], &["x"]),
        ("a:", &["a:"], &["a", "a:b"]),
        ("\u{e9}*", &["\u{e9}", "\u{e9}\u{e9}"], &["e\u{301}"]),
    ];
    for (text, matching, others) in rows {
        for value in *matching {
            assert!(glob(text).matches(value), "{text:?} does not match {value:?}");
        }
        for value in *others {
            assert!(!glob(text).matches(value), "{text:?} matches {value:?}");
        }
    }
    assert_eq!(glob("a\\*/b:c").literal().as_deref(), Some("a*/b:c"));
    assert_eq!(glob("a*").literal(), None);
    assert!(ClaimGlob::read("Acme/*", true).unwrap().matches("aCME/App") && !glob("Acme/*").matches("acme/app"));
    assert_eq!(ClaimGlob::read("", false), Err(PatternError::Empty));
    assert_eq!(ClaimGlob::read("a\\", false), Err(PatternError::DanglingEscape));
}

/// Matching by trying everything.
fn naive_glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            let reach = text.iter().position(|c| "/:".contains(*c)).unwrap_or(text.len());
            (0..=reach).any(|at| naive_glob(rest, &text[at..]))
        }
        (['\\', c, rest @ ..], [t, tail @ ..]) => c == t && naive_glob(rest, tail),
        ([c, rest @ ..], [t, tail @ ..]) if *c != '\\' => c == t && naive_glob(rest, tail),
        _ => false,
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn claim_globs_match_as_the_naive_rule(text in "[ab*/:\\\\]{1,7}", value in "[ab*/:\\\\]{0,8}") {
        if let Ok(glob) = ClaimGlob::read(&text, false) {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob.matches(&value), naive_glob(&chars(&text), &chars(&value)), "{:?} {:?}", text, value);
        }
    }

    /// Bound to a token, a pattern matches what it would match with the value written out and escaped.
    #[test]
    fn a_bound_claim_is_text(before in "[a*]{0,3}", value in "[ab*\\\\{}]{1,5}", after in "[b*]{0,3}", text in "[ab*\\\\{}]{0,8}") {
        let pattern = Pattern::read_with_claims(&format!("{before}{{claim}}{after}")).unwrap();
        let claims = Claims::read(serde_json::json!({ "claim": value }).to_string().as_bytes()).unwrap();
        let escaped: String = value.chars().flat_map(|c| ['\\', c]).collect();
        let written = Pattern::read(&format!("{before}{escaped}{after}")).unwrap();
        prop_assert_eq!(pattern.bind(&claims).unwrap().matches(&text), written.matches(&text));
        prop_assert!(!pattern.matches(&text), "nothing before it is bound");
        prop_assert!(pattern.bind(Claims::none()).is_none());
    }
}

#[test]
fn subjects_of_both_forms_mean_each_other() {
    let rule = |sub: &str| TokenRule {
        issuer: Arc::new(Issuer {
            preset: Preset::GithubActions,
            token: token::Issuer {
                name: "github".into(),
                url: String::new(),
                audience: String::new(),
                audience_form: token::Audience::Text,
                algorithms: Vec::new(),
                required: &[],
                leeway: Duration::ZERO,
                max_lifetime: Duration::ZERO,
            },
            keys: KeySource::Missing,
        }),
        mode: Mode::Enforce,
        conditions: vec![Condition { claim: ClaimPath::read("sub").unwrap(), values: vec![glob(sub)] }],
        quotas: Vec::new(),
    };
    let fits = |condition: &str, sub: &str, id: &str| {
        let claims = serde_json::json!({ "sub": sub, "repository": "acme/app", "repository_owner_id": "11", "repository_id": id, "event_name": "push" });
        rule(condition).fits(&Claims::read(claims.to_string().as_bytes()).unwrap()).is_ok()
    };
    let (old, new) = ("repo:acme/app:ref:refs/heads/main", "repo:acme@11/app@22:ref:refs/heads/main");
    for condition in [old, new, "repo:acme/app:ref:refs/heads/*", "repo:acme@11/app@22:ref:refs/heads/*"] {
        assert!(fits(condition, old, "22") && fits(condition, new, "22"), "{condition}");
    }
    // What `sub` says of numbers must be what the other claims say.
    assert!(!fits(old, new, "23") && !fits(new, old, "23"));
    assert!(!fits(old, "repo:acme@11/app@22:environment:prod", "22"));
    assert!(!fits(old, "repo:evil/app:ref:refs/heads/main", "22"));
    assert!(
        fits("repository_owner:acme:x", "repository_owner:acme:x", "22"),
        "a form of one's own is compared as it is"
    );
}
