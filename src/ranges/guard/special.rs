//! Addresses that no client on the internet has.

use ipnet::IpNet;
use std::sync::LazyLock;

/// IANA's special-purpose registries without what is globally reachable, and for IPv6 all that is not global unicast.
static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let ranges = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/3",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "4000::/2",
        "8000::/1",
    ];
    ranges.iter().filter_map(|range| range.parse().ok()).collect()
});

/// The special-purpose range that the prefix meets, and whether all of the prefix lies in it.
pub fn special_purpose(prefix: IpNet) -> Option<(IpNet, bool)> {
    let met = SPECIAL.iter().find(|range| range.contains(&prefix) || prefix.contains(*range))?;
    Some((*met, met.contains(&prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_there() {
        assert_eq!(SPECIAL.len(), 22);
        let rows = [
            ("127.0.0.1/32", Some(true)),
            ("10.0.0.0/8", Some(true)),
            ("0.0.0.0/0", Some(false)),
            ("8.0.0.0/6", Some(false)),
            ("255.255.255.255/32", Some(true)),
            ("::/0", Some(false)),
            ("::1/128", Some(true)),
            ("fe80::/10", Some(true)),
            ("fd00::/8", Some(true)),
            ("ff02::1/128", Some(true)),
            ("64:ff9b::/96", Some(true)),
            ("2000::/3", Some(false)),
            ("2001:0:1::/48", Some(true)),
            ("2002:7f00:1::/48", Some(true)),
            ("4.148.0.0/15", None),
            ("9.255.255.255/32", None),
            ("11.0.0.0/8", None),
            ("192.0.1.0/24", None),
            ("223.255.255.255/32", None),
            ("2a0a:a440::/29", None),
            ("2603:1030::/45", None),
            ("2001:200::/23", None),
            ("3ffe::/16", None),
        ];
        for (prefix, want) in rows {
            assert_eq!(special_purpose(prefix.parse().unwrap()).map(|(_, whole)| whole), want, "{prefix}");
        }
    }
}
