//! The metrics that the gateway makes itself: two times for each group, and counts of what it was asked.
//!
//! They are in every scrape, or will be, and no push may have a hash of theirs.

use crate::payload::SeriesHash;
use std::collections::HashSet;
use std::sync::LazyLock;

/// The times of a group. It has them from its first push on, also where that was refused or held nothing.
pub const TIMES: [&str; 2] = ["push_time_seconds", "push_failure_time_seconds"];

/// Their hashes, of a group with these labels, `job` among them.
pub fn times<'l>(labels: impl Iterator<Item = (&'l str, &'l str)> + Clone) -> [u64; 2] {
    TIMES.map(|time| {
        let mut hash = SeriesHash::new(time.as_bytes());
        labels.clone().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
        hash.value()
    })
}

/// Whether the gateway counts something under that hash, or may begin to.
pub fn is_counted(hash: u64) -> bool {
    static COUNTED: LazyLock<HashSet<u64>> = LazyLock::new(counted);
    COUNTED.contains(&hash)
}

/// What a gateway may come to answer: its own codes, and what its library makes of broken requests.
const CODES: [std::ops::RangeInclusive<u16>; 4] = [200..=206, 300..=308, 400..=431, 500..=511];
const METHODS: [&str; 10] = ["get", "post", "put", "delete", "head", "options", "patch", "connect", "trace", "unknown"];
const HANDLERS: [&str; 12] = [
    "push",
    "delete",
    "status",
    "static",
    "healthy",
    "ready",
    "metrics",
    "quit",
    "wipe",
    "api/v1/metrics",
    "api/v1/status",
    "api/v1/admin/wipe",
];

fn counted() -> HashSet<u64> {
    let pushes = ["pushgateway_http_push_duration_seconds", "pushgateway_http_push_size_bytes"];
    let pushes = pushes.into_iter().flat_map(|name| METHODS.map(|method| plain(name, &[("method", method)])));
    let codes: Vec<String> = CODES.into_iter().flatten().map(|code| code.to_string()).collect();
    let requests = codes.iter().flat_map(|code| {
        HANDLERS.into_iter().flat_map(move |handler| {
            METHODS.map(|method| {
                plain("pushgateway_http_requests_total", &[("code", code), ("handler", handler), ("method", method)])
            })
        })
    });
    pushes.chain(requests).collect()
}

/// The gateway's own have no instance.
fn plain(name: &str, labels: &[(&str, &str)]) -> u64 {
    SeriesHash::of_others(name.as_bytes(), labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}
