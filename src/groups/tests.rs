use super::{Detail, Family, Group, Labels, ReadError, read};
use crate::payload::SeriesHash;
use crate::request::{GroupingKey, Target};
use proptest::prelude::*;
use std::io::Read;
use std::time::Duration;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn all(document: &str) -> Result<Vec<Group>, ReadError> {
    let mut groups = Vec::new();
    read(document.as_bytes(), 1 << 20, Detail::Counts, &mut |group| groups.push(group)).map(|()| groups)
}

fn family(name: &str, kind: &str, series: usize) -> Family {
    Family { name: name.to_owned(), kind: kind.to_owned(), series, hashes: Vec::new(), bytes: 0 }
}

const PUSH_TIMES: &str = r#""push_failure_time_seconds":{"time_stamp":"2026-11-24T08:28:34.4Z","type":"GAUGE","help":"h",
"metrics":[{"labels":{"instance":"","job":"a"},"value":"0"}]},"push_time_seconds":{"time_stamp":"2026-11-24T08:28:34Z",
"type":"GAUGE","metrics":[{"labels":{"instance":"","job":"a"},"value":"1.79550891440804e+09"}]}"#;

fn document(members: &str) -> String {
    format!(r#"{{"status":"success","data":[{{{members},{PUSH_TIMES}}}]}}"#)
}

#[test]
fn reads_what_a_gateway_writes() {
    let text = document(
        r#""labels":{"job":"a","x":"\u003cä\ufffd\u003e"},"last_push_successful":true,
        "m":{"time_stamp":"2026-11-24T08:28:34Z","type":"UNTYPED","help":"\u0026","metrics":[{"labels":{},"value":"1"}]},
        "s":{"type":"SUMMARY","metrics":[{"labels":{},"quantiles":{"0.5":"NaN"},"count":"1","sum":"+Inf"},{}]},
        "h":{"type":"HISTOGRAM","metrics":[{"labels":{},"buckets":[[0,"1","2","3"]],"count":"1","sum":"2"}]},
        "empty":{"type":"GAUGE","metrics":null},"none":{"type":"GAUGE","metrics":[]}"#,
    );
    let groups = all(&text).unwrap();
    let expected = Group {
        labels: labels(&[("job", "a"), ("x", "<ä\u{fffd}>")]),
        instance_unsure: false,
        pushed: Some(Duration::from_secs_f64(1.79550891440804e+09)),
        failed: Some(Duration::ZERO),
        last_push_successful: Some(true),
        families: vec![
            family("m", "UNTYPED", 1),
            family("s", "SUMMARY", 2),
            family("h", "HISTOGRAM", 1),
            family("empty", "GAUGE", 0),
            family("none", "GAUGE", 0),
        ],
    };
    assert_eq!(groups, [expected]);
    assert_eq!(groups[0].series(), 4);
    assert_eq!(all(r#"{"status":"success","data":[]}"#), Ok(vec![]));
}

/// Where hashes are wanted, each metric has the one that a push of it would have.
#[test]
fn metrics_are_told_apart_where_that_is_wanted() {
    let text = document(
        r#""labels":{"job":"a"},"m":{"type":"GAUGE","metrics":[{"labels":{"l":"1","job":"a","instance":""},"value":"1"},{}]},
        "h":{"type":"HISTOGRAM","metrics":[{"labels":{"job":"a"},"buckets":{"1":"2"},"count":"1","sum":"2"}]},
        "none":{"type":"GAUGE","metrics":null}"#,
    );
    let hash = |name: &str, labels: &[(&str, &str)]| {
        let mut hash = SeriesHash::new(name.as_bytes());
        labels.iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
        hash.value()
    };
    let read = |detail| {
        let mut groups = Vec::new();
        read(text.as_bytes(), 1 << 20, detail, &mut |group| groups.push(group)).unwrap();
        groups.remove(0)
    };
    let (counted, hashed) = (read(Detail::Counts), read(Detail::Hashes));
    let hashes: Vec<&[u64]> = hashed.families.iter().map(|family| family.hashes.as_slice()).collect();
    let m = [hash("m", &[("job", "a"), ("l", "1")]), hash("m", &[])];
    assert_eq!(hashes, [&m[..], &[hash("h", &[("job", "a")])], &[]]);
    assert!(counted.families.iter().all(|family| family.hashes.is_empty()));
    assert_eq!((counted.series(), hashed.series()), (3, 3));
}

#[test]
fn a_key_that_a_metric_hides_is_taken_from_the_push_time_in_both_spellings() {
    let hidden = r#""labels":{"time_stamp":"t","type":"GAUGE","help":"h","metrics":[{"labels":{"job":"x"},"value":"1"}]},
        "last_push_successful":{"type":"GAUGE","metrics":[]}"#;
    let group = &all(&document(hidden)).unwrap()[0];
    assert_eq!(group.labels, labels(&[("job", "a"), ("instance", "")]));
    assert_eq!(group.paths(), ["/metrics/job/a/instance@base64/=", "/metrics/job/a"]);
    assert_eq!((group.last_push_successful, group.families.len()), (None, 1));
    let shaped = r#""labels":{"job":"a","type":"GAUGE","metrics":"[]","time_stamp":"t"},"last_push_successful":false"#;
    let group = &all(&document(shaped)).unwrap()[0];
    assert!(!group.instance_unsure, "labels of such names are labels");
    assert_eq!(group.paths().len(), 1);
}

#[test]
fn what_is_no_time_has_no_age() {
    for (value, seconds) in [
        ("0", Some(0.0)),
        ("1e3", Some(1000.0)),
        ("NaN", None),
        ("+Inf", None),
        ("-1", None),
        ("1e300", None),
        ("", None),
        ("x", None),
    ] {
        let text = document(r#""labels":{"job":"a"}"#).replace("1.79550891440804e+09", value);
        let group = &all(&text).unwrap()[0];
        assert_eq!(group.pushed, seconds.map(Duration::from_secs_f64), "{value}");
        assert_eq!(group.activity(), seconds.filter(|s| *s > 0.0).map(Duration::from_secs_f64), "{value}");
    }
}

#[test]
fn anything_but_the_whole_document_is_an_error() {
    let whole = document(r#""labels":{"job":"a"}"#);
    for end in 0..whole.len() {
        let cut = String::from_utf8_lossy(&whole.as_bytes()[..end]).into_owned();
        assert!(matches!(all(&cut), Err(ReadError::Broken(_))), "cut at {end}");
    }
    for text in [
        "{}",
        "[]",
        "<html>",
        r#"{"status":"success"}"#,
        r#"{"status":"error","data":[]}"#,
        r#"{"data":[]}"#,
        r#"{"status":"success","data":{}}"#,
        r#"{"status":"success","data":[{}]}"#,
        r#"{"status":"success","data":[{"labels":{"job":1}}]}"#,
        r#"{"status":"success","data":[]} x"#,
        r#"{"status":"success","data":[],"data":[]}"#,
        r#"{"status":"success","data":[{"labels":{"metrics":[]}}]}"#,
    ] {
        assert!(matches!(all(text), Err(ReadError::Broken(_))), "{text}: {:?}", all(text));
    }
}

#[test]
fn the_cap_holds_and_memory_does_not_grow_with_the_document() {
    let whole = document(r#""labels":{"job":"a"}"#);
    let length = u64::try_from(whole.len()).unwrap();
    assert_eq!(read(whole.as_bytes(), length, Detail::Counts, &mut |_| ()), Ok(()));
    assert_eq!(read(whole.as_bytes(), length - 1, Detail::Counts, &mut |_| ()), Err(ReadError::TooLong(length - 1)));
    let endless = br#"{"status":"success","data":["#.chain(std::io::repeat(b' '));
    assert_eq!(read(endless, 1 << 20, Detail::Counts, &mut |_| ()), Err(ReadError::TooLong(1 << 20)));
}

/// A string is held whole while it is read.
#[test]
fn no_string_of_the_document_takes_more_memory_than_it_may() {
    let told = |document: &str| {
        read(document.as_bytes(), 1 << 30, Detail::Counts, &mut |_| ()).map_err(|error| error.to_string())
    };
    for part in ["x", "\\\"", "\\u003c"] {
        let label = |bytes: usize| document(&format!(r#""labels":{{"job":"{}"}}"#, part.repeat(bytes / part.len())));
        assert_eq!(told(&label(3 << 20)), Ok(()), "{part}");
        let refused = told(&label(5 << 20)).unwrap_err();
        assert!(refused.contains("a string of more than 4194304 bytes"), "{part}: {refused}");
    }
    let many = r#""x":"y","#.repeat(1 << 20);
    let many = document(&format!(r#""labels":{{{many}"job":"a"}}"#));
    assert_eq!(told(&many), Ok(()), "many short ones");
}

#[test]
fn a_group_is_spelled_as_pushes_spell_it_or_not_at_all() {
    let path = |pairs: &[(&str, &str)]| labels(pairs).path();
    let key = GroupingKey::read(b"job/a/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k/b/1").unwrap();
    let same = path(&[("job", "a"), ("b", "1"), ("workflow", "Elixir/Phoenix CI")]);
    assert_eq!(same, Some(key.upstream_path()), "one path, one lock");
    assert_eq!(path(&[("job", "a"), ("x", "")]).as_deref(), Some("/metrics/job/a/x@base64/="));
    assert_eq!(path(&[("job", "a\n\0")]).as_deref(), Some("/metrics/job@base64/YQoA"));
    assert_eq!(path(&[("job", "a"), ("a.b_c", "1")]).as_deref(), Some("/metrics/job/a/U__a_2e_b__c/1"));
    assert_eq!(path(&[("job", "a"), ("1x", "1")]).as_deref(), Some("/metrics/job/a/U___31_x/1"));
    assert_eq!(path(&[("job", "a"), ("U__x", "1")]), None, "its meaning depends on a flag of the gateway");
    assert_eq!(path(&[("job", "\u{fffd}")]), None, "the bytes behind it are not known");
    assert_eq!(path(&[("x", "1")]), None);
    let bytes = [("job", &b"\xff"[..]), ("x", b"a\xfe")];
    assert_eq!(super::path_of(bytes.into_iter()).as_deref(), Some("/metrics/job@base64/_w/x@base64/Yf4"));
    let shown = labels(&[("job", "a"), ("b", "\u{1b}\"")]).to_string();
    assert_eq!(shown, r#"{job="a",b="\u{1b}\""}"#);
}

/// Hands out a few bytes at a time.
struct Slowly<'t>(&'t [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

proptest! {
    #[test]
    fn any_labels_survive_the_document_in_any_pieces(
        pairs in proptest::collection::btree_map("[a-z_][a-zA-Z0-9_]{0,6}", any::<String>(), 0..5),
        job in ".{1,8}",
        pace in 1..40usize,
    ) {
        let mut map = pairs;
        map.insert("job".to_owned(), job);
        let text = document(&format!(r#""labels":{},"last_push_successful":true"#, serde_json::to_string(&map).unwrap()));
        let mut groups = Vec::new();
        read(Slowly(text.as_bytes(), pace), 1 << 20, Detail::Counts, &mut |group| groups.push(group)).unwrap();
        prop_assert_eq!(groups.len(), 1);
        prop_assert_eq!(&groups[0].labels, &map.clone().into_iter().collect::<Labels>());
        // Where the guard would take the path from a client, it reads the same group from it.
        let path = groups[0].labels.path();
        if let Some(Ok(Target::Group(key))) = path.map(|path| Target::read(path.as_bytes())) {
            let read: Vec<_> = key.labels().iter().map(|(n, v)| (n.clone(), v.clone())).collect();
            map.remove("job");
            prop_assert_eq!(read, map.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_text_ends_the_process(text in any::<Vec<u8>>()) {
        let _ = read(text.as_slice(), 1 << 16, Detail::Counts, &mut |_| ());
    }
}
