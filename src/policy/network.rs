//! Where requests may come from.

use super::Mode;
use crate::prefix_set::PrefixSet;
use crate::ranges::feed::{Feed, Wanted};
use crate::request::{ClientFrom, Peer};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// Sets of addresses that others publish, by name.
pub type NamedSets = BTreeMap<String, Arc<PrefixSet>>;

/// The lists of addresses that a policy takes from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// Keys of GitHub's address document; where that is, the command line says.
    pub github: Vec<Wanted>,
    /// Everything else.
    pub feeds: Vec<Feed>,
}

impl Ranges {
    /// Where the set of that name comes from, and whether it may hold private addresses: what is held of it is good for
    /// another policy that says the same. GitHub's lists all come from one place, which no policy names.
    pub fn origin(&self, name: &str) -> Option<(Option<String>, bool)> {
        let github = self.github.iter().map(|wanted| (None, wanted));
        let own = self.feeds.iter().flat_map(|feed| feed.lists.iter().map(move |wanted| (Some(feed), wanted)));
        let (feed, wanted) = github.chain(own).find(|(_, wanted)| wanted.name == name)?;
        Some((feed.map(|feed| feed.origin_of(wanted)), wanted.allow_private))
    }
}

/// A listener as the policy knows it; its address is the command line's.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// Peers that are proxies and may name their clients. They are never clients themselves.
    pub trusted_proxies: PrefixSet,
    /// How they name them.
    pub client_from: ClientFrom,
}

impl Listener {
    /// A peer of this listener.
    pub fn peer(&self, address: IpAddr, announced: Option<IpAddr>) -> Peer<'_> {
        Peer { address, trusted: &self.trusted_proxies, client_from: self.client_from, announced }
    }
}

/// A named source.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The name in the policy.
    pub name: String,
    /// Whether addresses outside of it are refused.
    pub mode: Mode,
    /// Addresses that stand in the policy.
    pub prefixes: PrefixSet,
    /// Sets of addresses that others publish, by name.
    pub sets: Vec<String>,
    /// Addresses that are not in it, whatever else says that they are.
    pub except: PrefixSet,
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
        if self.except.contains(address) {
            return Admits::No;
        }
        let in_set = |name: &String| sets.get(name).is_some_and(|set| set.contains(address));
        if self.prefixes.contains(address) || self.sets.iter().any(in_set) {
            Admits::Yes
        } else if self.sets.iter().any(|name| !sets.contains_key(name)) {
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
    /// Any address, and whether one of the sources admits it is counted. Only for principals that a token proves: a
    /// verified run outranks a list that is known to be incomplete.
    Prefer(Vec<Arc<Source>>),
}

impl From {
    /// The sources of which one must admit the address.
    pub fn sources(&self) -> &[Arc<Source>] {
        match self {
            Self::Anywhere | Self::Prefer(_) => &[],
            Self::Require(sources) => sources,
        }
    }

    /// Whether the address over that listener is admitted.
    pub fn admits(&self, address: IpAddr, listener: &str, sets: &NamedSets) -> Admits {
        match self {
            Self::Anywhere | Self::Prefer(_) => Admits::Yes,
            Self::Require(sources) => Self::any_admits(sources, address, listener, sets),
        }
    }

    /// Whether a preferred source holds the address; none where none is preferred.
    pub fn prefers(&self, address: IpAddr, listener: &str, sets: &NamedSets) -> Option<bool> {
        let Self::Prefer(sources) = self else { return None };
        Some(Self::any_admits(sources, address, listener, sets) == Admits::Yes)
    }

    fn any_admits(sources: &[Arc<Source>], address: IpAddr, listener: &str, sets: &NamedSets) -> Admits {
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

/// Ranges that no client on the internet has: private, loopback, link-local, carrier-grade NAT, unique local.
static PRIVATE: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let ranges = [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    ];
    ranges.iter().filter_map(|range| range.parse().ok()).collect()
});

/// Whether an address cannot be a client on the internet.
pub fn is_private(address: IpAddr) -> bool {
    let address = address.to_canonical();
    PRIVATE.iter().any(|range| range.contains(&address))
}

/// Whether a prefix holds an address that cannot be a client on the internet.
pub fn meets_private(prefix: &IpNet) -> bool {
    PRIVATE.iter().any(|range| range.contains(prefix) || prefix.contains(range))
}
