//! A head that is accepted has one reading: written again plainly it reads as itself, and it holds nothing that a
//! second reader could take for another line, another request or another body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::prefix_set::PrefixSet;
use pushguard::request::{ClientFrom, Head, HeadLimits, Peer, RawHead, Version, Web};
use std::net::IpAddr;

fuzz_target!(|bytes: &[u8]| {
    // The interesting part is what stands before the empty line.
    let mut text = bytes.to_vec();
    text.extend_from_slice(b"\r\n\r\n");
    for text in [bytes, &text] {
        if let Ok(head) = RawHead::read(text) {
            check(text, &head);
        }
    }
});

fn check(text: &[u8], head: &RawHead) {
    assert_eq!(text.windows(4).position(|w| w == b"\r\n\r\n"), Some(text.len() - 4), "an empty line inside");
    let most = HeadLimits::default();
    assert!(head.target.len() <= most.target && head.fields.len() <= most.fields);
    assert!(head.target.iter().all(|b| *b > b' ' && *b != 0x7f && *b != b'#'));
    let has = |name| head.field(name).is_some();
    assert!(!(has("content-length") && has("transfer-encoding")));
    assert!(head.version == Version::Http10 || has("host"));
    for (name, value) in &head.fields {
        assert!(!value.iter().any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f), "{name}: {value:?}");
        assert_eq!(*name, name.to_ascii_lowercase());
    }
    assert_eq!(RawHead::read(&written(head)).as_ref(), Ok(head));
    let peer = IpAddr::from([192, 0, 2, 1]);
    let trusted = PrefixSet::from_prefixes([peer.into()]);
    let peer = Peer { address: peer, trusted: &trusted, client_from: ClientFrom::default(), announced: None };
    let _ = Head::read(head, &peer, "fuzz".into(), &Web::default());
}

fn written(head: &RawHead) -> Vec<u8> {
    let mut text = format!("{} ", head.method.as_str()).into_bytes();
    text.extend_from_slice(&head.target);
    text.extend_from_slice(if head.version == Version::Http10 { b" HTTP/1.0" } else { b" HTTP/1.1" });
    for (name, value) in &head.fields {
        text.extend_from_slice(format!("\r\n{name}: ").as_bytes());
        text.extend_from_slice(value);
    }
    text.extend_from_slice(b"\r\n\r\n");
    text
}
