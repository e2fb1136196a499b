//! Any bytes are decoded within their limit or refused, and what is decoded and coded again is decoded to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::payload::{Coding, DecodeFault, Decoder};

const MOST: u64 = 300_000;

fn decode(coding: Coding, body: &[u8], most: u64) -> Result<Vec<u8>, DecodeFault> {
    let mut decoder = Decoder::new(coding, body, most);
    let mut room = 0;
    loop {
        room += decoder.next_room();
        let more = decoder.step()?;
        if !more {
            let out = decoder.finish();
            assert!(out.len() <= room && out.len() as u64 <= most);
            return Ok(out);
        }
        assert!(room as u64 <= most + 1 + room as u64 / 2 + 70_000);
    }
}

fuzz_target!(|bytes: &[u8]| {
    for coding in [Coding::Gzip, Coding::Snappy] {
        let begun: &[u8] = match coding {
            Coding::Gzip => b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
            Coding::Snappy => b"\xff\x06\0\0sNaPpY",
        };
        for body in [bytes.to_vec(), [begun, bytes].concat()] {
            let whole = decode(coding, &body, MOST);
            // A smaller limit refuses what is larger than it, and changes nothing else.
            if let Ok(out) = &whole {
                let length = out.len() as u64;
                assert_eq!(decode(coding, &body, length).as_ref(), Ok(out));
                if length > 0 {
                    assert_eq!(decode(coding, &body, length - 1), Err(DecodeFault::TooLarge(length - 1)));
                }
                // Two bodies that follow each other are one, for gzip; the framing of snappy may begin anew.
                let twice = decode(coding, &[body.clone(), body.clone()].concat(), MOST);
                if let Ok(twice) = twice {
                    assert_eq!(twice, [out.clone(), out.clone()].concat());
                }
            }
        }
    }
});
