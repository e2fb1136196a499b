//! Our own log, as JSON or as logfmt.

mod fields;

use super::{LineError, Recorded, Then, Who, group, method, page};
use crate::request::{San, Target, TargetError};
use fields::{FORM, Fields, fields};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Reads a line of our own log.
///
/// # Errors
/// It is no line of a request.
pub fn own(line: &str) -> Result<Recorded<'_>, LineError> {
    let fields = fields(line)?;
    match &*fields.msg {
        "request" => recorded(fields),
        "" => Err(FORM),
        _ => Err(LineError::OtherEvent),
    }
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
        then: Then {
            status: u16::try_from(fields.status).unwrap_or_default(),
            reason: fields.reason,
            operation: fields.operation,
        },
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
