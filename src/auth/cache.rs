//! Passwords that were right a moment ago, so that a scrape or a CI run does not pay for argon2 each time.
//!
//! Only successes are kept: a cache of failures could be filled by anyone and would keep a corrected password out.

use super::PasswordHash;
use crate::clock::Tick;
use crate::secret::Secret;
use parking_lot::Mutex;
use ring::hmac;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// A bounded memory of verified (user, stored hash, password), for all threads.
///
/// It holds keyed hashes, never a password. An entry is bound to the stored hash, so a changed password never hits.
pub struct Cache {
    key: hmac::Key,
    capacity: usize,
    ttl: Duration,
    verified: Mutex<HashMap<Id, Tick>>,
}

type Id = [u8; 32];

impl Cache {
    /// A cache of at most `capacity` entries, each good for `ttl` after its verification and not longer for being used.
    ///
    /// `key` comes from the operating system's random source when the process starts and is used for nothing else.
    /// With a capacity or a ttl of 0 nothing is remembered.
    pub fn new(capacity: usize, ttl: Duration, key: [u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Self { key, capacity, ttl, verified: Mutex::new(HashMap::new()) }
    }

    /// Whether `password` was verified for `user` against this very `hash` less than the ttl ago.
    pub fn contains(&self, user: &[u8], hash: &PasswordHash, password: &Secret, now: Tick) -> bool {
        let id = self.id(user, hash.line().as_bytes(), password.expose());
        self.verified.lock().get(&id).is_some_and(|since| now.since(*since) < self.ttl)
    }

    /// Remembers that `password` matched `hash` for `user` at `now`. A decoy is never remembered.
    pub fn insert(&self, user: &[u8], hash: &PasswordHash, password: &Secret, now: Tick) {
        if self.capacity == 0 || hash.is_decoy() {
            return;
        }
        let id = self.id(user, hash.line().as_bytes(), password.expose());
        let mut verified = self.verified.lock();
        // Looking through all entries costs microseconds, once per success that took milliseconds to compute.
        if verified.len() >= self.capacity && !verified.contains_key(&id) {
            verified.retain(|_, since| now.since(*since) < self.ttl);
        }
        if verified.len() >= self.capacity && !verified.contains_key(&id) {
            let oldest = verified.iter().min_by_key(|(_, since)| **since).map(|(id, _)| *id);
            oldest.and_then(|oldest| verified.remove(&oldest));
        }
        verified.insert(id, now);
    }

    /// What this attempt to log in is known by while it is under way: equal for equal user, password and stored hashes,
    /// and telling nothing of them.
    pub fn attempt(&self, user: &[u8], hashes: &[PasswordHash], password: &Secret) -> [u8; 32] {
        let records: Vec<&str> = hashes.iter().map(PasswordHash::line).collect();
        self.id(user, records.join("\n").as_bytes(), password.expose())
    }

    /// Forgets everything, as a reload of the policy does.
    pub fn clear(&self) {
        self.verified.lock().clear();
    }

    /// How many entries are held, expired ones included; at most the capacity.
    pub fn len(&self) -> usize {
        self.verified.lock().len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn id(&self, user: &[u8], record: &[u8], password: &[u8]) -> Id {
        let mut context = hmac::Context::with_key(&self.key);
        for field in [user, record, password] {
            // The length first, so that no byte can move from one field into the next.
            context.update(&field.len().to_be_bytes());
            context.update(field);
        }
        let mut id = Id::default();
        id.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        id
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("capacity", &self.capacity).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
