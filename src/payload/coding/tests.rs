//! Codings: what was coded comes back, anything else is refused, and nothing grows beyond its limit.

use super::*;
use proptest::prelude::*;
use std::io::Write as _;
use zlib_rs::{Deflate, DeflateFlush};

const MIB: u64 = 1024 * 1024;

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut member = Deflate::new(6, true, GZIP_WINDOW);
    let mut out = vec![0; body.len() + body.len() / 1000 + 100];
    let status = member.compress(body, &mut out, DeflateFlush::Finish).unwrap();
    assert_eq!(status, Status::StreamEnd);
    out.truncate(usize::try_from(member.total_out()).unwrap());
    out
}

pub(crate) fn snappy(body: &[u8]) -> Vec<u8> {
    let mut frames = snap::write::FrameEncoder::new(Vec::new());
    frames.write_all(body).unwrap();
    let coded = frames.into_inner().unwrap();
    // The encoder writes nothing at all for an empty body.
    if coded.is_empty() { SNAPPY_BEGIN.to_vec() } else { coded }
}

/// The decoded body and the most memory that it took.
fn decode(coding: Coding, body: &[u8], most: u64) -> Result<(Vec<u8>, usize), DecodeFault> {
    let mut decoder = Decoder::new(coding, body, most);
    let (mut room, mut steps) = (0, 0);
    loop {
        room += decoder.next_room();
        let more = decoder.step()?;
        assert!(decoder.out.len() <= room);
        room = decoder.out.len();
        steps += 1;
        assert!(steps < 1000, "it goes on for ever");
        if !more {
            let capacity = decoder.out.capacity();
            return Ok((decoder.finish(), capacity));
        }
    }
}

fn malformed(result: Result<(Vec<u8>, usize), DecodeFault>, words: &str) {
    match result {
        Err(DecodeFault::Malformed(text)) => assert!(text.contains(words), "{text}"),
        other => panic!("{words}: {other:?}"),
    }
}

const BODY: &[u8] = b"# TYPE tests_total counter\ntests_total{suite=\"unit\"} 42\ntests_total{suite=\"end\"} 7\n";

#[test]
fn whole_bodies_come_back() {
    let large: Vec<u8> = (0..60_000_u32).flat_map(|n| format!("m{{n=\"{n}\"}} {n}\n").into_bytes()).collect();
    for body in [b"".as_slice(), b"\n", BODY, &large] {
        for (coding, coded) in [(Coding::Gzip, gzip(body)), (Coding::Snappy, snappy(body))] {
            let (decoded, capacity) = decode(coding, &coded, 4 * MIB).unwrap();
            assert!(decoded == body, "{coding:?}, {} bytes", body.len());
            assert!(capacity <= body.len() + body.len() / 2 + PART + 1, "{capacity} bytes for {}", body.len());
        }
    }
}

#[test]
fn members_follow_each_other() {
    let coded: Vec<u8> = BODY.split_inclusive(|b| *b == b'\n').flat_map(gzip).collect();
    assert_eq!(decode(Coding::Gzip, &coded, MIB).unwrap().0, BODY);
    let many = gzip(b"").repeat(16);
    assert_eq!(decode(Coding::Gzip, &many, MIB).unwrap().0, b"");
    malformed(decode(Coding::Gzip, &gzip(b"").repeat(17), MIB), "more than 16 members");
}

#[test]
fn what_is_not_whole_is_refused() {
    let (zipped, framed) = (gzip(BODY), snappy(BODY));
    for cut in 0..zipped.len() {
        malformed(decode(Coding::Gzip, &zipped[..cut], MIB), "cut");
    }
    let second = [zipped.clone(), zipped[..zipped.len() - 1].to_vec()].concat();
    malformed(decode(Coding::Gzip, &second, MIB), "cut");
    for cut in 0..framed.len() {
        let found = decode(Coding::Snappy, &framed[..cut], MIB);
        match cut {
            0..10 => malformed(found, "framing format"),
            // Ten bytes are an empty body: the format has no mark for its end.
            10 => assert_eq!(found.unwrap().0, b""),
            _ => malformed(found, "cut"),
        }
    }
    for tail in [b"\0".as_slice(), b"\0\0\0\0", b"\x1f", b"garbage", BODY] {
        malformed(decode(Coding::Gzip, &[&zipped, tail].concat(), MIB), "behind");
    }
    malformed(decode(Coding::Gzip, &[&zipped, b"\x1f\x8b".as_slice()].concat(), MIB), "cut");
    malformed(decode(Coding::Snappy, &[&framed, b"garbage".as_slice()].concat(), MIB), "damaged");
    malformed(decode(Coding::Snappy, &[&framed, b"\xfe\x01\0\0x".as_slice()].concat(), MIB), "damaged");
    malformed(decode(Coding::Gzip, BODY, MIB), "not gzip");
    malformed(decode(Coding::Gzip, &framed, MIB), "not gzip");
    malformed(decode(Coding::Snappy, BODY, MIB), "framing format");
    malformed(decode(Coding::Snappy, &snap::raw::Encoder::new().compress_vec(BODY).unwrap(), MIB), "framing format");
}

/// A damaged body is refused, or it was damaged where it says nothing: in the time and the system of a gzip header, and
/// between its last bit and the next byte.
#[test]
fn every_flipped_bit_is_noticed() {
    for (coding, coded) in [(Coding::Gzip, gzip(BODY)), (Coding::Snappy, snappy(BODY))] {
        for bit in 0..coded.len() * 8 {
            let mut damaged = coded.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = decode(coding, &damaged, MIB);
            let silent = coding == Coding::Gzip && ((3..10).contains(&(bit / 8)) || bit / 8 == coded.len() - 9);
            match found {
                Ok((decoded, _)) => assert!(silent && decoded == BODY, "{coding:?}, bit {bit}"),
                Err(DecodeFault::Malformed(_)) => {}
                Err(other) => panic!("{coding:?}, bit {bit}: {other}"),
            }
        }
    }
}

/// However much a body claims, no more is held than the limit and one byte.
#[test]
fn bombs_are_refused() {
    let zeros = vec![b'#'; 32 * 1024 * 1024];
    let bomb = gzip(&zeros);
    let nested = gzip(&bomb);
    let members: Vec<u8> = (0..16).flat_map(|_| gzip(&zeros[..2 * 1024 * 1024])).collect();
    let rows = [
        ("gzip, by its size", Coding::Gzip, &bomb, MIB, DecodeFault::TooLarge(MIB)),
        ("gzip, by its growth", Coding::Gzip, &bomb, 1024 * MIB, DecodeFault::Ratio),
        ("members", Coding::Gzip, &members, 4 * MIB, DecodeFault::Ratio),
        ("snappy", Coding::Snappy, &snappy(&zeros), 8 * MIB, DecodeFault::TooLarge(8 * MIB)),
    ];
    for (what, coding, body, most, fault) in rows {
        let mut decoder = Decoder::new(coding, body, most);
        let found = loop {
            match decoder.step() {
                Ok(true) => {}
                other => break other,
            }
        };
        assert_eq!(found, Err(fault), "{what}");
        let limit = usize::try_from(decoder.limit()).unwrap();
        assert!(decoder.out.capacity() <= limit + 1, "{what}: {} bytes", decoder.out.capacity());
    }
    // One layer is taken off, not two.
    assert_eq!(decode(Coding::Gzip, &nested, 4 * MIB).unwrap().0, bomb);
}

#[test]
fn limits_are_exact() {
    let body: Vec<u8> = (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let length = u64::try_from(body.len()).unwrap();
    for (coding, coded) in [(Coding::Gzip, gzip(&body)), (Coding::Snappy, snappy(&body))] {
        assert_eq!(decode(coding, &coded, length).unwrap().0.len(), body.len());
        assert_eq!(decode(coding, &coded, length - 1), Err(DecodeFault::TooLarge(length - 1)), "{coding:?}");
    }
    let small = vec![b'#'; usize::try_from(RATIO_FREE_BYTES).unwrap()];
    assert!(gzip(&small).len() * 100 < small.len());
    assert!(decode(Coding::Gzip, &gzip(&small), MIB).is_ok());
    assert_eq!(decode(Coding::Gzip, &gzip(&[&small, b"#".as_slice()].concat()), MIB), Err(DecodeFault::Ratio));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn coding_and_decoding_is_identity(body in proptest::collection::vec(any::<u8>(), 0..3000), times in 1..40_usize) {
        let body = body.repeat(times);
        prop_assert_eq!(&decode(Coding::Gzip, &gzip(&body), 4 * MIB).unwrap().0, &body);
        prop_assert_eq!(&decode(Coding::Snappy, &snappy(&body), 4 * MIB).unwrap().0, &body);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for coding in [Coding::Gzip, Coding::Snappy] {
            let begun = match coding {
                Coding::Gzip => b"\x1f\x8b\x08\0\0\0\0\0\0\xff".as_slice(),
                Coding::Snappy => SNAPPY_BEGIN,
            };
            for body in [bytes.clone(), [begun, &bytes].concat()] {
                if let Ok((decoded, _)) = decode(coding, &body, MIB) {
                    prop_assert!(decoded.len() <= 1024 * 1024);
                }
            }
        }
    }
}
