//! One request from its head to its record.

use super::body;
use super::decode::{Held, decode, no_room};
use super::listener::{Handler, Incoming};
use super::respond::{self, Answer, Reply, Unsent};
use super::room::{Holder, Room};
use super::time::Time;
use super::upstream::{Failure, Reading, Upstream};
use super::wire::{AnswerHead, Wire};
use crate::clock::Clock;
use crate::decision::{Admission, Decision, Denial, Facts, Permit, Reason, Verdict, Work};
use crate::gate::{Gate, Gated};
use crate::inventory::{Inventory, Ticket, Used};
use crate::keys::Keys;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::payload::Format;
use crate::policy::{Limit, Limits, World, is_private};
use crate::recent::Recent;
use crate::record::Record;
use crate::request::{Head, Length, Read, Web};
use async_trait::async_trait;
use bytes::Bytes;
use pingora_http::ResponseHeader;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The proxy: judges requests by the current world and forwards what is permitted.
pub struct Proxy {
    /// The current world.
    pub live: Arc<Live>,
    /// What outlives a request.
    pub gate: Gate,
    /// The signing keys.
    pub keys: Arc<Keys>,
    /// The gateway.
    pub upstream: Arc<Upstream>,
    /// What it holds.
    pub inventory: Arc<Inventory>,
    /// The limits.
    pub limits: Limits,
    /// Room for bodies, in bytes.
    pub body_room: Arc<Room>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// What was decided last.
    pub recent: Arc<Recent>,
    /// How the proxy is seen from outside.
    pub web: Web,
    /// Makes request ids.
    pub ids: Box<dyn Fn() -> String + Send + Sync>,
}

/// What any body counts for while it is read: so those of one principal cannot take all connections.
const LEAST_ROOM: u64 = 32 * 1024;

/// What is known of a request when it is over.
#[derive(Default)]
struct Story {
    decision: Option<Decision>,
    nearly_spent: bool,
    denial: Option<Denial>,
    detail: String,
    limit: Option<Limit>,
    status: u16,
    bytes_out: u64,
    upstream: Option<Duration>,
}

#[async_trait]
impl Handler for Proxy {
    async fn handle(&self, incoming: Incoming<'_>) {
        let Incoming { head, peer, announced, listener, started, wire, shutdown } = incoming;
        let mut world = self.live.load();
        let request_id = (self.ids)();
        let time = Time::new(&*self.clock, started, &self.limits);
        let certificate = wire.certificate().cloned();
        let (head, story) = match head {
            Err(refused) => {
                let reply = Reply { request_id: &request_id, would_deny: None, json: false, shutdown };
                let client = &mut Client { wire: &mut *wire, reply, time };
                (None, self.refuse(client, None, refused.0).await)
            }
            Ok(raw) => {
                let from = world.policy.listener(listener).peer(peer, announced);
                if from.trusted.is_empty() && is_private(peer) && raw.field("x-forwarded-for").is_some() {
                    self.metrics.count_hidden_client(listener);
                }
                let read = |world: &World| {
                    let from = world.policy.listener(listener).peer(peer, announced);
                    Head::read(&raw, &from, listener.clone(), &self.web).over(certificate.as_ref())
                };
                let mut head = read(&world);
                let reply = Reply { request_id: &request_id, would_deny: None, json: head.accepts_json, shutdown };
                let client = &mut Client { wire: &mut *wire, reply, time };
                let mut story = self.answer(&world, &head, client, false).await;
                if let Err(issuer) = story {
                    // The request starts over by what is known now, all of it.
                    self.keys.wanted(&issuer).await;
                    world = self.live.load();
                    head = read(&world);
                    story = self.answer(&world, &head, client, true).await;
                }
                (Some(head), story.unwrap_or_default())
            }
        };
        Record {
            at: self.clock.wall(),
            request_id: &request_id,
            peer,
            listener,
            head: head.as_ref(),
            decision: story.decision.as_ref(),
            nearly_spent: story.nearly_spent,
            denial: story.denial.as_ref(),
            detail: &story.detail,
            limit: story.limit,
            status: story.status,
            bytes_in: wire.body_bytes(),
            bytes_out: story.bytes_out,
            duration: time.spent(),
            upstream: story.upstream,
            generation: world.generation,
        }
        .finish(&self.metrics, &self.recent);
    }
}

/// The client's side of a request.
struct Client<'a> {
    wire: &'a mut Wire,
    reply: Reply<'a>,
    time: Time<'a>,
}

impl Proxy {
    /// Answers a request. Nothing is said yet where a key of an issuer is wanted, and that issuer not `asked` before.
    async fn answer(
        &self,
        world: &World,
        head: &Head,
        client: &mut Client<'_>,
        asked: bool,
    ) -> Result<Story, Arc<str>> {
        let mut facts = Facts { keys_asked: asked, ..Facts::at(self.clock.wall()) };
        let (mut held, mut ticket) = (None, None);
        let decision = loop {
            match self.gate.run(world, head, &mut facts).await {
                Gated::Done(decision) => break decision,
                Gated::Keys(issuer) => return Err(issuer),
                Gated::Inspect(admission) => {
                    let body = self.take_body(client, head, &admission).await;
                    let found = body.as_ref().map_err(Denial::clone).and_then(|(b, _)| admission.inspect(head, b));
                    facts.body = Some(found);
                    held = body.ok();
                }
                Gated::Reserve(reservation) => {
                    let reserved = self.inventory.reserve(&reservation);
                    if reserved.is_err() {
                        // It may be groups that are gone meanwhile that are in the way.
                        self.upstream.doubt();
                    }
                    facts.reserved = Some(reserved.map(|reserved| ticket = Some(reserved)));
                }
            }
        };
        client.reply.would_deny = decision.would_deny.as_ref().map(|w| w.denial.reason);
        let body = held.as_ref().map(|(body, _)| body.clone()).unwrap_or_default();
        let story = match &decision.verdict {
            Verdict::Deny(denial) => self.refuse(client, Some(head), denial.clone()).await,
            Verdict::Allow(permit) => self.forward((permit, ticket), &body, head, client).await,
        };
        if facts.reserved.is_some() {
            self.show_room();
        }
        Ok(Story { decision: Some(decision), nearly_spent: facts.nearly_spent, ..story })
    }

    /// Shows how full the gateway is.
    pub(super) fn show_room(&self) {
        let Used { groups, metrics, page } = self.inventory.used();
        let shares = [("upstream.max-groups", groups), ("upstream.max-metrics", metrics), ("upstream.max-page", page)];
        shares.into_iter().for_each(|(limit, share)| self.metrics.set_gateway_used(limit, share));
    }

    /// Waits for room, says `100 Continue` where it is waited for, reads the body and decodes it. The room is its own as
    /// long as what is answered lives.
    async fn take_body(&self, client: &mut Client<'_>, head: &Head, admission: &Admission) -> Result<Held, Denial> {
        let declared = match head.length {
            Length::Exact(bytes) => bytes,
            Length::Absent | Length::Chunked => admission.max_bytes(),
        };
        let source = Holder::source(*head.source.as_ref().unwrap_or(&head.peer));
        // What one source of a principal takes leaves some of the principal's share for its others.
        let principal = Holder::Principal(admission.principal().cloned().unwrap_or_default());
        let shares = vec![(principal, 1), (source, 2)];
        let (wait, _) = client.time.part(self.limits.room_wait, Limit::BodyMemory);
        let Ok(mut room) = timeout(wait, self.body_room.take(shares, declared.max(LEAST_ROOM))).await else {
            return Err(no_room());
        };
        if head.expects_continue {
            let (most, limit) = client.time.part(self.limits.write, Limit::WriteTime);
            let said = timeout(most, client.wire.say_continue()).await;
            if !matches!(said, Ok(Ok(()))) {
                client.wire.close();
                let denial = Denial::new(Reason::BodyIncomplete).detail("the client is gone");
                return Err(if said.is_err() { denial.limit(limit) } else { denial });
            }
        }
        let (most, limit) = client.time.part(self.limits.body, Limit::BodyTime);
        let limits = Limits { body: most, ..self.limits };
        let body = body::read(client.wire, admission.max_bytes(), &limits, &*self.clock).await;
        let body = body.map_err(|denial| match denial.limit {
            Some(Limit::BodyTime) => denial.limit(limit),
            _ => denial,
        })?;
        room.shrink(u64::try_from(body.len()).unwrap_or(u64::MAX));
        decode((body, room), admission, head, &self.limits).await
    }

    async fn refuse(&self, client: &mut Client<'_>, head: Option<&Head>, denial: Denial) -> Story {
        // A client that waits for 100 Continue sends no body now, and none is asked for.
        if head.is_some_and(|h| !h.expects_continue) {
            body::drain(client.wire, &self.limits, &*self.clock).await;
        }
        let answer = Answer::denied(&denial, client.reply);
        let mut story = self.send(client, &answer).await;
        story.denial = Some(denial);
        story
    }

    async fn send(&self, client: &mut Client<'_>, answer: &Answer) -> Story {
        let mut story = Story { status: answer.head.status, ..Story::default() };
        match respond::send(client.wire, answer, client.reply, self.limits.write).await {
            Ok(()) => story.bytes_out = u64::try_from(answer.body.len()).unwrap_or(u64::MAX),
            Err(unsent) => {
                story.detail = "the answer could not be written".to_owned();
                story.limit = (unsent == Unsent::TimedOut).then_some(Limit::WriteTime);
            }
        }
        story
    }

    async fn forward(
        &self,
        (permit, ticket): (&Permit, Option<Ticket>),
        body: &Bytes,
        head: &Head,
        client: &mut Client<'_>,
    ) -> Story {
        let started = self.clock.tick();
        let (request_id, time) = (client.reply.request_id, client.time);
        let result = match permit.work() {
            Work::Read(page) => match self.upstream.read(page, head, request_id, time).await {
                Ok(reading) => {
                    let mut story = self.pass(reading, page, client).await;
                    story.upstream = Some(self.clock.tick().since(started));
                    return story;
                }
                Err(failure) => Err(failure),
            },
            _ => {
                let format = Format::of(head.content_type.as_deref()).unwrap_or(Format::Text);
                self.upstream.write((permit, ticket), format, body, head, request_id, time).await
            }
        };
        let upstream = self.clock.tick().since(started);
        let mut story = match result {
            Ok(answer) => {
                let mut story = self.send(client, &answer).await;
                if answer.head.status == 400 {
                    story.detail = String::from_utf8_lossy(&answer.body).trim_end().chars().take(512).collect();
                }
                story
            }
            Err(failure) => self.refuse(client, Some(head), failure.denial()).await,
        };
        story.upstream = Some(upstream);
        story
    }

    /// Passes a page on part by part: a scrape can be larger than the memory that one request should take. A failure
    /// before its first part is answered; a later one breaks the answer off, and the connection says so by ending.
    async fn pass(&self, mut reading: Reading, page: &Read, client: &mut Client<'_>) -> Story {
        let (most, limit) = client.time.part(self.limits.upstream, Limit::ExchangeTime);
        let clock = &*self.clock;
        let began = clock.tick();
        let first =
            timeout(most, self.upstream.begin(&mut reading, page)).await.unwrap_or_else(|_| Err(Failure::slow(limit)));
        let first = match first {
            Ok(first) => first,
            Err(failure) => return self.refuse(client, None, failure.denial()).await,
        };
        let mut story = Story { status: 200, ..Story::default() };
        let left = most.saturating_sub(clock.tick().since(began));
        let passed = timeout(left, self.pass_parts(&mut reading, first, client, &mut story)).await;
        match passed.unwrap_or_else(|_| Err(Broken { detail: "the page took too long".to_owned(), limit: Some(limit) }))
        {
            Ok(()) => self.upstream.finish(reading).await,
            Err(broken) => {
                client.wire.close();
                (story.detail, story.limit) = (broken.detail, broken.limit);
            }
        }
        story
    }

    async fn pass_parts(
        &self,
        reading: &mut Reading,
        first: Option<Bytes>,
        client: &mut Client<'_>,
        story: &mut Story,
    ) -> Result<(), Broken> {
        let gone = |e: std::io::Error| Broken { detail: format!("the client is gone: {e}"), limit: None };
        let Client { wire, reply, .. } = client;
        reply.close_at_shutdown(wire);
        wire.begin(&page_head(&reading.header, *reply), reading.length()).await.map_err(gone)?;
        let mut next = first;
        while let Some(part) = next {
            wire.part(&part).await.map_err(gone)?;
            story.bytes_out += u64::try_from(part.len()).unwrap_or(u64::MAX);
            next = self.upstream.next_part(reading).await?;
        }
        wire.end().await.map_err(gone)
    }
}

/// Why a page was broken off.
struct Broken {
    detail: String,
    limit: Option<Limit>,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { detail: failure.detail, limit: failure.limit }
    }
}

/// What passes of the head of a page. Its redirects, CORS headers and reasons do not.
fn page_head(upstream: &ResponseHeader, reply: Reply<'_>) -> AnswerHead {
    let passed = ["Content-Type", "Content-Encoding", "Last-Modified", "Vary"];
    let text = |name: &str| upstream.headers.get(name)?.to_str().ok();
    let mut fields: Vec<(&'static str, String)> =
        passed.into_iter().filter_map(|name| Some((name, text(name)?.to_owned()))).collect();
    fields.extend(reply.own_fields());
    fields.push(("X-Content-Type-Options", "nosniff".to_owned()));
    fields.push(("X-Frame-Options", "DENY".to_owned()));
    AnswerHead { status: upstream.status.as_u16(), fields }
}
