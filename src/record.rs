//! What is told of a request when it is over: one log line and the counters. Nothing else writes either.

use crate::decision::{Decision, Denial, Identity, WouldDeny};
use crate::metrics::{Metrics, RequestLabels};
use crate::policy::Limit;
use crate::recent::{Event, Recent, Verdict};
use crate::request::{Credential, GroupingKey, Head, San, Target};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A finished request.
pub struct Record<'a> {
    /// When it was over.
    pub at: SystemTime,
    /// Its id, also in the answer.
    pub request_id: &'a str,
    /// The remote end of the connection.
    pub peer: IpAddr,
    /// The listener.
    pub listener: &'a str,
    /// The head, where it could be read.
    pub head: Option<&'a Head>,
    /// The decision, where it came to one.
    pub decision: Option<&'a Decision>,
    /// Whether it brought a quota near its end.
    pub nearly_spent: bool,
    /// Why it was refused, by the decision or after it.
    pub denial: Option<&'a Denial>,
    /// What the gateway said that the client was not told.
    pub detail: &'a str,
    /// The limit that ended it, where no denial says so.
    pub limit: Option<Limit>,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the first byte of the head to the last of the answer.
    pub duration: Duration,
    /// The part of it that the gateway took.
    pub upstream: Option<Duration>,
    /// The world that judged.
    pub generation: u64,
}

impl Record<'_> {
    fn verdict(&self) -> &'static str {
        match self.denial {
            None => "allow",
            Some(denial) if denial.reason.status() >= 500 => "error",
            Some(_) => "deny",
        }
    }

    fn key(&self) -> Option<&GroupingKey> {
        match &self.head?.target {
            Ok(Target::Group(key)) => Some(key),
            _ => None,
        }
    }

    /// Whom the client's certificate names, where the request presents nothing else, as a JSON list.
    fn certificate(&self) -> Option<String> {
        let Some(Ok(Some(Credential::Certificate(certificate)))) = self.head.map(|head| &head.credential) else {
            return None;
        };
        let names: Vec<String> = certificate.names.iter().map(San::to_string).collect();
        serde_json::to_string(&names).ok()
    }

    fn identity(&self) -> Identity {
        self.decision.map(|d| d.identity.clone()).unwrap_or_default()
    }

    /// Writes the line, counts, and takes note.
    pub fn finish(&self, metrics: &Metrics, recent: &Recent) {
        let identity = self.identity();
        let operation = identity.operation.map_or("none", |o| o.name());
        let reason = self.denial.map_or("", |d| d.reason.code());
        self.count(metrics, operation, reason, identity.principal.as_ref());
        if self.nearly_spent {
            metrics.requests.count_nearly_spent(identity.principal.as_deref());
        }
        if let Some(flaw) = self.denial.and_then(|denial| denial.flaw) {
            metrics.credentials.count_refused(flaw.code());
        }
        if let (Some(principal), Some(listed)) = (&identity.principal, identity.preferred) {
            metrics.credentials.count_preferred(principal, listed);
        }
        let would_deny = self.decision.and_then(|d| d.would_deny.as_deref());
        recent.note(&self.event(&identity, operation, would_deny));
        if let Some(would_deny) = would_deny {
            metrics.count_would_deny(would_deny.denial.reason.code());
        }
        let source = self.head.and_then(|h| h.source.as_ref().ok()).map(ToString::to_string).unwrap_or_default();
        tracing::info!(
            msg = "request",
            request_id = self.request_id,
            verdict = self.verdict(),
            reason,
            detail = self.denial.map(|d| d.detail.as_str()).filter(|d| !d.is_empty()).unwrap_or(self.detail),
            would_deny = would_deny.map_or("", |w| w.denial.reason.code()),
            would_deny_rule = would_deny.and_then(|w| w.rule.as_deref()).unwrap_or_default(),
            status = self.status,
            method = self.head.map_or("", |h| h.method.as_str()),
            operation,
            job = self.key().map_or("", GroupingKey::job),
            labels = labels(self.key()),
            principal = identity.principal.as_deref().unwrap_or("none"),
            rule = identity.rule.as_deref().unwrap_or_default(),
            issuer = identity.issuer.as_deref().unwrap_or_default(),
            claims = identity.claims,
            certificate = self.certificate().unwrap_or_default(),
            source,
            peer = %self.peer,
            listener = self.listener,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            duration_seconds = self.duration.as_secs_f64(),
            upstream_seconds = self.upstream.map_or(0.0, |d| d.as_secs_f64()),
            generation = self.generation,
            trace_id = self.head.and_then(|h| h.trace_id.as_deref()).unwrap_or_default(),
        );
    }

    fn event<'a>(
        &'a self,
        identity: &'a Identity,
        operation: &'static str,
        would_deny: Option<&'a WouldDeny>,
    ) -> Event<'a> {
        let (verdict, reason) = match (self.denial, would_deny) {
            (None, None) => (Verdict::Allowed, ""),
            (None, Some(would)) => (Verdict::Reported, would.denial.reason.code()),
            (Some(denial), _) if denial.reason.status() >= 500 => (Verdict::Failed, denial.reason.code()),
            (Some(denial), _) => (Verdict::Denied, denial.reason.code()),
        };
        let would_rule = would_deny.and_then(|would| would.rule.as_ref()).filter(|_| self.denial.is_none());
        Event {
            at: self.at,
            verdict,
            reason,
            principal: identity.principal.as_ref(),
            operation,
            job: self.key().map_or("", GroupingKey::job),
            rule: would_rule.or(identity.rule.as_ref()),
            source: self.head.and_then(|head| head.source.as_ref().ok()).copied(),
            request_id: self.request_id,
            gateway: self.upstream,
        }
    }

    fn count(&self, metrics: &Metrics, operation: &'static str, reason: &'static str, principal: Option<&Arc<str>>) {
        let labels = RequestLabels {
            verdict: self.verdict(),
            reason,
            operation,
            principal: principal.map_or_else(|| "none".to_owned(), ToString::to_string),
        };
        metrics.requests.count(labels);
        if let Some(limit) = self.denial.and_then(|d| d.limit).or(self.limit) {
            metrics.count_limit(limit.name());
        }
        metrics.request_duration.observe(self.duration.as_secs_f64());
        if let Some(upstream) = self.upstream {
            metrics.upstream_duration.observe(upstream.as_secs_f64());
        }
    }
}

/// The grouping labels behind the job, as in the exposition format.
fn labels(key: Option<&GroupingKey>) -> String {
    let Some(key) = key else { return String::new() };
    let labels: Vec<String> = key.labels().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}
