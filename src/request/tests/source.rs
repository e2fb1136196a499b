use super::{cases, table};
use crate::prefix_set::PrefixSet;
use crate::request::{ClientFrom, Peer, SourceError};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

const TRUSTED: [&str; 3] = ["10.42.0.0/16", "192.0.2.1/32", "fd00::/8"];

fn trusted() -> PrefixSet {
    PrefixSet::from_prefixes(TRUSTED.map(|net| net.parse().unwrap()))
}

fn client_address<'l>(
    address: IpAddr,
    trusted: &PrefixSet,
    lines: impl Iterator<Item = &'l [u8]>,
) -> Result<IpAddr, SourceError> {
    let peer = Peer { address, trusted, client_from: ClientFrom::XForwardedFor, announced: None };
    crate::request::client_address(&peer, lines)
}

/// The client that a `Forwarded` names, or the class of the error.
fn forwarded(lines: &[&str]) -> String {
    let trusted = trusted();
    let address = IpAddr::from([10, 42, 0, 1]);
    let peer = Peer { address, trusted: &trusted, client_from: ClientFrom::Forwarded, announced: None };
    match crate::request::client_address(&peer, lines.iter().map(|line| line.as_bytes())) {
        Ok(address) => address.to_string(),
        Err(SourceError::Missing(_)) => "missing".to_owned(),
        Err(SourceError::Garbage { .. }) => "garbage".to_owned(),
        Err(SourceError::OnlyProxies(_)) => "only proxies".to_owned(),
    }
}

#[test]
fn clients_that_forwarded_names() {
    for (lines, client) in [
        (&["for=8.8.8.8"][..], "8.8.8.8"),
        (&["For=8.8.8.8;proto=https;by=10.42.0.1"], "8.8.8.8"),
        (&["proto=https;host=\"a,b;c\";for=\"8.8.8.8:443\""], "8.8.8.8"),
        (&["for=\"[2001:db8::1]:443\""], "2001:db8::1"),
        (&["for=7.7.7.7, for=8.8.8.8 , for=10.42.0.9"], "8.8.8.8"),
        (&["for=7.7.7.7", "for=8.8.8.8", "for=192.0.2.1"], "8.8.8.8"),
        (&["garbage, for=8.8.8.8"], "8.8.8.8"),
        (&[], "missing"),
        (&["for=10.42.0.2"], "only proxies"),
        (&["for=8.8.8.8, for=unknown"], "garbage"),
        (&["for=_hidden"], "garbage"),
        (&["proto=https"], "garbage"),
        (&[""], "garbage"),
        (&["for=8.8.8.8;for=7.7.7.7"], "garbage"),
        (&["for=8.8.8.8;x"], "garbage"),
        (&["for=\"8.8.8.8"], "garbage"),
        (&["for=fe80::1%eth0"], "garbage"),
        (&["for=\"[fe80::1%25eth0]\""], "garbage"),
        (&["for=\"[8.8.8.8]:80\""], "garbage"),
        (&["for=[8.8.8.8]"], "garbage"),
        (&["for=\"[::ffff:8.8.8.8]:80\""], "8.8.8.8"),
        (&["xfor=8.8.8.8"], "garbage"),
        // A quote that the client leaves open takes in what the trusted proxy appended.
        (&["for=7.7.7.7;by=\", for=8.8.8.8"], "garbage"),
        (&["for=7.7.7.7;by=\", for=\"8.8.8.8:4711\";proto=https"], "garbage"),
        (&["for=7.7.7.7;by=\", for=\"[2001:db8::1]:4711\";by=10.42.0.9"], "garbage"),
        (&["for=7.7.7.7;by=\", for=8.8.8.8;host=\"a\\\"b\""], "garbage"),
        (&["for=7.7.7.7;by=\"\\\", for=8.8.8.8"], "garbage"),
        (&["for=8.8.8.8;host=\"a\\\", for=7.7.7.7;by=\\\"b\""], "garbage"),
        // In a line of its own it takes in nothing, and one that is closed again neither.
        (&["for=7.7.7.7;by=\"", "for=8.8.8.8"], "8.8.8.8"),
        (&["for=7.7.7.7;by=\",\", for=8.8.8.8"], "8.8.8.8"),
    ] {
        assert_eq!(forwarded(lines), client, "{lines:?}");
    }
}

/// Of the PROXY protocol only the announcement counts; headers say nothing then.
#[test]
fn clients_that_are_announced() {
    let trusted = trusted();
    let client = |announced: Option<&str>, address: [u8; 4]| {
        let announced = announced.map(|text| text.parse().unwrap());
        let peer =
            Peer { address: address.into(), trusted: &trusted, client_from: ClientFrom::ProxyProtocol, announced };
        crate::request::client_address(&peer, [b"7.7.7.7".as_slice()].into_iter())
    };
    let proxy = [10, 42, 0, 1];
    assert_eq!(client(Some("8.8.8.8"), proxy), Ok([8, 8, 8, 8].into()));
    assert_eq!(client(None, proxy), Err(SourceError::Missing(proxy.into())));
    assert_eq!(client(Some("10.42.0.2"), proxy), Err(SourceError::OnlyProxies(proxy.into())));
    assert_eq!(client(Some("8.8.8.8"), [9, 9, 9, 9]), Ok([9, 9, 9, 9].into()), "a stranger announces nobody");
}

/// The client, or the class of the error.
fn client(peer: &str, lines: &[&[u8]]) -> String {
    match client_address(peer.parse().unwrap(), &trusted(), lines.iter().copied()) {
        Ok(address) => address.to_string(),
        Err(SourceError::Missing(_)) => "missing".to_owned(),
        Err(SourceError::Garbage { .. }) => "garbage".to_owned(),
        Err(SourceError::OnlyProxies(_)) => "only proxies".to_owned(),
    }
}

#[test]
fn clients_behind_proxies() {
    let rows: &[(&str, &[&[u8]], &str)] = &[
        // A stranger is its own client, whatever it says.
        ("9.9.9.9", &[], "9.9.9.9"),
        ("9.9.9.9", &[b"8.8.8.8"], "9.9.9.9"),
        ("9.9.9.9", &[b"garbage"], "9.9.9.9"),
        ("::ffff:9.9.9.9", &[b"8.8.8.8"], "9.9.9.9"),
        ("10.43.0.1", &[b"8.8.8.8"], "10.43.0.1"),
        // A proxy is never a client.
        ("10.42.0.1", &[], "missing"),
        ("10.42.0.1", &[b"10.42.0.2"], "only proxies"),
        ("10.42.0.1", &[b"10.42.0.2, fd00::1", b"192.0.2.1"], "only proxies"),
        ("10.42.0.1", &[b"::ffff:10.42.0.9"], "only proxies"),
        ("10.42.0.1", &[b""], "garbage"),
        ("10.42.0.1", &[b","], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8", b""], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8,"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8, unknown"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8, _hidden"], "garbage"),
        // From the right, over all lines.
        ("10.42.0.1", &[b"8.8.8.8"], "8.8.8.8"),
        ("::ffff:10.42.0.1", &[b"8.8.8.8"], "8.8.8.8"),
        ("fd00::1", &[b"2001:db8::1"], "2001:db8::1"),
        ("10.42.0.1", &[b"7.7.7.7, 8.8.8.8"], "8.8.8.8"),
        ("10.42.0.1", &[b"7.7.7.7", b"8.8.8.8"], "8.8.8.8"),
        ("10.42.0.1", &[b"7.7.7.7, 8.8.8.8, 10.42.3.4, 192.0.2.1"], "8.8.8.8"),
        ("10.42.0.1", &[b"7.7.7.7, 8.8.8.8", b"10.42.3.4", b"192.0.2.1"], "8.8.8.8"),
        ("10.42.0.1", &[b"garbage, 8.8.8.8"], "8.8.8.8"),
        ("10.42.0.1", &[b"garbage", b"\t8.8.8.8 , 10.42.0.9"], "8.8.8.8"),
        ("10.42.0.1", &[b"8.8.8.8, garbage, 10.42.0.9"], "garbage"),
        // Spellings.
        ("10.42.0.1", &[b"8.8.8.8:443"], "8.8.8.8"),
        ("10.42.0.1", &[b"[2001:db8::1]"], "2001:db8::1"),
        ("10.42.0.1", &[b"[2001:db8::1]:443"], "2001:db8::1"),
        ("10.42.0.1", &[b"2001:DB8:0:0::1"], "2001:db8::1"),
        ("10.42.0.1", &[b"::ffff:8.8.8.8"], "8.8.8.8"),
        ("10.42.0.1", &[b"[::ffff:8.8.8.8]:1"], "8.8.8.8"),
        // Brackets are for IPv6.
        ("10.42.0.1", &[b"[8.8.8.8]"], "garbage"),
        ("10.42.0.1", &[b"[8.8.8.8]:80"], "garbage"),
        ("10.42.0.1", &[b"[8.8.8.8:80]"], "garbage"),
        ("10.42.0.1", &[b"[2001:db8::1]:"], "garbage"),
        ("10.42.0.1", &[b"[::ffff:8.8.8.8]"], "8.8.8.8"),
        ("10.42.0.1", &[b"::ffff:0808:0808"], "8.8.8.8"),
        // Not IPv4-mapped, so they are addresses of their own: IPv4-compatible, 6to4, NAT64.
        ("10.42.0.1", &[b"::8.8.8.8"], "::808:808"),
        ("10.42.0.1", &[b"2002:808:808::1"], "2002:808:808::1"),
        ("10.42.0.1", &[b"64:ff9b::8.8.8.8"], "64:ff9b::808:808"),
        ("10.42.0.1", &[b"fe80::1%eth0"], "garbage"),
        ("10.42.0.1", &[b"[fe80::1%1]:80"], "garbage"),
        ("10.42.0.1", &[b"[fe80::1%1]"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8:"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8:65536"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8:x"], "garbage"),
        ("10.42.0.1", &[b"[2001:db8::1"], "garbage"),
        ("10.42.0.1", &[b"2001:db8::1]"], "garbage"),
        ("10.42.0.1", &[b"[[2001:db8::1]]"], "garbage"),
        ("10.42.0.1", &[b"8.8.8"], "garbage"),
        ("10.42.0.1", &[b"08.8.8.8"], "garbage"),
        ("10.42.0.1", &[b"0x8.8.8.8"], "garbage"),
        ("10.42.0.1", &[b"134744072"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8/32"], "garbage"),
        ("10.42.0.1", &[b"\"8.8.8.8\""], "garbage"),
        ("10.42.0.1", &[b"for=8.8.8.8"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8 7.7.7.7"], "garbage"),
        ("10.42.0.1", &[b"8.8.8.8;7.7.7.7"], "garbage"),
        ("10.42.0.1", &["8\u{ff0e}8.8.8".as_bytes()], "garbage"),
        ("10.42.0.1", &[b"\xff"], "garbage"),
        ("10.42.0.1", &["\u{a0}8.8.8.8".as_bytes()], "garbage"),
    ];
    let shown = |lines: &[&[u8]]| lines.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect::<Vec<_>>();
    table(
        rows.iter().map(|(peer, lines, expected)| ((peer, shown(lines)), (*expected).to_owned(), client(peer, lines))),
    );
}

#[test]
fn an_error_shows_a_short_entry() {
    let long = "x".repeat(5000);
    let error = client_address("10.42.0.1".parse().unwrap(), &trusted(), [long.as_bytes()].into_iter()).unwrap_err();
    assert!(error.to_string().len() < 250, "{error}");
    let hostile = "\u{1b}[2J\n\u{202e}";
    let error = client_address("10.42.0.1".parse().unwrap(), &trusted(), [hostile.as_bytes()].into_iter()).unwrap_err();
    assert!(!error.to_string().chars().any(|c| c.is_control() || c == '\u{202e}'), "{error:?}");
}

/// The same rule, written down naively: all entries in order, then from the last backwards.
fn naive(lines: &[String]) -> Option<IpAddr> {
    let joined = lines.join(",");
    let mut entries: Vec<&str> = joined.split(',').collect();
    while let Some(entry) = entries.pop() {
        let entry = entry.trim_matches(|c| c == ' ' || c == '\t');
        if entry.contains('%') {
            return None;
        }
        let inner = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']'));
        if inner.is_some_and(|inner| !inner.contains(':') || inner.contains('[')) {
            return None;
        }
        let bare = inner.unwrap_or(entry);
        let address = bare.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|s| s.ip())).ok()?;
        let address = address.to_canonical();
        let nets = TRUSTED.map(|net| net.parse::<ipnet::IpNet>().unwrap());
        if !nets.iter().any(|net| net.contains(&address)) {
            return Some(address);
        }
    }
    None
}

fn entry() -> impl Strategy<Value = String> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|a| IpAddr::from(a).to_string()),
        any::<[u16; 8]>().prop_map(|a| IpAddr::from(a).to_string()),
        (0_u8..4).prop_map(|a| format!("10.42.{a}.1")),
        (0_u8..4).prop_map(|a| format!("::ffff:10.42.{a}.1")),
        Just("192.0.2.1".to_owned()),
        Just("fd00::5".to_owned()),
    ];
    prop_oneof![
        8 => (address, 0..5).prop_map(|(address, form)| match (form, address.contains(':')) {
            (0, true) => format!("[{address}]:443"),
            (0, false) => format!("{address}:80"),
            (1, true) => format!("[{address}]"),
            (2, _) => format!(" {address}\t"),
            _ => address,
        }),
        1 => "[0-9a-f:.%\\[\\] x]{0,20}",
    ]
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn the_walk_is_the_naive_walk(lines in proptest::collection::vec(
        proptest::collection::vec(entry(), 1..4).prop_map(|entries| entries.join(",")), 1..4
    )) {
        let peer = "10.42.0.1".parse().unwrap();
        let found = client_address(peer, &trusted(), lines.iter().map(String::as_bytes));
        prop_assert_eq!(found.clone().ok(), naive(&lines), "{:?}", lines);
        if let Ok(found) = found {
            prop_assert!(!trusted().contains(found));
        }
        let stranger = "203.0.113.1".parse().unwrap();
        prop_assert_eq!(client_address(stranger, &trusted(), lines.iter().map(String::as_bytes)), Ok(stranger));
    }

    /// What a client writes on the left never changes whom the proxies name.
    #[test]
    fn a_client_cannot_forge_itself(forged in "[ -~]{0,60}", client in any::<[u8; 4]>()) {
        let client = IpAddr::from(client);
        prop_assume!(!trusted().contains(client));
        let peer = "10.42.0.1".parse().unwrap();
        let line = format!("{forged}, {client}, 10.42.0.7");
        prop_assert_eq!(client_address(peer, &trusted(), [line.as_bytes()].into_iter()), Ok(client));
    }
}
