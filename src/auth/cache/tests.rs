use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const TTL: Duration = Duration::from_secs(300);

fn cache(capacity: usize) -> Cache {
    Cache::new(capacity, TTL, [7; 32])
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn seconds(seconds: u64) -> Tick {
    Tick::default().plus(Duration::from_secs(seconds))
}

#[test]
fn only_what_was_verified_is_remembered_and_only_for_the_ttl() {
    let cache = cache(10);
    let (hash, changed) = (PasswordHash::cheap(b"secret", [1; 16]), PasswordHash::cheap(b"secret", [2; 16]));
    cache.insert(b"ci", &hash, &secret("secret"), seconds(10));
    let cases = [
        ("the same", "ci", &hash, "secret", 10, true),
        ("just before the ttl", "ci", &hash, "secret", 309, true),
        ("at the ttl", "ci", &hash, "secret", 310, false),
        ("another user", "cj", &hash, "secret", 10, false),
        ("another password", "ci", &hash, "secret2", 10, false),
        ("an empty password", "ci", &hash, "", 10, false),
        ("the same password hashed anew", "ci", &changed, "secret", 10, false),
    ];
    for (name, user, hash, password, now, expected) in cases {
        assert_eq!(cache.contains(user.as_bytes(), hash, &secret(password), seconds(now)), expected, "{name}");
    }
    cache.clear();
    assert!(!cache.contains(b"ci", &hash, &secret("secret"), seconds(10)), "after a reload");
    assert!(cache.is_empty());
}

#[test]
fn using_an_entry_does_not_prolong_it_and_verifying_again_does() {
    let (cache, hash) = (cache(10), PasswordHash::cheap(b"secret", [1; 16]));
    cache.insert(b"ci", &hash, &secret("secret"), seconds(0));
    assert!(cache.contains(b"ci", &hash, &secret("secret"), seconds(299)));
    assert!(!cache.contains(b"ci", &hash, &secret("secret"), seconds(301)));
    cache.insert(b"ci", &hash, &secret("secret"), seconds(301));
    assert!(cache.contains(b"ci", &hash, &secret("secret"), seconds(600)));
}

#[test]
fn a_full_cache_drops_the_expired_and_else_the_oldest() {
    let (cache, hash) = (cache(3), PasswordHash::cheap(b"secret", [1; 16]));
    let known = |user: &str, now| cache.contains(user.as_bytes(), &hash, &secret("secret"), seconds(now));
    for (user, now) in [("b", 2), ("a", 1), ("c", 3), ("c", 4), ("d", 5)] {
        cache.insert(user.as_bytes(), &hash, &secret("secret"), seconds(now));
    }
    assert_eq!(["a", "b", "c", "d"].map(|user| known(user, 5)), [false, true, true, true]);
    cache.insert(b"e", &hash, &secret("secret"), seconds(304));
    assert_eq!(cache.len(), 2, "b and c have expired, d and e have not");
    for index in 0..100_u8 {
        cache.insert(&[index], &hash, &secret("secret"), seconds(304));
        assert!(cache.len() <= 3);
    }
}

#[test]
fn nothing_is_remembered_without_room_or_time_or_for_a_decoy() {
    let hash = PasswordHash::cheap(b"secret", [1; 16]);
    let decoy = super::super::phc::decoy(&hash, [3; 48]);
    for (name, cache, hash) in [
        ("no room", Cache::new(0, TTL, [7; 32]), &hash),
        ("no time", Cache::new(10, Duration::ZERO, [7; 32]), &hash),
        ("decoy", cache(10), &decoy),
    ] {
        cache.insert(b"ci", hash, &secret("secret"), seconds(1));
        assert!(!cache.contains(b"ci", hash, &secret("secret"), seconds(1)), "{name}");
    }
}

#[test]
fn every_way_to_cut_one_text_into_three_is_another_entry() {
    let (cache, text) = (cache(1), [b'a'; 60]);
    let mut seen = HashSet::new();
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let id = cache.id(&text[..first], &text[first..second], &text[second..]);
            assert!(seen.insert(id), "cut at {first} and {second}");
        }
    }
    assert_ne!(Cache::new(1, TTL, [8; 32]).id(b"a", b"b", b"c"), cache.id(b"a", b"b", b"c"), "the key counts");
}

#[test]
fn debug_shows_no_entry() {
    assert_eq!(format!("{:?}", cache(3)), "Cache { capacity: 3, ttl: 300s, .. }");
}

/// Short fields over an alphabet that includes the bytes of length prefixes.
fn field() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), Just(1), Just(8), Just(b'$'), any::<u8>()], 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn distinct_triples_never_collide(one in [field(), field(), field()], other in [field(), field(), field()]) {
        let cache = cache(1);
        let ids = [&one, &other].map(|[user, record, password]| cache.id(user, record, password));
        prop_assert_eq!(ids[0] == ids[1], one == other);
    }

    #[test]
    fn moved_boundaries_never_collide(text in field(), cuts in [0_usize..20, 0_usize..20, 0_usize..20, 0_usize..20]) {
        let cache = cache(1);
        let mut cuts = cuts.map(|cut| cut.min(text.len()));
        cuts[..2].sort_unstable();
        cuts[2..].sort_unstable();
        let id = |from: usize, to: usize| cache.id(&text[..from], &text[from..to], &text[to..]);
        prop_assert_eq!(id(cuts[0], cuts[1]) == id(cuts[2], cuts[3]), cuts[..2] == cuts[2..]);
    }
}
