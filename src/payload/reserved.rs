//! Names that belong to the gateway. Pushed, they break its scrape, its API, or the answer to who is alive.

/// Whether a metric of that name may not be pushed.
pub fn is_reserved(name: &[u8]) -> bool {
    const PREFIXES: [&[u8]; 3] = [b"go_", b"process_", b"pushgateway_"];
    const NAMES: [&[u8]; 4] = [b"push_time_seconds", b"push_failure_time_seconds", b"labels", b"last_push_successful"];
    // One look at the first byte spares nearly every name the rest.
    matches!(name.first(), Some(b'g' | b'p' | b'l'))
        && (PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name))
}
