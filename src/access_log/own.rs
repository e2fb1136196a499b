//! Our own log, as JSON or as logfmt.

use super::{LineError, Recorded, Then, Who, group, method, page};
use crate::request::{San, Target, TargetError};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::net::IpAddr;

/// The fields of a request line that tell of the request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields<'l> {
    #[serde(borrow)]
    time: Cow<'l, str>,
    #[serde(borrow)]
    msg: Cow<'l, str>,
    #[serde(borrow)]
    reason: Cow<'l, str>,
    status: u16,
    #[serde(borrow)]
    method: Cow<'l, str>,
    #[serde(borrow)]
    operation: Cow<'l, str>,
    #[serde(borrow)]
    job: Cow<'l, str>,
    #[serde(borrow)]
    labels: Cow<'l, str>,
    #[serde(borrow)]
    principal: Cow<'l, str>,
    #[serde(borrow)]
    issuer: Cow<'l, str>,
    #[serde(borrow)]
    claims: Cow<'l, str>,
    #[serde(borrow)]
    certificate: Cow<'l, str>,
    #[serde(borrow)]
    source: Cow<'l, str>,
    #[serde(borrow)]
    listener: Cow<'l, str>,
    bytes_in: u64,
}

/// Reads a line of our own log.
///
/// # Errors
/// It is no line of a request.
pub fn own(line: &str) -> Result<Recorded<'_>, LineError> {
    let fields = if line.starts_with('{') {
        serde_json::from_str(line).map_err(|_| LineError::Form("not a line of this program's log"))?
    } else {
        logfmt(line)?
    };
    if fields.msg.is_empty() {
        return Err(LineError::Form("not a line of this program's log"));
    }
    if fields.msg != "request" {
        return Err(LineError::OtherEvent);
    }
    recorded(fields)
}

fn recorded(fields: Fields<'_>) -> Result<Recorded<'_>, LineError> {
    let Ok(source) = fields.source.parse::<IpAddr>() else {
        let settled = !fields.reason.is_empty();
        let reason = fields.reason.into_owned();
        return Err(if settled { LineError::Settled(reason) } else { LineError::Form("the line names no source") });
    };
    let method = method(&fields.method).ok_or(LineError::Form("the line names no method"))?;
    let target = match page(&fields.operation) {
        Some(page) => Ok(Target::Read(page)),
        None if fields.job.is_empty() => Err(TargetError::Unknown),
        None => group(&fields.job, labels(&fields.labels).ok_or(LineError::Form("labels cannot be read"))?),
    };
    let who = who(&fields);
    Ok(Recorded {
        time: humantime::parse_rfc3339(&fields.time).ok(),
        method,
        target,
        sent: None,
        source,
        listener: Some(fields.listener),
        who,
        bytes: Some(fields.bytes_in),
        then: Then { status: fields.status, reason: fields.reason, operation: fields.operation },
    })
}

fn who<'l>(fields: &Fields<'l>) -> Who<'l> {
    if !fields.issuer.is_empty() {
        let claims = serde_json::from_str(&fields.claims).unwrap_or_default();
        return Who::Token { issuer: fields.issuer.clone(), claims: nested(claims) };
    }
    if !fields.certificate.is_empty() {
        // A list that was cut because it is too long names nobody for certain.
        let names: Vec<String> = serde_json::from_str(&fields.certificate).unwrap_or_default();
        let names: Result<Vec<San>, _> = names.iter().map(|name| San::read(name)).collect();
        return names.ok().filter(|names| !names.is_empty()).map_or(Who::Unknown, Who::Certificate);
    }
    if fields.principal != "none" && !fields.principal.is_empty() {
        return Who::Principal(fields.principal.clone());
    }
    match &*fields.reason {
        "credential_missing" => Who::Nobody,
        "credential_rejected" | "login_throttled" | "verifier_busy" => Who::Impostor,
        _ => Who::Unknown,
    }
}

/// The claims as the token has them: a name that is a JSON pointer stands for a value within others.
fn nested(flat: Map<String, Value>) -> Map<String, Value> {
    let mut claims = Map::new();
    for (name, value) in flat {
        let Some(pointer) = name.strip_prefix('/') else {
            claims.insert(name, value);
            continue;
        };
        let steps: Vec<String> = pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        put(&mut claims, &steps, value);
    }
    claims
}

fn put(claims: &mut Map<String, Value>, steps: &[String], value: Value) {
    match steps {
        [] => {}
        [last] => {
            claims.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = claims.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// `{name="value",…}` with the escapes of Rust's debug form.
pub(super) fn labels(text: &str) -> Option<Vec<(String, String)>> {
    let mut rest = match text {
        "" => return Some(Vec::new()),
        text => text.strip_prefix('{')?,
    };
    let mut labels = Vec::new();
    loop {
        let (name, tail) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = tail.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(escaped(&mut chars)?),
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = match tail.get(end..)? {
            "}" => return Some(labels),
            more => more.strip_prefix(',')?,
        };
    }
}

fn escaped(chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    Some(match chars.next()?.1 {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'u' => {
            chars.next().filter(|(_, c)| *c == '{')?;
            let digits: String = chars.map(|(_, c)| c).take_while(|c| *c != '}').collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
        }
        c => c,
    })
}

/// `key=value key="value"`.
fn logfmt(line: &str) -> Result<Fields<'_>, LineError> {
    const FORM: LineError = LineError::Form("not a line of this program's log");
    let mut fields = Fields::default();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=').ok_or(FORM)?;
        let end =
            if tail.starts_with('"') { quoted_end(tail).ok_or(FORM)? } else { tail.find(' ').unwrap_or(tail.len()) };
        let (value, tail) = tail.split_at_checked(end).ok_or(FORM)?;
        let value: Cow<'_, str> = match value.starts_with('"') {
            true => Cow::Owned(serde_json::from_str(value).map_err(|_| FORM)?),
            false => Cow::Borrowed(value),
        };
        fields.set(key, value).ok_or(FORM)?;
        rest = tail.strip_prefix(' ').unwrap_or(tail);
    }
    Ok(fields)
}

fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at + 1)
    })
}

impl<'l> Fields<'l> {
    fn set(&mut self, key: &str, value: Cow<'l, str>) -> Option<()> {
        let text = match key {
            "status" => {
                self.status = value.parse().ok()?;
                return Some(());
            }
            "bytes_in" => {
                self.bytes_in = value.parse().ok()?;
                return Some(());
            }
            "time" => &mut self.time,
            "msg" => &mut self.msg,
            "reason" => &mut self.reason,
            "method" => &mut self.method,
            "operation" => &mut self.operation,
            "job" => &mut self.job,
            "labels" => &mut self.labels,
            "principal" => &mut self.principal,
            "issuer" => &mut self.issuer,
            "claims" => &mut self.claims,
            "certificate" => &mut self.certificate,
            "source" => &mut self.source,
            "listener" => &mut self.listener,
            _ => return Some(()),
        };
        *text = value;
        Some(())
    }
}
