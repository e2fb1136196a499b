//! The admin listener: metrics and health, `GET` only, nothing that changes anything.

use crate::decision::{Denial, Reason};
use crate::metrics::{self, Metrics};
use crate::proxy::{Answer, AnswerHead, Handler, Incoming, Reply, send};
use crate::request::Method;
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Answers on the admin listener.
pub struct Admin {
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What `/-/ready` answers by.
    pub ready: Arc<AtomicBool>,
    /// Makes request ids.
    pub ids: Box<dyn Fn() -> String + Send + Sync>,
}

/// The time to write an answer.
const WRITE: Duration = Duration::from_secs(10);

#[async_trait]
impl Handler for Admin {
    async fn handle(&self, incoming: Incoming<'_>) {
        let request_id = (self.ids)();
        let reply = Reply { request_id: &request_id, json: false, shutdown: incoming.shutdown };
        let answer = match incoming.head {
            Err(refused) => Err(refused.0),
            Ok(head) => self.answer(head.method, &head.target),
        };
        let answer = answer.unwrap_or_else(|denial| Answer::denied(&denial, reply));
        send(incoming.wire, &answer, reply, WRITE).await;
    }
}

impl Admin {
    fn answer(&self, method: Method, target: &[u8]) -> Result<Answer, Denial> {
        let path = target.split(|b| *b == b'?').next().unwrap_or_default();
        if !matches!(path, b"/metrics" | b"/-/healthy" | b"/-/ready") {
            return Err(Denial::new(Reason::TargetUnknown).hint("here are /metrics, /-/healthy and /-/ready"));
        }
        if method != Method::Get {
            return Err(Denial::new(Reason::MethodNotAllowed).allow("GET"));
        }
        Ok(match path {
            b"/metrics" => page(200, metrics::CONTENT_TYPE, self.metrics.render()),
            b"/-/ready" if !self.ready.load(Ordering::SeqCst) => page(503, PLAIN, "not ready\n".to_owned()),
            _ => page(200, PLAIN, "OK\n".to_owned()),
        })
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn page(status: u16, content_type: &str, body: String) -> Answer {
    let head = AnswerHead { status, fields: vec![("Content-Type", content_type.to_owned())] };
    Answer { head, body: body.into() }
}
