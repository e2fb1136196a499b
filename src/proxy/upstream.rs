//! The gateway: requests built from scratch out of a permit, over a pool of connections.

mod exchange;
mod order;
mod pool;
mod secured;
mod status;
mod stock;
mod url;
mod watch;
mod writes;

pub use status::{TESTED, Tested};
pub use stock::Page;
pub use url::{UpstreamUrl, UpstreamUrlError};

use super::respond::Answer;
use super::room::{Holder, Room};
use super::time::Time;
use super::wire::AnswerHead;
use crate::clock::{Clock, Tick};
use crate::decision::{Denial, Permit, Reason, Work};
use crate::inventory::{Settled, Ticket};
use crate::payload::Format;
use crate::policy::{Limit, Limits};
use crate::request::{Head, Read};
use bytes::{Bytes, BytesMut};
pub(super) use exchange::Reading;
use order::Order;
use pingora_core::BError;
use pingora_http::{RequestHeader, ResponseHeader};
use pool::{Pool, Transport, Trust};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;
use writes::Writes;

/// The gateway behind the proxy.
pub struct Upstream {
    url: UpstreamUrl,
    pool: Pool,
    order: Order,
    scrapes: Arc<Room>,
    reads: Arc<Room>,
    writes: Arc<Writes>,
    limits: Limits,
    resolved: parking_lot::Mutex<Option<(Arc<[SocketAddr]>, Tick)>>,
    /// Which version it last said that it is; empty until then.
    version: parking_lot::Mutex<String>,
    /// A new connection to the gateway was used.
    connected: Notify,
    clock: Arc<dyn Clock>,
    /// What is known of the gateway may not be so any longer.
    doubt: Notify,
}

/// Why the gateway gave no answer that can be passed on.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) detail: String,
    /// The limit that was met.
    pub(super) limit: Option<Limit>,
}

impl Failure {
    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), limit: None }
    }

    fn limited(reason: Reason, limit: Limit, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), limit: Some(limit) }
    }

    /// The gateway took longer than it may.
    pub(super) fn slow(limit: Limit) -> Self {
        Self::limited(Reason::UpstreamTimeout, limit, "the gateway did not answer in time")
    }

    pub(super) fn denial(self) -> Denial {
        const CONFLICT: &str = "another group holds a metric of one of these names with another type, or the same \
                                series; rename it, or give it the same TYPE";
        // What passes here is UTF-8, so what is not came around the proxy.
        const BROKEN: &str = "the gateway holds a group that is broken, and takes no push while it does; nothing is wrong \
                              with this one: whoever runs the gateway finds that group with pushguard doctor";
        let denial = Denial { limit: self.limit, ..Denial::new(self.reason).detail(self.detail) };
        match self.reason {
            Reason::UpstreamUnavailable | Reason::Overloaded => denial.retry_after(Duration::from_secs(1)),
            Reason::GroupConflict => {
                let broken = denial.detail.contains("not utf8");
                denial.hint(if broken { BROKEN } else { CONFLICT })
            }
            _ => denial,
        }
    }
}

impl Upstream {
    /// A gateway at `url`; nothing is connected yet. `tls` is asked where it is spoken to with TLS.
    ///
    /// # Errors
    /// Those of `tls`.
    pub fn new<E>(
        url: UpstreamUrl,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, E>,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, E> {
        let transport = match url.tls_name() {
            Some(name) => Transport::Tls { trust: Trust::new(tls()?), name: name.clone() },
            None => Transport::Plain,
        };
        let order = Order::new(limits.upstream_writes, limits.upstream_queue, limits.group_queue);
        let resolved = parking_lot::Mutex::new(None);
        let [scrapes, reads] = [limits.upstream_scrapes, limits.upstream_reads].map(room);
        let (pool, connected, doubt, writes) = (Pool::new(transport), Notify::new(), Notify::new(), Arc::default());
        let version = parking_lot::Mutex::default();
        Ok(Self { url, pool, order, scrapes, reads, writes, limits, resolved, version, connected, clock, doubt })
    }

    /// The version that the gateway last told; empty where it did not.
    pub fn version(&self) -> String {
        self.version.lock().clone()
    }

    /// Verifies the gateway's certificate by `config` from the next connection on.
    pub fn trust(&self, config: Arc<ClientConfig>) {
        self.pool.trust(config);
    }

    /// Whether a write is on its way, waited for or not.
    pub fn is_writing(&self) -> bool {
        self.order.is_busy()
    }

    /// Sends a write and reads the gateway's whole answer. Writes to one group keep their order.
    ///
    /// Once begun, the exchange goes on even where nobody waits for it any longer: a push that is cut on its way is
    /// stored in part by some gateways, and the next write to the group must not overtake it.
    pub(super) async fn write(
        self: &Arc<Self>,
        (permit, ticket): (&Permit, Option<Ticket>),
        format: Format,
        body: &Bytes,
        head: &Head,
        request_id: &str,
        time: Time<'_>,
    ) -> Result<Answer, Failure> {
        let (method, key, body) = match permit.work() {
            Work::Push(key) => ("POST", key, body.clone()),
            Work::Replace(key) => ("PUT", key, body.clone()),
            Work::Empty(key) => ("PUT", key, Bytes::new()),
            Work::Delete(key) => ("DELETE", key, Bytes::new()),
            Work::Read(_) => return Err(Failure::new(Reason::UpstreamFailed, "a read is not a write")),
        };
        let path = key.upstream_path();
        let mut request = self.request(method, &path, head, request_id).map_err(|e| internal(&e))?;
        request.insert_header("Content-Length", body.len().to_string()).map_err(|e| internal(&e))?;
        if method != "DELETE" {
            request.insert_header("Content-Type", format.content_type()).map_err(|e| internal(&e))?;
        }
        let (wait, limit) = time.part(self.limits.upstream, Limit::WriteQueue);
        let turn = timeout(wait, self.order.enter(&path)).await.unwrap_or(Err(limit));
        let turn = turn.map_err(|l| Failure::limited(Reason::Overloaded, l, "too many writes wait for the gateway"))?;
        let upstream = Arc::clone(self);
        let exchange = tokio::spawn(async move {
            let mut ticket = ticket;
            ticket.iter_mut().for_each(Ticket::sent);
            // Also where it fails or is cut: the gateway may have taken it.
            let written = upstream.writes.begun(&path, upstream.clock.clone());
            let answer = timeout(upstream.limits.upstream * 2, upstream.perform(&request, &body)).await;
            let answer = answer.unwrap_or_else(|_| Err(Failure::slow(Limit::ExchangeTime)));
            // Before the next write to the group begins, so that both come in the same order.
            upstream.settle(ticket, &answer);
            drop(written);
            drop(turn);
            answer
        });
        let (most, limit) = time.part(self.limits.upstream, Limit::ExchangeTime);
        match timeout(most, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Failure::new(Reason::UpstreamFailed, "the exchange ended unexpectedly")),
            Err(_) => Err(Failure::slow(limit)),
        }
    }

    fn settle(&self, ticket: Option<Ticket>, answer: &Result<Answer, Failure>) {
        let settled = match answer {
            Ok(answer) if answer.head.status == 400 => Settled::Refused,
            Ok(_) => Settled::Applied,
            Err(failure) => match failure.reason {
                Reason::GroupConflict => Settled::Refused,
                Reason::UpstreamUnavailable => Settled::Unsent,
                _ => Settled::Unknown,
            },
        };
        if settled != Settled::Applied {
            self.doubt();
        }
        ticket.into_iter().for_each(|ticket| ticket.settle(settled));
    }

    /// Says that what is known of the gateway may not be so any longer.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Waits until somebody doubts.
    pub(super) async fn doubted(&self) {
        self.doubt.notified().await;
    }

    async fn perform(&self, request: &RequestHeader, body: &Bytes) -> Result<Answer, Failure> {
        let mut reading = self.exchange(request, body).await?;
        reading.allow(self.limits.answer_bytes, Limit::AnswerBytes)?;
        let mut body = BytesMut::new();
        while let Some(part) = self.next_part(&mut reading).await? {
            body.extend_from_slice(&part);
        }
        let answer = written(&reading.header, body.freeze());
        self.finish(reading).await;
        answer
    }

    /// Asks for a page, and reads the head of the answer. What the page has is read by [`Upstream::begin`] and
    /// [`Upstream::next_part`]. Scrapes have places of their own, so that neither pushes nor other reads keep them
    /// waiting; and a source takes two places only where many are left.
    pub(super) async fn read(
        &self,
        page: &Read,
        head: &Head,
        request_id: &str,
        time: Time<'_>,
    ) -> Result<Reading, Failure> {
        let (lane, limit) =
            if *page == Read::Metrics { (&self.scrapes, Limit::Scrapes) } else { (&self.reads, Limit::Reads) };
        let source = Holder::source(*head.source.as_ref().unwrap_or(&head.peer));
        let (wait, _) = time.part(self.limits.room_wait, limit);
        let crowded = |_| Failure::limited(Reason::Overloaded, limit, "too many reads are at the gateway");
        let place = timeout(wait, lane.take(vec![(source, 3)], 1)).await.map_err(crowded)?;
        let mut request = self.request("GET", page.upstream_path(), head, request_id).map_err(|e| internal(&e))?;
        for (name, value) in head.passed.iter().filter(|(name, _)| name.starts_with("accept")) {
            request.insert_header(*name, value.as_slice()).map_err(|e| internal(&e))?;
        }
        let (most, limit) = time.part(self.limits.upstream, Limit::ExchangeTime);
        let exchange = timeout(most, self.exchange(&request, &Bytes::new())).await;
        let mut reading = exchange.unwrap_or_else(|_| Err(Failure::slow(limit)))?;
        reading.place = Some(place);
        Ok(reading)
    }

    /// The first part of a page, where the answer is one.
    pub(super) async fn begin(&self, reading: &mut Reading, page: &Read) -> Result<Option<Bytes>, Failure> {
        let status = reading.header.status.as_u16();
        if status != 200 {
            let reason = if status == 404 { Reason::TargetUnknown } else { Reason::UpstreamFailed };
            return Err(Failure::new(reason, format!("the gateway answered {status}")));
        }
        let most = if *page == Read::ApiMetrics { self.list_bytes() } else { self.limits.page_bytes };
        reading.allow(most, Limit::PageBytes)?;
        self.next_part(reading).await
    }

    /// The most bytes of the list of groups.
    fn list_bytes(&self) -> u64 {
        // Twelve times what all that is pushed may take of the page: JSON spells some characters in six bytes, and has the
        // labels of a group three times.
        self.limits.page_bytes.saturating_mul(3)
    }

    /// The next part of an answer's body, never empty, none at its end.
    pub(super) async fn next_part(&self, reading: &mut Reading) -> Result<Option<Bytes>, Failure> {
        loop {
            // pingora hands out an empty part where a chunk's line end comes by itself; written on, it would end the
            // answer.
            match reading.next_part().await? {
                Some(part) if part.is_empty() => {}
                part => return Ok(part),
            }
        }
    }

    /// Gives the connection back to the pool.
    pub(super) async fn finish(&self, reading: Reading) {
        if let Some(link) = reading.into_link().await {
            self.pool.put(link, self.clock.tick());
        }
    }

    /// A request head with nothing of the client's in it but what is passed on with every request.
    fn request(&self, method: &str, path: &str, head: &Head, request_id: &str) -> Result<RequestHeader, BError> {
        let mut request = self.bare(method, path)?;
        for (name, value) in head.passed.iter().filter(|(name, _)| !name.starts_with("accept")) {
            request.insert_header(*name, value.as_slice())?;
        }
        request.insert_header("X-Request-Id", request_id)?;
        Ok(request)
    }

    fn bare(&self, method: &str, path: &str) -> Result<RequestHeader, BError> {
        let target = format!("{}{path}", self.url.prefix());
        let mut request = RequestHeader::build(method, target.as_bytes(), Some(8))?;
        request.insert_header("Host", self.url.authority())?;
        Ok(request)
    }
}

/// What an answer to a write means. Only what the gateway says to pushers passes.
fn written(header: &ResponseHeader, body: Bytes) -> Result<Answer, Failure> {
    let status = header.status.as_u16();
    let text = || String::from_utf8_lossy(&body).chars().take(512).collect::<String>();
    match status {
        200 | 202 | 400 => {
            if status == 400 && String::from_utf8_lossy(&body).contains("inconsistent with existing metrics") {
                return Err(Failure::new(Reason::GroupConflict, text()));
            }
            let content_type = header.headers.get("content-type").and_then(|v| v.to_str().ok());
            let fields = content_type.map(|v| ("Content-Type", v.to_owned())).into_iter().collect();
            Ok(Answer { head: AnswerHead { status, fields }, body })
        }
        _ => Err(Failure::new(Reason::UpstreamFailed, format!("the gateway answered {status}: {}", text()))),
    }
}

/// Places for so many.
fn room(places: usize) -> Arc<Room> {
    Room::new(u64::try_from(places).unwrap_or(u64::MAX))
}

fn internal(error: &BError) -> Failure {
    Failure::new(Reason::UpstreamFailed, format!("the request could not be built: {}", error.etype().as_str()))
}
