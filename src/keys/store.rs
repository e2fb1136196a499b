//! The last good keys of an issuer on disk, so that a restart needs no network.

use crate::auth::token::{KeySet, KeySetError};
use crate::state::{StateError, StateFile};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// How old keys on disk may be: an issuer that was silent for longer may have withdrawn them.
pub(super) const LONGEST_AGE: Duration = Duration::from_secs(7 * 86_400);

/// Why keys on disk are not used.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    /// The file cannot be read or is damaged.
    #[error(transparent)]
    State(#[from] StateError),
    /// It holds no keys.
    #[error("{0}")]
    Keys(#[from] KeySetError),
    /// It is from another issuer of that name.
    #[error("they are those of {0}")]
    Other(String),
    /// They are too old.
    #[error("they are {0} days old, at most 7 are taken")]
    Old(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// The issuer and how it was asked.
    origin: String,
    /// Seconds since 1970.
    fetched_at: u64,
    /// As it was published.
    keys: String,
}

fn file(folder: &Path, name: &str) -> StateFile {
    StateFile::new(folder, format!("keys-{name}.json"), "signing keys", 1)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Keeps what was published. Blocks on the file system.
pub(super) fn save(folder: &Path, name: &str, origin: &str, keys: String, now: SystemTime) -> Result<(), StateError> {
    file(folder, name).save(&Stored { origin: origin.to_owned(), fetched_at: seconds(now), keys })
}

/// What was kept, if anything. Blocks on the file system.
pub(super) fn load(folder: &Path, name: &str, origin: &str, now: SystemTime) -> Result<Option<KeySet>, StoreError> {
    let Some(stored) = file(folder, name).load::<Stored>()? else { return Ok(None) };
    if stored.origin != origin {
        return Err(StoreError::Other(stored.origin.chars().take(200).collect()));
    }
    let age = seconds(now).saturating_sub(stored.fetched_at);
    if age > LONGEST_AGE.as_secs() {
        return Err(StoreError::Old(age / 86_400));
    }
    Ok(Some(KeySet::parse(stored.keys.as_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"}]}"#;

    #[test]
    fn what_is_kept_is_found_again_for_that_issuer_and_not_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let load = |origin: &str, seconds| load(folder, "github", origin, at(seconds)).map_err(|e| e.to_string());
        assert_eq!(load("https://a", 1000), Ok(None));
        save(folder, "github", "https://a", KEYS.to_owned(), at(1000)).unwrap();
        assert_eq!(load("https://a", 1000).unwrap().map(|keys| keys.len()), Some(1));
        assert_eq!(load("https://a", 1000 + 7 * 86_400).unwrap().map(|keys| keys.len()), Some(1));
        assert!(load("https://a", 1001 + 7 * 86_400).unwrap_err().contains("7 days old"));
        assert!(load("https://b", 1000).unwrap_err().contains("https://a"));
        std::fs::write(folder.join("keys-github.json"), "damaged").unwrap();
        assert!(load("https://a", 1000).unwrap_err().contains("damaged"));
        save(folder, "github", "https://a", "{}".to_owned(), at(1000)).unwrap();
        assert!(load("https://a", 1000).unwrap_err().contains("not a JWK set"));
    }
}
