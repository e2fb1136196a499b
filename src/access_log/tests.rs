//! Lines of logs, good and broken.

use super::*;
use proptest::prelude::*;

const LINE: &str = r#"{"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"request","request_id":"a","verdict":"allow","reason":"","detail":"","would_deny":"","would_deny_rule":"","status":200,"method":"POST","operation":"push","job":"ci","labels":"{workflow=\"Elixir \\u{202e}ok \\\\\\\"='\"}","principal":"ci","rule":"ci.grants[0]","source":"203.0.113.7","peer":"10.42.0.1","listener":"public","bytes_in":4,"bytes_out":0,"duration_seconds":0.01,"upstream_seconds":0.001,"generation":1}"#;

#[test]
fn our_own_line() {
    let recorded = own(LINE).unwrap();
    assert_eq!(recorded.context(), "from 203.0.113.7 over \"public\", principal \"ci\"");
    let Ok(Target::Group(key)) = &recorded.target else { panic!("{:?}", recorded.target) };
    assert_eq!((key.job(), key.labels()["workflow"].as_str()), ("ci", "Elixir \u{202e}ok \\\"='"));
    assert_eq!((recorded.bytes, recorded.method), (Some(4), Method::Post));
    assert_eq!(recorded.then, Then { status: 200, reason: "".into(), operation: "push".into() });
    let time = humantime::parse_rfc3339("2026-01-02T03:04:05.678Z").unwrap();
    assert_eq!(recorded.time, Some(time));
}

#[test]
fn the_same_line_as_logfmt() {
    let logfmt = r#"time=2026-01-02T03:04:05.678Z level=info msg=request request_id=a verdict=allow reason="" detail="" would_deny="" status=200 method=POST operation=push job=ci labels="{workflow=\"Elixir \\u{202e}ok \\\\\\\"='\"}" principal=ci rule=ci.grants[0] source=203.0.113.7 peer=10.42.0.1 listener=public bytes_in=4 bytes_out=0 generation=1"#;
    assert_eq!(format!("{:?}", own(logfmt).unwrap()), format!("{:?}", own(LINE).unwrap()));
}

#[test]
fn what_the_credential_was() {
    let with = |principal: &str, reason: &str| {
        let line = LINE.replace(r#""principal":"ci""#, &format!(r#""principal":"{principal}""#));
        let line = line.replace(r#""reason":"""#, &format!(r#""reason":"{reason}""#));
        format!("{:?}", own(&line).unwrap().who)
    };
    assert_eq!(with("ci", "quota_exhausted"), "Principal(\"ci\")");
    assert_eq!(with("none", "credential_missing"), "Nobody");
    for reason in ["credential_rejected", "login_throttled", "verifier_busy"] {
        assert_eq!(with("none", reason), "Impostor");
    }
    for reason in ["source_not_allowed", "target_ambiguous", ""] {
        assert_eq!(with("none", reason), "Unknown", "{reason}");
    }
}

#[test]
fn what_a_token_said() {
    let claims = r#"{\"/kubernetes.io/namespace\":\"ci\",\"repository\":\"a/b\",\"/a~1b\":1}"#;
    let line = LINE.replace(r#""principal":"ci""#, &format!(r#""principal":"none","issuer":"gh","claims":"{claims}""#));
    let Who::Token { issuer, claims } = own(&line).unwrap().who else { panic!("no token") };
    assert_eq!(issuer, "gh");
    let expected = serde_json::json!({ "kubernetes.io": { "namespace": "ci" }, "repository": "a/b", "a/b": 1 });
    assert_eq!(Value::Object(claims), expected);
}

#[test]
fn whom_a_certificate_named() {
    let check = |principal: &str, certificate: &str, expected: Who<'_>| {
        let fields = format!(r#""principal":"{principal}","certificate":"{certificate}""#);
        let line = LINE.replace(r#""principal":"ci""#, &fields);
        assert_eq!(own(&line).unwrap().who, expected, "{certificate}");
    };
    let names = vec![San::read("URI:spiffe://a/b").unwrap(), San::read("DNS:c").unwrap()];
    for principal in ["ci", "none"] {
        check(principal, r#"[\"URI:spiffe://a/b\",\"DNS:c\"]"#, Who::Certificate(names.clone()));
    }
    // Of a list that was cut nobody knows who else stood in it.
    check("ci", r#"[\"URI:spiffe://a/b\",\"DNS…"#, Who::Unknown);
    check("ci", "[]", Who::Unknown);
}

#[test]
fn lines_that_tell_no_request() {
    let settled = LINE.replace("203.0.113.7", "").replace(r#""reason":"""#, r#""reason":"source_unknown""#);
    for (line, error) in [
        (settled.as_str(), "refused before the policy: source_unknown"),
        (&LINE.replace("203.0.113.7", ""), "the line names no source"),
        (&LINE.replace("POST", "BREW"), "the line names no method"),
        (&LINE.replace("{workflow=", "{workflow"), "labels cannot be read"),
        (r#"{"msg":"listening","listener":"a"}"#, "not a request"),
        ("time=x msg=ready", "not a request"),
        (r#"{"a":1}"#, "not a line of this program's log"),
        ("{", "not a line of this program's log"),
        ("hello world", "not a line of this program's log"),
        ("msg=\"open", "not a line of this program's log"),
    ] {
        assert_eq!(own(line).map_err(|e| e.to_string()).err().as_deref(), Some(error), "{line}");
    }
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(line in "\\PC{0,80}", mutation in "[\\PC]{1,3}", at in any::<prop::sample::Index>()) {
        let _ = own(&line);
        let mut changed = LINE.to_owned();
        let place = changed.char_indices().map(|(i, _)| i).collect::<Vec<_>>();
        changed.insert_str(place[at.index(place.len())], &mutation);
        let _ = own(&changed);
    }

    /// Labels come back as they were, whatever they hold.
    #[test]
    fn labels_come_back(values in proptest::collection::btree_map("[a-z]{1,5}", ".{1,8}", 0..4)) {
        let shown: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let text = if shown.is_empty() { String::new() } else { format!("{{{}}}", shown.join(",")) };
        let read = own::labels(&text).map(|labels| labels.into_iter().collect());
        prop_assert_eq!(read, Some(values));
    }
}
