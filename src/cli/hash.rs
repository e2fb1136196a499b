//! `pushguard hash`

use super::{Outcome, complain, random, say};
use crate::auth;
use crate::secret::Secret;
use ring::rand::SystemRandom;
use std::io::{IsTerminal as _, Read as _};
use zeroize::Zeroizing;

/// The longest password, bytes; what a client may send is bounded the same way.
const MAX_BYTES: u64 = 1024;

/// Prints only the PHC line (m=12288 KiB, t=3, p=1), so that it can be sent to a file.
#[derive(Debug, clap::Args)]
pub(super) struct Hash {}

impl Hash {
    pub(super) fn run(&self) -> Outcome {
        match hash() {
            Ok(line) if say(&line) => Outcome::Ok,
            Ok(_) => Outcome::Undecided,
            Err((outcome, message)) => {
                complain(message);
                outcome
            }
        }
    }
}

fn hash() -> Result<String, (Outcome, String)> {
    let invalid = |message: &str| (Outcome::Invalid, message.to_owned());
    let undecided = |message: String| (Outcome::Undecided, message);
    if std::io::stdin().is_terminal() {
        eprintln!("Password (it will be shown), then Enter and Ctrl-D:");
    }
    let mut password = Zeroizing::new(Vec::new());
    let read = std::io::stdin().take(MAX_BYTES + 3).read_to_end(&mut password);
    read.map_err(|e| undecided(format!("standard input: {e}")))?;
    let trimmed = password.strip_suffix(b"\n").map(|p| p.strip_suffix(b"\r").unwrap_or(p)).unwrap_or(&password);
    if trimmed.is_empty() {
        return Err(invalid("the password is empty; send it on standard input"));
    }
    if u64::try_from(trimmed.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(invalid("the password has more than 1024 bytes"));
    }
    if std::str::from_utf8(trimmed).is_err() || trimmed.iter().any(u8::is_ascii_control) {
        return Err(invalid("the password is not one line of UTF-8 text"));
    }
    let salt = random::bytes(&SystemRandom::new()).ok_or_else(|| undecided("the system has no randomness".into()))?;
    auth::phc::hash(&Secret::new(trimmed.to_vec()), salt).map_err(|e| undecided(e.to_string()))
}
