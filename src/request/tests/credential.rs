use super::{cases, table};
use crate::request::{Credential, CredentialError};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;

fn basic(pair: impl AsRef<[u8]>) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(pair)).into_bytes()
}

/// `USER PASSWORD`, `bearer TOKEN`, or the error.
fn read(value: impl AsRef<[u8]>) -> String {
    let text = |secret: &crate::secret::Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    match Credential::read(value.as_ref()) {
        Ok(Credential::Basic { username, password }) => format!("basic {username:?} {:?}", text(&password)),
        Ok(Credential::Bearer(token)) => format!("bearer {:?}", text(&token)),
        Ok(Credential::Certificate(_)) => panic!("no header shows a certificate"),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn basic_credentials() {
    let long = "p".repeat(1024);
    let rows: Vec<(Vec<u8>, String)> = vec![
        (basic("ci:secret"), r#"basic "ci" "secret""#.into()),
        (basic("ci:a:b:"), r#"basic "ci" "a:b:""#.into()),
        (basic("ci:"), r#"basic "ci" """#.into()),
        (basic("ci: "), r#"basic "ci" " ""#.into()),
        (basic("caf\u{e9}:\u{1f600}"), "basic \"caf\u{e9}\" \"\u{1f600}\"".into()),
        (basic(format!("ci:{long}")), format!("basic \"ci\" {long:?}")),
        (basic(format!("ci:{long}p")), "TooLong".into()),
        (basic(":secret"), "UserPass".into()),
        (basic(":"), "UserPass".into()),
        (basic("secret"), "UserPass".into()),
        (basic(""), "UserPass".into()),
        (basic(b"\xff:secret"), "UserPass".into()),
        (basic(b"ci:\xff"), "UserPass".into()),
        (b"basic Y2k6YQ==".to_vec(), r#"basic "ci" "a""#.into()),
        (b"BASIC Y2k6YQ==".to_vec(), r#"basic "ci" "a""#.into()),
        (b"Basic  Y2k6YQ==".to_vec(), r#"basic "ci" "a""#.into()),
        (b"Basic Y2k6YQ".to_vec(), "Base64".into()),
        (b"Basic Y2k6YQ=".to_vec(), "Base64".into()),
        (b"Basic Y2k6YQ===".to_vec(), "Base64".into()),
        (b"Basic Y2k6YR==".to_vec(), "Base64".into()),
        (b"Basic Y2k6 YQ==".to_vec(), "Base64".into()),
        (b"Basic Y2k6YQ==, Basic Y2k6Yg==".to_vec(), "Base64".into()),
        (b"Basic Y2k6YQ==,".to_vec(), "Base64".into()),
        (b"Basic ci:a".to_vec(), "Base64".into()),
        (b"Basic".to_vec(), "Scheme".into()),
        (b"Basic ".to_vec(), "UserPass".into()),
        (b"Basic\tY2k6YQ==".to_vec(), "Scheme".into()),
        (b"BasicY2k6YQ==".to_vec(), "Scheme".into()),
        (b"Basic: Y2k6YQ==".to_vec(), "Scheme".into()),
        (b"".to_vec(), "Scheme".into()),
        (b" ".to_vec(), "Scheme".into()),
        (b"Digest username=ci".to_vec(), "Scheme".into()),
        (b"Negotiate abc".to_vec(), "Scheme".into()),
        (b"\xff \xff".to_vec(), "Scheme".into()),
        (b"Bearer abc.def".to_vec(), r#"bearer "abc.def""#.into()),
        (b"bearer abc".to_vec(), r#"bearer "abc""#.into()),
        (vec![b'a'; 11 * 1024 + 1], "TooLong".into()),
        (basic("oauth2:abc.def"), r#"bearer "abc.def""#.into()),
        (basic("oauth2:"), r#"bearer """#.into()),
        (basic("OAuth2:abc"), r#"basic "OAuth2" "abc""#.into()),
        (format!("Basic {}", URL_SAFE.encode("ci:>>>???")).into_bytes(), "Base64".into()),
        (format!("Basic {}", STANDARD_NO_PAD.encode("ci:ab")).into_bytes(), "Base64".into()),
    ];
    // Three bytes a group: `ci:ab` has five, so its padding is missing.
    let shown = |value: &[u8]| String::from_utf8_lossy(&value[..value.len().min(60)]).into_owned();
    table(rows.into_iter().map(|(value, expected)| (shown(&value), expected, read(&value))));
}

#[test]
fn nothing_prints_a_secret() {
    let shown = |value: &[u8]| format!("{:?} {:#?}", Credential::read(value), Credential::read(value));
    assert!(!shown(&basic("ci:hunter2-hunter2")).contains("hunter2"));
    assert!(!shown(&basic("ci:hunter2-hunter2")).contains(&STANDARD.encode("hunter2-hunter2")[..8]));
    assert!(!shown(b"Bearer hunter2-hunter2").contains("hunter2"));
    let errors =
        [CredentialError::Scheme, CredentialError::Base64, CredentialError::UserPass, CredentialError::TooLong];
    for value in [&b"hunter2 x"[..], b"Basic hunter2!", b"hunter2", b"Basic aHVudGVyMg=="] {
        let error = Credential::read(value).unwrap_err();
        assert!(errors.contains(&error) && !error.to_string().contains("hunter2"), "{error}");
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn what_clients_write_is_what_is_read(user in "[^:\u{0}]{1,20}", password in ".{0,40}") {
        let expected = format!("basic {user:?} {password:?}");
        prop_assert_eq!(read(basic(format!("{user}:{password}"))), expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..60), scheme in any::<bool>()) {
        let _ = read(&value);
        if scheme {
            let _ = read([b"Basic ", value.as_slice()].concat());
        }
    }
}
