//! Which address a policy judges: the peer, or the client that trusted proxies vouch for.

use crate::prefix_set::PrefixSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use thiserror::Error;

/// How trusted proxies name their clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientFrom {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239
    Forwarded,
    /// The PROXY protocol, before the first request of a connection.
    ProxyProtocol,
}

impl ClientFrom {
    /// Every way, by its name in a policy.
    pub const ALL: [(&'static str, Self); 3] = [
        ("x-forwarded-for", Self::XForwardedFor),
        ("forwarded", Self::Forwarded),
        ("proxy-protocol", Self::ProxyProtocol),
    ];

    /// The header that names them, in lower case; the PROXY protocol needs none.
    pub const fn header(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::ProxyProtocol => "",
        }
    }
}

/// The remote end of a connection, and how far it is believed.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'t> {
    /// Its address.
    pub address: IpAddr,
    /// The listener's trusted proxies.
    pub trusted: &'t PrefixSet,
    /// How they name their clients.
    pub client_from: ClientFrom,
    /// The client that the PROXY protocol announced.
    pub announced: Option<IpAddr>,
}

/// Why the address of the client cannot be established.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SourceError {
    /// A trusted proxy named no client.
    #[error("the trusted proxy {0} named no client")]
    Missing(IpAddr),
    /// An entry before the client is not an address.
    #[error("the trusted proxy {peer} sent an entry that is not an address: {entry:?}")]
    Garbage {
        /// The peer.
        peer: IpAddr,
        /// The entry, shortened.
        entry: String,
    },
    /// Every entry is a trusted proxy.
    #[error("the trusted proxy {0} named only trusted proxies")]
    OnlyProxies(IpAddr),
}

/// The client's address. An untrusted peer is its own client, whatever it claims; what a trusted one names, the lines
/// of its header joined in order, is walked from the right past trusted proxies.
///
/// # Errors
/// Why a trusted peer's claim names no client.
pub fn client_address<'l>(peer: &Peer<'_>, lines: impl Iterator<Item = &'l [u8]>) -> Result<IpAddr, SourceError> {
    let address = peer.address.to_canonical();
    if !peer.trusted.contains(address) {
        return Ok(address);
    }
    match peer.client_from {
        ClientFrom::ProxyProtocol => walk(peer, peer.announced.into_iter().map(Ok)),
        ClientFrom::XForwardedFor => {
            let lines: Vec<&[u8]> = lines.collect();
            let entries = lines.iter().rev().flat_map(|line| line.rsplit(|b| *b == b','));
            walk(peer, entries.map(|entry| self::address(entry).ok_or_else(|| shown(entry))))
        }
        ClientFrom::Forwarded => {
            let elements: Vec<Vec<u8>> = lines.flat_map(elements).collect();
            walk(peer, elements.iter().rev().map(|element| node(element).ok_or_else(|| shown(element))))
        }
    }
}

/// The first address that is no trusted proxy; what is no address ends the walk.
fn walk(peer: &Peer<'_>, entries: impl Iterator<Item = Result<IpAddr, String>>) -> Result<IpAddr, SourceError> {
    let mut named = false;
    for entry in entries {
        let address = entry.map_err(|entry| SourceError::Garbage { peer: peer.address, entry })?;
        if !peer.trusted.contains(address) {
            return Ok(address);
        }
        named = true;
    }
    Err(if named { SourceError::OnlyProxies(peer.address) } else { SourceError::Missing(peer.address) })
}

fn shown(entry: &[u8]) -> String {
    String::from_utf8_lossy(entry).chars().take(64).collect()
}

/// The elements of a line of `Forwarded`. One that cannot be split for certain stays whole, and names nobody: the trusted
/// proxy appends to what the client sent, and a quote that the client left open would take in what the proxy wrote.
fn elements(line: &[u8]) -> Vec<Vec<u8>> {
    if is_certain(line) { split_quoted(line, b',') } else { vec![line.to_vec()] }
}

/// Whether every quote is closed again, and none is escaped: no address needs an escape.
fn is_certain(text: &[u8]) -> bool {
    !text.contains(&b'\\') && memchr::memchr_iter(b'"', text).count().is_multiple_of(2)
}

/// The address of the one `for=` of a `Forwarded` element.
fn node(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    if !is_certain(element) {
        return None;
    }
    for pair in split_quoted(element, b';') {
        let equals = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        if name.trim_ascii().eq_ignore_ascii_case(b"for") {
            let value = value.get(1..)?.trim_ascii();
            let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
            if found.replace(address(value)?).is_some() {
                return None;
            }
        }
    }
    found
}

/// Splits where the separator stands outside of quotes.
fn split_quoted(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut quoted = false;
    for byte in text {
        quoted ^= *byte == b'"';
        if *byte == separator && !quoted {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(*byte);
        }
    }
    parts
}

/// An address as proxies write it: bare, or IPv6 in brackets, with or without a port; never with a zone.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = || entry.parse::<IpAddr>().ok();
    // Brackets keep the colons of IPv6 apart from a port's; nobody writes them around anything else.
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    // A socket address may carry a zone, which says nothing about the client.
    let with_port = || entry.parse::<SocketAddr>().ok().filter(|_| !entry.contains('%')).map(|a| a.ip());
    bare().or_else(bracketed).or_else(with_port).map(|ip| ip.to_canonical())
}
