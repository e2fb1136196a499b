//! What an answer that is no good says, and how long its sender wants to be left alone.

use super::FetchError;
use crate::shown::shown;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The least wait after a 403 or 429 that names none, as GitHub asks for.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);

pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, wall: SystemTime) -> FetchError {
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let location = shown(text(headers, &LOCATION).unwrap_or_default());
        return FetchError::Redirect { status: status.as_u16(), location };
    }
    let after = number(headers, &RETRY_AFTER).map(Duration::from_secs);
    let wait = match status {
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            let reset = number(headers, &HeaderName::from_static("x-ratelimit-reset"));
            let reset = reset.and_then(|at| until(at, wall));
            [after, reset, Some(RATE_LIMIT_WAIT)].into_iter().flatten().max()
        }
        StatusCode::SERVICE_UNAVAILABLE => after,
        _ => None,
    };
    FetchError::Status { status: status.as_u16(), wait }
}

/// From now to a time in seconds since 1970; `None` where it has passed.
fn until(seconds: u64, wall: SystemTime) -> Option<Duration> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.duration_since(wall).ok()
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name).and_then(|text| text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_as_long_as_the_server_asks() {
        let secs = |seconds| Some(Duration::from_secs(seconds));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
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
}
