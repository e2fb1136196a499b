//! Look-ups in GitHub's real address list: our sorted ranges, a trie of prefixes, and a naive scan, in one run.
//!
//! The list is kept beside the project, not in it: without it nothing is measured.

use criterion::{Criterion, criterion_group, criterion_main};
use ipnet::IpNet;
use prefix_trie::joint::JointPrefixSet;
use pushguard::prefix_set::PrefixSet;
use pushguard::ranges::list::{Form, Pointer, read};
use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;

const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/meta/2026-08-13T0008Z_fernvenue_e8a029cb.json");

/// As many inside the list as outside of it, IPv4 and IPv6, in no order.
fn addresses(list: &[IpNet]) -> Vec<IpAddr> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..8192)
        .map(|index| {
            let net = list[random() as usize % list.len()];
            match (net, index % 2) {
                (IpNet::V4(net), 0) => {
                    let host = u64::from(net.hostmask().to_bits()) & random();
                    IpAddr::V4((net.network().to_bits() | host as u32).into())
                }
                (IpNet::V4(_), _) => IpAddr::V4((random() as u32).into()),
                (IpNet::V6(net), 0) => {
                    let host = net.hostmask().to_bits() & u128::from(random());
                    IpAddr::V6((net.network().to_bits() | host).into())
                }
                (IpNet::V6(net), _) => IpAddr::V6((net.network().to_bits() ^ u128::from(random()) << 64).into()),
            }
        })
        .collect()
}

fn look_ups(criterion: &mut Criterion) {
    let Ok(document) = std::fs::read(Path::new(LIST)) else {
        eprintln!("*** NOTHING IS MEASURED: {LIST} is missing ***");
        return;
    };
    let list = read(&Form::Json(Pointer::key("actions")), &document).expect("a good list");
    let set = PrefixSet::from_prefixes(list.iter().copied());
    let trie: JointPrefixSet<IpNet> = list.iter().copied().collect();
    let addresses = addresses(&list);
    let scan = |address: &IpAddr| list.iter().any(|net| net.contains(address));
    for address in &addresses {
        let found = scan(address);
        assert_eq!(
            (set.contains(*address), trie.get_lpm(&IpNet::from(*address)).is_some()),
            (found, found),
            "{address}"
        );
    }
    eprintln!("{} prefixes, {} ranges, {} bytes", list.len(), set.ranges(), set.bytes());
    let mut group = criterion.benchmark_group("look-up");
    let mut turn = |name: &str, contains: &dyn Fn(&IpAddr) -> bool| {
        let mut index = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                index = (index + 1) % addresses.len();
                contains(black_box(&addresses[index]))
            });
        });
    };
    turn("pushguard", &|address| set.contains(*address));
    turn("prefix-trie", &|address| trie.get_lpm(&IpNet::from(*address)).is_some());
    turn("scan", &scan);
    group.finish();
}

criterion_group!(benches, look_ups);
criterion_main!(benches);
