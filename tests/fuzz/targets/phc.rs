//! A stored password has one spelling, costs what the limits allow, and prints neither salt nor output.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::auth::{Argon2id, Params, PasswordHash};

const TAIL: &str = "$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

fuzz_target!(|text: &str| {
    check(text);
    check(&format!("$argon2id$v=19${text}{TAIL}"));
    check(&format!("$argon2id$v=19$m=12288,t=3,p=1${text}"));
    check(&format!("$2b${text}"));
    secret(text);
});

/// A password that was put where a hash belongs must not reach a log.
fn secret(text: &str) {
    const PASSWORD: &str = "correct horse battery";
    for text in [format!("{text}{PASSWORD}"), format!("{PASSWORD}{text}")] {
        let shown = PasswordHash::parse(&text).expect_err("no hash has blanks").to_string();
        assert!(text.starts_with("$argon2id$") || !shown.contains(PASSWORD), "{shown}");
    }
}

fn check(text: &str) {
    let Ok(hash) = PasswordHash::parse(text) else { return };
    let Argon2id { memory_kib, passes, lanes } = match hash.params() {
        Params::Argon2id(params) => params,
        Params::Bcrypt(cost) => {
            assert!((4..=12).contains(&cost) && text.len() == 60 && text.starts_with("$2"), "{text}");
            return assert!(!format!("{hash:?}").contains(&text[7..]));
        }
    };
    let head = format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}$");
    assert!(text.starts_with(&head), "two spellings: {text}");
    assert!((7168..=65536).contains(&memory_kib) && (1..=10).contains(&passes) && (1..=4).contains(&lanes));
    let fields: Vec<&str> = text[head.len()..].split('$').collect();
    assert_eq!(fields.len(), 2);
    let shown = format!("{hash:?}");
    assert!(fields.iter().all(|field| !shown.contains(field)), "{shown}");
}
