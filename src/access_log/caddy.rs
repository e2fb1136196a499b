//! Caddy's access log: one JSON object a line.

use super::{LineError, Recorded, Then, Who, method};
use crate::request::{RoutePrefix, Target};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

#[derive(Deserialize)]
struct Line<'l> {
    ts: Option<f64>,
    #[serde(borrow)]
    request: Option<Request<'l>>,
    #[serde(borrow, default)]
    user_id: Cow<'l, str>,
    bytes_read: Option<u64>,
    #[serde(default)]
    status: u16,
}

#[derive(Deserialize)]
struct Request<'l> {
    #[serde(borrow, default)]
    remote_ip: Cow<'l, str>,
    #[serde(borrow, default)]
    client_ip: Cow<'l, str>,
    #[serde(borrow, default)]
    method: Cow<'l, str>,
    #[serde(borrow, default)]
    uri: Cow<'l, str>,
    #[serde(default)]
    headers: Headers,
}

/// Whether there was a credential; its value is not in the log.
#[derive(Default, Deserialize)]
struct Headers {
    #[serde(rename = "Authorization")]
    authorization: Option<IgnoredAny>,
}

/// Reads a line of Caddy's access log.
///
/// # Errors
/// It is not such a line, or no request that a policy would have looked at.
pub fn caddy<'l>(line: &'l str, prefix: &RoutePrefix) -> Result<Recorded<'l>, LineError> {
    let line: Line<'l> = serde_json::from_str(line).map_err(|_| LineError::Form("not a line of Caddy's access log"))?;
    let request = line.request.ok_or(LineError::OtherEvent)?;
    let address = if request.client_ip.is_empty() { &request.remote_ip } else { &request.client_ip };
    let source: IpAddr = address.parse().map_err(|_| LineError::Form("the line names no client"))?;
    let method = method(&request.method).ok_or_else(|| LineError::Settled("method_not_allowed".to_owned()))?;
    let who = match (&*line.user_id, &request.headers.authorization, line.status) {
        ("", None, _) => Who::Nobody,
        (_, _, 401) => Who::Impostor,
        ("", Some(_), _) => Who::Unknown,
        _ => Who::User(line.user_id),
    };
    Ok(Recorded {
        time: line.ts.and_then(time),
        method,
        target: Target::read_behind(prefix, request.uri.as_bytes()),
        sent: Some(request.uri),
        source,
        listener: None,
        who,
        bytes: line.bytes_read,
        then: Then { status: line.status, ..Then::default() },
    })
}

/// Seconds since 1970 with their fraction.
fn time(seconds: f64) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}
