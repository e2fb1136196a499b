use super::{cases, table};
use crate::request::PathFault::*;
use crate::request::{GroupingKey, PathFault};
use proptest::prelude::*;

fn read(path: impl AsRef<[u8]>) -> Result<String, PathFault> {
    GroupingKey::read(path.as_ref()).map(|key| {
        let labels = key.labels().iter().map(|(name, value)| format!(" {name}={value}"));
        format!("{}{}", key.job(), labels.collect::<String>())
    })
}

#[test]
fn accepted_spellings() {
    let rows: &[(&str, &str)] = &[
        ("job/a", "a"),
        ("job/a/", "a"),
        ("job@base64/YQ", "a"),
        ("job@base64/YQ==", "a"),
        ("job%40base64/YQ==", "a"),
        ("job%40base64/YQ%3D%3D", "a"),
        ("job/%61", "a"),
        ("job/a%20b", "a b"),
        ("job/a+b", "a+b"),
        ("job/100%25", "100%"),
        ("job/%2525", "%25"),
        ("job/a%3Fb%23c", "a?b#c"),
        ("job/a=b;c:d,e*f", "a=b;c:d,e*f"),
        ("job/@base64", "@base64"),
        ("job/...", "..."),
        ("job/.a", ".a"),
        ("job/caf\u{e9}", "caf\u{e9}"),
        ("job/caf%C3%A9", "caf\u{e9}"),
        ("job/cafe\u{301}", "cafe\u{301}"),
        ("job/\u{1f600}", "\u{1f600}"),
        ("job/a/x/1", "a x=1"),
        ("job/a/x/1/", "a x=1"),
        ("job/a/y/2/x/1", "a x=1 y=2"),
        ("job/a/x@base64/Lw", "a x=/"),
        // As the gateway's own page spells them: one = behind every value.
        ("job/a/x@base64/Lw=", "a x=/"),
        ("job/a/x%40base64/Lw%3D", "a x=/"),
        ("job/a/x@base64/Zm9v=", "a x=foo"),
        ("job/a/x@base64/Zm9v==", "a x=foo"),
        ("job/a/x@base64/Li4", "a x=.."),
        ("job/a/x@base64/XA", "a x=\\"),
        ("job@base64/RWxpeGlyL1Bob2VuaXggQ0k=", "Elixir/Phoenix CI"),
        ("job/a/%78/1", "a x=1"),
        ("job/a/x%40base64/Yg", "a x=b"),
        ("job/a/_/1", "a _=1"),
        ("job/a/Instance/1", "a Instance=1"),
        ("job/a/instance/1", "a instance=1"),
        ("job/a/Le/1", "a Le=1"),
        ("job/a/JOB/b", "a JOB=b"),
    ];
    table(rows.iter().map(|(path, expected)| (path, Ok((*expected).to_owned()), read(path))));
}

#[test]
fn refused_spellings() {
    let name = |name: &str| name.to_owned();
    let rows: Vec<(&[u8], PathFault)> = vec![
        (b"", JobEmpty),
        (b"job", JobEmpty),
        (b"job/", JobEmpty),
        (b"job//", JobEmpty),
        (b"job//instance/x", JobEmpty),
        (b"job@base64/", JobEmpty),
        (b"job@base64/=", JobEmpty),
        (b"job/a/x", OddParts(name("x"))),
        (b"job/a/x/1/y", OddParts(name("y"))),
        (b"job/a/workflow/Elixir/Phoenix", OddParts(name("Phoenix"))),
        (b"job/a/x@base64", OddParts(name("x"))),
        (b"job/a/x/", EmptyValue(name("x"))),
        (b"job/a/instance/", EmptyValue(name("instance"))),
        (b"job/a/x@base64/", EmptyValue(name("x"))),
        (b"job/a/x//y/1", EmptyValue(name("x"))),
        (b"job/a/instance@base64/=", EmptyValue(name("instance"))),
        (b"job/a/x@base64/=", EmptyValue(name("x"))),
        (b"job/a/x@base64/%3D", EmptyValue(name("x"))),
        (b"job/a/x@base64/=/y/1", EmptyValue(name("x"))),
        (b"job/a//", EmptyPart),
        (b"job/a//x/1", EmptyPart),
        (b"job/a/x/1//", EmptyPart),
        (b"job/a///", EmptyPart),
        (b"job/.", DotPart(name("."))),
        (b"job/..", DotPart(name(".."))),
        (b"job/%2e%2E", DotPart(name(".."))),
        (b"job/a/x/..", DotPart(name(".."))),
        (b"job/a/../b", BadName(name(".."))),
        (b"job/a%2Fb", EscapedSlash),
        (b"job/a%2finstance%2fb", EscapedSlash),
        (b"job/a/x/%5C", EscapedSlash),
        (b"job/a/x/\\", EscapedSlash),
        (b"job/..%2f..%2fb", EscapedSlash),
        (b"job/%", BadEscape),
        (b"job/%4", BadEscape),
        (b"job/%4g", BadEscape),
        (b"job/%u0041", BadEscape),
        (b"job/%+1", BadEscape),
        (b"job/a/x%/1", BadEscape),
        (b"job/%ff", NotUtf8(name("job"))),
        (b"job/\xff", NotUtf8(name("job"))),
        (b"job/%c0%af", NotUtf8(name("job"))),
        (b"job/%ed%a0%80", NotUtf8(name("job"))),
        (b"job@base64/_w", NotUtf8(name("job"))),
        (b"job@base64/-_-_", NotUtf8(name("job"))),
        (b"job/a/x/%ff", NotUtf8(name("x"))),
        (b"job/a/%ff/1", NotUtf8(name("label name"))),
        (b"job/%00", Control(name("job"))),
        (b"job/%0a", Control(name("job"))),
        (b"job/%1b", Control(name("job"))),
        (b"job/%7f", Control(name("job"))),
        (b"job@base64/AA", Control(name("job"))),
        (b"job@base64/Cg", Control(name("job"))),
        (b"job/a/x/%0d", Control(name("x"))),
        (b"job/a/x%00/1", Control(name("label name"))),
        (b"job@base64/Y", BadBase64(name("job"))),
        (b"job@base64/YR", BadBase64(name("job"))),
        (b"job@base64/=YQ", BadBase64(name("job"))),
        (b"job@base64/Zg=====", BadBase64(name("job"))),
        (b"job@base64/YQ===", BadBase64(name("job"))),
        (b"job@base64/YQ====", BadBase64(name("job"))),
        (b"job@base64/==", BadBase64(name("job"))),
        (b"job@base64/Y%0AQ", BadBase64(name("job"))),
        (b"job@base64/Y%0D%0AQ", BadBase64(name("job"))),
        (b"job@base64/a+b", BadBase64(name("job"))),
        (b"job@base64/a%2Fb", BadBase64(name("job"))),
        (b"job@base64/YQ=Q", BadBase64(name("job"))),
        (b"job@base64/Y Q", BadBase64(name("job"))),
        (b"job/a/x@base64@base64/Yg", BadName(name("x@base64"))),
        (b"job/a/x@BASE64/Yg", BadName(name("x@BASE64"))),
        (b"job/a/my-label/1", BadName(name("my-label"))),
        (b"job/a/1x/1", BadName(name("1x"))),
        (b"job/a/@base64/Yg", BadName(name(""))),
        (b"job/a/x%2Fy/1", BadName(name("x/y"))),
        (b"job/a/caf\xc3\xa9/1", BadName(name("caf\u{e9}"))),
        (b"job/a/le/1", ReservedName(name("le"))),
        (b"job/a/quantile/1", ReservedName(name("quantile"))),
        (b"job/a/__name__/1", ReservedName(name("__name__"))),
        (b"job/a/__/1", ReservedName(name("__"))),
        (b"job/a/U__x/1", ReservedName(name("U__x"))),
        (b"job/a/job/b", ReservedName(name("job"))),
        (b"job/a/job@base64/Yg", ReservedName(name("job"))),
        (b"job/a/x/1/x/2", Repeated(name("x"))),
        (b"job/a/x/1/x/1", Repeated(name("x"))),
        (b"job/a/x/1/x@base64/MQ", Repeated(name("x"))),
        (b"job/a/x/1/%78/2", Repeated(name("x"))),
    ];
    table(rows.into_iter().map(|(path, fault)| (String::from_utf8_lossy(path).into_owned(), Err(fault), read(path))));
}

#[test]
fn upstream_paths_are_plain_only_where_nothing_could_be_read_twice() {
    let rows = [
        ("a_~-.9", "v", "/metrics/job/a_~-.9/x/v"),
        (".a", "..", "/metrics/job@base64/LmE/x@base64/Li4"),
        ("a b", "a/b", "/metrics/job@base64/YSBi/x@base64/YS9i"),
        ("%", "+", "/metrics/job@base64/JQ/x@base64/Kw"),
        ("caf\u{e9}", "=", "/metrics/job@base64/Y2Fmw6k/x@base64/PQ"),
    ];
    let path = |job, value: &str| GroupingKey::new(job, [("x".to_owned(), value.to_owned())]).unwrap().upstream_path();
    table(rows.map(|(job, value, expected)| ((job, value), expected.to_owned(), path(job, value))));
}

fn key() -> impl Strategy<Value = GroupingKey> {
    let text = |shortest: usize| {
        proptest::collection::vec(any::<char>().prop_filter("control", |c| *c >= ' ' && *c != '\u{7f}'), shortest..12)
            .prop_map(String::from_iter)
    };
    let hostile = prop_oneof![
        text(1),
        proptest::sample::select(vec!["/", "..", ".", "%", "%2F", "a=b", "=", "@base64", "+", "\\", " ", "?", "#"])
            .prop_map(str::to_owned)
    ];
    let name = "[a-zA-Z_][a-zA-Z0-9_]{0,6}".prop_filter("reserved", |name| {
        let reserved = ["job", "le", "quantile"].contains(&name.to_ascii_lowercase().as_str());
        !reserved && !name.starts_with("__") && !name.starts_with("U__")
    });
    let labels = proptest::collection::btree_map(name, text(1), 0..5);
    (hostile, labels).prop_map(|(job, labels)| GroupingKey::new(&job, labels).unwrap())
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn what_is_sent_reads_as_what_was_meant(key in key()) {
        let path = key.upstream_path();
        prop_assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_~-.@=".contains(&b)), "{path}");
        let again = GroupingKey::read(path.strip_prefix("/metrics/").unwrap().as_bytes());
        prop_assert_eq!(again, Ok(key));
    }

    /// Percent-escaping any byte but a slash changes nothing.
    #[test]
    fn a_fully_escaped_spelling_is_the_same_key(key in key()) {
        let path = key.upstream_path();
        let escape = |part: &str| part.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
        let parts: Vec<String> = path.split('/').skip(2).map(escape).collect();
        prop_assert_eq!(GroupingKey::read(parts.join("/").as_bytes()), Ok(key));
    }

    #[test]
    fn any_bytes_are_read_canonically_or_refused(
        path in proptest::collection::vec(
            prop_oneof![any::<u8>().boxed(), proptest::sample::select(b"//ab%2@=.Q".to_vec()).boxed()], 0..40
        ),
        behind_job in any::<bool>(),
    ) {
        let path = if behind_job { [b"job/", path.as_slice()].concat() } else { path };
        if let Ok(key) = GroupingKey::read(&path) {
            let upstream = key.upstream_path();
            prop_assert_eq!(GroupingKey::read(&upstream.as_bytes()[b"/metrics/".len()..]), Ok(key));
        }
    }
}
