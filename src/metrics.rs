//! Every metric of the proxy: name, help, unit, labels. Label values come from the policy or from closed sets, never
//! from a client.

mod cleaning;
mod credentials;
mod keys;
mod log;
mod ranges;
mod requests;
mod table;
mod tls;

pub use cleaning::{CleaningMetrics, Swept};
pub use credentials::CredentialMetrics;
pub use keys::KeyMetrics;
pub use log::LogMetrics;
pub use ranges::{FeedLabels, FetchErrorLabels, RangeMetrics, RefusedLabels, SetGauge, SetLabels};
pub use requests::{RequestLabels, RequestMetrics};
pub use tls::TlsMetrics;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;
use table::Table;

/// The `Content-Type` of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScopeLabels {
    scope: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GatewayLabels {
    version: String,
    utf8_names: String,
    consistency_check: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// The metrics and their registry.
pub struct Metrics {
    registry: Registry,
    /// Requests by outcome.
    pub requests: RequestMetrics,
    /// From the first byte of the head to the last byte of the answer.
    pub request_duration: Histogram,
    /// From the first attempt to connect to the last byte of the gateway's answer.
    pub upstream_duration: Histogram,
    /// Tasks of the runtime that live.
    pub tasks: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Connections closed unserved because there were too many.
    pub connections_refused: Counter,
    /// What came of credentials.
    pub credentials: CredentialMetrics,
    /// The signing keys of issuers.
    pub keys: KeyMetrics,
    /// The address sets.
    pub ranges: RangeMetrics,
    cleartext_credentials: Family<ListenerLabels, Gauge>,
    hidden_clients: Family<ListenerLabels, Counter>,
    reload_successful: Gauge,
    reload_success_time: Gauge<f64, AtomicU64>,
    would_deny: Family<ReasonLabels, Counter>,
    report_mode: Family<ScopeLabels, Gauge>,
    limits_reached: Family<LimitLabels, Counter>,
    gateway: Family<GatewayLabels, Gauge>,
    gateway_used: Family<LimitLabels, Gauge<f64, AtomicU64>>,
    /// Lines of the log.
    pub log: LogMetrics,
    /// Certificates and handshakes.
    pub tls: TlsMetrics,
    /// Sweeps, and whether the gateway can be scraped.
    pub cleaning: CleaningMetrics,
}

impl Metrics {
    /// Registers every metric.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("pushguard");
        let seconds = || Histogram::new(exponential_buckets(0.000_25, 2.0, 16));
        let metrics = Self {
            requests: RequestMetrics::default(),
            request_duration: seconds(),
            upstream_duration: seconds(),
            tasks: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            credentials: CredentialMetrics::default(),
            keys: KeyMetrics::default(),
            ranges: RangeMetrics::default(),
            cleartext_credentials: Family::default(),
            hidden_clients: Family::default(),
            reload_successful: Gauge::default(),
            reload_success_time: Gauge::default(),
            would_deny: Family::default(),
            report_mode: Family::default(),
            limits_reached: Family::default(),
            gateway: Family::default(),
            gateway_used: Family::default(),
            log: LogMetrics::default(),
            tls: TlsMetrics::default(),
            cleaning: CleaningMetrics::default(),
            registry: Registry::default(),
        };
        metrics.requests.register(&mut registry);
        Table(&mut registry).rows(&[
            (
                "request_duration_seconds",
                "Time from the first byte of a request to the last byte of its answer",
                &metrics.request_duration,
            ),
            (
                "upstream_duration_seconds",
                "Time that the gateway took, connecting included",
                &metrics.upstream_duration,
            ),
            ("tasks", "Tasks that live, each a connection or something done beside them", &metrics.tasks),
            ("connections", "Open connections", &metrics.connections),
            (
                "connections_refused",
                "Connections closed unserved because too many were open",
                &metrics.connections_refused,
            ),
            (
                "listener_cleartext_credentials",
                "1 for a listener that takes credentials without TLS on an address other than loopback",
                &metrics.cleartext_credentials,
            ),
            (
                "listener_hidden_clients",
                "Requests from a private peer that named a client, over a listener that trusts no proxy",
                &metrics.hidden_clients,
            ),
            (
                "config_last_reload_successful",
                "1 where the last reading of the policy was taken into use, 0 where its problems kept the one before",
                &metrics.reload_successful,
            ),
            (
                "config_last_reload_success_timestamp_seconds",
                "When the policy in use was read",
                &metrics.reload_success_time,
            ),
            (
                "would_deny",
                "Requests that passed, or were refused later, although a rule in report mode would have refused them",
                &metrics.would_deny,
            ),
            (
                "report_mode",
                "Rules that only report; scope=\"policy\" is 1 while the whole policy does",
                &metrics.report_mode,
            ),
            (
                "limits_reached",
                "Connections and requests that a limit ended, by the flag or the key of the policy that sets it",
                &metrics.limits_reached,
            ),
            (
                "gateway_info",
                "The version of the gateway, and flags that change what a push means; always 1, absent until known",
                &metrics.gateway,
            ),
            (
                "gateway_used_ratio",
                "How full the gateway is by what it may hold, by the flag that sets it; at 1 pushes are refused",
                &metrics.gateway_used,
            ),
        ]);
        metrics.credentials.register(&mut registry);
        metrics.keys.register(&mut registry);
        metrics.ranges.register(&mut registry);
        metrics.log.register(&mut registry);
        metrics.tls.register(&mut registry);
        metrics.cleaning.register(&mut registry);
        metrics.set_report_mode(false, 0);
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        Table(&mut registry).rows(&[("build_info", "The version of this program; always 1", &build)]);
        Self { registry, ..metrics }
    }

    /// Marks a listener that takes credentials in clear text from other machines.
    pub fn set_cleartext_credentials(&self, listener: &str, exposed: bool) {
        let labels = ListenerLabels { listener: listener.to_owned() };
        self.cleartext_credentials.get_or_create(&labels).set(i64::from(exposed));
    }

    /// Notes that a policy was read and taken into use at `wall`.
    pub fn set_reloaded(&self, wall: SystemTime) {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.reload_successful.set(1);
        self.reload_success_time.set(since.as_secs_f64());
    }

    /// Notes that a policy was read and not taken into use.
    pub fn set_reload_failed(&self) {
        self.reload_successful.set(0);
    }

    /// Counts a request whose client an untrusted proxy seems to hide.
    pub fn count_hidden_client(&self, listener: &str) {
        self.hidden_clients.get_or_create(&ListenerLabels { listener: listener.to_owned() }).inc();
    }

    /// Counts a request that a rule in report mode would have refused.
    pub fn count_would_deny(&self, reason: &'static str) {
        self.would_deny.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Says whether the whole policy only reports, and how many rules of their own do.
    pub fn set_report_mode(&self, whole: bool, rules: usize) {
        let set = |scope, value| self.report_mode.get_or_create(&ScopeLabels { scope }).set(value);
        set("policy", i64::from(whole));
        set("rules", i64::try_from(rules).unwrap_or(i64::MAX));
    }

    /// Shows these limits from the start, at 0.
    pub fn know_limits(&self, names: impl Iterator<Item = &'static str>) {
        names.for_each(|limit| drop(self.limits_reached.get_or_create(&LimitLabels { limit })));
    }

    /// Counts what a limit ended.
    pub fn count_limit(&self, limit: &'static str) {
        self.limits_reached.get_or_create(&LimitLabels { limit }).inc();
    }

    /// Says how full the gateway is, by the flag that bounds it.
    pub fn set_gateway_used(&self, limit: &'static str, share: f64) {
        self.gateway_used.get_or_create(&LimitLabels { limit }).set(share);
    }

    /// Says which gateway it is, in place of the one before.
    pub fn set_gateway(&self, version: &str, utf8_names: bool, consistency_check: bool) {
        self.gateway.clear();
        let labels = GatewayLabels {
            version: version.to_owned(),
            utf8_names: utf8_names.to_string(),
            consistency_check: consistency_check.to_string(),
        };
        self.gateway.get_or_create(&labels).set(1);
    }

    /// The metrics as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
