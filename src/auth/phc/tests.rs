use super::*;

const SALT: &str = "AQIDBAUGBwgJCgsMDQ4PEA";
const OUTPUT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn line(params: &str) -> String {
    format!("$argon2id$v=19${params}${SALT}${OUTPUT}")
}

fn refusal(text: &str) -> Option<PhcError> {
    PasswordHash::parse(text).err()
}

fn weak(memory_kib: u32, passes: u32, needed: u32) -> Option<PhcError> {
    Some(PhcError::Weak { memory_kib, passes, needed })
}

#[test]
fn parameters_are_bounded_and_not_weaker_than_the_floor() {
    let cases = [
        ("m=12288,t=3,p=1", None),
        ("m=47104,t=1,p=1", None),
        ("m=47103,t=1,p=1", weak(47_103, 1, 47_104)),
        ("m=19456,t=2,p=1", None),
        ("m=19455,t=2,p=1", weak(19_455, 2, 19_456)),
        ("m=12287,t=3,p=1", weak(12_287, 3, 12_288)),
        ("m=9216,t=4,p=1", None),
        ("m=9215,t=4,p=1", weak(9_215, 4, 9_216)),
        ("m=7168,t=5,p=1", None),
        ("m=7168,t=10,p=4", None),
        ("m=7168,t=4,p=1", weak(7_168, 4, 9_216)),
        ("m=7167,t=5,p=1", Some(PhcError::Memory { found: 7_167 })),
        ("m=65536,t=1,p=1", None),
        ("m=65537,t=1,p=1", Some(PhcError::Memory { found: 65_537 })),
        ("m=4194304,t=1000000,p=255", Some(PhcError::Memory { found: 4_194_304 })),
        ("m=18446744073709551615,t=3,p=1", Some(PhcError::Memory { found: u64::MAX })),
        ("m=12288,t=0,p=1", Some(PhcError::Passes { found: 0 })),
        ("m=12288,t=11,p=1", Some(PhcError::Passes { found: 11 })),
        ("m=12288,t=3,p=0", Some(PhcError::Lanes { found: 0 })),
        ("m=12288,t=3,p=5", Some(PhcError::Lanes { found: 5 })),
    ];
    for (params, expected) in cases {
        assert_eq!(refusal(&line(params)), expected, "{params}");
    }
    let hash = PasswordHash::parse(&line("m=19456,t=2,p=3")).unwrap();
    assert_eq!(hash.params(), Params::Argon2id(Argon2id { memory_kib: 19_456, passes: 2, lanes: 3 }));
    assert_eq!(hash.memory_kib(), 19_456);
}

#[test]
fn what_is_not_one_strict_argon2id_line_is_refused() {
    let good = line("m=12288,t=3,p=1");
    let malformed = |field| Some(PhcError::Malformed { field });
    let (shape, parts) =
        (malformed("its parameters are not m, t and p in this order"), malformed("it does not have five parts"));
    let (salt, output) = (malformed("its salt is not unpadded base64"), malformed("its output is not unpadded base64"));
    let version = malformed("its version is not a number");
    let unknown = Some(PhcError::Algorithm { found: "not one that is known here" });
    let cases = [
        (good.clone(), None),
        (String::new(), Some(PhcError::Missing)),
        ("hunter2".to_owned(), Some(PhcError::Plaintext)),
        (good.replacen('$', "", 1), Some(PhcError::Plaintext)),
        (format!(" {good}"), Some(PhcError::Plaintext)),
        ("$".to_owned(), unknown),
        ("$ecret$tuff".to_owned(), unknown),
        (good.replace("argon2id", "argon2i"), Some(PhcError::Algorithm { found: "argon2i" })),
        (good.replace("argon2id", "ARGON2ID"), unknown),
        (format!("$2x$10${SALT}"), Some(PhcError::Algorithm { found: "2x" })),
        (good.replace("v=19", "v=16"), Some(PhcError::Version { found: 16 })),
        (good.replace("$v=19", ""), Some(PhcError::Version { found: 16 })),
        (good.replace("v=19", "v="), version),
        (good.replace("v=19", "v=019"), version),
        (good.replace("v=19", "19"), malformed("it has no version")),
        ("$argon2id".to_owned(), malformed("it has no version")),
        ("$argon2id$v=19".to_owned(), parts),
        (format!("{good}$"), parts),
        (line("m=12288,t=3,p=1,x=1"), shape),
        (line("m=12288,t=3"), shape),
        (line("t=3,m=12288,p=1"), shape),
        (line("m=012288,t=3,p=1"), shape),
        (line("m=+12288,t=3,p=1"), shape),
        (line("m=12288 ,t=3,p=1"), shape),
        (line("m=18446744073709551616,t=3,p=1"), shape),
        (good.replace(SALT, "AQIDBAUGBwgJCgsMDQ4P*A"), salt),
        (good.replace(SALT, "AQIDBAUGBwgJCgsMDQ4PEB"), salt),
        (good.replace(SALT, "AQIDBAUGBwg"), None),
        (good.replace(SALT, "AQIDBAUGBw"), Some(PhcError::SaltLength { found: 7 })),
        (good.replace(SALT, ""), Some(PhcError::SaltLength { found: 0 })),
        (good.replace(SALT, &"A".repeat(64)), None),
        (good.replace(SALT, &"A".repeat(66)), Some(PhcError::SaltLength { found: 49 })),
        (good.replace(OUTPUT, "AAECAwQFBgcICQoLDA0ODw"), None),
        (good.replace(OUTPUT, "AAECAwQFBgcICQoLDA0O"), Some(PhcError::OutputLength { found: 15 })),
        (good.replace(OUTPUT, &"A".repeat(86)), None),
        (good.replace(OUTPUT, &"A".repeat(87)), Some(PhcError::OutputLength { found: 65 })),
        (good.replace(OUTPUT, &"A".repeat(1_000_000)), Some(PhcError::OutputLength { found: 750_000 })),
        (format!("{good}="), output),
        (format!("{good}\n"), output),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(&text), expected, "{text:.80}");
    }
}

#[test]
fn errors_say_what_to_do_and_never_repeat_the_text() {
    for text in ["hunter2", "$hunter2$x", "$argon2id$hunter2", "$argon2id$v=19$hunter2$a$b", "$argon2id$v=hunter2"] {
        let error = refusal(text).unwrap().to_string();
        assert!(error.contains("pushguard hash") && !error.contains("hunter2"), "{text}: {error}");
    }
    let plaintext = "this looks like a plaintext password, not a hash: a hash starts with `$argon2id$`; run `pushguard \
                     hash` and put the line that it prints here, and change the password if others have seen it";
    assert_eq!(PhcError::Plaintext.to_string(), plaintext);
    let weak = "m=12288,t=2 is too weak; with t=2 at least m=19456 KiB is needed, run `pushguard hash` for a new one";
    assert_eq!(refusal(&line("m=12288,t=2,p=1")).unwrap().to_string(), weak);
}

#[test]
fn a_new_hash_parses_with_the_default_cost_and_matches_its_password_only() {
    let password = Secret::new(b"correct horse".to_vec());
    let text = hash(&password, [1; 16]).unwrap();
    assert!(text.starts_with("$argon2id$v=19$m=12288,t=3,p=1$AQEBAQEBAQEBAQEBAQEBAQ$"), "{text}");
    let parsed = PasswordHash::parse(&text).unwrap();
    assert_eq!(parsed.line(), text, "emit then parse is identity");
    let mut arena = new_arena(parsed.memory_kib()).unwrap();
    assert_eq!(parsed.matches(&password, &mut arena), Ok(true));
    assert_eq!(parsed.matches(&Secret::new(b"correct horsf".to_vec()), &mut arena), Ok(false));
    assert_ne!(hash(&password, [2; 16]).unwrap(), text);
    assert_eq!(hash(&Secret::new(Vec::new()), [1; 16]), Err(PhcError::EmptyPassword));
    let short = parsed.matches(&password, arena.split_at_mut(8).0);
    assert_eq!(short, Err(PhcError::Compute(argon2::Error::MemoryTooLittle)));
}

/// The reference implementation's own vector: `echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32 -e`.
#[test]
fn a_hash_made_elsewhere_matches() {
    let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let parsed = PasswordHash::parse(text).unwrap();
    let mut arena = new_arena(parsed.memory_kib()).unwrap();
    assert_eq!(parsed.matches(&Secret::new(b"password".to_vec()), &mut arena), Ok(true));
}

#[test]
fn a_decoy_costs_the_same_and_matches_nothing() {
    let lengths = [(11, 22), (22, 43), (64, 86)];
    for (salt, output) in lengths {
        let text = format!("$argon2id$v=19$m=9216,t=4,p=2${}${}", "A".repeat(salt), "A".repeat(output));
        let like = PasswordHash::parse(&text).unwrap();
        let decoy = decoy(&like, [5; 48]);
        assert_eq!((decoy.params(), decoy.line().len()), (like.params(), text.len()));
        assert!(decoy.is_decoy() && !like.is_decoy());
        let fields = |hash: &PasswordHash| hash.line().rsplit('$').take(2).map(str::to_owned).collect::<Vec<_>>();
        assert!(fields(&decoy).iter().zip(fields(&like)).all(|(new, old)| *new != old), "salt and output are new");
    }
    let real = PasswordHash::cheap(b"secret", [1; 16]);
    let (one, other) = (decoy(&real, [1; 48]), decoy(&real, [2; 48]));
    assert_ne!(one.line(), other.line());
    let lucky = PasswordHash { matchable: false, ..real.clone() };
    let (password, mut arena) = (Secret::new(b"secret".to_vec()), [Block::new(); 8]);
    assert_eq!(real.matches(&password, &mut arena), Ok(true));
    assert_eq!(lucky.matches(&password, &mut arena), Ok(false));
}

#[test]
fn debug_shows_no_byte_of_the_hash() {
    let hash = PasswordHash::parse(&line("m=12288,t=3,p=1")).unwrap();
    assert_eq!(
        format!("{hash:?}"),
        "PasswordHash { params: Argon2id(Argon2id { memory_kib: 12288, passes: 3, lanes: 1 }), .. }"
    );
}

/// Vectors of the test suites of OpenBSD and of crypt_blowfish.
#[test]
fn bcrypt_hashes_made_elsewhere_match_their_password_only() {
    for (text, password) in [
        ("$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe", "a"),
        ("$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc"),
        ("$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO", "~!@#$%^&*()      ~!@#$%^&*()PNBFRD"),
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
        ("$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
    ] {
        let hash = PasswordHash::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let matches = |password: &[u8]| hash.matches(&Secret::new(password.to_vec()), &mut []);
        assert_eq!(matches(password.as_bytes()), Ok(true), "{text}");
        assert_eq!(matches(format!("{password}x").as_bytes()), Ok(false), "{text}");
        assert_eq!(matches(format!("{password}\0x").as_bytes()), Ok(false), "{text}: a null byte ends nothing");
        assert_eq!(hash.line().replace("$2b$", &text[..4]), text, "emit then parse is identity");
        assert!(hash.memory_kib() == 0 && hash.is_weak(), "{text}");
        let decoy = decoy(&hash, [5; 48]);
        assert_eq!(decoy.params(), hash.params());
        assert_eq!(decoy.matches(&Secret::new(password.into()), &mut []), Ok(false), "{text}");
    }
}

/// 72 bytes count for bcrypt. One that is longer matches nothing, since only a part of it would be looked at.
#[test]
fn no_part_of_a_long_password_does_for_bcrypt() {
    let salt = [7; 16];
    let long = [b'x'; 72];
    let computed = ::bcrypt::bcrypt(4, salt, &long);
    let mut stored = Bcrypt { cost: 4, salt, output: [0; 23] };
    stored.output.copy_from_slice(&computed[..23]);
    let hash = PasswordHash::parse(&stored.line()).unwrap();
    let matches = |length: usize| hash.matches(&Secret::new(vec![b'x'; length]), &mut []);
    assert_eq!([71, 72, 73, 200].map(matches), [Ok(false), Ok(true), Ok(false), Ok(false)]);
}

#[test]
fn what_is_not_one_strict_bcrypt_line_is_refused() {
    let good = "$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert!(PasswordHash::parse(good).is_ok_and(|hash| !hash.is_weak()));
    let damaged = |text: String| matches!(refusal(&text), Some(PhcError::Bcrypt { .. }));
    for (from, to) in [
        ("$10$", "$1$"),
        ("$10$", "$010$"),
        ("$10$", "$+1$"),
        ("$10$", "$xx$"),
        ("OeW", "Oe"),
        ("OeW", "OeWW"),
        ("OeW", "Oe="),
        ("OeW", "Oe\n"),
        ("CCC", "CC*"),
        (".E5", "\u{e9}5"),
        ("$10$", "$10$$"),
    ] {
        assert!(damaged(good.replacen(from, to, 1)), "{from} to {to}");
    }
    for cost in [0, 3, 13, 31, 99] {
        assert_eq!(refusal(&good.replace("$10$", &format!("${cost:02}$"))), Some(PhcError::BcryptCost { found: cost }));
    }
    assert!(!refusal("$2y$hunter2").unwrap().to_string().contains("hunter2"));
}
