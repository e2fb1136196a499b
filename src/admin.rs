//! The admin listener: metrics, health and the status page, `GET` only. Where it is asked for at the start,
//! `POST /-/reload` reads the policy file again; nothing else changes anything.

mod page;
mod status;

pub use status::{PolicyStatus, SetStatus, Status};

use crate::decision::{Denial, Reason};
use crate::metrics::{self, Metrics};
use crate::proxy::{Answer, AnswerHead, Handler, Incoming, Reply, send};
use crate::request::{Method, RawHead};
use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A request for a reload, answered with the generation of the new policy, or with its problems, one a line.
pub type ReloadRequest = oneshot::Sender<Result<u64, String>>;

/// Who sees the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    Nobody,
    /// Who is on this machine, or forwards a port to it.
    Loopback,
    /// Whoever reaches the listener.
    Everybody,
}

/// Answers on the admin listener.
pub struct Admin {
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What `/-/ready` answers by.
    pub ready: Arc<AtomicBool>,
    /// Where to ask for a reload; none where `/-/reload` is not served.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// Who sees the status page.
    pub audience: Audience,
    /// What stands in it.
    pub status: Box<dyn Fn() -> Status + Send + Sync>,
    /// Makes request ids.
    pub ids: Box<dyn Fn() -> String + Send + Sync>,
}

/// The time to write an answer.
const WRITE: Duration = Duration::from_secs(10);

#[async_trait]
impl Handler for Admin {
    async fn handle(&self, incoming: Incoming<'_>) {
        let request_id = (self.ids)();
        let reply = Reply { request_id: &request_id, would_deny: None, json: false, shutdown: incoming.shutdown };
        let answer = match incoming.head {
            Err(refused) => Err(refused.0),
            Ok(head) => self.answer(&head, incoming.peer).await,
        };
        let answer = answer.unwrap_or_else(|denial| Answer::denied(&denial, reply));
        // Who asked and is gone is told nothing.
        let _ = send(incoming.wire, &answer, reply, WRITE).await;
    }
}

impl Admin {
    async fn answer(&self, head: &RawHead, peer: IpAddr) -> Result<Answer, Denial> {
        let path = head.target.split(|b| *b == b'?').next().unwrap_or_default();
        let (takes, reload) = match (path, &self.reload) {
            (b"/metrics" | b"/-/healthy" | b"/-/ready", _) => (Method::Get, None),
            (b"/", _) if self.audience != Audience::Nobody => (Method::Get, None),
            (b"/-/reload", Some(reload)) => (Method::Post, Some(reload)),
            (b"/-/reload", None) => {
                let hint = "reloading over HTTP is off; send SIGHUP, or start with --web.enable-lifecycle";
                return Err(Denial::new(Reason::TargetUnknown).hint(hint));
            }
            _ => return Err(Denial::new(Reason::TargetUnknown).hint(self.pages())),
        };
        if head.method != takes {
            return Err(Denial::new(Reason::MethodNotAllowed).allow(takes.as_str()));
        }
        Ok(match (path, reload) {
            (_, Some(reload)) => return self::reload(head, reload).await,
            (b"/", _) => return self.status_page(head, peer),
            (b"/metrics", _) => {
                let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
                self.metrics.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
                page(200, metrics::CONTENT_TYPE, self.metrics.render())
            }
            (b"/-/ready", _) if !self.ready.load(Ordering::SeqCst) => page(503, PLAIN, "not ready\n".to_owned()),
            _ => page(200, PLAIN, "OK\n".to_owned()),
        })
    }

    fn pages(&self) -> String {
        let home = if self.audience == Audience::Nobody { "" } else { "/, " };
        let reload = if self.reload.is_some() { ", /-/ready and /-/reload" } else { " and /-/ready" };
        format!("here are {home}/metrics, /-/healthy{reload}")
    }

    fn status_page(&self, head: &RawHead, peer: IpAddr) -> Result<Answer, Denial> {
        if self.audience == Audience::Loopback && !is_local(head, peer) {
            let hint = "the status page is for this machine; forward a port, or see --admin.status-page";
            return Err(Denial::new(Reason::SourceNotAllowed).hint(hint));
        }
        let mut answer = page(200, "text/html; charset=utf-8", page::render(&(self.status)()));
        let policy = page::CONTENT_SECURITY_POLICY.clone();
        answer.head.fields.push(("Content-Security-Policy", policy));
        answer.head.fields.extend(
            [
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
                ("Referrer-Policy", "no-referrer"),
                ("Cache-Control", "no-store"),
            ]
            .map(|(name, value)| (name, value.to_owned())),
        );
        Ok(answer)
    }
}

/// Whether somebody on this machine asks, by a name that only this machine has: a page of another site can make its own
/// name lead to a browser's machine, and a proxy beside the process brings strangers.
fn is_local(head: &RawHead, peer: IpAddr) -> bool {
    let forwarded = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
    peer.is_loopback()
        && forwarded.iter().all(|name| head.field(name).is_none())
        && head.field("host").is_some_and(names_this_machine)
}

/// An address or `localhost`, with or without a port.
fn names_this_machine(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let is_name = |name: &str| name.eq_ignore_ascii_case("localhost");
    let is_address = host.parse::<IpAddr>().is_ok() || host.parse::<std::net::SocketAddr>().is_ok();
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    is_address
        || is_name(host)
        || bracketed.is_some_and(|inner| inner.parse::<IpAddr>().is_ok())
        || host.rsplit_once(':').is_some_and(|(name, port)| is_name(name) && port.parse::<u16>().is_ok())
}

/// Asks for a reload and waits for its outcome.
async fn reload(head: &RawHead, reload: &mpsc::Sender<ReloadRequest>) -> Result<Answer, Denial> {
    // No page that an operator happens to have open may do this.
    if ["origin", "sec-fetch-site"].iter().any(|name| head.field(name).is_some()) {
        return Err(Denial::new(Reason::OriginNotAllowed));
    }
    let gone = || Denial::new(Reason::Overloaded).detail("the process is ending");
    let (ask, answer) = oneshot::channel();
    reload.send(ask).await.map_err(|_| gone())?;
    Ok(match answer.await.map_err(|_| gone())? {
        Ok(generation) => page(200, PLAIN, format!("reloaded; generation {generation}\n")),
        Err(problems) => page(500, PLAIN, format!("not reloaded; the policy in use stays\n{problems}\n")),
    })
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn page(status: u16, content_type: &str, body: String) -> Answer {
    let head = AnswerHead { status, fields: vec![("Content-Type", content_type.to_owned())] };
    Answer { head, body: body.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for host in ["127.0.0.1", "127.0.0.1:9095", "[::1]:9095", "[::1]", "localhost", "LocalHost:80", "10.0.0.7:9095"]
        {
            assert!(names_this_machine(host.as_bytes()), "{host}");
        }
        for host in
            ["", "evil.test", "evil.test:9095", "localhost.evil.test", "127.0.0.1.evil.test:9095", "localhost:x"]
        {
            assert!(!names_this_machine(host.as_bytes()), "{host}");
        }
        assert!(!names_this_machine(b"\xff"));
    }
}
