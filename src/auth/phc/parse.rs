//! The PHC text, strictly: one spelling per hash, and only what is worth verifying.

use super::{Argon2id, PhcError};
use argon2::password_hash::phc::{Output, Salt};
use std::ops::RangeInclusive;

const MEMORY: RangeInclusive<u32> = 7 * 1024..=64 * 1024;
const PASSES: RangeInclusive<u32> = 1..=10;
const LANES: RangeInclusive<u32> = 1..=4;
const SALT: RangeInclusive<usize> = 8..=Salt::MAX_LENGTH;
const OUTPUT: RangeInclusive<usize> = 16..=Output::MAX_LENGTH;

/// Memory in KiB and passes of equal strength: the argon2id settings of the OWASP Password Storage Cheat Sheet.
const FLOOR: [(u32, u32); 5] = [(46 * 1024, 1), (19 * 1024, 2), (12 * 1024, 3), (9 * 1024, 4), (7 * 1024, 5)];

/// Names that may be repeated in an error; any other could be a piece of a password that begins with `$`.
const KNOWN: [&str; 11] = ["argon2i", "argon2d", "2", "2x", "1", "5", "6", "y", "apr1", "scrypt", "pbkdf2-sha256"];

/// Splits and checks one PHC line.
pub(super) fn line(text: &str) -> Result<(Argon2id, Salt, Output), PhcError> {
    if text.is_empty() {
        return Err(PhcError::Missing);
    }
    let mut fields = text.strip_prefix('$').ok_or(PhcError::Plaintext)?.split('$');
    let mut next = || fields.next();
    check_algorithm(next().unwrap_or_default())?;
    check_version(next().unwrap_or_default())?;
    match (next(), next(), next(), next()) {
        (Some(params), Some(salt), Some(output), None) => {
            Ok((parse_params(params)?, parse_salt(salt)?, parse_output(output)?))
        }
        _ => Err(PhcError::Malformed { field: "it does not have five parts" }),
    }
}

fn check_algorithm(field: &str) -> Result<(), PhcError> {
    if field == "argon2id" {
        return Ok(());
    }
    let found = KNOWN.into_iter().find(|known| *known == field).unwrap_or("not one that is known here");
    Err(PhcError::Algorithm { found })
}

fn check_version(field: &str) -> Result<(), PhcError> {
    let found = match field.strip_prefix("v=") {
        Some(version) => number(version, "its version is not a number")?,
        // The format has had the field only since version 19: a hash without it is of version 16.
        None if field.starts_with("m=") => 16,
        None => {
            return Err(PhcError::Malformed { field: "it has no version" });
        }
    };
    if found == 19 { Ok(()) } else { Err(PhcError::Version { found }) }
}

fn parse_params(field: &str) -> Result<Argon2id, PhcError> {
    const SHAPE: &str = "its parameters are not m, t and p in this order";
    let mut values = field.split(',');
    let mut value = |name: &str| {
        let text = values.next().and_then(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        number(text.unwrap_or_default(), SHAPE)
    };
    let (memory, passes, lanes) = (value("m")?, value("t")?, value("p")?);
    if values.next().is_some() {
        return Err(PhcError::Malformed { field: SHAPE });
    }
    let params = Argon2id {
        memory_kib: within(memory, &MEMORY).ok_or(PhcError::Memory { found: memory })?,
        passes: within(passes, &PASSES).ok_or(PhcError::Passes { found: passes })?,
        lanes: within(lanes, &LANES).ok_or(PhcError::Lanes { found: lanes })?,
    };
    check_strength(params)
}

fn check_strength(params: Argon2id) -> Result<Argon2id, PhcError> {
    let Argon2id { memory_kib, passes, .. } = params;
    let needed = FLOOR.into_iter().filter(|(_, floor)| passes >= *floor).map(|(memory, _)| memory).min();
    match needed {
        Some(needed) if memory_kib < needed => Err(PhcError::Weak { memory_kib, passes, needed }),
        _ => Ok(params),
    }
}

fn parse_salt(field: &str) -> Result<Salt, PhcError> {
    let found = decoded_length(field);
    if !SALT.contains(&found) {
        return Err(PhcError::SaltLength { found });
    }
    Salt::from_b64(field).map_err(|_| PhcError::Malformed { field: "its salt is not unpadded base64" })
}

fn parse_output(field: &str) -> Result<Output, PhcError> {
    let found = decoded_length(field);
    if !OUTPUT.contains(&found) {
        return Err(PhcError::OutputLength { found });
    }
    Output::decode(field).map_err(|_| PhcError::Malformed { field: "its output is not unpadded base64" })
}

/// Bytes that unpadded base64 of this length stands for.
const fn decoded_length(base64: &str) -> usize {
    base64.len() / 4 * 3 + base64.len() % 4 * 3 / 4
}

/// A decimal number in its one spelling: digits only, no leading zero.
fn number(text: &str, field: &'static str) -> Result<u64, PhcError> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical).ok_or(PhcError::Malformed { field })
}

fn within(value: u64, range: &RangeInclusive<u32>) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| range.contains(value))
}
