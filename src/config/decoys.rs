//! Hashes that no password matches, so that the time of a refused login tells nothing.

use super::reader::Reader;
use crate::auth::phc::decoy;
use crate::auth::{Params, PasswordHash};
use crate::policy::Principal;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most hashes that a login may compute.
const MOST: usize = 8;

/// Fills every user's list up until each has as many hashes of each kind and cost as the one with the most of them;
/// answers such a list for users that do not exist. So every refused login computes the same, whoever it names, and
/// whether or not somebody rotates a password.
pub(super) fn fill(
    reader: &mut Reader,
    principals: &mut [Principal],
    random: &mut dyn FnMut() -> [u8; 48],
) -> Arc<[PasswordHash]> {
    let mut needed = BTreeMap::<Params, (usize, PasswordHash)>::new();
    for basic in principals.iter().filter_map(|p| p.basic.as_ref()) {
        for (params, (count, like)) in counted(&basic.hashes) {
            let most = needed.entry(params).or_insert((0, like));
            most.0 = most.0.max(count);
        }
    }
    let total: usize = needed.values().map(|(count, _)| count).sum();
    if total > MOST {
        let message = format!(
            "every login computes a hash of each kind and cost that any user has, which makes {total}, at most {MOST}; \
             make new ones with pushguard hash"
        );
        reader.problem("principals", message);
    } else if needed.len() > 1 {
        let message = format!(
            "password hashes are of {} kinds or costs, and every login computes one of each, {total} in all, so that \
             its time tells nothing; make all of them with pushguard hash",
            needed.len()
        );
        reader.warn("principals", message);
    }
    for basic in principals.iter_mut().filter_map(|p| p.basic.as_mut()) {
        let own = counted(&basic.hashes);
        let missing = needed.iter().flat_map(|(params, (count, like))| {
            let has = own.get(params).map_or(0, |(count, _)| *count);
            std::iter::repeat_n(like, count.saturating_sub(has))
        });
        let filler: Vec<PasswordHash> = missing.map(|like| decoy(like, random())).collect();
        basic.hashes = basic.hashes.iter().cloned().chain(filler).collect();
    }
    needed
        .values()
        .flat_map(|(count, like)| std::iter::repeat_n(like, *count))
        .map(|like| decoy(like, random()))
        .collect()
}

/// How many hashes of each kind and cost there are, and one of them.
fn counted(hashes: &[PasswordHash]) -> BTreeMap<Params, (usize, PasswordHash)> {
    let mut counted = BTreeMap::new();
    for hash in hashes {
        counted.entry(hash.params()).or_insert((0, hash.clone())).0 += 1;
    }
    counted
}
