use super::*;
use pingora_core::server::ShutdownWatch;

fn fields(challenge: Option<Challenge>) -> Vec<String> {
    let denial = Denial { challenge, ..Denial::new(Reason::CredentialRejected) };
    let (_stop, shutdown): (_, ShutdownWatch) = tokio::sync::watch::channel(false);
    let reply = Reply { request_id: "id", would_deny: None, json: false, shutdown: &shutdown };
    let answer = Answer::denied(&denial, reply);
    let challenges = answer.head.fields.into_iter().filter(|(name, _)| *name == "WWW-Authenticate");
    challenges.map(|(_, value)| value).collect()
}

#[test]
fn challenges_as_they_are_sent() {
    let expired = Bearer::Invalid(Some("the token expired 45 s ago; ask for a new one before each push".into()));
    let hostile = "tokens of the issuer \"https://x\\\"\\r\\n\u{e9}\u{7}\" are not taken here".to_owned();
    let cases = [
        (true, None),
        (false, Some(Bearer::Wanted)),
        (true, Some(Bearer::Wanted)),
        (true, Some(Bearer::Invalid(None))),
        (false, Some(expired)),
        (false, Some(Bearer::Invalid(Some(hostile)))),
    ];
    let shown: Vec<String> =
        cases.into_iter().map(|(basic, bearer)| fields(Some(Challenge { basic, bearer })).join("\n")).collect();
    insta::assert_snapshot!(shown.join("\n\n"), @r#"
    Basic realm="pushguard", charset="UTF-8"

    Bearer realm="pushguard"

    Basic realm="pushguard", charset="UTF-8"
    Bearer realm="pushguard"

    Basic realm="pushguard", charset="UTF-8"
    Bearer realm="pushguard", error="invalid_token"

    Bearer realm="pushguard", error="invalid_token", error_description="the token expired 45 s ago; ask for a new one before each push"

    Bearer realm="pushguard", error="invalid_token", error_description="tokens of the issuer 'https://x?'?r?n??' are not taken here"
    "#);
    assert!(fields(None).is_empty());
    assert_eq!(description(&"x".repeat(1000)).len(), 256);
}

proptest::proptest! {
    /// Whatever a token says, the field stays one quoted string of RFC 6750.
    #[test]
    fn a_description_never_ends_its_quotes(why in "\\PC*") {
        let plain = description(&why);
        let admitted = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        proptest::prop_assert!(plain.bytes().all(admitted), "{plain:?}");
        proptest::prop_assert!(plain.len() <= 256);
    }
}
