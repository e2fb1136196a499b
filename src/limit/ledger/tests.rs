use super::*;
use crate::clock::{Clock, ManualClock};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn rate(burst: u32, period: Duration) -> Rate {
    Rate::new(burst, period).unwrap()
}

fn at(nanos: u64) -> Tick {
    Tick::from_nanos(nanos)
}

fn seconds(seconds: u64) -> Tick {
    Tick::default().plus(Duration::from_secs(seconds))
}

fn entry<'a>(rule: &'a str, key: &'a [&'a [u8]], rate: Rate) -> Entry<'a> {
    Entry { rule, owner: "", key, rate }
}

/// How many charges in a row `ledger` grants to one entry at `now`, of at most 1,000.
fn drain(ledger: &Ledger, entry: &Entry<'_>, now: Tick) -> usize {
    (0..1_000).take_while(|_| ledger.charge(std::slice::from_ref(entry), now).is_ok()).count()
}

#[test]
fn keys_and_rules_have_buckets_of_their_own() {
    let ledger = Ledger::new(100);
    let rate = rate(2, MINUTE);
    let keys: [(&str, &[&[u8]]); 8] = [
        ("job", &[b"ab", b"c"]),
        ("job", &[b"a", b"bc"]),
        ("job", &[b"abc"]),
        ("job", &[b"abc", b""]),
        ("job", &[b"", b"abc"]),
        ("job", &[]),
        ("joba", &[b"bc"]),
        ("group", &[b"ab", b"c"]),
    ];
    for (rule, key) in keys {
        assert_eq!(drain(&ledger, &entry(rule, key, rate), seconds(1)), 2, "{rule} {key:?}");
    }
    assert_eq!(ledger.len(), keys.len());
    assert_eq!(drain(&ledger, &entry("job", &[b"ab", b"c"], rate), seconds(1)), 0);
}

#[test]
fn what_is_left_is_what_would_still_be_granted() {
    for (burst, taken, later) in [(10, 0, 0), (10, 1, 0), (10, 9, 0), (10, 10, 0), (1, 1, 0), (10, 10, 6), (10, 10, 17)]
    {
        let ledger = Ledger::new(100);
        let entry = entry("job", &[b"k"], rate(burst, MINUTE));
        for _ in 0..taken {
            ledger.charge(&[entry], seconds(1)).unwrap();
        }
        let left = ledger.left(&entry, seconds(1 + later));
        let granted = drain(&ledger, &entry, seconds(1 + later));
        assert_eq!(left, u32::try_from(granted).unwrap(), "{taken} of {burst} taken, {later} s later");
    }
}

#[test]
fn all_entries_are_charged_or_none() {
    let ledger = Ledger::new(100);
    let (narrow, middle, wide) = (rate(1, 60 * MINUTE), rate(2, MINUTE), rate(5, MINUTE));
    let [a, b, c] =
        [entry("a", &[b"k"], narrow), entry("b", &[b"k"], middle), entry("c", &[b"k"], wide)].map(|entry| entry);
    assert_eq!(ledger.charge(&[a, b, c], seconds(0)), Ok(()));
    for _ in 0..5 {
        let refused = ledger.charge(&[c, a, b], seconds(0));
        assert_eq!(refused, Err(Exhausted { index: 1, wait: 60 * MINUTE }));
    }
    assert_eq!(drain(&ledger, &b, seconds(0)), 1, "b was charged by a refused call");
    let refused = ledger.charge(&[c, b, a], seconds(0));
    assert_eq!(refused, Err(Exhausted { index: 2, wait: 60 * MINUTE }), "the longest wait of two");
    assert_eq!(drain(&ledger, &c, seconds(0)), 4, "c was charged by a refused call");
    assert_eq!(ledger.charge(&[], seconds(0)), Ok(()));
}

#[test]
fn an_entry_given_twice_is_charged_twice() {
    for capacity in [0, 1, 10] {
        let ledger = Ledger::new(capacity);
        let twice = [entry("a", &[b"k"], rate(3, MINUTE)); 2];
        assert_eq!(ledger.charge(&twice, seconds(0)), Ok(()), "capacity {capacity}");
        assert_eq!(ledger.charge(&twice, seconds(0)).map_err(|e| e.index), Err(1), "capacity {capacity}");
        assert_eq!(drain(&ledger, &twice[0], seconds(0)), 1, "capacity {capacity}");
    }
}

#[test]
fn a_refund_restores_what_a_charge_took_and_nothing_to_strangers() {
    let ledger = Ledger::new(1);
    let (known, stranger) = (entry("a", &[b"known"], rate(2, MINUTE)), entry("a", &[b"stranger"], rate(2, MINUTE)));
    assert_eq!(drain(&ledger, &known, seconds(0)), 2);
    ledger.refund(&known);
    assert_eq!(drain(&ledger, &known, seconds(0)), 1);
    assert_eq!(drain(&ledger, &stranger, seconds(0)), 2);
    ledger.refund(&stranger);
    assert_eq!(drain(&ledger, &stranger, seconds(0)), 0, "the overflow bucket is not refunded");
    (0..9).for_each(|_| ledger.refund(&known));
    assert_eq!(drain(&ledger, &known, seconds(0)), 2, "refunds are not saved up");
}

#[test]
fn hostile_keys_cost_bounded_memory_and_leave_known_keys_alone() {
    let (capacity, clock) = (1_000, ManualClock::default());
    let ledger = Ledger::new(capacity);
    let honest = entry("job", &[b"honest"], rate(10, MINUTE));
    for _ in 0..10 {
        ledger.charge(&[honest], clock.tick()).unwrap();
    }
    let name = vec![b'x'; 1_000];
    let mut admitted = 0;
    for index in 0..100_000_u32 {
        clock.advance(Duration::from_micros(10));
        let key: [&[u8]; 2] = [&name, &index.to_le_bytes()];
        admitted += usize::from(ledger.charge(&[entry("job", &key, rate(10, MINUTE))], clock.tick()).is_ok());
        assert!(ledger.len() <= capacity);
        assert!(ledger.charge(&[honest], clock.tick()).is_err(), "refilled after {index} strangers");
    }
    assert_eq!(admitted, capacity - 1 + 10, "a key each while there is room, then one bucket for all");
    assert_eq!(ledger.overflowing(clock.tick()), 1);
    clock.advance(Duration::from_secs(5));
    assert_eq!(drain(&ledger, &honest, clock.tick()), 1, "the honest key has its own bucket still");
    clock.advance(10 * MINUTE);
    let later = entry("job", &[b"later"], rate(10, MINUTE));
    assert_eq!(drain(&ledger, &later, clock.tick()), 10);
    assert_eq!((ledger.len(), ledger.overflowing(clock.tick())), (1, 0), "what is full again is forgotten");
}

/// A table that one owner keeps full takes nothing from another, whose rules have the same names.
#[test]
fn what_overflows_for_one_owner_is_nothing_to_another() {
    let ledger = Ledger::new(4);
    let slow = rate(2, 60 * MINUTE);
    fn of<'a>(owner: &'a str, key: &'a [&'a [u8]], rate: Rate) -> Entry<'a> {
        Entry { owner, ..entry("default.writes", key, rate) }
    }
    let keys: Vec<[u8; 1]> = (0..20).map(|n| [n]).collect();
    let granted = keys.iter().map(|key| drain(&ledger, &of("noisy", &[&key[..]], slow), seconds(0))).sum::<usize>();
    assert_eq!(granted, 4 * 2 + 2, "the room, and what one bucket holds");
    assert_eq!(drain(&ledger, &of("quiet", &[b"a"], slow), seconds(0)), 2, "as if nobody else were there");
    assert_eq!(drain(&ledger, &of("quiet", &[b"b"], slow), seconds(0)), 0, "its own keys share while there is no room");
    assert_eq!(drain(&ledger, &of("noisy", &[b"new"], slow), seconds(0)), 0);
    assert_eq!(ledger.overflowing(seconds(0)), 2);
}

#[test]
fn leaving_the_overflow_bucket_grants_nothing_twice() {
    let ledger = Ledger::new(1);
    let (first, second) = (entry("job", &[b"first"], rate(1, SECOND)), entry("job", &[b"second"], rate(10, MINUTE)));
    assert_eq!(drain(&ledger, &first, seconds(0)), 1);
    assert_eq!(drain(&ledger, &second, seconds(0)), 10);
    // The first key is full again and makes room, but the second one has just spent its burst in the overflow bucket.
    assert_eq!(drain(&ledger, &second, seconds(2)), 0);
    assert_eq!(drain(&ledger, &second, seconds(6)), 1);
    assert_eq!(ledger.len(), 1);
}

#[test]
fn a_short_bucket_among_long_ones_makes_room_when_it_is_full_again() {
    let ledger = Ledger::new(2);
    assert_eq!(drain(&ledger, &entry("day", &[b"a"], rate(1, 1_440 * MINUTE)), seconds(0)), 1);
    assert_eq!(drain(&ledger, &entry("second", &[b"b"], rate(1, SECOND)), seconds(0)), 1);
    for (now, name) in [(2, b"c"), (4, b"d"), (6, b"e")] {
        assert_eq!(drain(&ledger, &entry("second", &[name], rate(1, SECOND)), seconds(now)), 1, "at {now} s");
        assert_eq!((ledger.len(), ledger.overflowing(seconds(now))), (2, 0), "at {now} s");
    }
}

#[test]
fn states_outlive_a_change_of_rates() {
    let ledger = Ledger::new(10);
    assert_eq!(drain(&ledger, &entry("job", &[b"k"], rate(10, MINUTE)), seconds(0)), 10);
    assert_eq!(drain(&ledger, &entry("job", &[b"k"], rate(5, MINUTE)), seconds(0)), 0, "a reload refills nothing");
    let milder = entry("job", &[b"k"], rate(60, MINUTE));
    assert_eq!(ledger.charge(&[milder], seconds(0)), Err(Exhausted { index: 0, wait: SECOND }));
    assert_eq!(drain(&ledger, &milder, seconds(2)), 2);
}

#[test]
fn a_time_read_before_a_sweep_and_used_after_it_grants_nothing_twice() {
    let ledger = Ledger::new(1);
    let (slow, other) =
        (entry("job", &[b"slow"], rate(1, SECOND)), entry("job", &[b"other"], rate(1, Duration::from_nanos(1))));
    assert_eq!(ledger.charge(&[slow], seconds(0)), Ok(()));
    assert_eq!(ledger.charge(&[other], seconds(2)), Ok(()), "makes room");
    assert_eq!(ledger.charge(&[slow], at(500_000_000)), Ok(()), "counts as made at 2 s");
    assert_eq!(ledger.charge(&[slow], seconds(2)), Err(Exhausted { index: 0, wait: SECOND }));
}

#[test]
fn threads_together_get_the_burst_and_no_more() {
    let ledger = Ledger::new(10);
    let total: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|skew| {
                scope.spawn({
                    let ledger = &ledger;
                    move || drain(ledger, &entry("job", &[b"k"], rate(100, MINUTE)), at(8 - skew))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(total, 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Keys come and go through a table far too small for them, and no key ever gets more than its own bucket would.
    #[test]
    fn eviction_and_overflow_never_grant_more_than_a_bucket_of_ones_own(
        capacity in 0_usize..6,
        burst in 1_u32..6,
        steps in prop::collection::vec((prop::collection::vec(0_u8..12, 1..4), 0_u64..1_500, any::<bool>()), 1..300),
    ) {
        let ledger = Ledger::new(capacity);
        let rate = rate(burst, SECOND * burst);
        let mut exact: std::collections::HashMap<u8, Tick> = std::collections::HashMap::new();
        let mut now = Tick::default();
        for (names, gap, refunded) in steps {
            now = now.plus(Duration::from_millis(gap));
            let keys: Vec<[&[u8]; 1]> = names.iter().map(|name| [std::slice::from_ref(name)]).collect();
            let entries: Vec<Entry<'_>> = keys.iter().map(|key| entry("job", key, rate)).collect();
            if ledger.charge(&entries, now).is_ok() {
                for name in &names {
                    let state = charge(&rate, exact.get(name).copied(), now);
                    prop_assert!(state.is_ok(), "{name} got more than its bucket holds at {now:?}");
                    exact.extend(state.map(|state| (*name, state)));
                }
                if refunded {
                    entries.iter().for_each(|entry| ledger.refund(entry));
                    names.iter().for_each(|name| { exact.entry(*name).and_modify(|state| *state = refund(&rate, *state)); });
                }
            }
            prop_assert!(ledger.len() <= capacity);
        }
    }

    /// With room for every key the ledger is nothing but the pure function per key.
    #[test]
    fn with_room_it_equals_the_pure_function(
        burst in 1_u32..6,
        steps in prop::collection::vec((0_u8..5, 0_u64..1_500), 1..200),
    ) {
        let ledger = Ledger::new(5);
        let rate = rate(burst, SECOND * burst);
        let mut exact: std::collections::HashMap<u8, Tick> = std::collections::HashMap::new();
        let mut now = Tick::default();
        for (name, gap) in steps {
            now = now.plus(Duration::from_millis(gap));
            let expected = charge(&rate, exact.get(&name).copied(), now);
            let answer = ledger.charge(&[entry("job", &[&[name]], rate)], now);
            prop_assert_eq!(answer, expected.map(|_| ()).map_err(|wait| Exhausted { index: 0, wait }));
            exact.extend(expected.map(|state| (name, state)));
        }
    }
}
