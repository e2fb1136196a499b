//! The limits of the process as flags. Each defaults to the documented one.

use crate::policy::Limits;
use crate::request::HeadLimits;
use std::time::Duration;

/// Limits on connections, heads, bodies and the gateway.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitFlags {
    /// Connections at once, over all listeners
    #[arg(long = "web.max-connections", env = "PUSHGUARD_WEB_MAX_CONNECTIONS", value_name = "N")]
    #[arg(default_value_t = Limits::default().connections, value_parser = count)]
    connections: usize,
    /// Connections at once from one source (for IPv6 its /64) that is no trusted proxy
    #[arg(long = "web.max-connections-per-source", env = "PUSHGUARD_WEB_MAX_CONNECTIONS_PER_SOURCE", value_name = "N")]
    #[arg(default_value_t = Limits::default().source_connections, value_parser = count)]
    source_connections: usize,
    /// How long an idle connection is kept
    #[arg(long = "web.idle-timeout", env = "PUSHGUARD_WEB_IDLE_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "60s", value_parser = duration)]
    idle: Duration,
    /// The time for a TLS handshake
    #[arg(long = "web.handshake-timeout", env = "PUSHGUARD_WEB_HANDSHAKE_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "5s", value_parser = duration)]
    handshake: Duration,
    /// The time for a whole request head
    #[arg(long = "web.head-timeout", env = "PUSHGUARD_WEB_HEAD_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "10s", value_parser = duration)]
    head: Duration,
    /// Bytes of a request head
    #[arg(long = "web.max-head-bytes", env = "PUSHGUARD_WEB_MAX_HEAD_BYTES", value_name = "BYTES")]
    #[arg(default_value = "16KiB", value_parser = head_bytes)]
    head_bytes: usize,
    /// Header fields of a request
    #[arg(long = "web.max-header-fields", env = "PUSHGUARD_WEB_MAX_HEADER_FIELDS", value_name = "N")]
    #[arg(default_value_t = Limits::default().head_size.fields, value_parser = count)]
    head_fields: usize,
    /// Bytes of a request target
    #[arg(long = "web.max-target-bytes", env = "PUSHGUARD_WEB_MAX_TARGET_BYTES", value_name = "BYTES")]
    #[arg(default_value = "8KiB", value_parser = head_bytes)]
    target_bytes: usize,
    /// The time for a whole request, from its first byte to the answer
    #[arg(long = "web.request-timeout", env = "PUSHGUARD_WEB_REQUEST_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "90s", value_parser = duration)]
    request: Duration,
    /// The time for a whole body
    #[arg(long = "web.body-timeout", env = "PUSHGUARD_WEB_BODY_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "30s", value_parser = duration)]
    body: Duration,
    /// The least bytes a second of a body, once it is five seconds old
    #[arg(long = "web.body-min-rate", env = "PUSHGUARD_WEB_BODY_MIN_RATE", value_name = "BYTES")]
    #[arg(default_value_t = Limits::default().body_rate, value_parser = clap::value_parser!(u64).range(1..))]
    body_rate: u64,
    /// Bytes of all bodies that are held at once
    #[arg(long = "web.max-body-memory", env = "PUSHGUARD_WEB_MAX_BODY_MEMORY", value_name = "BYTES")]
    #[arg(default_value = "24MiB", value_parser = bytes)]
    body_bytes: u64,
    /// How long a request waits for room for its body, or for its turn to read from the gateway
    #[arg(long = "web.room-timeout", env = "PUSHGUARD_WEB_ROOM_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "2s", value_parser = duration)]
    room_wait: Duration,
    /// The time to write an answer
    #[arg(long = "web.write-timeout", env = "PUSHGUARD_WEB_WRITE_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "30s", value_parser = duration)]
    write: Duration,
    /// The time to connect to the gateway
    #[arg(long = "upstream.connect-timeout", env = "PUSHGUARD_UPSTREAM_CONNECT_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "1s", value_parser = duration)]
    connect: Duration,
    /// The time from the end of a request to the first byte of the gateway's answer
    #[arg(long = "upstream.first-byte-timeout", env = "PUSHGUARD_UPSTREAM_FIRST_BYTE_TIMEOUT")]
    #[arg(default_value = "10s", value_parser = duration, value_name = "DURATION")]
    first_byte: Duration,
    /// The time for a whole exchange with the gateway
    #[arg(long = "upstream.timeout", env = "PUSHGUARD_UPSTREAM_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "30s", value_parser = duration)]
    upstream: Duration,
    /// Pushes and deletes at the gateway at once
    #[arg(long = "upstream.max-writes", env = "PUSHGUARD_UPSTREAM_MAX_WRITES", value_name = "N")]
    #[arg(default_value_t = Limits::default().upstream_writes, value_parser = count)]
    upstream_writes: usize,
    /// Pushes and deletes that wait for their turn
    #[arg(long = "upstream.max-queue", env = "PUSHGUARD_UPSTREAM_MAX_QUEUE", value_name = "N")]
    #[arg(default_value_t = Limits::default().upstream_queue, value_parser = count)]
    upstream_queue: usize,
    /// Pushes and deletes of them to one group
    #[arg(long = "upstream.max-group-queue", env = "PUSHGUARD_UPSTREAM_MAX_GROUP_QUEUE", value_name = "N")]
    #[arg(default_value_t = Limits::default().group_queue, value_parser = count)]
    group_queue: usize,
    /// Scrapes at the gateway at once
    #[arg(long = "upstream.max-scrapes", env = "PUSHGUARD_UPSTREAM_MAX_SCRAPES", value_name = "N")]
    #[arg(default_value_t = Limits::default().upstream_scrapes, value_parser = count)]
    upstream_scrapes: usize,
    /// Other reads at the gateway at once
    #[arg(long = "upstream.max-reads", env = "PUSHGUARD_UPSTREAM_MAX_READS", value_name = "N")]
    #[arg(default_value_t = Limits::default().upstream_reads, value_parser = count)]
    upstream_reads: usize,
    /// Bytes of the gateway's answer to a push or delete
    #[arg(long = "upstream.max-answer", env = "PUSHGUARD_UPSTREAM_MAX_ANSWER", value_name = "BYTES")]
    #[arg(default_value = "64KiB", value_parser = bytes)]
    answer_bytes: u64,
    /// Bytes of a page of the gateway; a push that could make its metrics longer than a quarter of that is refused. Its list
    /// of groups may have three times as many
    #[arg(long = "upstream.max-page", env = "PUSHGUARD_UPSTREAM_MAX_PAGE", value_name = "BYTES")]
    #[arg(default_value = "256MiB", value_parser = bytes)]
    page_bytes: u64,
    /// Threads that verify passwords, each with memory of its own
    #[arg(long = "login.workers", env = "PUSHGUARD_LOGIN_WORKERS", value_name = "N")]
    #[arg(default_value_t = Limits::default().login_workers, value_parser = workers)]
    login_workers: usize,
    /// The memory of all of them; a policy with hashes that need more is refused
    #[arg(long = "login.max-memory", env = "PUSHGUARD_LOGIN_MAX_MEMORY", value_name = "BYTES")]
    #[arg(default_value = "64MiB", value_parser = login_memory)]
    login_memory_kib: u32,
    /// The time to verify a password, with the wait for its turn
    #[arg(long = "login.timeout", env = "PUSHGUARD_LOGIN_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "2s", value_parser = duration)]
    login_wait: Duration,
    /// Groups that the gateway may hold; a push that would make one more is refused
    #[arg(long = "upstream.max-groups", env = "PUSHGUARD_UPSTREAM_MAX_GROUPS", value_name = "N")]
    #[arg(default_value_t = Limits::default().groups, value_parser = count)]
    groups: usize,
    /// Metrics that the gateway may hold, of all groups together; a push that would bring more is refused. Each takes some
    /// 40 bytes here
    #[arg(long = "upstream.max-metrics", env = "PUSHGUARD_UPSTREAM_MAX_METRICS", value_name = "N")]
    #[arg(default_value_t = Limits::default().metrics, value_parser = metrics)]
    metrics: usize,
    /// How often the gateway is asked what it holds, besides at the start and after a doubt; 0s for never
    #[arg(long = "upstream.learn-interval", env = "PUSHGUARD_UPSTREAM_LEARN_INTERVAL", value_name = "DURATION")]
    #[arg(default_value = "5m", value_parser = interval)]
    learn: Duration,
}

impl LimitFlags {
    /// The limits that the flags make; what has no flag has its default.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            connections: self.connections,
            source_connections: self.source_connections,
            idle: self.idle,
            handshake: self.handshake,
            head: self.head,
            head_size: HeadLimits { bytes: self.head_bytes, fields: self.head_fields, target: self.target_bytes },
            request: self.request,
            body: self.body,
            body_rate: self.body_rate,
            body_bytes: self.body_bytes,
            room_wait: self.room_wait,
            write: self.write,
            connect: self.connect,
            first_byte: self.first_byte,
            upstream: self.upstream,
            upstream_writes: self.upstream_writes,
            upstream_queue: self.upstream_queue,
            group_queue: self.group_queue,
            upstream_scrapes: self.upstream_scrapes,
            upstream_reads: self.upstream_reads,
            answer_bytes: self.answer_bytes,
            page_bytes: self.page_bytes,
            login_workers: self.login_workers,
            login_memory_kib: self.login_memory_kib,
            login_wait: self.login_wait,
            groups: self.groups,
            metrics: self.metrics,
            learn: self.learn,
            ..Limits::default()
        }
    }
}

fn count(text: &str) -> Result<usize, String> {
    const MOST: usize = 100_000;
    text.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(|| format!("expected 1 to {MOST}"))
}

fn metrics(text: &str) -> Result<usize, String> {
    const MOST: usize = 10_000_000;
    text.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(|| format!("expected 1 to {MOST}"))
}

fn workers(text: &str) -> Result<usize, String> {
    const MOST: usize = 16;
    text.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(|| format!("expected 1 to {MOST}"))
}

fn login_memory(text: &str) -> Result<u32, String> {
    let kib = crate::config::size(text).map(|bytes| bytes / 1024).and_then(|kib| u32::try_from(kib).ok());
    let range = 7 * 1024..=1024 * 1024;
    kib.filter(|kib| range.contains(kib)).ok_or_else(|| "expected 7MiB to 1GiB, such as 64MiB".to_owned())
}

fn head_bytes(text: &str) -> Result<usize, String> {
    let bytes = crate::config::size(text).filter(|n| (256..=1024 * 1024).contains(n));
    bytes.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| "expected 256 to 1MiB, such as 16KiB".to_owned())
}

fn bytes(text: &str) -> Result<u64, String> {
    const MOST: u64 = 1024 * 1024 * 1024;
    let bytes = crate::config::size(text).filter(|n| (1024..=MOST).contains(n));
    bytes.ok_or_else(|| "expected 1KiB to 1GiB, such as 24MiB".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    let duration = crate::config::duration(text).filter(|d| range.contains(d));
    duration.ok_or_else(|| "expected 100ms to 1h, such as 10s or 1m30s".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(10)..=Duration::from_secs(86_400);
    let duration = crate::config::duration(text).filter(|d| d.is_zero() || range.contains(d));
    duration.ok_or_else(|| "expected 10s to 1d, such as 5m, or 0s for never".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        flags: LimitFlags,
    }

    #[test]
    fn flags_default_to_the_documented_limits() {
        let flags = Cli::parse_from(["x"]).flags.limits();
        assert_eq!(format!("{flags:?}"), format!("{:?}", Limits::default()));
    }

    #[test]
    fn flags_set_what_they_say_and_refuse_what_limits_nothing() {
        let limits = Cli::parse_from(["x", "--web.head-timeout", "1m30s", "--upstream.max-writes=2"]).flags.limits();
        assert_eq!((limits.head, limits.upstream_writes), (Duration::from_secs(90), 2));
        for flag in [
            "--web.head-timeout=0s",
            "--web.head-timeout=10",
            "--web.body-timeout=2h",
            "--web.max-connections=0",
            "--web.max-connections=-1",
            "--web.body-min-rate=0",
            "--upstream.max-queue=1000000",
            "--login.workers=17",
            "--login.max-memory=1MiB",
            "--web.max-head-bytes=10",
            "--web.max-target-bytes=2MiB",
            "--web.max-body-memory=0",
            "--upstream.max-page=2GiB",
            "--upstream.max-scrapes=0",
            "--upstream.max-groups=0",
            "--upstream.max-metrics=0",
            "--upstream.learn-interval=1s",
        ] {
            assert!(Cli::try_parse_from(["x", flag]).is_err(), "{flag}");
        }
    }
}
