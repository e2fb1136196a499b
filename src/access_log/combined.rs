//! The combined format of nginx, and that of ingress-nginx, which goes on behind it.

use super::{LineError, Recorded, Then, Who, method};
use crate::request::{RoutePrefix, Target};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

const FORM: LineError = LineError::Form("neither JSON nor the combined format");

/// Reads `ADDRESS - USER [TIME] "REQUEST" STATUS BYTES …`.
///
/// # Errors
/// It is not such a line, or no request that a policy would have looked at.
pub fn combined<'l>(line: &'l str, prefix: &RoutePrefix) -> Result<Recorded<'l>, LineError> {
    let (address, rest) = line.split_once(" - ").ok_or(FORM)?;
    let source: IpAddr = address.parse().map_err(|_| FORM)?;
    let (user, rest) = rest.split_once(" [").ok_or(FORM)?;
    let (time, rest) = rest.split_once("] \"").ok_or(FORM)?;
    let (request, rest) = rest.split_once("\" ").ok_or(FORM)?;
    let status: u16 = rest.split(' ').next().and_then(|status| status.parse().ok()).ok_or(FORM)?;
    let malformed = || LineError::Settled("request_malformed".to_owned());
    let (name, rest) = request.split_once(' ').ok_or_else(malformed)?;
    let (target, version) = rest.rsplit_once(' ').ok_or_else(malformed)?;
    if !version.starts_with("HTTP/") {
        return Err(malformed());
    }
    let method = method(name).ok_or_else(|| LineError::Settled("method_not_allowed".to_owned()))?;
    Ok(Recorded {
        time: self::time(time),
        method,
        target: Target::read_behind(prefix, &unescaped(target)),
        sent: Some(Cow::Borrowed(target)),
        source,
        listener: None,
        who: match (user, status) {
            ("-", _) => Who::Nobody,
            (_, 401) => Who::Impostor,
            (user, _) => Who::User(Cow::Borrowed(user)),
        },
        bytes: None,
        then: Then { status, ..Then::default() },
    })
}

/// nginx writes quotes, backslashes and everything unprintable as `\xHH`.
fn unescaped(text: &str) -> Cow<'_, [u8]> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Cow::Owned(bytes)
}

/// `10/Oct/2000:13:55:36 -0700`
fn time(text: &str) -> Option<SystemTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let month = MONTHS.find(text.get(3..6)?).filter(|at| at % 3 == 0)? / 3 + 1;
    let days = days(number(7..11)?, i64::try_from(month).ok()?, number(0..2)?);
    let clock = number(12..14)? * 3600 + number(15..17)? * 60 + number(18..20)?;
    let zone = number(22..24)? * 3600 + number(24..26)? * 60;
    let zone = if text.get(21..22)? == "-" { -zone } else { zone };
    let seconds = u64::try_from(days * 86_400 + clock - zone).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_months = (153 * month + 2) / 5;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_months + day - 719_469
}
