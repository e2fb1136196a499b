//! Whatever happens in whatever order, the sums are those of what is there.

use super::*;
use crate::inventory::state::State;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Event {
    Reserve(usize, Change, Vec<(usize, usize, u64)>),
    Settle(usize, Settled),
    Learn(Vec<usize>),
}

const PATHS: [&str; 5] = ["job/a", "job/b", "job/a/x/1", "job/a/x/2", "job/c"];
const NAMES: [&str; 4] = ["m", "m_sum", "h", "h_bucket"];

fn event() -> impl Strategy<Value = Event> {
    let change = prop_oneof![Just(Change::Push), Just(Change::Replace), Just(Change::Delete)];
    let settled = prop_oneof![
        4 => Just(Settled::Applied),
        1 => Just(Settled::Refused),
        1 => Just(Settled::Unsent),
        1 => Just(Settled::Unknown)
    ];
    let family = (0..NAMES.len(), 0..Kind::ALL.len(), 0..6_u64);
    prop_oneof![
        4 => (0..PATHS.len(), change, proptest::collection::vec(family, 0..3)).prop_map(|(p, c, f)| Event::Reserve(p, c, f)),
        4 => (any::<usize>(), settled).prop_map(|(n, s)| Event::Settle(n, s)),
        1 => proptest::collection::vec(0..PATHS.len(), 0..3).prop_map(Event::Learn),
    ]
}

fn families(parts: &[(usize, usize, u64)]) -> Arc<[Family]> {
    let mut seen = Vec::new();
    let fresh = parts.iter().filter(|(name, ..)| {
        let fresh = !seen.contains(name);
        seen.push(*name);
        fresh
    });
    fresh
        .map(|(name, kind, metric)| Family {
            name: NAMES[*name].into(),
            kind: Kind::ALL[*kind],
            metrics: vec![*metric, metric + 10],
            bytes: 100 + name,
        })
        .collect()
}

/// Everything counted anew.
fn sums_hold(state: &State) {
    let mut names: HashMap<&str, [u32; 5]> = HashMap::new();
    let (mut families, mut bytes, mut page) = (0, 0, 0);
    let mut owned: HashMap<&str, usize> = HashMap::new();
    for (path, group) in state.groups() {
        assert_eq!(**path, group.key.upstream_path());
        assert!(group.exists || !group.pending.is_empty(), "{path}: a group that is not there");
        bytes += path.len();
        page += group.bytes;
        group.owner.iter().for_each(|owner| *owned.entry(owner).or_default() += 1);
        for held in group.held() {
            families += 1;
            page += held.bytes;
            let name = NAMES.iter().find(|name| state.names().find(name) == Some(held.name)).expect("a known name");
            let at = Kind::ALL.iter().position(|kind| *kind == held.kind).unwrap();
            names.entry(*name).or_default()[at] += 1;
            for metric in &held.metrics {
                let holder = state.holder(*metric).expect("a held metric has a holder");
                assert!(state.groups().values().any(|group| group.number == holder), "a holder that is gone");
            }
        }
    }
    assert_eq!((state.families(), state.key_bytes(), state.names().len()), (families, bytes, names.len()));
    assert_eq!(state.page(), page);
    for (name, counts) in names {
        assert_eq!(state.names().counts(state.names().find(name).unwrap()), counts, "{name}");
    }
    for (owner, count) in owned {
        assert_eq!(state.owned_by(owner), count, "{owner}");
    }
}

/// What the gateway would hold against any two groups.
fn no_two_clash(state: &State) {
    let groups: Vec<_> = state.groups().values().collect();
    for (at, one) in groups.iter().enumerate() {
        for other in &groups[at + 1..] {
            for (held, beside) in one.held().flat_map(|h| other.held().map(move |b| (h, b))) {
                assert!(held.name != beside.name || held.kind == beside.kind, "two types of one name");
                let same = held.metrics.iter().any(|metric| beside.metrics.contains(metric));
                assert!(!(held.name == beside.name && same), "one metric in two groups");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_hold_whatever_happens(events in proptest::collection::vec(event(), 0..40)) {
        let inventory = Arc::new(Inventory::new(Bounds::new(4, 200_000, 64 * 1024 * 1024)));
        let mut tickets = Vec::new();
        let learned = |path: &usize| Learned { key: key(PATHS[*path]), families: Vec::new() };
        for event in events {
            match event {
                Event::Reserve(path, change, parts) => {
                    let reservation = Reservation { families: families(&parts), ..write(PATHS[path], change, &[]) };
                    tickets.extend(inventory.reserve(&reservation));
                }
                Event::Settle(number, settled) if !tickets.is_empty() => {
                    let ticket: Ticket = tickets.remove(number % tickets.len());
                    ticket.settle(settled);
                }
                Event::Settle(..) => {}
                Event::Learn(paths) => {
                    inventory.learn(inventory.mark(), paths.iter().map(learned).collect(), |_| None);
                }
            }
            let state = inventory.state.lock();
            sums_hold(&state);
            no_two_clash(&state);
        }
        tickets.clear();
        inventory.learn(inventory.mark(), Vec::new(), |_| None);
        let state = inventory.state.lock();
        prop_assert!(state.groups().is_empty() && state.names().len() == 0 && state.families() == 0);
        prop_assert_eq!(state.key_bytes(), 0);
        prop_assert!((0..20).all(|metric| state.holder(metric).is_none()));
    }
}
