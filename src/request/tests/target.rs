use super::{cases, table};
use crate::request::Target;
use proptest::prelude::*;

/// `group PATH`, `page PATH`, or the class of the error.
fn read(target: &[u8]) -> String {
    use crate::request::TargetError::*;
    match Target::read(target) {
        Ok(Target::Group(key)) => format!("group {}", key.upstream_path()),
        Ok(Target::Read(page)) => format!("page {}", page.upstream_path()),
        Err(Unknown) => "unknown".to_owned(),
        Err(Query) => "query".to_owned(),
        Err(Path(_)) => "path".to_owned(),
    }
}

#[test]
fn what_is_served_and_what_does_not_exist() {
    let rows: &[(&str, &str)] = &[
        ("/metrics", "page /metrics"),
        ("/metrics?name[]=up", "page /metrics"),
        ("/", "page /"),
        ("/?x", "page /"),
        ("/status", "page /status"),
        ("/-/healthy", "page /-/healthy"),
        ("/-/ready", "page /-/ready"),
        ("/api/v1/metrics", "page /api/v1/metrics"),
        ("/api/v1/status", "page /api/v1/status"),
        ("/static/js/jquery-3.5.1.min.js", "page /static/js/jquery-3.5.1.min.js"),
        ("/static/a?v=1", "page /static/a"),
        ("/metrics/job/a", "group /metrics/job/a"),
        ("/metrics/job@base64/YQ", "group /metrics/job/a"),
        ("/metrics/job%40base64/YQ", "group /metrics/job/a"),
        ("/metrics/job/a/", "group /metrics/job/a"),
        ("/metrics/job", "path"),
        ("/metrics/job/", "path"),
        ("/metrics/job//instance/x", "path"),
        ("/metrics/job/a?", "query"),
        ("/metrics/job/a?job=b", "query"),
        ("/metrics/job?x", "query"),
        ("/metrics/job/a/x/?y", "query"),
        // Spellings that some gateway would follow to a page or a group.
        ("/metrics/", "unknown"),
        ("//metrics/job/a", "unknown"),
        ("/metrics//job/a", "unknown"),
        ("/./metrics/job/a", "unknown"),
        ("/x/../metrics/job/a", "unknown"),
        ("/METRICS/job/a", "unknown"),
        ("/metrics/JOB/a", "unknown"),
        ("/metrics/job@BASE64/YQ", "unknown"),
        ("/%6detrics/job/a", "unknown"),
        ("/metrics/%6aob/a", "unknown"),
        ("/metrics%2Fjob/a", "unknown"),
        ("/metrics/job%2Fa", "unknown"),
        ("/metrics/jobs/a", "unknown"),
        ("/metrics/job%40%62ase64/YQ", "unknown"),
        ("/metrics;x/job/a", "unknown"),
        ("/pg/metrics/job/a", "unknown"),
        // What must not exist.
        ("/api/v1/admin/wipe", "unknown"),
        ("/api/v1/admin%2Fwipe", "unknown"),
        ("/api/v1/%61dmin/wipe", "unknown"),
        ("/api/v1/Admin/Wipe", "unknown"),
        ("/api/v1/metrics/", "unknown"),
        ("/api/v1/status/../admin/wipe", "unknown"),
        ("/api/v1", "unknown"),
        ("/api/v1/", "unknown"),
        ("/-/quit", "unknown"),
        ("/-/reload", "unknown"),
        ("/-%2Fquit", "unknown"),
        ("/-/healthy/", "unknown"),
        ("/debug/pprof/", "unknown"),
        ("/debug/pprof/heap", "unknown"),
        ("/status/", "unknown"),
        ("/STATUS", "unknown"),
        ("/static", "unknown"),
        ("/static/", "unknown"),
        ("/static/a/", "unknown"),
        ("/static//a", "unknown"),
        ("/static/../status", "unknown"),
        ("/static/.hidden", "unknown"),
        ("/static/a/../../-/quit", "unknown"),
        ("/static/%2e%2e/status", "unknown"),
        ("/static/a b", "unknown"),
        ("/static/caf\u{e9}", "unknown"),
        ("/favicon.ico", "unknown"),
        ("*", "unknown"),
        ("", "unknown"),
    ];
    table(rows.iter().map(|(target, expected)| (target, (*expected).to_owned(), read(target.as_bytes()))));
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn what_is_asked_upstream_is_what_was_read(target in "(/metrics(/job(@base64|%40base64)?)?|/static|/api)?[/a-z.%@=?0-9A-F]{0,30}") {
        if let Ok(read) = Target::read(target.as_bytes()) {
            let upstream = match &read {
                Target::Group(key) => key.upstream_path(),
                Target::Read(page) => page.upstream_path().to_owned(),
            };
            prop_assert!(!upstream.contains("//") && !upstream.contains("/.") && !upstream.contains('?'), "{upstream}");
            prop_assert_eq!(Target::read(upstream.as_bytes()), Ok(read));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(target in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Target::read(&target);
        let _ = Target::read(&[b"/metrics/job/", target.as_slice()].concat());
    }
}
