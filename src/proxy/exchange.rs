//! One request from its head to its record.

use super::body;
use super::decode::{Held, decode, no_room};
use super::listener::{Handler, Incoming};
use super::respond::{self, Answer, Reply};
use super::upstream::{Failure, Reading, Upstream};
use super::wire::{AnswerHead, Wire};
use crate::clock::{Clock, Tick};
use crate::decision::{Admission, Decision, Denial, Facts, Permit, Reason, Verdict, Work};
use crate::gate::{Gate, Gated};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::payload::Format;
use crate::policy::{Limits, World, is_private};
use crate::record::Record;
use crate::request::{Head, Length, Web};
use async_trait::async_trait;
use bytes::Bytes;
use pingora_http::ResponseHeader;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The proxy: judges requests by the current world and forwards what is permitted.
pub struct Proxy {
    /// The current world.
    pub live: Arc<Live>,
    /// What outlives a request.
    pub gate: Gate,
    /// The gateway.
    pub upstream: Arc<Upstream>,
    /// The limits.
    pub limits: Limits,
    /// Room for bodies, in KiB.
    pub body_room: Semaphore,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// How the proxy is seen from outside.
    pub web: Web,
    /// Makes request ids.
    pub ids: Box<dyn Fn() -> String + Send + Sync>,
}

/// What is known of a request when it is over.
#[derive(Default)]
struct Story {
    decision: Option<Decision>,
    denial: Option<Denial>,
    detail: String,
    status: u16,
    bytes_out: u64,
    upstream: Option<Duration>,
}

#[async_trait]
impl Handler for Proxy {
    async fn handle(&self, incoming: Incoming<'_>) {
        let Incoming { head, peer, announced, listener, started, wire, shutdown } = incoming;
        let world = self.live.load();
        let request_id = (self.ids)();
        let (head, story) = match head {
            Err(refused) => {
                let reply = Reply { request_id: &request_id, would_deny: None, json: false, shutdown };
                (None, self.refuse(wire, None, refused.0, None, reply).await)
            }
            Ok(raw) => {
                let from = world.policy.listener(listener).peer(peer, announced);
                if from.trusted.is_empty() && is_private(peer) && raw.field("x-forwarded-for").is_some() {
                    self.metrics.count_hidden_client(listener);
                }
                let head = Head::read(&raw, &from, listener.clone(), &self.web);
                let reply = Reply { request_id: &request_id, would_deny: None, json: head.accepts_json, shutdown };
                let story = self.answer(&world, &head, wire, reply).await;
                (Some(head), story)
            }
        };
        Record {
            request_id: &request_id,
            peer,
            listener,
            head: head.as_ref(),
            decision: story.decision.as_ref(),
            denial: story.denial.as_ref(),
            detail: &story.detail,
            status: story.status,
            bytes_in: wire.body_bytes(),
            bytes_out: story.bytes_out,
            duration: self.clock.tick().since(started),
            upstream: story.upstream,
            generation: world.generation,
        }
        .finish(&self.metrics);
    }
}

impl Proxy {
    async fn answer(&self, world: &World, head: &Head, wire: &mut Wire, reply: Reply<'_>) -> Story {
        let mut facts = Facts::at(self.clock.wall());
        let mut held = None;
        let decision = loop {
            match self.gate.run(world, head, &mut facts).await {
                Gated::Done(decision) => break decision,
                Gated::Inspect(admission) => {
                    let body = self.take_body(wire, head, &admission).await;
                    facts.body = Some(match &body {
                        Ok((body, _)) => admission.inspect(head, body),
                        Err(denial) => Err(denial.clone()),
                    });
                    held = body.ok();
                }
            }
        };
        let reply = Reply { would_deny: decision.would_deny.as_ref().map(|w| w.denial.reason), ..reply };
        let body = held.as_ref().map(|(body, _)| body.clone()).unwrap_or_default();
        match &decision.verdict {
            Verdict::Deny(denial) => {
                let denial = denial.clone();
                self.refuse(wire, Some(head), denial, Some(decision), reply).await
            }
            Verdict::Allow(permit) => {
                let started = self.clock.tick();
                let mut story = self.forward(permit, &body, head, wire, reply, started).await;
                story.decision = Some(decision);
                story
            }
        }
    }

    /// Waits for room, says `100 Continue` where it is waited for, reads the body and decodes it.
    async fn take_body(&self, wire: &mut Wire, head: &Head, admission: &Admission) -> Result<Held<'_>, Denial> {
        let declared = match head.length {
            Length::Exact(bytes) => bytes,
            Length::Absent | Length::Chunked => admission.max_bytes(),
        };
        let kib = u32::try_from(declared.div_ceil(1024)).unwrap_or(u32::MAX);
        let Ok(Ok(room)) = timeout(self.limits.body_wait, self.body_room.acquire_many(kib)).await else {
            return Err(no_room());
        };
        if head.expects_continue && !matches!(timeout(self.limits.write, wire.say_continue()).await, Ok(Ok(()))) {
            wire.close();
            return Err(Denial::new(Reason::BodyIncomplete).detail("the client is gone"));
        }
        let body = body::read(wire, admission.max_bytes(), &self.limits, &*self.clock).await?;
        decode((body, room), admission, head, &self.body_room, &self.limits).await
    }

    async fn refuse(
        &self,
        wire: &mut Wire,
        head: Option<&Head>,
        denial: Denial,
        decision: Option<Decision>,
        reply: Reply<'_>,
    ) -> Story {
        // A client that waits for 100 Continue sends no body now, and none is asked for.
        if head.is_some_and(|h| !h.expects_continue) {
            body::drain(wire, &self.limits, &*self.clock).await;
        }
        let answer = Answer::denied(&denial, reply);
        let mut story = self.send(wire, &answer, reply).await;
        story.denial = Some(denial);
        story.decision = decision;
        story
    }

    async fn send(&self, wire: &mut Wire, answer: &Answer, reply: Reply<'_>) -> Story {
        let mut story = Story { status: answer.head.status, ..Story::default() };
        if respond::send(wire, answer, reply, self.limits.write).await {
            story.bytes_out = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
        } else {
            story.detail = "the answer could not be written".to_owned();
        }
        story
    }

    async fn forward(
        &self,
        permit: &Permit,
        body: &Bytes,
        head: &Head,
        wire: &mut Wire,
        reply: Reply<'_>,
        started: Tick,
    ) -> Story {
        let result = match permit.work() {
            Work::Read(page) => match self.upstream.read(page, head, reply.request_id).await {
                Ok(reading) => return self.stream(reading, head, wire, reply, started).await,
                Err(failure) => Err(failure),
            },
            _ => {
                let format = Format::of(head.content_type.as_deref()).unwrap_or(Format::Text);
                self.upstream.write(permit, format, body, head, reply.request_id).await
            }
        };
        let upstream = self.clock.tick().since(started);
        let mut story = match result {
            Ok(answer) => {
                let mut story = self.send(wire, &answer, reply).await;
                if answer.head.status == 400 {
                    story.detail = String::from_utf8_lossy(&answer.body).trim_end().chars().take(512).collect();
                }
                story
            }
            Err(failure) => self.refuse(wire, Some(head), failure.denial(), None, reply).await,
        };
        story.upstream = Some(upstream);
        story
    }

    /// Passes a page on part by part: a scrape can be larger than the memory that one request should take.
    async fn stream(
        &self,
        mut reading: Reading,
        head: &Head,
        wire: &mut Wire,
        reply: Reply<'_>,
        started: Tick,
    ) -> Story {
        let status = reading.header.status.as_u16();
        if status != 200 {
            let reason = if status == 404 { Reason::TargetUnknown } else { Reason::UpstreamFailed };
            let denial = Denial::new(reason).detail(format!("the gateway answered {status}"));
            let mut story = self.refuse(wire, Some(head), denial, None, reply).await;
            story.upstream = Some(self.clock.tick().since(started));
            return story;
        }
        let mut story = Story { status, ..Story::default() };
        let passed = timeout(self.limits.upstream, self.pass(&mut reading, wire, reply, &mut story)).await;
        story.upstream = Some(self.clock.tick().since(started));
        if let Ok(Ok(())) = passed {
            self.upstream.finish(reading).await;
        } else {
            // The answer is broken off; the connection says so by ending.
            wire.close();
            story.detail = passed.map_or_else(|_| "the page took too long".to_owned(), |e| e.err().unwrap_or_default());
        }
        story
    }

    async fn pass(
        &self,
        reading: &mut Reading,
        wire: &mut Wire,
        reply: Reply<'_>,
        story: &mut Story,
    ) -> Result<(), String> {
        let client = |e: std::io::Error| format!("the client is gone: {e}");
        reply.close_at_shutdown(wire);
        let length = text(&reading.header, "content-length").and_then(|v| v.parse().ok());
        wire.begin(&page_head(&reading.header, reply), length).await.map_err(client)?;
        while let Some(part) = self.upstream.next_part(reading).await.map_err(|f: Failure| f.detail)? {
            wire.part(&part).await.map_err(client)?;
            story.bytes_out += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        wire.end().await.map_err(client)?;
        Ok(())
    }
}

/// What passes of the head of a page. Its redirects, CORS headers and reasons do not.
fn page_head(upstream: &ResponseHeader, reply: Reply<'_>) -> AnswerHead {
    let passed = ["Content-Type", "Content-Encoding", "Last-Modified", "Vary"];
    let mut fields: Vec<(&'static str, String)> =
        passed.into_iter().filter_map(|name| Some((name, text(upstream, name)?.to_owned()))).collect();
    fields.extend(reply.own_fields());
    fields.push(("X-Content-Type-Options", "nosniff".to_owned()));
    fields.push(("X-Frame-Options", "DENY".to_owned()));
    AnswerHead { status: upstream.status.as_u16(), fields }
}

fn text<'h>(header: &'h ResponseHeader, name: &str) -> Option<&'h str> {
    header.headers.get(name)?.to_str().ok()
}
