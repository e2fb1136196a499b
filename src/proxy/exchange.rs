//! One request from its head to its record.

use super::body;
use super::listener::{Handler, Incoming};
use super::respond::{self, Answer, Reply};
use super::upstream::{Failure, Reading, Upstream};
use crate::clock::{Clock, Tick};
use crate::decision::{Admission, Decision, Denial, Facts, Permit, Reason, Verdict, Work};
use crate::gate::{Gate, Gated};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::payload::Format;
use crate::policy::{Limits, World};
use crate::record::Record;
use crate::request::{Head, Length, Version};
use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::protocols::http::v1::server::HttpSession;
use pingora_http::ResponseHeader;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
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
        let Incoming { head, peer, listener, started, session, shutdown } = incoming;
        let world = self.live.load();
        let request_id = (self.ids)();
        let (head, story) = match head {
            Err(refused) => {
                let reply = Reply { request_id: &request_id, json: false, shutdown };
                (None, self.refuse(session, None, refused.0, None, reply).await)
            }
            Ok(raw) => {
                let head = Head::read(&raw, peer, listener.clone(), world.policy.trusted_proxies(listener));
                let reply = Reply { request_id: &request_id, json: head.accepts_json, shutdown };
                let story = self.answer(&world, &head, session, reply).await;
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
            bytes_in: u64::try_from(session.body_bytes_read()).unwrap_or(u64::MAX),
            bytes_out: story.bytes_out,
            duration: self.clock.tick().since(started),
            upstream: story.upstream,
            generation: world.generation,
        }
        .finish(&self.metrics);
    }
}

impl Proxy {
    async fn answer(&self, world: &World, head: &Head, session: &mut HttpSession, reply: Reply<'_>) -> Story {
        let mut facts = Facts::default();
        let mut held = None;
        let decision = loop {
            match self.gate.run(world, head, &mut facts).await {
                Gated::Done(decision) => break decision,
                Gated::Inspect(admission) => {
                    let (body, room) = self.take_body(session, head, &admission).await;
                    facts.body = Some(body.as_ref().map_err(Denial::clone).and_then(|b| admission.inspect(head, b)));
                    held = body.ok().zip(room);
                }
            }
        };
        let body = held.as_ref().map(|(body, _)| body.clone()).unwrap_or_default();
        match &decision.verdict {
            Verdict::Deny(denial) => {
                let denial = denial.clone();
                self.refuse(session, Some(head), denial, Some(decision), reply).await
            }
            Verdict::Allow(permit) => {
                let started = self.clock.tick();
                let mut story = self.forward(permit, &body, head, session, reply, started).await;
                story.decision = Some(decision);
                story
            }
        }
    }

    /// Waits for room, says `100 Continue` where it is waited for, and reads the body.
    async fn take_body(
        &self,
        session: &mut HttpSession,
        head: &Head,
        admission: &Admission,
    ) -> (Result<Bytes, Denial>, Option<SemaphorePermit<'_>>) {
        let declared = match head.length {
            Length::Exact(bytes) => bytes,
            Length::Absent | Length::Chunked => admission.max_bytes(),
        };
        let kib = u32::try_from(declared.div_ceil(1024)).unwrap_or(u32::MAX);
        let Ok(Ok(room)) = timeout(self.limits.body_wait, self.body_room.acquire_many(kib)).await else {
            let denial = Denial::new(Reason::Overloaded).detail("no room for another body");
            return (Err(denial.retry_after(Duration::from_secs(1))), None);
        };
        if head.expects_continue {
            // pingora gives the connection up here, since the body is unread; it is read next.
            let keepalive = session.get_keepalive_timeout();
            let kept = session.will_keepalive();
            if !matches!(timeout(self.limits.write, session.write_continue_response()).await, Ok(Ok(()))) {
                session.set_server_keepalive(None);
                return (Err(Denial::new(Reason::BodyIncomplete).detail("the client is gone")), None);
            }
            if kept {
                session.set_server_keepalive(Some(keepalive.unwrap_or(0)));
            }
        }
        (body::read(session, admission.max_bytes(), &self.limits, &*self.clock).await, Some(room))
    }

    async fn refuse(
        &self,
        session: &mut HttpSession,
        head: Option<&Head>,
        denial: Denial,
        decision: Option<Decision>,
        reply: Reply<'_>,
    ) -> Story {
        // A client that waits for 100 Continue sends no body now, and none is asked for.
        if head.is_some_and(|h| !h.expects_continue) {
            body::drain(session, &self.limits, &*self.clock).await;
        }
        let answer = Answer::denied(&denial, reply);
        let mut story = self.send(session, &answer, reply).await;
        story.denial = Some(denial);
        story.decision = decision;
        story
    }

    async fn send(&self, session: &mut HttpSession, answer: &Answer, reply: Reply<'_>) -> Story {
        let mut story = Story { status: answer.status, ..Story::default() };
        if respond::send(session, answer, reply, self.limits.write).await {
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
        session: &mut HttpSession,
        reply: Reply<'_>,
        started: Tick,
    ) -> Story {
        let result = match permit.work() {
            Work::Read(page) => match self.upstream.read(page, head, reply.request_id).await {
                Ok(reading) => return self.stream(reading, head, session, reply, started).await,
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
                let mut story = self.send(session, &answer, reply).await;
                if answer.status == 400 {
                    story.detail = String::from_utf8_lossy(&answer.body).trim_end().chars().take(512).collect();
                }
                story
            }
            Err(failure) => self.refuse(session, Some(head), failure.denial(), None, reply).await,
        };
        story.upstream = Some(upstream);
        story
    }

    /// Passes a page on part by part: a scrape can be larger than the memory that one request should take.
    async fn stream(
        &self,
        mut reading: Reading,
        head: &Head,
        session: &mut HttpSession,
        reply: Reply<'_>,
        started: Tick,
    ) -> Story {
        let status = reading.header.status.as_u16();
        if status != 200 {
            let reason = if status == 404 { Reason::TargetUnknown } else { Reason::UpstreamFailed };
            let denial = Denial::new(reason).detail(format!("the gateway answered {status}"));
            let mut story = self.refuse(session, Some(head), denial, None, reply).await;
            story.upstream = Some(self.clock.tick().since(started));
            return story;
        }
        let mut story = Story { status, ..Story::default() };
        let passed = timeout(self.limits.upstream, self.pass(&mut reading, head, session, reply, &mut story)).await;
        story.upstream = Some(self.clock.tick().since(started));
        if let Ok(Ok(())) = passed {
            self.upstream.finish(reading).await;
        } else {
            // The answer is broken off; the connection says so by ending.
            session.set_server_keepalive(None);
            story.detail = passed.map_or_else(|_| "the page took too long".to_owned(), |e| e.err().unwrap_or_default());
        }
        story
    }

    async fn pass(
        &self,
        reading: &mut Reading,
        head: &Head,
        session: &mut HttpSession,
        reply: Reply<'_>,
        story: &mut Story,
    ) -> Result<(), String> {
        let client = |e: pingora_core::BError| format!("the client is gone: {}", e.etype().as_str());
        reply.close_at_shutdown(session);
        let header = page_header(&reading.header, head, reply).map_err(client)?;
        if !header.headers.contains_key("content-length") && head.version == Version::Http10 {
            session.set_server_keepalive(None);
        }
        session.write_response_header(Box::new(header)).await.map_err(client)?;
        while let Some(part) = self.upstream.next_part(reading).await.map_err(|f: Failure| f.detail)? {
            session.write_body(&part).await.map_err(client)?;
            story.bytes_out += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        session.finish_body().await.map_err(client)?;
        Ok(())
    }
}

/// What passes of the head of a page. Its redirects, CORS headers and reasons do not.
fn page_header(upstream: &ResponseHeader, head: &Head, reply: Reply<'_>) -> pingora_core::Result<ResponseHeader> {
    let mut header = ResponseHeader::build(upstream.status, Some(10))?;
    for name in ["Content-Type", "Content-Encoding", "Content-Length", "Last-Modified", "Vary"] {
        if let Some(value) = upstream.headers.get(name) {
            header.insert_header(name, value)?;
        }
    }
    if !header.headers.contains_key("content-length") && head.version == Version::Http11 {
        header.insert_header("Transfer-Encoding", "chunked")?;
    }
    header.insert_header("Pushguard-Request-Id", reply.request_id)?;
    header.insert_header("X-Content-Type-Options", "nosniff")?;
    header.insert_header("X-Frame-Options", "DENY")?;
    Ok(header)
}
