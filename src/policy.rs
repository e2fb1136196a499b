//! The compiled policy: who may do what, from where, how often and how much. Plain data and matching; the order of the
//! checks is [`crate::decision::decide`]'s.

mod certificate_rule;
mod grant;
mod inclusion;
mod issuer;
mod limit;
mod limits;
mod mode;
mod network;
mod operation;
mod pattern;
mod payload;
mod principal;
mod quota;
mod token_rule;
mod ttl;

pub use crate::payload::{PayloadShape, is_reserved};
pub use certificate_rule::{CertificateRule, SanPattern};
pub use grant::{Grant, LabelFault, LabelRule, Miss};
pub use issuer::{Events, Issuer, KeySource, Preset, Published};
pub use limit::Limit;
pub use limits::{Limits, default_quotas};
pub use mode::Mode;
pub use network::{Admits, From, Listener, NamedSets, Ranges, Source, is_private, meets_private};
pub use operation::{Operation, OperationSet};
pub use pattern::{Pattern, PatternError};
pub use payload::{GroupsPer, PayloadLimits, PayloadRules};
pub use principal::{Basic, Principal};
pub use quota::{Per, QuotaRule, source_value};
pub use token_rule::{ClaimGlob, Condition, TokenRule, Unfit};
pub use ttl::{Ttl, TtlRule};

use crate::auth::PasswordHash;
use crate::auth::token::{ClaimPath, Claims, KeySet};
use crate::request::GroupingKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A policy, ready to judge.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Listeners by name; one that is not listed trusts no proxy.
    pub listeners: BTreeMap<String, Listener>,
    /// Principals in file order.
    pub principals: Vec<Principal>,
    /// Issuers of tokens by name.
    pub issuers: BTreeMap<Arc<str>, Arc<Issuer>>,
    /// The claims that the policy reads of each issuer's tokens, by its name, for the log.
    pub read_claims: BTreeMap<Arc<str>, Vec<ClaimPath>>,
    /// Quotas that all principals share.
    pub shared_quotas: Vec<QuotaRule>,
    /// The lists of addresses that sources take from elsewhere.
    pub ranges: Ranges,
    /// Hashes that the password of an unknown user is hashed against, so that it costs what a wrong password costs.
    pub decoy: Arc<[PasswordHash]>,
    /// Whether the whole policy is enforced.
    pub mode: Mode,
    /// Limits on what is pushed by nobody that the policy knows, while the whole of it only reports.
    pub default_payload: PayloadLimits,
    /// Names of listeners that the policy relies on, each with the path that names it first.
    pub named_listeners: BTreeMap<String, String>,
    /// How long groups are kept.
    pub ttl: Ttl,
}

impl Default for Policy {
    /// A policy without a principal: it denies everything.
    fn default() -> Self {
        Self {
            listeners: BTreeMap::new(),
            principals: Vec::new(),
            issuers: BTreeMap::new(),
            read_claims: BTreeMap::new(),
            shared_quotas: Vec::new(),
            ranges: Ranges::default(),
            decoy: Arc::from([]),
            mode: Mode::Enforce,
            default_payload: PayloadLimits::default(),
            named_listeners: BTreeMap::new(),
            ttl: Ttl::default(),
        }
    }
}

impl Policy {
    /// The memory that the largest of the stored hashes needs, KiB; 0 without passwords.
    pub fn verifier_memory_kib(&self) -> u32 {
        let stored = self.principals.iter().filter_map(|p| p.basic.as_ref()).flat_map(|basic| basic.hashes.iter());
        stored.chain(self.decoy.iter()).map(PasswordHash::memory_kib).max().unwrap_or(0)
    }

    /// The names of the published address sets that sources rely on.
    pub fn set_names(&self) -> BTreeSet<&str> {
        let sources = self.principals.iter().flat_map(|principal| principal.from.sources());
        sources.flat_map(|source| source.sets.iter().map(String::as_str)).collect()
    }

    /// Every rule that reports, or did until a time; the whole policy is called `policy`.
    pub fn reporting(&self) -> Vec<(String, Mode)> {
        let mut rules = BTreeMap::new();
        for principal in &self.principals {
            rules.extend(principal.from.sources().iter().map(|s| (format!("sources.{}", s.name), s.mode)));
            rules.extend(principal.basic.iter().map(|basic| (format!("{}.basic", principal.name), basic.mode)));
            rules.extend(principal.token.iter().map(|token| (format!("{}.token", principal.name), token.mode)));
            let certificate = principal.certificate.iter();
            rules.extend(certificate.map(|rule| (format!("{}.certificate", principal.name), rule.mode)));
            rules.extend(principal.grants.iter().map(|grant| (grant.name.to_string(), grant.mode)));
            rules.extend(principal.quotas.iter().map(|quota| (quota.name.to_string(), quota.mode)));
            rules.insert(format!("{}.payload", principal.name), principal.payload.rules.mode);
        }
        rules.extend(self.shared_quotas.iter().map(|quota| (quota.name.to_string(), quota.mode)));
        let whole = [("policy".to_owned(), self.mode)];
        whole.into_iter().chain(rules).filter(|(_, mode)| *mode != Mode::Enforce).collect()
    }

    /// The first principal that may push to a group, and what its token would have to say, as far as the key tells.
    pub fn pusher(&self, key: &GroupingKey) -> Option<(&Principal, Claims)> {
        let by = |grant: &Grant| {
            let claims = grant.infer(key);
            let may = |operation| grant.covers(operation, Some(key), &claims).is_ok();
            (may(Operation::Push) || may(Operation::Replace)).then_some(claims)
        };
        self.principals.iter().find_map(|principal| Some((principal, principal.grants.iter().find_map(by)?)))
    }

    /// What is known of a listener; one that the policy does not name trusts nobody.
    pub fn listener(&self, name: &str) -> &Listener {
        static UNNAMED: std::sync::LazyLock<Listener> = std::sync::LazyLock::new(Listener::default);
        self.listeners.get(name).unwrap_or(&UNNAMED)
    }
}

/// Fetched keys by the name of their issuer.
pub type IssuerKeys = BTreeMap<Arc<str>, Arc<KeySet>>;

/// One immutable snapshot of all that a decision depends on. A request loads it once and uses it to its end.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The fetched address sets by key.
    pub sets: Arc<NamedSets>,
    /// The fetched keys by issuer.
    pub keys: Arc<IssuerKeys>,
    /// Counts the worlds of this process.
    pub generation: u64,
}

impl World {
    /// The keys of an issuer, as far as they are known.
    pub fn keys_of(&self, issuer: &str) -> Option<&KeySet> {
        match &self.policy.issuers.get(issuer)?.keys {
            KeySource::File(keys) => Some(keys),
            KeySource::Missing => None,
            KeySource::Published(_) => self.keys.get(issuer).map(Arc::as_ref),
        }
    }
}

#[cfg(test)]
mod tests;
