//! Which address a policy judges: the peer, or the client that trusted proxies vouch for.

use crate::prefix_set::PrefixSet;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// Why the address of the client cannot be established.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SourceError {
    /// A trusted proxy sent no `X-Forwarded-For`.
    #[error("the trusted proxy {0} sent no X-Forwarded-For")]
    Missing(IpAddr),
    /// An entry before the client is not an address.
    #[error("the trusted proxy {peer} sent an X-Forwarded-For with an entry that is not an address: {entry:?}")]
    Garbage {
        /// The peer.
        peer: IpAddr,
        /// The entry, shortened.
        entry: String,
    },
    /// Every entry is a trusted proxy.
    #[error("the trusted proxy {0} sent an X-Forwarded-For with only trusted proxies in it")]
    OnlyProxies(IpAddr),
}

/// The client's address. An untrusted peer is its own client, whatever it claims; behind a trusted one the
/// `X-Forwarded-For` lines, joined in order, are walked from the right past trusted proxies.
///
/// # Errors
/// Why a trusted peer's claim names no client.
pub fn client_address<'a>(
    peer: IpAddr,
    trusted: &PrefixSet,
    forwarded_for: impl Iterator<Item = &'a [u8]>,
) -> Result<IpAddr, SourceError> {
    let peer = peer.to_canonical();
    if !trusted.contains(peer) {
        return Ok(peer);
    }
    let lines: Vec<&[u8]> = forwarded_for.collect();
    if lines.is_empty() {
        return Err(SourceError::Missing(peer));
    }
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(|b| *b == b',')) {
        let Some(address) = address(entry) else {
            let entry = String::from_utf8_lossy(entry).chars().take(64).collect();
            return Err(SourceError::Garbage { peer, entry });
        };
        if !trusted.contains(address) {
            return Ok(address);
        }
    }
    Err(SourceError::OnlyProxies(peer))
}

/// An address as proxies write it: bare, in brackets, with or without a port; never with a zone.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = || entry.parse::<IpAddr>().ok();
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    // A socket address may carry a zone, which says nothing about the client.
    let with_port = || entry.parse::<SocketAddr>().ok().filter(|_| !entry.contains('%')).map(|a| a.ip());
    bare().or_else(bracketed).or_else(with_port).map(|ip| ip.to_canonical())
}
