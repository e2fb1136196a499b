//! Listening addresses as the command line takes them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

/// The name of a listener that is given none.
pub(super) const DEFAULT_NAME: &str = "default";

/// `[NAME=]ADDR`, where `ADDR` is `HOST:PORT` or `:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listen {
    pub(super) name: String,
    address: String,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').unwrap_or((DEFAULT_NAME, text));
        if !is_name(name) {
            return Err(format!("{name:?} is not a listener name: 1 to 64 letters, digits, and _ . -"));
        }
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            let bare = !address.is_empty() && address.bytes().all(|b| b.is_ascii_digit());
            let hint = if bare { format!("; did you mean :{address}?") } else { String::new() };
            return Err(format!("expected [NAME=]HOST:PORT or [NAME=]:PORT, found {text:?}{hint}"));
        }
        Ok(Self { name: name.to_owned(), address: address.to_owned() })
    }
}

/// Whether a listener may have that name.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

impl Listen {
    /// The same address under another name.
    pub(super) fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// Binds it, and answers the socket with the address it really has.
    ///
    /// # Errors
    /// What the system says, with the address.
    pub(super) fn bind(&self) -> Result<(TcpListener, SocketAddr), String> {
        let candidates = self.candidates().map_err(|e| format!("{}: {e}", self.address))?;
        let mut last = "the name has no address".to_owned();
        for address in candidates {
            match crate::proxy::bind(address) {
                Ok(bound) => return Ok(bound),
                Err(error) => last = error.to_string(),
            }
        }
        Err(format!("cannot listen on {}: {last}", self.address))
    }

    /// `:PORT` is every address, over IPv6 where the machine has it.
    fn candidates(&self) -> std::io::Result<Vec<SocketAddr>> {
        match self.address.strip_prefix(':').and_then(|port| port.parse().ok()) {
            Some(port) => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]),
            None => Ok(self.address.to_socket_addrs()?.collect()),
        }
    }
}
