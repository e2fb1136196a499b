//! Where requests may come from.

use crate::prefix_set::PrefixSet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Fetched address sets by the key that published them.
pub type NamedSets = BTreeMap<String, Arc<PrefixSet>>;

/// A listener as the policy knows it; its address is the command line's.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// Peers that are proxies and may name their clients. They are never clients themselves.
    pub trusted_proxies: PrefixSet,
}

/// A named source.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The name in the policy.
    pub name: String,
    /// Addresses that stand in the policy.
    pub prefixes: PrefixSet,
    /// Keys of GitHub's address document.
    pub github: Vec<String>,
    /// The listeners that it holds for; none means all.
    pub listeners: Option<BTreeSet<String>>,
}

/// Whether an address is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It is not, as far as is known: a set that could admit it is not loaded.
    SetMissing,
}

impl Source {
    /// Whether the source holds for the listener and contains the address.
    pub fn admits(&self, address: IpAddr, listener: &str, sets: &NamedSets) -> Admits {
        if self.listeners.as_ref().is_some_and(|names| !names.contains(listener)) {
            return Admits::No;
        }
        let in_set = |key: &String| sets.get(key).is_some_and(|set| set.contains(address));
        if self.prefixes.contains(address) || self.github.iter().any(in_set) {
            Admits::Yes
        } else if self.github.iter().any(|key| !sets.contains_key(key)) {
            Admits::SetMissing
        } else {
            Admits::No
        }
    }
}

/// From where a principal may be used.
#[derive(Clone, Debug)]
pub enum From {
    /// Any address, said in so many words.
    Anywhere,
    /// An address that at least one of the sources admits. Empty: none.
    Require(Vec<Arc<Source>>),
}

impl From {
    /// Whether the address over that listener is admitted.
    pub fn admits(&self, address: IpAddr, listener: &str, sets: &NamedSets) -> Admits {
        let Self::Require(sources) = self else { return Admits::Yes };
        let mut answer = Admits::No;
        for source in sources {
            match source.admits(address, listener, sets) {
                Admits::Yes => return Admits::Yes,
                Admits::SetMissing => answer = Admits::SetMissing,
                Admits::No => {}
            }
        }
        answer
    }
}

/// Whether an address cannot be a client on the internet: loopback, private, link-local, carrier-grade NAT, ULA.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
