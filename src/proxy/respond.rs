//! Answers of our own: one line for a person, or RFC 9457 problem JSON for a program.

use super::wire::{AnswerHead, Wire};
use crate::decision::{Bearer, Challenge, Denial, Exhaustion, Reason, whole_seconds};
use bytes::Bytes;
use pingora_core::server::ShutdownWatch;
use std::time::Duration;
use tokio::time::timeout;

/// An answer that is held whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status and fields.
    pub head: AnswerHead,
    /// The body.
    pub body: Bytes,
}

/// How an answer is sent.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// Why the request would have been refused, had no rule been in report mode.
    pub would_deny: Option<Reason>,
    /// Whether the client asked for JSON.
    pub json: bool,
    /// Whether the process ends, so that no connection is promised to live on.
    pub shutdown: &'a ShutdownWatch,
}

impl Reply<'_> {
    /// The fields that stand in every answer.
    pub(super) fn own_fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let would_deny = self.would_deny.map(|reason| ("Pushguard-Would-Deny", reason.code().to_owned()));
        [("Pushguard-Request-Id", self.request_id.to_owned())].into_iter().chain(would_deny)
    }

    /// Does not promise a connection that is about to end.
    pub(super) fn close_at_shutdown(&self, wire: &mut Wire) {
        if *self.shutdown.borrow() {
            wire.close();
        }
    }
}

impl Answer {
    /// The answer that a denial makes.
    pub fn denied(denial: &Denial, reply: Reply<'_>) -> Self {
        let mut headers = vec![("Pushguard-Reason", denial.reason.code().to_owned())];
        headers.extend(denial.challenge.iter().flat_map(challenges));
        if let Some(methods) = denial.allow {
            headers.push(("Allow", methods.to_owned()));
        }
        if let Some(retry) = &denial.retry {
            limit_headers(retry, &mut headers);
        }
        let body = if reply.json {
            headers.push(("Content-Type", "application/problem+json".to_owned()));
            problem(denial, reply.request_id)
        } else {
            headers.push(("Content-Type", "text/plain; charset=utf-8".to_owned()));
            denial.answer()
        };
        headers.push(("Cache-Control", "no-store".to_owned()));
        headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
        Self { head: AnswerHead { status: denial.reason.status(), fields: headers }, body: body.into() }
    }
}

/// One field for each challenge: many clients look at the first of a field only.
fn challenges(challenge: &Challenge) -> impl Iterator<Item = (&'static str, String)> {
    let basic = challenge.basic.then(|| "Basic realm=\"pushguard\", charset=\"UTF-8\"".to_owned());
    let bearer = challenge.bearer.as_ref().map(|bearer| {
        let error = match bearer {
            Bearer::Wanted => String::new(),
            Bearer::Invalid(None) => ", error=\"invalid_token\"".to_owned(),
            Bearer::Invalid(Some(why)) => {
                format!(", error=\"invalid_token\", error_description=\"{}\"", description(why))
            }
        };
        format!("Bearer realm=\"pushguard\"{error}")
    });
    basic.into_iter().chain(bearer).map(|value| ("WWW-Authenticate", value))
}

/// What RFC 6750 admits in a description: printable ASCII without quotes and backslashes. It repeats pieces of a token.
fn description(why: &str) -> String {
    const MOST: usize = 256;
    let plain = |c: char| match c {
        '"' => '\'',
        ' ' | '!'..='[' | ']'..='~' => c,
        _ => '?',
    };
    why.chars().take(MOST).map(plain).collect()
}

/// `Retry-After`, and for a rule the fields of draft-ietf-httpapi-ratelimit-headers.
fn limit_headers(retry: &Exhaustion, headers: &mut Vec<(&'static str, String)>) {
    let wait = whole_seconds(retry.wait);
    headers.push(("Retry-After", wait.to_string()));
    if let Some(rule) = &retry.rule {
        let name = structured_string(&rule.name);
        headers.push(("RateLimit-Policy", format!("{name};q={};w={}", rule.burst, whole_seconds(rule.period))));
        headers.push(("RateLimit", format!("{name};r=0;t={wait}")));
    }
}

/// An RFC 9651 string; names of rules come from the policy and may hold anything.
fn structured_string(name: &str) -> String {
    let plain = name.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    format!("\"{}\"", plain.collect::<String>().replace('\\', "\\\\").replace('"', "\\\""))
}

fn problem(denial: &Denial, request_id: &str) -> String {
    let reason: Reason = denial.reason;
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": reason.title(),
        "status": reason.status(),
        "detail": denial.public_text(),
        "reason": reason.code(),
        "request_id": request_id,
    });
    format!("{problem}\n")
}

/// Why an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The client did not take it in time.
    TimedOut,
    /// The client is gone.
    Gone,
}

/// Sends a whole answer. Where that fails, the connection ends with it.
///
/// # Errors
/// The client is gone, or took longer than `deadline`.
pub async fn send(wire: &mut Wire, answer: &Answer, reply: Reply<'_>, deadline: Duration) -> Result<(), Unsent> {
    reply.close_at_shutdown(wire);
    let mut head = answer.head.clone();
    head.fields.extend(reply.own_fields());
    let sent = match timeout(deadline, wire.answer(&head, &answer.body)).await {
        Ok(sent) => sent.map_err(|_| Unsent::Gone),
        Err(_) => Err(Unsent::TimedOut),
    };
    if sent.is_err() {
        wire.close();
    }
    sent
}

#[cfg(test)]
mod tests;
