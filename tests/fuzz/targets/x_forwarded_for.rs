//! The client address against a walk that is written down naively: all entries of all lines, from the right, the first
//! that is not a proxy; an entry that is no address ends the walk.
#![no_main]

use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;
use pushguard::prefix_set::PrefixSet;
use pushguard::request::{ClientFrom, Peer, SourceError};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

fuzz_target!(|bytes: &[u8]| {
    let trusted: [IpNet; 2] = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap());
    let set = PrefixSet::from_prefixes(trusted);
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let found = client_address(proxy, &set, lines.iter().copied());
    assert_eq!(found.clone().ok(), naive(&trusted, &lines), "{:?}", String::from_utf8_lossy(bytes));
    if let Ok(found) = found {
        assert!(!set.contains(found), "a proxy became a client: {found}");
        assert_eq!(found, found.to_canonical());
    }
    let stranger = IpAddr::from([192, 0, 2, 9]);
    assert_eq!(client_address(stranger, &set, lines.iter().copied()), Ok(stranger));
});

fn client_address<'l>(
    address: IpAddr,
    trusted: &PrefixSet,
    lines: impl Iterator<Item = &'l [u8]>,
) -> Result<IpAddr, SourceError> {
    let peer = Peer { address, trusted, client_from: ClientFrom::XForwardedFor, announced: None };
    pushguard::request::client_address(&peer, lines)
}

fn naive(trusted: &[IpNet], lines: &[&[u8]]) -> Option<IpAddr> {
    let joined = lines.join(&b","[..]);
    let text = joined.split(|b| *b == b',').map(|entry| std::str::from_utf8(entry).ok());
    for entry in text.collect::<Vec<_>>().into_iter().rev() {
        let entry = entry?.trim_matches(|c| c == ' ' || c == '\t');
        if entry.contains('%') {
            return None;
        }
        let unbracketed = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']'));
        let address = match (entry.parse::<IpAddr>(), entry.parse::<SocketAddr>(), unbracketed) {
            (Ok(address), ..) => address,
            (_, Ok(socket), _) => socket.ip(),
            (.., Some(inner)) => inner.parse::<Ipv6Addr>().ok()?.into(),
            _ => return None,
        };
        let address = address.to_canonical();
        if !trusted.iter().any(|net| net.contains(&address)) {
            return Some(address);
        }
    }
    None
}
