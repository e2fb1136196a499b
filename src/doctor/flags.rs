//! What the gateway says of itself under `/api/v1/status`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Version and flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The version.
    pub version: String,
    flags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Document {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    build_information: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
}

impl Flags {
    /// Reads the page; none where it is something else.
    pub fn read(page: &[u8]) -> Option<Self> {
        let Document { data } = serde_json::from_slice(page).ok()?;
        let version = data.build_information.get("version").cloned().unwrap_or_default();
        Some(Self { version, flags: data.flags })
    }

    /// Whether a flag is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.flags.get(name).is_some_and(|value| value == "true")
    }

    /// Whether a flag has a value.
    pub fn has(&self, name: &str) -> bool {
        self.flags.get(name).is_some_and(|value| !value.is_empty())
    }

    /// The addresses that other machines can reach; `:9091` is all of them.
    pub fn open_addresses(&self) -> Vec<String> {
        let value = self.flags.get("web.listen-address").map(String::as_str).unwrap_or_default();
        let separate = |c: char| c == ' ' || c == ',';
        // Newer gateways print a list in brackets; an IPv6 address has its own.
        let list = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
        let addresses = list.split(separate).filter(|address| !address.is_empty());
        addresses.filter(|address| !is_loopback(address)).map(str::to_owned).collect()
    }
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
