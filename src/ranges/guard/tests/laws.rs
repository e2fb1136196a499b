//! What holds for any history.

use super::*;
use proptest::prelude::*;

/// Some of 64 networks of differing size, IPv4 and IPv6, a few of them unfit.
fn list() -> impl Strategy<Value = Vec<IpNet>> {
    let net = |n: u8| -> IpNet {
        match n {
            0..40 => format!("4.{n}.0.0/{}", 16 + n % 8),
            40..60 => format!("2603:10{n}::/{}", 40 + n),
            60 => "10.0.0.0/8".to_owned(),
            61 => "4.0.0.0/6".to_owned(),
            62 => "0.0.0.0/0".to_owned(),
            _ => "2600::/20".to_owned(),
        }
        .parse()
        .unwrap()
    };
    prop_oneof![
        9 => prop::collection::btree_set(0u8..60, 1..50),
        1 => prop::collection::btree_set(0u8..64, 0..50),
        // What a source says most of the time: nearly all.
        9 => prop::collection::btree_set(0u8..60, 0..6).prop_map(|gone| (0..60).filter(|n| !gone.contains(n)).collect()),
    ]
    .prop_map(move |set| set.into_iter().map(net).collect())
}

fn covers(outer: &PrefixSet, inner: &[IpNet]) -> bool {
    inner.iter().all(|net| outer.contains(net.addr()) && outer.contains(net.broadcast()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn never_empty_never_wider_never_less_before_its_time(
        history in prop::collection::vec((list(), 0u64..60 * HOUR, prop::bool::weighted(0.05)), 1..12),
    ) {
        let (mut held, mut now): (Option<Held>, _) = (None, START);
        for (new, later, approved) in history {
            now += later;
            let Ok(next) = accept(held.as_ref(), &new, FETCHED, now, approved) else {
                if let Some(held) = &held {
                    prop_assert!(!held.set(now).is_empty(), "a refused list leaves the old one");
                }
                continue;
            };
            let served = next.set(now);
            prop_assert!(!served.is_empty());
            prop_assert!(covers(&served, &new), "all that is listed is served");
            for (prefix, since) in next.served(now) {
                let least = if prefix.net().addr().is_ipv4() { BROADEST_APPROVED.0 } else { BROADEST_APPROVED.1 };
                prop_assert!(prefix.net().prefix_len() >= least, "{prefix}");
                prop_assert!(special_purpose(prefix.net()).is_none(), "{prefix}");
                prop_assert!(since <= now);
            }
            if let Some(held) = &held {
                let before: Vec<IpNet> = held.listed.keys().map(|prefix| prefix.net()).collect();
                prop_assert!(covers(&served, &before), "nothing that was listed is gone at once");
                let widest = MOST.0.max(held.set(now).coverage().0);
                prop_assert!(approved || PrefixSet::from_prefixes(new.iter().copied()).coverage().0 <= widest);
            }
            let end = next.next_end(now).unwrap_or(now);
            prop_assert!(covers(&served, &next.served(end).map(|(p, _)| p.net()).collect::<Vec<_>>()), "time only takes away");
            prop_assert!(covers(&next.set(u64::MAX), &new), "and never what is listed");
            prop_assert_eq!(readmit(&next, FETCHED), Ok(()));
            // A list that goes back to the old one does no harm.
            if let (Some(before), false) = (&held, approved) {
                let old: Vec<IpNet> = before.listed.keys().map(|prefix| prefix.net()).collect();
                let back = accept(Some(&next), &old, FETCHED, now, false);
                if let Ok(back) = back {
                    for (prefix, since) in &before.listed {
                        prop_assert_eq!(back.listed.get(prefix), Some(since));
                    }
                }
            }
            // The same again changes only the time.
            let again = accept(Some(&next), &new, FETCHED, now, false).unwrap();
            prop_assert_eq!(&again, &next);
            let text = serde_json::to_string(&next).unwrap();
            prop_assert_eq!(serde_json::from_str::<Held>(&text).unwrap(), next.clone());
            held = Some(next);
        }
    }

    /// However the source behaves, without an operator what is served at most doubles in 48 hours.
    #[test]
    fn growth_in_many_steps_is_growth(steps in prop::collection::vec((1u32..400, 0u64..12 * HOUR), 1..20)) {
        let mut held = first(&blocks(50));
        let mut seen = vec![(START, 50 * 256u64)];
        for (size, later) in steps {
            let now = held.verified + later;
            if let Ok(next) = accept(Some(&held), &blocks(size), FETCHED, now, false) {
                held = next;
            }
            let listed = u64::try_from(held.listed.len()).unwrap() * 256;
            // Against the largest that was listed 48 hours ago or before, or at the start.
            let old = seen.iter().filter(|(time, _)| *time + 48 * HOUR <= now).map(|(_, size)| *size).max();
            let base = old.unwrap_or(50 * 256).max(50 * 256);
            prop_assert!(listed <= 2 * base, "{listed} against {base}");
            seen.push((now, listed));
        }
    }
}
