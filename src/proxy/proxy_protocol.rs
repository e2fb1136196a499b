//! The PROXY protocol, versions 1 and 2: a proxy announces its client before the first byte of the connection.
//!
//! Where it is switched on it is mandatory, and only trusted proxies may speak it: an optional announcement could be
//! made by anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement {
    /// The beginning of one.
    Partial,
    /// A whole one of so many bytes, with the client where it names one: health checks of the proxy itself do not.
    Whole { length: usize, client: Option<IpAddr> },
    /// None.
    Invalid(&'static str),
}

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, CR LF included.
const V1_MOST: usize = 107;
/// The longest header of version 2: extensions are read over, not kept.
const V2_MOST: usize = 16 + 2048;

/// Reads the beginning of a connection.
pub(super) fn read(bytes: &[u8]) -> Announcement {
    let begins = |whole: &[u8]| whole.starts_with(bytes.get(..whole.len()).unwrap_or(bytes));
    if begins(V2_SIGNATURE) {
        return if bytes.len() < 16 { Announcement::Partial } else { version_2(bytes) };
    }
    if begins(b"PROXY ") {
        return version_1(bytes);
    }
    Announcement::Invalid("the connection does not begin with the PROXY protocol")
}

fn version_1(bytes: &[u8]) -> Announcement {
    const BAD: Announcement = Announcement::Invalid("the PROXY line is malformed");
    let Some(end) = bytes.iter().take(V1_MOST).position(|b| *b == b'\n') else {
        return if bytes.len() < V1_MOST { Announcement::Partial } else { BAD };
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")).and_then(|l| std::str::from_utf8(l).ok());
    let mut words = line.unwrap_or_default().split(' ').skip(1);
    let length = end + 1;
    let family = match words.next() {
        Some("UNKNOWN") => return Announcement::Whole { length, client: None },
        Some("TCP4") => 4,
        Some("TCP6") => 6,
        _ => return BAD,
    };
    let of_family = |word: Option<&str>| match (word?.parse::<IpAddr>().ok()?, family) {
        (ip @ IpAddr::V4(_), 4) | (ip @ IpAddr::V6(_), 6) => Some(ip),
        _ => None,
    };
    let port = |word: Option<&str>| word?.parse::<u16>().ok();
    let (source, destination) = (of_family(words.next()), of_family(words.next()));
    let (source_port, destination_port) = (port(words.next()), port(words.next()));
    match (source, destination, source_port, destination_port, words.next()) {
        (Some(source), Some(_), Some(_), Some(_), None) => {
            Announcement::Whole { length, client: Some(source.to_canonical()) }
        }
        _ => BAD,
    }
}

fn version_2(bytes: &[u8]) -> Announcement {
    const BAD: Announcement = Announcement::Invalid("the PROXY header is malformed");
    let (Some([command, family, high, low]), Some(rest)) = (bytes.get(12..16), bytes.get(16..)) else {
        return Announcement::Partial;
    };
    let announced = usize::from(u16::from_be_bytes([*high, *low]));
    if announced + 16 > V2_MOST {
        return Announcement::Invalid("the PROXY header is too long");
    }
    let length = announced + 16;
    if *command != 0x20 && *command != 0x21 {
        return BAD;
    }
    let Some(addresses) = rest.get(..announced) else { return Announcement::Partial };
    if *command == 0x20 {
        return Announcement::Whole { length, client: None };
    }
    let client = match family {
        0x11 if announced >= 12 => addresses.first_chunk::<4>().map(|ip| IpAddr::from(Ipv4Addr::from(*ip))),
        0x21 if announced >= 36 => addresses.first_chunk::<16>().map(|ip| IpAddr::from(Ipv6Addr::from(*ip))),
        _ => None,
    };
    match client {
        Some(client) => Announcement::Whole { length, client: Some(client.to_canonical()) },
        None => BAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8], client: Option<&str>) {
        let client = client.map(|ip| ip.parse().unwrap());
        let expected = Announcement::Whole { length: bytes.len(), client };
        assert_eq!(read(&[bytes, b"GET / HTTP/1.1\r\n"].concat()), expected, "{bytes:?}");
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Announcement::Partial, "{cut} bytes of {bytes:?}");
        }
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, addresses].concat()
    }

    #[test]
    fn announcements_of_both_versions() {
        whole(b"PROXY TCP4 192.0.2.1 198.51.100.1 1234 443\r\n", Some("192.0.2.1"));
        whole(b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", Some("2001:db8::1"));
        whole(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 1\r\n", Some("192.0.2.1"));
        whole(b"PROXY UNKNOWN\r\n", None);
        whole(b"PROXY UNKNOWN ffff::1 ::1 1 1\r\n", None);
        whole(&v2(0x21, 0x11, &[192, 0, 2, 1, 198, 51, 100, 1, 4, 5, 6, 7]), Some("192.0.2.1"));
        whole(&v2(0x21, 0x11, &[192, 0, 2, 1, 198, 51, 100, 1, 4, 5, 6, 7, 0x20, 0, 1, 9]), Some("192.0.2.1"));
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        whole(&v2(0x21, 0x21, &six), Some("2001::"));
        whole(&v2(0x20, 0x00, b""), None);
    }

    #[test]
    fn anything_else_is_none() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"proxy TCP4 192.0.2.1 198.51.100.1 1 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 1\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 1 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n",
            b"PROXY TCP4 192.0.2.01 198.51.100.1 1 1\r\n",
            b"PROXY TCP4 2001:db8::1 ::1 1 1\r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.1 1 1\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n",
            b"PROXY  TCP4 192.0.2.1 198.51.100.1 1 1\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.1 1 1\r\n",
            b"PROXY \r\n",
            &[b"PROXY UNKNOWN ", [b'a'; 120].as_slice()].concat(),
            &v2(0x31, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x12, &[0; 12]),
            &v2(0x21, 0x31, &[0; 216]),
            &v2(0x21, 0x00, &[0; 12]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x11, &[0; 4000]),
        ] {
            assert!(matches!(read(bytes), Announcement::Invalid(_)), "{bytes:?}");
        }
    }
}
