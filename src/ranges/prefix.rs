//! Prefixes as texts that mean one network each.

use crate::prefix_set::canonical;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Why a text is not an exact prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// What stands before the `/` is not an IPv4 or IPv6 address in standard form.
    #[error("not an IP address")]
    Address,
    /// What stands after the `/` is not a length from 0 to 32 (IPv4) or 128 (IPv6) in plain decimal digits.
    #[error("not a prefix length")]
    Length,
    /// Bits after the prefix are set, so that writer and reader may mean different networks.
    #[error("host bits are set")]
    HostBits,
}

/// Reads a prefix such as `192.0.2.0/24`, or a bare address, which stands for itself alone (/32 or /128).
///
/// # Errors
///
/// Refuses every other spelling: spaces, leading zeros, zone names, lengths that do not fit, host bits that are set.
pub fn parse_prefix(text: &str) -> Result<IpNet, PrefixError> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().map(IpNet::from).map_err(|_| PrefixError::Address);
    };
    let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
    let plain = length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    if !plain {
        return Err(PrefixError::Length);
    }
    let length = length.parse().map_err(|_| PrefixError::Length)?;
    let prefix = IpNet::new(address, length).map_err(|_| PrefixError::Length)?;
    if prefix.network() == address { Ok(prefix) } else { Err(PrefixError::HostBits) }
}

/// A prefix without host bits, IPv4 where all of it is IPv4: one network has one value and one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpNet);

impl Prefix {
    /// The network that `net` lies in.
    pub fn new(net: IpNet) -> Self {
        Self(canonical(net.trunc()))
    }

    /// The network.
    pub const fn net(self) -> IpNet {
        self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Prefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_prefix(&text).map(Self::new).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_exact_prefixes_only() {
        let good = [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("192.0.2.1/32", "192.0.2.1/32"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:DB8::1", "2001:db8::1/128"),
            ("2001:0db8::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104"),
        ];
        for (text, want) in good {
            assert_eq!(parse_prefix(text).map(|prefix| prefix.to_string()), Ok(want.to_owned()), "{text}");
        }
        let address = [
            "",
            "/",
            "/8",
            "x",
            "10.0.0/8",
            "10.0.0.0.0/8",
            " 10.0.0.0/8",
            "010.0.0.0/8",
            "256.0.0.0/8",
            "fe80::1%eth0/128",
            "[::1]/128",
            "10.0.0.0:80",
            "0x0a.0.0.0/8",
            "12:::/16",
            "10.0.0.0 ",
        ];
        let length = [
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.0/8 ",
            "10.0.0.0/00",
            "10.0.0.0/256",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/٨",
        ];
        let bits = ["10.0.0.1/8", "192.0.2.1/31", "2001:db8::1/64", "0.0.0.1/0", "::ffff:10.0.0.1/104"];
        let bad: [(PrefixError, &[&str]); 3] =
            [(PrefixError::Address, &address), (PrefixError::Length, &length), (PrefixError::HostBits, &bits)];
        for (why, texts) in bad {
            for text in texts {
                assert_eq!(parse_prefix(text), Err(why), "{text:?}");
            }
        }
    }

    #[test]
    fn one_network_has_one_value() {
        let prefix = |text: &str| Prefix::new(text.parse().unwrap());
        assert_eq!(prefix("::ffff:10.0.0.0/104"), prefix("10.1.2.3/8"));
        assert_ne!(prefix("::/95"), prefix("0.0.0.0/0"));
    }

    proptest! {
        #[test]
        fn text_and_value_say_the_same(bits: u128, v4: bool, length in 0u8..=128) {
            let address = if v4 { IpAddr::from(u32::to_be_bytes((bits >> 96) as u32)) } else { IpAddr::from(u128::to_be_bytes(bits)) };
            let prefix = Prefix::new(IpNet::new(address, if v4 { length / 4 } else { length }).unwrap());
            prop_assert_eq!(parse_prefix(&prefix.to_string()).map(Prefix::new), Ok(prefix));
            let json = serde_json::to_string(&prefix).unwrap();
            prop_assert_eq!(serde_json::from_str::<Prefix>(&json).unwrap(), prefix);
        }

        #[test]
        fn no_text_is_read_with_host_bits(text in ".*") {
            if let Ok(prefix) = parse_prefix(&text) {
                prop_assert_eq!(prefix, prefix.trunc());
            }
        }
    }
}
