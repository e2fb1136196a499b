//! An immutable set of IP addresses, kept as sorted, merged, inclusive ranges.
//!
//! The largest published list (some 7300 prefixes) becomes about 2000 IPv4 and 650 IPv6 ranges: two short arrays and at
//! most 11 steps of a binary search, so no trie is needed.
//!
//! An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) is the IPv4 address that it carries, in prefixes and in questions
//! alike. A wider IPv6 prefix such as `::/0` is about IPv6 only and never holds an IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The first and the last address, both inside.
type Range<T> = (T, T);

/// A set of IPv4 and IPv6 addresses that never changes once made. The default is the empty set, which holds nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PrefixSet {
    v4: Box<[Range<u32>]>,
    v6: Box<[Range<u128>]>,
}

impl PrefixSet {
    /// The set of all addresses inside any of `prefixes`, which may be unsorted, nested, adjacent or repeated. Host
    /// bits are ignored: `10.1.2.3/8` is `10.0.0.0/8`.
    pub fn from_prefixes(prefixes: impl IntoIterator<Item = IpNet>) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for prefix in prefixes {
            match canonical(prefix) {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { v4: merged(v4, |last| last.checked_add(1)), v6: merged(v6, |last| last.checked_add(1)) }
    }

    /// Whether `address` is in the set. An IPv4-mapped IPv6 address is asked about as the IPv4 address that it carries.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
            IpAddr::V6(address) => holds(&self.v6, address.to_bits()),
        }
    }

    /// The addresses that any of the sets holds.
    pub fn union<'s>(sets: impl IntoIterator<Item = &'s Self>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for set in sets {
            v4.extend_from_slice(&set.v4);
            v6.extend_from_slice(&set.v6);
        }
        Self { v4: merged(v4, |last| last.checked_add(1)), v6: merged(v6, |last| last.checked_add(1)) }
    }

    /// Whether all addresses of `other` are in this set.
    pub fn includes(&self, other: &Self) -> bool {
        // What touches is one range, so none of theirs can lie across two of ours.
        other.v4.iter().all(|range| spans(&self.v4, range)) && other.v6.iter().all(|range| spans(&self.v6, range))
    }

    /// Whether the set holds no address at all.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// How much the set covers: the number of IPv4 addresses (0 to 2^32), and the number of IPv6 /64 networks of which
    /// it holds at least one address (0 to 2^64; a /64 is what one host is usually given, and 2^128 addresses would not
    /// fit).
    pub fn coverage(&self) -> (u64, u128) {
        let v4 = self.v4.iter().map(|&(first, last)| u64::from(last - first) + 1).sum();
        (v4, networks(&self.v6))
    }

    /// The memory that the ranges take, bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.v4) + size_of_val(&*self.v6)
    }

    /// The number of ranges, IPv4 and IPv6 together, after merging.
    pub fn ranges(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

impl fmt::Debug for PrefixSet {
    /// Counts only: a published list would fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrefixSet({} IPv4 and {} IPv6 ranges)", self.v4.len(), self.v6.len())
    }
}

/// The prefix as IPv4 where all of it lies in `::ffff:0:0/96`, otherwise as it is.
pub fn canonical(prefix: IpNet) -> IpNet {
    match prefix {
        IpNet::V6(net) => mapped(net).map_or(prefix, IpNet::V4),
        IpNet::V4(_) => prefix,
    }
}

fn mapped(net: Ipv6Net) -> Option<Ipv4Net> {
    let length = net.prefix_len().checked_sub(96)?;
    let address: Ipv4Addr = net.addr().to_ipv4_mapped()?;
    Ipv4Net::new(address, length).ok()
}

/// Sorts and joins what overlaps or touches, so that at most one range can hold an address.
fn merged<T: Copy + Ord>(mut ranges: Vec<Range<T>>, next: fn(T) -> Option<T>) -> Box<[Range<T>]> {
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        // Without a next address the earlier range runs to the very end, so whatever sorts after it is inside it.
        let joined = next(earlier.1).is_none_or(|next| later.0 <= next);
        if joined {
            earlier.1 = earlier.1.max(later.1);
        }
        joined
    });
    ranges.into_boxed_slice()
}

fn holds<T: Copy + Ord>(ranges: &[Range<T>], address: T) -> bool {
    spans(ranges, &(address, address))
}

/// Whether one range holds all of another.
fn spans<T: Copy + Ord>(ranges: &[Range<T>], of: &Range<T>) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= of.0);
    after.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|&(_, last)| of.1 <= last)
}

/// Counts each /64 once, also where several ranges lie in it.
fn networks(ranges: &[Range<u128>]) -> u128 {
    let mut uncounted = 0;
    let mut count = 0;
    for &(first, last) in ranges {
        let from = (first >> 64).max(uncounted);
        let past = (last >> 64) + 1;
        count += past.saturating_sub(from);
        uncounted = past;
    }
    count
}

#[cfg(test)]
mod tests;
