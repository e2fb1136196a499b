//! Why a list is not accepted.

use super::super::prefix::Prefix;
use ipnet::IpNet;
use std::fmt;

/// Which addresses a rule was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4, counted in addresses.
    V4,
    /// IPv6, counted in /64 networks.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4 addresses",
            Self::V6 => "IPv6 /64 networks",
        })
    }
}

/// Why a list is not accepted. What is held stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no prefix in it.
    #[error("it is empty")]
    Empty,
    /// It has more prefixes than anything sane.
    #[error("it has {count} prefixes, far more than any published list")]
    TooMany {
        /// How many, those that are still served included.
        count: usize,
    },
    /// A prefix covers too much.
    #[error("{prefix} is too broad: at most /{least}")]
    TooBroad {
        /// The prefix.
        prefix: Prefix,
        /// The broadest length.
        least: u8,
    },
    /// A prefix holds addresses that no client on the internet has.
    #[error("{prefix} meets {range}, which no client on the internet has; allow_private: true admits it")]
    Special {
        /// The prefix.
        prefix: Prefix,
        /// The special-purpose range.
        range: IpNet,
    },
    /// Together it covers too much.
    #[error("it covers {covered} {family}: at most {most}")]
    TooLarge {
        /// Which addresses.
        family: Family,
        /// How many it covers.
        covered: u128,
        /// How many it may cover.
        most: u128,
    },
    /// It lacks too much of what is served.
    #[error("it lacks {lost} of the {of} {family} that are served: at most {} %", super::MOST_LOST)]
    Loss {
        /// Which addresses.
        family: Family,
        /// How many are gone.
        lost: u128,
        /// How many are served.
        of: u128,
    },
    /// It is too much larger than what was served.
    #[error("it covers {covered} {family} instead of {of}: at most {} % more within 48 h", super::MOST_GAINED)]
    Growth {
        /// Which addresses.
        family: Family,
        /// How many it covers.
        covered: u128,
        /// How many have been served for a while.
        of: u128,
    },
}

impl Refusal {
    /// The kind, for a metric.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooMany { .. } => "too_many",
            Self::TooBroad { .. } => "too_broad",
            Self::Special { .. } => "special",
            Self::TooLarge { .. } => "too_large",
            Self::Loss { .. } => "loss",
            Self::Growth { .. } => "growth",
        }
    }

    /// Whether an operator who has seen the list can let it in.
    pub fn approvable(&self) -> bool {
        match self {
            Self::Empty | Self::TooMany { .. } | Self::Special { .. } => false,
            Self::TooBroad { prefix, .. } => {
                let (v4, v6) = super::BROADEST_APPROVED;
                prefix.net().prefix_len() >= if prefix.net().addr().is_ipv4() { v4 } else { v6 }
            }
            Self::TooLarge { .. } | Self::Loss { .. } | Self::Growth { .. } => true,
        }
    }
}
