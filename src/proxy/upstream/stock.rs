//! What is asked of the gateway on nobody's behalf: its groups, one group's end, a page. Each over a connection of its
//! own, and once: what fails is asked again by whoever wants to know.

use super::{Failure, Upstream};
use crate::clock::Tick;
use crate::groups::{self, Detail, Group};
use crate::policy::Limit;
use bytes::Bytes;
use pingora_http::RequestHeader;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Parts of an answer on their way to the thread that reads them.
const PARTS: usize = 8;

/// A page of the gateway, as it came.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The body, cut at the cap that was asked for.
    pub body: Bytes,
    /// Whether there was more.
    pub cut: bool,
}

impl Upstream {
    /// Reads all groups: `begin` with the gateway's time since 1970, then `each`, on a thread that may wait.
    ///
    /// # Errors
    /// Why the reading is not whole; what `each` was given until then is no picture of the gateway.
    pub async fn groups(
        &self,
        detail: Detail,
        begin: impl FnOnce(Result<Duration, String>) -> Result<(), String>,
        mut each: impl FnMut(Group) + Send + 'static,
    ) -> Result<(), String> {
        let reading = async {
            let request = self.own("GET", "/api/v1/metrics")?;
            let mut answer = self.ask(&request).await.map_err(|f| f.detail)?;
            let status = answer.header.status.as_u16();
            if status != 200 {
                return Err(format!("/api/v1/metrics answered {status}{}", no_gateway(status)));
            }
            let most = self.list_bytes();
            answer.allow(most, Limit::PageBytes).map_err(|f| f.detail)?;
            begin(date(answer.header.headers.get("date")))?;
            let (parts, received) = mpsc::channel(PARTS);
            let reader = tokio::task::spawn_blocking(move || {
                let from = Parts { parts: received, part: Bytes::new() };
                groups::read(from, most, detail, &mut each).map_err(|e| e.to_string())
            });
            let mut sent = Ok(());
            while let Some(part) = self.next_part(&mut answer).await.transpose() {
                match part {
                    Ok(part) => match parts.send(Ok(part)).await {
                        Ok(()) => {}
                        // The reader has had enough and says why.
                        Err(_) => break,
                    },
                    Err(Failure { detail, .. }) => {
                        sent = Err(detail);
                        break;
                    }
                }
            }
            if let Err(detail) = &sent {
                let _ = parts.send(Err(detail.clone())).await;
            }
            drop(parts);
            let read = reader.await.map_err(|e| format!("the reading ended unexpectedly: {e}"))?;
            sent.and(read)
        };
        timeout(self.limits.upstream, reading).await.unwrap_or_else(|_| Err("the gateway took too long".to_owned()))
    }

    /// Deletes the group at `path`, in its turn among the writes to it, if `still` says so then; it is given the end of
    /// the last write through this process. Answers whether it was asked for.
    ///
    /// # Errors
    /// What the gateway answered instead of 202.
    pub async fn remove(
        self: &Arc<Self>,
        path: &str,
        still: impl FnOnce(Option<Tick>) -> bool,
    ) -> Result<bool, String> {
        let request = self.own("DELETE", path)?;
        let turn = timeout(self.limits.upstream, self.order.enter(path)).await.ok().and_then(Result::ok);
        let turn = turn.ok_or("too many writes wait for the gateway")?;
        if !still(self.writes.last(path)) {
            return Ok(false);
        }
        // In a task of its own, so that the turn ends with the exchange, whoever waits.
        let upstream = Arc::clone(self);
        let exchange = tokio::spawn(async move {
            let answer = timeout(upstream.limits.upstream, upstream.answer(&request, 4096)).await;
            drop(turn);
            answer.unwrap_or_else(|_| Err("the gateway did not answer in time".to_owned()))
        });
        let page = exchange.await.map_err(|e| format!("the exchange ended unexpectedly: {e}"))??;
        // What is known of the gateway's groups is no longer all true.
        self.doubt();
        match page.status {
            202 | 200 => Ok(true),
            status => Err(format!("the gateway answered {status}: {}", String::from_utf8_lossy(&page.body).trim())),
        }
    }

    /// Asks for a page, of which at most `most` bytes are kept.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn page(&self, path: &str, most: usize) -> Result<Page, String> {
        let request = self.own("GET", path)?;
        let answer = timeout(self.limits.upstream, self.answer(&request, most)).await;
        answer.unwrap_or_else(|_| Err("the gateway did not answer in time".to_owned()))
    }

    async fn answer(&self, request: &RequestHeader, most: usize) -> Result<Page, String> {
        let mut answer = self.ask(request).await.map_err(|f| f.detail)?;
        answer.allow(u64::MAX, Limit::PageBytes).map_err(|f| f.detail)?;
        let status = answer.header.status.as_u16();
        let mut body = Vec::new();
        while let Some(part) = self.next_part(&mut answer).await.map_err(|f| f.detail)? {
            body.extend_from_slice(&part);
            if body.len() > most {
                body.truncate(most);
                return Ok(Page { status, body: body.into(), cut: true });
            }
        }
        Ok(Page { status, body: body.into(), cut: false })
    }

    /// A request of our own.
    fn own(&self, method: &str, path: &str) -> Result<RequestHeader, String> {
        let target = format!("{}{path}", self.url.prefix());
        let build = || {
            let mut request = RequestHeader::build(method, target.as_bytes(), Some(4))?;
            request.insert_header("Host", self.url.authority())?;
            request.insert_header("User-Agent", concat!("pushguard/", env!("CARGO_PKG_VERSION")))?;
            if method != "GET" {
                request.insert_header("Content-Length", "0")?;
            }
            Ok(request)
        };
        build().map_err(|e: pingora_core::BError| format!("the request could not be built: {}", e.etype().as_str()))
    }
}

/// What it may be that gives such an answer where a gateway lists its groups.
const fn no_gateway(status: u16) -> &'static str {
    match status {
        401 | 403 => ": something in front of the gateway asks for a login; name the gateway itself, not pushguard",
        404 => ": no Pushgateway, or one that has another --web.route-prefix",
        _ => "",
    }
}

/// The gateway's clock.
fn date(value: Option<&http::HeaderValue>) -> Result<Duration, String> {
    let value = value.and_then(|value| value.to_str().ok()).ok_or("the gateway's answer has no Date")?;
    let at = httpdate::parse_http_date(value).map_err(|_| format!("the gateway's Date is no date: {value:?}"))?;
    at.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| format!("the gateway's Date is before 1970: {value:?}"))
}

/// The parts as the reader's source.
struct Parts {
    parts: mpsc::Receiver<Result<Bytes, String>>,
    part: Bytes,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.part.is_empty() {
            match self.parts.blocking_recv() {
                None => return Ok(0),
                Some(Ok(part)) => self.part = part,
                Some(Err(error)) => return Err(std::io::Error::other(error)),
            }
        }
        let part = self.part.split_to(buffer.len().min(self.part.len()));
        buffer.iter_mut().zip(&part).for_each(|(to, from)| *to = *from);
        Ok(part.len())
    }
}
