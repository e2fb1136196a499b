mod laws;
mod real;

use super::*;

const FETCHED: Rules = Rules { fetched: true, allow_private: false };
const PRIVATE: Rules = Rules { fetched: true, allow_private: true };
const LOCAL: Rules = Rules { fetched: false, allow_private: false };
const HOUR: UnixTime = 3600;
const START: UnixTime = 1_700_000_000;

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// `count` /24 networks from `4.0.0.0` on.
fn blocks(count: u32) -> Vec<IpNet> {
    (0..count).map(|block| format!("4.{}.{}.0/24", block / 256, block % 256).parse().unwrap()).collect()
}

fn first(new: &[IpNet]) -> Held {
    accept(None, new, FETCHED, START, false).unwrap()
}

fn next(held: &Held, new: &[IpNet], after: UnixTime) -> Result<Held, Refusal> {
    accept(Some(held), new, FETCHED, held.verified + after, false)
}

fn serves(held: &Held, address: &str, now: UnixTime) -> bool {
    held.set(now).contains(address.parse().unwrap())
}

#[test]
fn judges_each_prefix() {
    let rows: &[(&str, Rules, Option<&str>)] = &[
        ("4.0.0.0/12", FETCHED, None),
        ("4.0.0.0/11", FETCHED, Some("too_broad")),
        ("4.0.0.0/8", FETCHED, Some("too_broad")),
        ("2a0a:a440::/29", FETCHED, None),
        ("2a0a:a440::/28", FETCHED, Some("too_broad")),
        ("0.0.0.0/0", FETCHED, Some("too_broad")),
        ("::/0", FETCHED, Some("too_broad")),
        ("::ffff:0:0/96", FETCHED, Some("too_broad")),
        ("::ffff:4.0.0.0/104", FETCHED, Some("too_broad")),
        ("::ffff:4.0.0.0/120", FETCHED, None),
        ("10.1.2.3/32", FETCHED, Some("special")),
        ("::ffff:10.1.2.3/128", FETCHED, Some("special")),
        ("127.0.0.1/32", FETCHED, Some("special")),
        ("203.0.113.0/24", FETCHED, Some("special")),
        ("fd00::/48", FETCHED, Some("special")),
        ("224.0.0.0/8", FETCHED, Some("special")),
        ("2000::/3", FETCHED, Some("too_broad")),
        ("192.0.0.0/16", FETCHED, Some("special")),
        ("192.0.0.0/16", PRIVATE, None),
        ("10.0.0.0/8", PRIVATE, None),
        ("127.0.0.1/32", PRIVATE, None),
        ("fd00::/48", PRIVATE, None),
        ("0.0.0.0/0", PRIVATE, Some("too_broad")),
        ("::/0", PRIVATE, Some("too_broad")),
        ("8.0.0.0/6", PRIVATE, Some("too_broad")),
        ("4.0.0.0/11", PRIVATE, Some("too_broad")),
        ("::ffff:0:0/96", PRIVATE, Some("too_broad")),
        ("fc00::/7", PRIVATE, Some("too_large")),
        ("10.0.0.0/8", LOCAL, None),
        ("4.0.0.0/1", LOCAL, None),
        ("0.0.0.0/0", LOCAL, Some("too_broad")),
        ("::/0", LOCAL, Some("too_broad")),
    ];
    for (prefix, rules, want) in rows {
        let refused = accept(None, &nets(&[prefix]), *rules, START, false).err().map(|refusal| refusal.kind());
        assert_eq!(refused, *want, "{prefix} with {rules:?}");
        // One of many is as bad as one alone.
        let among = accept(None, &[blocks(9), nets(&[prefix])].concat(), *rules, START, false).err();
        assert_eq!(among.map(|refusal| refusal.kind()), *want, "{prefix} among others with {rules:?}");
    }
}

#[test]
fn an_empty_list_is_never_one() {
    let held = first(&blocks(9));
    for rules in [FETCHED, PRIVATE, LOCAL] {
        for approved in [false, true] {
            assert_eq!(accept(None, &[], rules, START, approved), Err(Refusal::Empty));
            assert_eq!(accept(Some(&held), &[], rules, START, approved), Err(Refusal::Empty));
        }
    }
}

#[test]
fn the_first_list_has_a_ceiling() {
    let wide = |count: u32| -> Vec<IpNet> {
        (0..count).map(|n| format!("{}.{}.0.0/12", 16 + n / 16, n % 16 * 16).parse().unwrap()).collect()
    };
    assert!(accept(None, &wide(256), FETCHED, START, false).is_ok());
    let most = 1 << 28;
    let refusal = Refusal::TooLarge { family: Family::V4, covered: most + (1 << 20), most };
    assert_eq!(accept(None, &wide(257), FETCHED, START, false), Err(refusal));
    let v6 = |count: u32| -> Vec<IpNet> { (0..count).map(|n| format!("2a{n:02x}::/29").parse().unwrap()).collect() };
    assert!(accept(None, &v6(4), FETCHED, START, false).is_ok());
    let refused = accept(None, &v6(5), FETCHED, START, false).unwrap_err();
    assert!(matches!(refused, Refusal::TooLarge { family: Family::V6, .. }), "{refused}");
}

#[test]
fn loses_a_fifth_at_most() {
    let held = first(&[blocks(100), nets(&["2603:1030::/54"])].concat());
    let v6 = nets(&["2603:1030::/54"]);
    let with = |count| [blocks(count), v6.clone()].concat();
    assert!(next(&held, &with(80), HOUR).is_ok());
    let lost = Refusal::Loss { family: Family::V4, lost: 21 * 256, of: 25_600 };
    assert_eq!(next(&held, &with(79), HOUR), Err(lost));
    // Each family is judged alone.
    let refused = |new: &[&str]| next(&held, &[blocks(100), nets(new)].concat(), HOUR).map(|_| ());
    assert_eq!(refused(&["2603:1030::/55", "2603:1030:0:200::/56", "2603:1030:0:300::/58"]), Ok(()));
    let lost = |lost| Err(Refusal::Loss { family: Family::V6, lost, of: 1024 });
    assert_eq!(refused(&["2603:1030::/55", "2603:1030:0:200::/56"]), lost(256));
    assert_eq!(refused(&[]), lost(1024));
    // The same addresses in other pieces are no change, however few.
    let merged = [nets(&["4.0.0.0/18", "4.0.64.0/19", "4.0.96.0/22"]), v6.clone()].concat();
    assert!(next(&held, &merged, HOUR).is_ok());
    // Two small losses within the grace are one.
    let smaller = next(&held, &with(85), HOUR).unwrap();
    assert!(matches!(next(&smaller, &with(70), HOUR), Err(Refusal::Loss { lost: 7680, .. })));
    assert!(next(&smaller, &with(70), 49 * HOUR).is_ok());
}

#[test]
fn doubles_at_most_within_the_grace() {
    let held = first(&blocks(100));
    assert!(next(&held, &blocks(200), HOUR).is_ok());
    let grown = Refusal::Growth { family: Family::V4, covered: 201 * 256, of: 25_600 };
    assert_eq!(next(&held, &blocks(201), HOUR), Err(grown.clone()));
    let bigger = next(&held, &blocks(150), HOUR).unwrap();
    assert_eq!(next(&bigger, &blocks(201), HOUR), Err(grown), "in two steps");
    assert!(next(&bigger, &blocks(201), 48 * HOUR).is_ok());
    // A first IPv6 prefix has nothing to be compared with.
    let both = next(&held, &[blocks(100), nets(&["2603:1030::/48"])].concat(), HOUR).unwrap();
    assert!(matches!(
        next(&both, &[blocks(100), nets(&["2603:1030::/40"])].concat(), 49 * HOUR),
        Err(Refusal::Growth { family: Family::V6, .. })
    ));
    let refused = next(&held, &nets(&["2603:1030::/48"]), HOUR).unwrap_err();
    assert!(matches!(refused, Refusal::Loss { family: Family::V4, .. }), "IPv6 instead of IPv4: {refused}");
}

#[test]
fn additions_at_once_removals_after_48_hours() {
    let held = first(&blocks(100));
    let changed = next(&held, &blocks(101)[1..], HOUR).unwrap();
    let left = START + HOUR;
    assert!(serves(&changed, "4.0.100.1", left), "added at once");
    for (now, served) in [(left, true), (left + 48 * HOUR - 1, true), (left + 48 * HOUR, false), (0, true)] {
        assert_eq!(serves(&changed, "4.0.0.1", now), served, "{now}");
    }
    assert_eq!(changed.next_end(left), Some(left + 48 * HOUR));
    assert_eq!(changed.next_end(left + 48 * HOUR), None);
    // Confirmed again and again, the time of leaving stays.
    let confirmed = next(&changed, &blocks(101)[1..], 47 * HOUR).unwrap();
    assert_eq!((&confirmed.leaving, confirmed.changed), (&changed.leaving, changed.changed));
    assert_eq!(confirmed.verified, left + 47 * HOUR);
    // What comes back was never away: neither its time nor its being served.
    let back = next(&confirmed, &blocks(101), HOUR / 2).unwrap();
    assert!(back.leaving.is_empty() && serves(&back, "4.0.0.1", u64::MAX));
    assert_eq!(back.listed[&Prefix::new(blocks(1)[0])], START);
    // And after its grace it is new.
    let late = next(&confirmed, &blocks(101), 2 * HOUR).unwrap();
    assert_eq!(late.listed[&Prefix::new(blocks(1)[0])], late.verified);
}

#[test]
fn a_local_list_takes_effect_at_once() {
    let held = accept(None, &blocks(100), LOCAL, START, false).unwrap();
    let changed = accept(Some(&held), &nets(&["10.0.0.0/8"]), LOCAL, START + 1, false).unwrap();
    assert!(changed.leaving.is_empty() && !serves(&changed, "4.0.0.1", START + 1));
    assert!(serves(&changed, "10.0.0.1", START + 1));
}

#[test]
fn an_approval_lets_in_what_may_be_approved() {
    let held = first(&blocks(100));
    let cases: &[(&str, Vec<IpNet>, bool)] = &[
        ("loss", blocks(10), true),
        ("growth", blocks(999), true),
        ("too_broad", [blocks(100), nets(&["20.0.0.0/8"])].concat(), true),
        ("too_broad", [blocks(100), nets(&["20.0.0.0/7"])].concat(), false),
        ("too_broad", [blocks(100), nets(&["2a00::/19"])].concat(), true),
        ("too_broad", [blocks(100), nets(&["2a00::/18"])].concat(), false),
        ("special", [blocks(100), nets(&["10.0.0.0/8"])].concat(), false),
        (
            "too_large",
            (16..48).flat_map(|n| (0..16).map(move |m| format!("{n}.{}.0.0/12", m * 16).parse().unwrap())).collect(),
            true,
        ),
    ];
    for (kind, new, approvable) in cases {
        let refusal = next(&held, new, HOUR).unwrap_err();
        assert_eq!((refusal.kind(), refusal.approvable()), (*kind, *approvable), "{refusal}");
        let approved = accept(Some(&held), new, FETCHED, START + HOUR, true);
        assert_eq!(approved.is_ok(), *approvable, "{kind}: {approved:?}");
        let Ok(approved) = approved else { continue };
        assert_eq!(readmit(&approved, FETCHED), Ok(()));
        // From then on it is what new lists are compared with.
        assert!(next(&approved, new, HOUR).is_ok(), "{kind}: the same again");
        assert!(next(&approved, &[&new[..], &nets(&["5.5.5.0/24"])].concat(), HOUR).is_ok(), "{kind}: a little more");
        assert!(next(&approved, &new[1..], HOUR).is_ok(), "{kind}: a little less");
        let much_less = next(&approved, &new[new.len() / 2..], 49 * HOUR);
        assert!(*kind == "too_broad" || much_less.is_err(), "{kind}: much less");
        assert!(serves(&approved, "4.0.0.1", START + HOUR), "{kind}: what it lacks has its grace too");
    }
}

#[test]
fn what_was_kept_is_judged_again() {
    let private = accept(None, &nets(&["10.0.0.0/8"]), PRIVATE, START, false).unwrap();
    assert_eq!(readmit(&private, PRIVATE), Ok(()));
    assert!(matches!(readmit(&private, FETCHED), Err(Refusal::Special { .. })));
    let local = accept(None, &nets(&["64.0.0.0/7"]), LOCAL, START, false).unwrap();
    assert!(matches!(readmit(&local, FETCHED), Err(Refusal::TooBroad { .. })));
    let empty = Held { listed: BTreeMap::new(), ..first(&blocks(1)) };
    assert_eq!(readmit(&empty, FETCHED), Err(Refusal::Empty));
}

#[test]
fn too_many_prefixes_are_too_many() {
    let hosts = |from: u32, count: u32| -> Vec<IpNet> {
        (from..from + count)
            .map(|n| std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(0x0400_0000 + 2 * n)).into())
            .collect()
    };
    let most = u32::try_from(MAX_PREFIXES).unwrap();
    let refused = |held: Option<&Held>, new: &[IpNet]| accept(held, new, FETCHED, START, true).err().map(|r| r.kind());
    assert_eq!(refused(None, &hosts(0, most)), None);
    assert_eq!(refused(None, &hosts(0, most + 1)), Some("too_many"));
    let mut held = first(&hosts(0, most));
    held = accept(Some(&held), &hosts(most, most), FETCHED, START, true).unwrap();
    assert_eq!(refused(Some(&held), &hosts(2 * most, most)), Some("too_many"), "with those that are still served");
}
