use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn set(prefixes: &[&str]) -> PrefixSet {
    PrefixSet::from_prefixes(prefixes.iter().map(|text| text.parse::<IpNet>().unwrap()))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn holds_exactly_what_its_prefixes_hold() {
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&[], &[], &["0.0.0.0", "::", "255.255.255.255", "127.0.0.1"]),
        (&["0.0.0.0/0"], &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], &["::", "::1", "::1.2.3.4"]),
        (&["::/0"], &["::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], &["1.2.3.4", "::ffff:1.2.3.4"]),
        (&["192.0.2.1/32"], &["192.0.2.1", "::ffff:192.0.2.1"], &["192.0.2.0", "192.0.2.2"]),
        (&["255.255.255.255/32"], &["255.255.255.255"], &["255.255.255.254", "0.0.0.0"]),
        (&["2001:db8::5/128"], &["2001:db8::5"], &["2001:db8::4", "2001:db8::6"]),
        (&["10.0.0.0/9", "10.128.0.0/9"], &["10.0.0.0", "10.127.255.255", "10.255.255.255"], &["9.255.255.255"]),
        (&["10.0.0.0/8", "10.1.0.0/16"], &["10.0.0.1", "10.1.255.255", "10.2.0.0"], &["11.0.0.0"]),
        (&["10.9.8.7/8"], &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]),
        (&["::ffff:10.0.0.0/104"], &["10.1.2.3", "::ffff:10.1.2.3"], &["11.0.0.0", "::10.1.2.3"]),
        (&["::ffff:0.0.0.0/96"], &["0.0.0.0", "255.255.255.255"], &["::", "::fffe:1.2.3.4"]),
        (&["::ffff:0:0/95"], &["::fffe:1.2.3.4"], &["1.2.3.4", "::ffff:1.2.3.4"]),
    ];
    for (prefixes, inside, outside) in cases {
        let set = set(prefixes);
        for address in *inside {
            assert!(set.contains(ip(address)), "{address} must be in {prefixes:?}");
        }
        for address in *outside {
            assert!(!set.contains(ip(address)), "{address} must not be in {prefixes:?}");
        }
    }
}

#[test]
fn merges_and_counts() {
    let cases: &[(&[&str], usize, u64, u128)] = &[
        (&[], 0, 0, 0),
        (&["0.0.0.0/0", "::/0"], 2, 1 << 32, 1 << 64),
        (&["0.0.0.0/1", "128.0.0.0/1"], 1, 1 << 32, 0),
        (&["10.0.0.0/24", "10.0.1.0/24"], 1, 512, 0),
        (&["10.0.0.0/24", "10.0.2.0/24"], 2, 512, 0),
        (&["10.0.0.0/24", "10.0.0.0/24", "10.0.0.7/32"], 1, 256, 0),
        (&["::ffff:10.0.0.0/120", "10.0.1.0/24"], 1, 512, 0),
        (&["2001:db8::/63"], 1, 0, 2),
        (&["2001:db8::1/128", "2001:db8::3/128", "2001:db8:0:1::/128"], 3, 0, 2),
        (&["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"], 1, 0, 1),
    ];
    for (prefixes, ranges, v4, v6) in cases {
        let set = set(prefixes);
        assert_eq!(set.ranges(), *ranges, "ranges of {prefixes:?}");
        assert_eq!(set.coverage(), (*v4, *v6), "coverage of {prefixes:?}");
        assert_eq!(set.is_empty(), prefixes.is_empty(), "emptiness of {prefixes:?}");
    }
}

#[test]
fn prints_counts_only() {
    assert_eq!(format!("{:?}", set(&["10.0.0.0/8", "::1/128"])), "PrefixSet(1 IPv4 and 1 IPv6 ranges)");
}

/// Prefixes from a small space, so that they nest, touch and repeat, with any length down to /0.
fn prefix() -> impl Strategy<Value = IpNet> {
    let edge = prop_oneof![8 => 0u32..64, 1 => Just(u32::MAX), 1 => any::<u32>()];
    let v4 = (edge.clone(), prop_oneof![6 => 26u8..=32, 1 => 0u8..=32])
        .prop_map(|(bits, length)| IpNet::new(Ipv4Addr::from_bits(bits).into(), length).unwrap());
    let mapped = (edge.clone(), prop_oneof![6 => 122u8..=128, 1 => 90u8..=128]).prop_map(|(bits, length)| {
        let address = Ipv4Addr::from_bits(bits).to_ipv6_mapped();
        IpNet::new(address.into(), length).unwrap()
    });
    let v6 = (edge, any::<bool>(), prop_oneof![6 => 122u8..=128, 1 => 0u8..=128]).prop_map(|(low, top, length)| {
        let high = if top { u128::MAX << 32 } else { 0 };
        IpNet::new(Ipv6Addr::from_bits(high | u128::from(low)).into(), length).unwrap()
    });
    prop_oneof![v4, mapped, v6]
}

/// The rule in its plainest words: bit by bit, one prefix after the other.
fn scan(prefixes: &[IpNet], address: IpAddr) -> bool {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let is_mapped = |bits: u128| bits >> 32 == 0xffff;
    let asked = wide(address);
    prefixes.iter().any(|prefix| {
        let length = u32::from(prefix.prefix_len()) + if prefix.addr().is_ipv4() { 96 } else { 0 };
        let shift = 128 - length;
        let same = asked.checked_shr(shift).unwrap_or(0) == wide(prefix.addr()).checked_shr(shift).unwrap_or(0);
        same && is_mapped(asked) == (length >= 96 && is_mapped(wide(prefix.addr())))
    })
}

/// The addresses where an answer can change: both ends of every prefix and their neighbours.
fn edges(prefixes: &[IpNet]) -> Vec<IpAddr> {
    let mut addresses = vec![ip("0.0.0.0"), ip("255.255.255.255"), ip("::"), Ipv6Addr::from_bits(u128::MAX).into()];
    for end in prefixes.iter().flat_map(|prefix| [prefix.network(), prefix.broadcast()]) {
        match end {
            IpAddr::V4(v4) => {
                for bits in [v4.to_bits().wrapping_sub(1), v4.to_bits(), v4.to_bits().wrapping_add(1)] {
                    addresses.push(Ipv4Addr::from_bits(bits).into());
                    addresses.push(Ipv4Addr::from_bits(bits).to_ipv6_mapped().into());
                }
            }
            IpAddr::V6(v6) => {
                for bits in [v6.to_bits().wrapping_sub(1), v6.to_bits(), v6.to_bits().wrapping_add(1)] {
                    addresses.push(Ipv6Addr::from_bits(bits).into());
                }
            }
        }
    }
    addresses
}

proptest! {
    #[test]
    fn contains_equals_a_naive_scan(
        prefixes in prop::collection::vec(prefix(), 0..12),
        low in any::<u32>(),
        near in 0u32..80,
        any_v6 in any::<u128>(),
    ) {
        let set = PrefixSet::from_prefixes(prefixes.iter().copied());
        let mut asked = edges(&prefixes);
        asked.extend([low, near].map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))));
        asked.extend([any_v6, u128::from(near)].map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))));
        for address in asked {
            prop_assert_eq!(set.contains(address), scan(&prefixes, address), "{} in {:?}", address, &prefixes);
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter(prefixes in prop::collection::vec(prefix(), 0..12)) {
        let once = PrefixSet::from_prefixes(prefixes.iter().copied());
        let again = PrefixSet::from_prefixes(prefixes.iter().rev().chain(&prefixes).copied());
        prop_assert_eq!(once, again);
    }

    #[test]
    fn coverage_equals_a_count_one_by_one(
        v4 in prop::collection::vec((0u32..512, 24u8..=32), 0..8),
        v6 in prop::collection::vec((0u128..16, 0u128..4, 60u8..=128), 0..8),
    ) {
        let v4 = v4.into_iter().map(|(bits, length)| IpNet::new(Ipv4Addr::from_bits(bits).into(), length).unwrap());
        let v6 = v6.into_iter().map(|(network, host, length)| {
            IpNet::new(Ipv6Addr::from_bits(1 << 100 | network << 64 | host).into(), length).unwrap()
        });
        let prefixes: Vec<IpNet> = v4.chain(v6).collect();
        let mut addresses = BTreeSet::new();
        let mut networks = BTreeSet::new();
        for prefix in &prefixes {
            match prefix {
                IpNet::V4(net) => addresses.extend(net.network().to_bits()..=net.broadcast().to_bits()),
                IpNet::V6(net) => networks.extend(net.network().to_bits() >> 64..=net.broadcast().to_bits() >> 64),
            }
        }
        let set = PrefixSet::from_prefixes(prefixes);
        prop_assert_eq!(set.coverage(), (addresses.len() as u64, networks.len() as u128));
    }
}
