//! The documented default limits. The README's table is checked against this file.

use super::{Mode, OperationSet, Per, QuotaRule};
use crate::limit::Rate;
use crate::request::HeadLimits;
use std::time::Duration;

/// Limits of the process that no policy changes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once over all listeners; further ones are closed.
    pub connections: usize,
    /// Connections at once from one source (for IPv6 its /64) that is no trusted proxy; further ones are closed.
    pub source_connections: usize,
    /// The time an idle connection is kept.
    pub idle: Duration,
    /// The time of a TLS handshake.
    pub handshake: Duration,
    /// The time from the first byte of a head to its last.
    pub head: Duration,
    /// How large a head may be.
    pub head_size: HeadLimits,
    /// The time from the first byte of a head to the last of the answer.
    pub request: Duration,
    /// The time from the end of the head to the end of the body.
    pub body: Duration,
    /// The time that a body has before its first byte, and may fall behind `body_rate`.
    pub body_stall: Duration,
    /// The least bytes a second of a body.
    pub body_rate: u64,
    /// Bytes of bodies held at once.
    pub body_bytes: u64,
    /// How long a request waits for room for its body, or for a place among the reads.
    pub room_wait: Duration,
    /// The time to write an answer.
    pub write: Duration,
    /// The time to connect to the gateway.
    pub connect: Duration,
    /// The time from the request's last byte to the first byte of the gateway's answer.
    pub first_byte: Duration,
    /// The time for the whole exchange with the gateway.
    pub upstream: Duration,
    /// Pushes and deletes in flight to the gateway.
    pub upstream_writes: usize,
    /// Writes that wait for their turn at the gateway.
    pub upstream_queue: usize,
    /// Writes that wait for an earlier one to the same group.
    pub group_queue: usize,
    /// Scrapes at the gateway at once.
    pub upstream_scrapes: usize,
    /// Other reads at the gateway at once: its pages, its API, its health.
    pub upstream_reads: usize,
    /// Bytes of the gateway's answer to a write, which is a line or two.
    pub answer_bytes: u64,
    /// Bytes of a page of the gateway.
    pub page_bytes: u64,
    /// Groups that the gateway may hold.
    pub groups: usize,
    /// Metrics that the gateway may hold, of all groups together.
    pub metrics: usize,
    /// How often the gateway is asked what it holds; never where it is zero.
    pub learn: Duration,
    /// Wrong passwords at once from one source.
    pub login_burst: u32,
    /// Of them, those that name one user.
    pub login_user_burst: u32,
    /// The time in which they all come back.
    pub login_period: Duration,
    /// Logins that wait for the password verifier.
    pub login_queue: usize,
    /// Threads that verify passwords.
    pub login_workers: usize,
    /// The memory of all of them, KiB.
    pub login_memory_kib: u32,
    /// How long a login waits for it.
    pub login_wait: Duration,
    /// How long a verified password is remembered.
    pub login_cache: Duration,
    /// Verified passwords remembered.
    pub login_cache_entries: usize,
    /// Quota states kept; beyond, new keys of a rule share one.
    pub quota_keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            source_connections: 128,
            idle: Duration::from_secs(60),
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            head_size: HeadLimits::default(),
            request: Duration::from_secs(90),
            body: Duration::from_secs(30),
            body_stall: Duration::from_secs(5),
            body_rate: 1024,
            body_bytes: 24 * 1024 * 1024,
            room_wait: Duration::from_secs(2),
            write: Duration::from_secs(30),
            connect: Duration::from_secs(1),
            first_byte: Duration::from_secs(10),
            upstream: Duration::from_secs(30),
            upstream_writes: 8,
            upstream_queue: 64,
            group_queue: 8,
            upstream_scrapes: 8,
            upstream_reads: 8,
            answer_bytes: 64 * 1024,
            page_bytes: 256 * 1024 * 1024,
            groups: 5000,
            metrics: 200_000,
            learn: Duration::from_secs(300),
            login_burst: 10,
            login_user_burst: 5,
            login_period: Duration::from_secs(60),
            login_queue: 16,
            login_workers: 1,
            login_memory_kib: 64 * 1024,
            login_wait: Duration::from_secs(2),
            login_cache: Duration::from_secs(300),
            login_cache_entries: 1024,
            quota_keys: 65_536,
        }
    }
}

impl Limits {
    /// The rate of wrong passwords that one source may send.
    #[allow(clippy::unreachable, reason = "the numbers are constants of this file")]
    pub fn login_rate(&self) -> Rate {
        Rate::new(self.login_burst, self.login_period).unwrap_or_else(|| unreachable!("the login limits make a rate"))
    }

    /// The rate of wrong passwords that one source may send for one user.
    #[allow(clippy::unreachable, reason = "the numbers are constants of this file")]
    pub fn login_user_rate(&self) -> Rate {
        let rate = Rate::new(self.login_user_burst, self.login_period);
        rate.unwrap_or_else(|| unreachable!("the login limits make a rate"))
    }

    /// Whether hashes that need an arena of `memory_kib` can be verified within the memory that is set aside.
    pub fn admits_arena(&self, memory_kib: u32) -> bool {
        let workers = u64::try_from(self.login_workers).unwrap_or(u64::MAX);
        u64::from(memory_kib).saturating_mul(workers) <= u64::from(self.login_memory_kib)
    }
}

/// The quotas of a principal that has none of its own for some operations.
#[allow(clippy::unreachable, reason = "the numbers are constants of this file")]
pub fn default_quotas() -> [QuotaRule; 2] {
    let minute = Duration::from_secs(60);
    let rule = |name: &str, per, burst, operations| QuotaRule {
        name: name.into(),
        mode: Mode::Enforce,
        per,
        rate: Rate::new(burst, minute).unwrap_or_else(|| unreachable!("constants make a rate")),
        operations,
    };
    [
        rule("default.writes", Per::Job, 60, OperationSet::writes()),
        rule("default.reads", Per::Source, 300, OperationSet::reads()),
    ]
}
