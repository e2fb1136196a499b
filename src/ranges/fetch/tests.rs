use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn waits_as_long_as_the_server_asks() {
    let secs = |seconds| Some(Duration::from_secs(seconds));
    let now = at(1_700_000_000);
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(u16, Headers<'_>, Option<Duration>)] = &[
        (403, &[], secs(60)),
        (429, &[], secs(60)),
        (403, &[("retry-after", "120")], secs(120)),
        (429, &[("retry-after", " 120 ")], secs(120)),
        (403, &[("retry-after", "0")], secs(60)),
        (403, &[("retry-after", "-5")], secs(60)),
        (403, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], secs(60)),
        (403, &[("retry-after", "99999999999999999999999")], secs(60)),
        (403, &[("retry-after", "18446744073709551615")], secs(u64::MAX)),
        (403, &[("x-ratelimit-reset", "1700001000")], secs(1000)),
        (429, &[("x-ratelimit-reset", "1699990000")], secs(60)),
        (403, &[("x-ratelimit-reset", "18446744073709551615")], secs(60)),
        (403, &[("retry-after", "120"), ("x-ratelimit-reset", "1700001000")], secs(1000)),
        (403, &[("retry-after", "2000"), ("x-ratelimit-reset", "1700001000")], secs(2000)),
        (503, &[("retry-after", "120"), ("x-ratelimit-reset", "1700001000")], secs(120)),
        (503, &[], None),
        (500, &[("retry-after", "120")], None),
        (404, &[], None),
        (204, &[], None),
        (304, &[], None),
    ];
    for (status, headers, want) in cases {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let error = refusal(StatusCode::from_u16(*status).unwrap(), &headers, now);
        assert_eq!(error, FetchError::Status { status: *status, wait: *want }, "{status} {headers:?}");
        assert_eq!(error.wait(), *want);
    }
}
