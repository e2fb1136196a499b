//! The admin listener: metrics and health, `GET` only. Where it is asked for at the start, `POST /-/reload` reads the
//! policy file again; nothing else changes anything.

use crate::decision::{Denial, Reason};
use crate::metrics::{self, Metrics};
use crate::proxy::{Answer, AnswerHead, Handler, Incoming, Reply, send};
use crate::request::{Method, RawHead};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A request for a reload, answered with the generation of the new policy, or with its problems, one a line.
pub type ReloadRequest = oneshot::Sender<Result<u64, String>>;

/// Answers on the admin listener.
pub struct Admin {
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What `/-/ready` answers by.
    pub ready: Arc<AtomicBool>,
    /// Where to ask for a reload; none where `/-/reload` is not served.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
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
            Ok(head) => self.answer(&head).await,
        };
        let answer = answer.unwrap_or_else(|denial| Answer::denied(&denial, reply));
        // Who asked and is gone is told nothing.
        let _ = send(incoming.wire, &answer, reply, WRITE).await;
    }
}

impl Admin {
    async fn answer(&self, head: &RawHead) -> Result<Answer, Denial> {
        let path = head.target.split(|b| *b == b'?').next().unwrap_or_default();
        let (takes, reload) = match (path, &self.reload) {
            (b"/metrics" | b"/-/healthy" | b"/-/ready", _) => (Method::Get, None),
            (b"/-/reload", Some(reload)) => (Method::Post, Some(reload)),
            _ => return Err(Denial::new(Reason::TargetUnknown).hint(self.pages())),
        };
        if head.method != takes {
            return Err(Denial::new(Reason::MethodNotAllowed).allow(takes.as_str()));
        }
        Ok(match (path, reload) {
            (_, Some(reload)) => return self::reload(head, reload).await,
            (b"/metrics", _) => {
                let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
                self.metrics.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
                page(200, metrics::CONTENT_TYPE, self.metrics.render())
            }
            (b"/-/ready", _) if !self.ready.load(Ordering::SeqCst) => page(503, PLAIN, "not ready\n".to_owned()),
            _ => page(200, PLAIN, "OK\n".to_owned()),
        })
    }

    fn pages(&self) -> &'static str {
        match self.reload {
            Some(_) => "here are /metrics, /-/healthy, /-/ready and /-/reload",
            None => "here are /metrics, /-/healthy and /-/ready",
        }
    }
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
