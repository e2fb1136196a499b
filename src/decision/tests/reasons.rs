//! The closed table of reasons against the table that was promised.

use crate::decision::Reason;
use std::collections::BTreeSet;

/// Status and codes, as the interface promises them to clients, logs and metrics.
const PROMISED: &str = "
    400 request_malformed target_ambiguous body_incomplete payload_invalid
    401 credential_missing credential_rejected
    403 source_unknown source_not_allowed ranges_unavailable origin_not_allowed operation_not_granted job_not_granted
    403 label_not_granted group_limit_reached
    404 target_unknown
    405 method_not_allowed
    408 request_timeout
    409 group_conflict
    411 length_required
    413 payload_too_large
    414 target_too_long
    415 encoding_unsupported
    429 quota_exhausted login_throttled
    431 head_too_large
    502 upstream_failed
    503 upstream_unavailable overloaded verifier_busy keys_unavailable
    504 upstream_timeout
";

#[test]
fn codes_and_statuses_are_the_promised_ones() {
    let rows = PROMISED.lines().filter_map(|line| line.trim().split_once(' '));
    let promised: BTreeSet<(u16, &str)> =
        rows.flat_map(|(status, codes)| codes.split(' ').map(move |c| (status.parse().unwrap(), c))).collect();
    let found: BTreeSet<(u16, &str)> = Reason::ALL.iter().map(|r| (r.status(), r.code())).collect();
    assert_eq!(found, promised);
}

#[test]
fn codes_are_unique_and_plain_and_titles_are_sentences_for_people() {
    let mut codes = BTreeSet::new();
    for reason in Reason::ALL {
        let (code, title) = (reason.code(), reason.title());
        assert!(codes.insert(code), "{code} stands twice");
        assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
        assert!(title.is_ascii() && !title.contains('\n') && !title.ends_with('.'), "{code}: {title}");
        assert!(title.contains(' ') && title.chars().next().is_some_and(char::is_lowercase), "{code}: {title}");
    }
}

#[test]
fn what_may_have_been_applied_is_said() {
    for reason in Reason::ALL.iter().filter(|r| r.status() >= 500) {
        let title = reason.title();
        let says = if [502, 504].contains(&reason.status()) { "unknown whether" } else { "not applied" };
        assert!(title.contains(says), "{}: {title}", reason.code());
    }
}
