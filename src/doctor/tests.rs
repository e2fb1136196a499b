use super::examine::{Finding, examine};
use super::flags::Flags;
use super::scrape::{Scrape, judge};
use super::told::not_utf8;
use crate::groups::{Family, Group};
use crate::proxy::Page;
use std::time::Duration;

fn group(labels: &[(&str, &str)], families: &[(&str, &str, usize)]) -> Group {
    let family = |(name, kind, series): &(&str, &str, usize)| Family {
        name: (*name).to_owned(),
        kind: (*kind).to_owned(),
        series: *series,
        hashes: Vec::new(),
        bytes: 0,
    };
    Group {
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        pushed: Some(Duration::from_secs(1_790_000_000)),
        failed: Some(Duration::ZERO),
        families: families.iter().map(family).collect(),
        ..Group::default()
    }
}

fn page(status: u16, body: &str) -> Page {
    Page { status, body: body.to_owned().into(), cut: false }
}

const OLD: &str = r#"An error has occurred while serving metrics:

2 error(s) occurred:
* collected metric "push_time_seconds" { label:<name:"instance" value:"" > label:<name:"job" value:"\377" > label:<name:"x" value:"a\376\"\n" > gauge:<value:0 > } has a label named "job" whose value is not utf8: "\xff"
* collected metric "m" { label:<name:"job" value:"b" > label:<name:"y" value:"\377" > gauge:<value:0 > } has a label named "y" whose value is not utf8: "\xff"
"#;
const NEW: &str = r#"* collected metric "push_failure_time_seconds" { label:{name:"instance"  value:""}  label:{name:"job"  value:"\xff"}  gauge:{value:1}} has a label named "job" whose value is not utf8: "\xff""#;

#[test]
fn the_key_of_a_group_that_is_not_utf8_is_read_from_what_the_gateway_says() {
    let labels = |pairs: &[(&str, &[u8])]| pairs.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())).collect::<Vec<_>>();
    let old = labels(&[("instance", b""), ("job", b"\xff"), ("x", b"a\xfe\"\n")]);
    assert_eq!(not_utf8(OLD).into_iter().collect::<Vec<_>>(), [old], "labels of a body are no key");
    let new = labels(&[("instance", b""), ("job", b"\xff")]);
    assert_eq!(not_utf8(NEW).into_iter().collect::<Vec<_>>(), [new]);
    for cut in 0..OLD.len() {
        not_utf8(&OLD[..cut]);
    }
    let scrape = judge(&page(500, NEW), Vec::new());
    assert_eq!(scrape.culprits[0].paths, ["/metrics/job@base64/_w/instance@base64/=", "/metrics/job@base64/_w"]);
    assert_eq!(scrape.culprits[0].group, r#"{instance="",job="\xff"}"#);
}

#[test]
fn only_the_group_that_breaks_it_is_blamed() {
    let well = group(&[("job", "a")], &[("m", "GAUGE", 1), ("h", "HISTOGRAM", 1)]);
    let blamed = |scrape: &Scrape| scrape.culprits.iter().map(|c| c.group.clone()).collect::<Vec<_>>();
    assert_eq!(
        judge(&page(200, "m 1\n"), vec![well.clone()]),
        Scrape { groups: vec![well.clone()], ..Scrape::default() }
    );
    let twin = group(&[("job", "a"), ("instance", "")], &[]);
    let lonely = group(&[("job", "b"), ("instance", "")], &[]);
    let scrape = judge(&page(500, "x\n\n* m was collected before\n"), vec![well.clone(), twin, lonely]);
    assert_eq!(blamed(&scrape), [r#"{job="a",instance=""}"#]);
    assert_eq!(scrape.broken.as_deref(), Some("it answers 500: m was collected before"));
    let le = group(&[("job", "c"), ("le", "1")], &[("h", "HISTOGRAM", 1)]);
    let le_without = group(&[("job", "d"), ("le", "1")], &[("h", "GAUGE", 1)]);
    let scrape = judge(&page(200, "m 1\n"), vec![well.clone(), le, le_without]);
    assert_eq!(blamed(&scrape), [r#"{job="c",le="1"}"#]);
    assert!(scrape.broken.is_some());
    let nameless = group(&[("job", "e")], &[("", "GAUGE", 1)]);
    let scrape = judge(&page(200, ""), vec![well, nameless]);
    assert_eq!(blamed(&scrape), [r#"{job="e"}"#]);
    assert!(scrape.broken.is_some_and(|why| why.contains("empty")));
}

fn flags(listen: &str, set: &[&str]) -> Flags {
    let mut flags = format!(r#""web.listen-address":"{listen}","persistence.file":"""#);
    for flag in set {
        flags.push_str(&format!(r#","{flag}":"true""#));
    }
    let text =
        format!(r#"{{"status":"success","data":{{"build_information":{{"version":"1.11.2"}},"flags":{{{flags}}}}}}}"#);
    Flags::read(text.as_bytes()).unwrap()
}

#[test]
fn which_addresses_others_can_reach() {
    let open = |value: &str| flags(value, &[]).open_addresses();
    for closed in ["127.0.0.1:9092", "[127.0.0.1:9092]", "[::1]:9092", "[[::1]:9092]", "localhost:9092", ""] {
        assert_eq!(open(closed), [""; 0], "{closed}");
    }
    assert_eq!(open(":9091"), [":9091"]);
    assert_eq!(open("[127.0.0.1:9092 0.0.0.0:9091]"), ["0.0.0.0:9091"]);
    assert_eq!(open("[::]:9091"), ["[::]:9091"]);
    assert!(Flags::read(b"<html>").is_none() && Flags::read(b"{}").is_none());
}

fn texts(list: &[Finding]) -> String {
    list.iter().map(|f| format!("{:<7} {:<10} {}\n", f.level.text(), f.about, f.text)).collect()
}

#[test]
fn the_list_of_a_gateway_that_is_well_and_of_one_that_is_not() {
    let date = Duration::from_secs(1_790_000_060);
    let well = Scrape { groups: vec![group(&[("job", "a")], &[("m", "GAUGE", 3)])], ..Scrape::default() };
    insta::assert_snapshot!(texts(&examine(&well, &flags("127.0.0.1:9092", &[]), &[], true, date)));
    let groups = vec![
        group(&[("job", "a")], &[("m", "GAUGE", 3)]),
        group(&[("job", "a"), ("instance", "")], &[("m", "COUNTER", 2000)]),
    ];
    let ill = judge(&page(500, "An error\n\n* collected metric m was collected before\n"), groups);
    let all =
        ["web.enable-admin-api", "web.enable-lifecycle", "push.disable-consistency-check", "push.enable-utf8-names"];
    let around = ["192.0.2.7:9092".to_owned()];
    let later = date + Duration::from_secs(40 * 86_400);
    insta::assert_snapshot!(texts(&examine(&ill, &flags(":9092", &all), &around, true, later)));
}
