//! A credential that is read reads the same when it is written again, and its secret never prints.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use pushguard::request::Credential;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(format!("Basic {}", STANDARD.encode(bytes)).as_bytes());
});

fn check(value: &[u8]) {
    let Ok(credential) = Credential::read(value) else { return };
    let (username, secret) = match &credential {
        Credential::Basic { username, password } => (username.as_str(), password),
        Credential::Bearer(token) => ("", token),
        Credential::Certificate(_) => panic!("no header shows a certificate"),
    };
    assert!(!username.contains(':') && secret.expose().len() <= value.len());
    if let Credential::Basic { .. } = credential {
        assert!(!username.is_empty() && std::str::from_utf8(secret.expose()).is_ok());
        let pair = [username.as_bytes(), b":", secret.expose()].concat();
        let written = format!("basic {}", STANDARD.encode(pair));
        assert_eq!(Credential::read(written.as_bytes()).as_ref(), Ok(&credential));
    }
    let shown = match &credential {
        Credential::Basic { .. } => format!("Basic {{ username: {username:?}, password: [secret] }}"),
        Credential::Bearer(_) | Credential::Certificate(_) => "Bearer([secret])".to_owned(),
    };
    assert_eq!(format!("{credential:?}"), shown);
}
