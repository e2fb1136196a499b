//! Quota rules: what is counted, by what, at which rate.

use super::{Mode, OperationSet};
use crate::auth::token::{ClaimPath, Claims};
use crate::limit::Rate;
use crate::request::GroupingKey;
use std::net::IpAddr;
use std::sync::Arc;

/// What a quota is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Per {
    /// The job.
    Job,
    /// The whole grouping key.
    Group,
    /// The principal.
    Principal,
    /// The source address; for IPv6 its /64.
    Source,
    /// What the token says; those who have none, or whose token does not say it, share one count.
    Claim(ClaimPath),
    /// Another key, apart for each value of a claim.
    Each(ClaimPath, Box<Per>),
}

impl Per {
    /// The name in a policy.
    pub fn name(&self) -> &str {
        match self {
            Self::Job => "job",
            Self::Group => "group",
            Self::Principal => "principal",
            Self::Source => "source",
            Self::Claim(path) => path.source(),
            Self::Each(_, per) => per.name(),
        }
    }

    /// The value that a request is counted under.
    pub fn value(&self, key: Option<&GroupingKey>, source: IpAddr, claims: &Claims) -> String {
        match self {
            Self::Job => key.map(|k| k.job().to_owned()).unwrap_or_default(),
            Self::Group => key.map(GroupingKey::upstream_path).unwrap_or_default(),
            Self::Principal => String::new(),
            Self::Source => source_value(source),
            Self::Claim(path) => claims.text(path).unwrap_or_default(),
            Self::Each(path, per) => match (claims.text(path), per.value(key, source, claims)) {
                (Some(claim), value) if value.is_empty() => claim,
                // Quoted, so that no value of a claim runs into what follows.
                (Some(claim), value) => format!("{claim:?} {value}"),
                (None, value) => value,
            },
        }
    }
}

/// What one source is counted under: an IPv4 address, or the /64 that an IPv6 host can move in at will.
pub fn source_value(source: IpAddr) -> String {
    match source.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// One quota.
#[derive(Clone, Debug)]
pub struct QuotaRule {
    /// Where it stands in the policy: `PRINCIPAL.quotas[N]`, `defaults.quotas[N]`, `quotas[N]`, or `default.writes`
    /// and `default.reads` for the built-in ones.
    pub name: Arc<str>,
    /// Whether what exceeds it is refused.
    pub mode: Mode,
    /// What it is counted by.
    pub per: Per,
    /// Burst and period.
    pub rate: Rate,
    /// The operations that it counts.
    pub operations: OperationSet,
}
