//! What a refusal says to the one who reads it in a CI log, and to the operator.

use super::step::ChargeEntry;
use super::{Denial, Reason};
use crate::auth::Flaw;
use crate::auth::token::TokenFault;
use crate::policy::{Grant, LabelFault, Miss, Operation, Principal};
use crate::request::{GroupingKey, PathFault, TargetError};
use std::net::IpAddr;
use std::time::Duration;

pub(super) const CREDENTIAL_REJECTED: &str = "check the user name, the password, that no variable is empty, and that \
                                              your address may use a password";
pub(super) const CERTIFICATE_REJECTED: &str = "the certificate of this client is for somebody who is not known here";
pub(super) const TOKEN_REJECTED: &str = "send a token whole, fresh, and asked for with the audience of this proxy";
pub(super) const SOURCE_UNKNOWN: &str = "the proxy in front must send the client's address in X-Forwarded-For";
pub(super) const ORIGIN: &str = "push from a program, or from a page of this host";
/// What only the operator can change.
const ASK: &str = "ask whoever runs this proxy to grant it";
pub(super) const NO_JOB: &str = "to push, name the job: /metrics/job/JOB and optional /LABEL/VALUE pairs";
pub(super) const READ_ONLY: &str = "this page is only read, with GET";
pub(super) const WRITE_ONLY: &str =
    "a group is written with POST or PUT and removed with DELETE; what is stored is read at /metrics";
pub(super) const ENCODING: &str = "send the metrics as they are, or in one of gzip and snappy (framed)";
pub(super) const LENGTH_REQUIRED: &str =
    "send the metrics with Content-Length or chunked, for example with curl --data-binary @FILE";

/// The shell line that sends any value whole.
fn encode(name: &str) -> String {
    format!("{name}@base64/$(printf %s \"$VALUE\" | base64 -w0 | tr '+/' '-_' | tr -d =)")
}

/// What to send, of what is taken from there.
pub(super) const fn credential_missing(password: bool, token: bool, certificate: bool) -> &'static str {
    match (password, token) {
        (false, false) if certificate => {
            "connect with a client certificate, for example with curl --cert FILE --key FILE"
        }
        (true, true) => {
            "send a user name and password (curl -u USER:PASSWORD), or a token (Authorization: Bearer TOKEN)"
        }
        (false, true) => "send a token, for example with curl -H \"Authorization: Bearer $TOKEN\"",
        (_, false) => "send a user name and password, for example with curl -u USER:PASSWORD",
    }
}

/// A token that does not hold. Its holder is told what he can read in it anyway.
pub(super) fn token_fault(fault: &TokenFault) -> Denial {
    let denial = match fault.flaw {
        Flaw::TokenKeysUnavailable => Denial::new(Reason::KeysUnavailable).retry_after(Duration::from_secs(5)),
        _ => Denial::new(Reason::CredentialRejected).hint(fault.hint.as_deref().unwrap_or(TOKEN_REJECTED)),
    };
    denial.flaw(fault.flaw, &fault.found)
}

/// A token that holds and proves nobody: the run sees itself, nothing of the policy.
pub(super) fn not_granted(flaw: Flaw, run: &str) -> String {
    let what = match flaw {
        Flaw::TokenEventNotGranted => "runs of this event may not push here",
        _ => "no rule fits this run",
    };
    format!("{what}; the token says {run}")
}

/// A refusal of a run, which is told what its token says, so that it can be debugged from its own log.
pub(super) fn of_run(denial: Denial, run: &str) -> Denial {
    let hint = format!("{}; the token says {run}", denial.hint);
    denial.hint(hint)
}

pub(super) fn throttled(wait: Duration) -> String {
    format!("check the password, and retry in {} s", whole_seconds(wait))
}

/// What to do about a value that the shell or the path may have cut.
fn cut(name: &str) -> String {
    format!(
        "a value with \"/\" or a space must be sent as NAME@base64/..., and the shell may have cut yours; \
         with the value in the variable VALUE write {}",
        encode(name)
    )
}

/// A name from a path, short enough for one line.
fn shown(name: &str) -> String {
    let short: String = name.chars().take(64).collect();
    format!("{short:?}")
}

pub(super) fn source(source: IpAddr, private: bool) -> String {
    let mut text = format!("{source}");
    if private {
        text.push_str(
            ", a private address: behind an ingress or load balancer the client is hidden unless the policy names it \
             under listeners.NAME.trusted_proxies (README: Behind an ingress)",
        );
    }
    text
}

pub(super) fn target(error: &TargetError) -> Denial {
    let denial = match error {
        TargetError::Unknown => {
            return Denial::new(Reason::TargetUnknown)
                .hint("metrics are pushed to /metrics/job/JOB and optional /LABEL/VALUE pairs");
        }
        TargetError::Query => Denial::new(Reason::TargetAmbiguous).hint("a push path takes no query (?...)"),
        TargetError::Path(fault) => Denial::new(Reason::TargetAmbiguous).hint(path(fault)),
    };
    denial.detail(error.to_string())
}

fn path(fault: &PathFault) -> String {
    match fault {
        PathFault::JobEmpty => "the job is empty; is a variable empty? Write /metrics/job/JOB".to_owned(),
        PathFault::OddParts(name) => format!(
            "the label {} has no value, so the parts behind the job are not NAME/VALUE pairs; {}",
            shown(name),
            cut("NAME")
        ),
        PathFault::EmptyValue(name) => format!(
            "the label {} is empty; is a variable empty? Give it a value or leave it out: to Prometheus an empty label \
             is none",
            shown(name)
        ),
        PathFault::EmptyPart => "the path has an empty part (two slashes); is a variable empty?".to_owned(),
        PathFault::EscapedSlash | PathFault::DotPart(_) => format!("{fault}; {}", cut("NAME")),
        PathFault::BadEscape => "a % that is not an escape; write %25 for a percent sign".to_owned(),
        PathFault::BadBase64(name) => format!("{fault}; write {}", encode(name)),
        PathFault::BadName(name) => format!(
            "{} is not a label name (letters, digits and _, not starting with a digit); {}",
            shown(name),
            cut("NAME")
        ),
        PathFault::NotUtf8(_) | PathFault::Control(_) | PathFault::ReservedName(_) | PathFault::Repeated(_) => {
            fault.to_string()
        }
    }
}

pub(super) fn miss(
    miss: &Miss,
    grant: Option<&Grant>,
    principal: &Principal,
    operation: Operation,
    key: Option<&GroupingKey>,
) -> Denial {
    let furthest = grant.map_or("no grant", |g| &g.name);
    let job = key.map_or("", GroupingKey::job);
    match miss {
        Miss::Operation => {
            let what = match operation {
                Operation::Delete => "delete (a PUT without a sample is a delete too)".to_owned(),
                other => other.to_string(),
            };
            Denial::new(Reason::OperationNotGranted)
                .hint(format!("{what}; {ASK}"))
                .detail(format!("{} has no grant for {operation}", principal.name))
        }
        Miss::Job => Denial::new(Reason::JobNotGranted)
            .hint(format!("{}; write to a job of your own, or {ASK}", shown(job)))
            .detail(format!("the job {job:?} matches no pattern; furthest: {furthest}")),
        Miss::Label(fault) => Denial::new(Reason::LabelNotGranted)
            .hint(label(fault))
            .detail(format!("{}; furthest: {furthest}", named(fault))),
    }
}

/// To the operator.
fn named(fault: &LabelFault) -> String {
    match fault {
        LabelFault::Missing(name) => format!("the label {} is missing", shown(name)),
        LabelFault::Unexpected(name) => format!("the label {} is not granted", shown(name)),
        LabelFault::Value(name) => format!("the value of the label {} is not granted", shown(name)),
    }
}

fn label(fault: &LabelFault) -> String {
    match fault {
        LabelFault::Missing(name) => format!("the label {} is needed in the path", shown(name)),
        LabelFault::Unexpected(name) => {
            format!("the label {} may not be in the path; {}", shown(name), cut("NAME"))
        }
        LabelFault::Value(name) => format!("the value of the label {} may not be written", shown(name)),
    }
}

pub(super) fn quota(entry: &ChargeEntry, wait: Duration) -> Denial {
    let hint = format!(
        "{} at once, one more every {}; retry in {} s",
        entry.rate.burst(),
        seconds(entry.rate.period() / entry.rate.burst()),
        whole_seconds(wait)
    );
    let detail = format!("{} for {:?}", entry.rule, entry.value);
    Denial::new(Reason::QuotaExhausted).hint(hint).detail(detail).exhausted(entry.exhausted_rule(), wait)
}

fn seconds(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1000) { format!("{} s", millis / 1000) } else { format!("{millis} ms") }
}

/// Seconds rounded up, at least one: coming back earlier would be refused again.
pub fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}
