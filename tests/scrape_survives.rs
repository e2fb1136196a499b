//! Nothing that is accepted breaks the scrape: the gateway's page answers 200, holds every group, and a real Prometheus
//! that reads it through the guard says that its target is up.
//!
//! `PUSHGUARD_VOLUME` sets how many requests the random sequences have, `PUSHGUARD_SEED` which.

mod common;
mod volume;

use common::gateway::Gateway;
use common::guard::{EVERYTHING, Guard};
use common::http::Request;
use pushguard::request::GroupingKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use volume::bodies::{
    self, GAUGE, HISTOGRAM, PROTOBUF, SUMMARY, UNTYPED, bytes, delimited, family, float, label, metric, whole,
};
use volume::prometheus::Prometheus;
use volume::rng::Rng;
use volume::tap::Tap;
use volume::{Volume, gateways, say};

/// What becomes of a request.
enum Fate {
    /// It is taken, and does no harm.
    Taken,
    /// The guard refuses it, by this reason and with these words.
    Refused(&'static str, &'static str),
    /// It clashes with what is stored, and does not reach the gateway.
    Clash,
}

use Fate::{Clash, Refused, Taken};

/// Requests by the name of what was measured of bare gateways.
struct Case {
    name: &'static str,
    steps: Vec<(Request, Fate)>,
}

fn one(name: &'static str, request: Request, fate: Fate) -> Case {
    Case { name, steps: vec![(request, fate)] }
}

fn text(body: impl Into<Vec<u8>>) -> Request {
    Request::put("/metrics/job/a", body)
}

fn wire(body: impl Into<Vec<u8>>) -> Request {
    text(body).header("Content-Type", PROTOBUF)
}

/// A family `m` of one gauge with these labels.
fn labelled(labels: &[Vec<u8>]) -> Request {
    wire(family("m", b"", GAUGE, &[metric(labels, GAUGE, 1.0)]))
}

/// A family of that name of one gauge.
fn named(name: &[u8]) -> Request {
    wire(family(name, b"", GAUGE, &[metric(&[], GAUGE, 1.0)]))
}

const HISTOGRAM_TEXT: &str = "# TYPE foo histogram\nfoo_bucket{le=\"+Inf\"} 1\nfoo_sum 1\nfoo_count 1\n";

/// What was measured to harm a bare gateway, or looks as if it could.
fn measured_cases() -> Vec<Case> {
    let ambiguous = |words| Refused("target_ambiguous", words);
    let invalid = |words| Refused("payload_invalid", words);
    let put = |target: &str, body: &str| Request::put(target, body);
    let m = "m 1\n";
    vec![
        one("invalid UTF-8 job", put("/metrics/job/%ff", m), ambiguous("not UTF-8")),
        Case {
            name: "instance=\"\" next to no instance",
            steps: vec![
                (text(m), Taken),
                (put("/metrics/job/a/instance/", m), ambiguous("the label \"instance\" is empty")),
                (put("/metrics/job/a/instance@base64/=", m), ambiguous("the label \"instance\" is empty")),
            ],
        },
        Case {
            name: "x=\"\" next to no x",
            steps: vec![
                (text(m), Taken),
                (put("/metrics/job/a/x/", m), ambiguous("the label \"x\" is empty")),
                (put("/metrics/job/a/x@base64/=", m), ambiguous("the label \"x\" is empty")),
            ],
        },
        one(
            "first push named pushgateway_http_push_size_bytes",
            text("pushgateway_http_push_size_bytes 1\n"),
            invalid("pushgateway_http_push_size_bytes is reserved"),
        ),
        one(
            "go_goroutines as counter",
            text("# TYPE go_goroutines counter\ngo_goroutines 1\n"),
            invalid("go_goroutines is reserved"),
        ),
        one(
            "go_goroutines as gauge",
            text("# TYPE go_goroutines gauge\ngo_goroutines 1\n"),
            invalid("go_goroutines is reserved"),
        ),
        one("timestamp in body", text("m 1 1700000000000\n"), invalid("a timestamp")),
        Case {
            name: "type clash with another group",
            steps: vec![
                (put("/metrics/job/b", "# TYPE m gauge\nm 1\n"), Taken),
                (text("# TYPE m counter\nm 1\n"), Clash),
            ],
        },
        one("parse error", text("m 1"), invalid("does not end in a line feed")),
        one("protobuf name with newline", named(b"a\nb"), invalid("not a metric name")),
        one("protobuf name with brace", named(b"a{"), invalid("not a metric name")),
        one("protobuf empty name", named(b""), invalid("not a metric name")),
        one("protobuf invalid UTF-8 name", named(b"\xff"), invalid("not a metric name")),
        one("protobuf label name with newline", labelled(&[label("a\nb", "1")]), invalid("label name")),
        one(
            "protobuf duplicate label name",
            labelled(&[label("x", "1"), label("x", "2")]),
            invalid("the label x stands twice"),
        ),
        one(
            "protobuf duplicate job label",
            labelled(&[label("job", "1"), label("job", "2")]),
            invalid("the label job stands twice"),
        ),
        one("text duplicate job label", text("m{job=\"1\",job=\"2\"} 1\n"), invalid("the label job stands twice")),
        one("text label __name__", text("m{__name__=\"x\"} 1\n"), invalid("begin with __ are reserved")),
        one("protobuf invalid UTF-8 label value", labelled(&[label("x", b"\xff")]), invalid("value is not UTF-8")),
        one("protobuf help with newline", wire(family("m", b"one\nm 2\n", GAUGE, &[metric(&[], GAUGE, 1.0)])), Taken),
        one("text invalid UTF-8 label value", text(b"m{x=\"\xff\"} 1\n"), invalid("not UTF-8")),
        one("text invalid UTF-8 help", text(b"# HELP m \xff\nm 1\n"), invalid("not UTF-8")),
        one(
            "protobuf timestamp",
            wire(family("m", b"", GAUGE, &[[metric(&[], GAUGE, 1.0), whole(6, 1_700_000_000_000)].concat()])),
            invalid("a timestamp"),
        ),
        one(
            "histogram with grouping label le",
            put("/metrics/job/a/le/1", HISTOGRAM_TEXT),
            ambiguous("\"le\" is reserved"),
        ),
        Case {
            name: "gauge foo_count then histogram foo",
            steps: vec![
                (put("/metrics/job/b", "# TYPE foo_count gauge\nfoo_count 1\n"), Taken),
                (text(HISTOGRAM_TEXT), Clash),
            ],
        },
        one("metric named push_time_seconds", text("push_time_seconds 1\n"), invalid("push_time_seconds is reserved")),
        one("metric named labels", text("labels 1\n"), invalid("labels is reserved")),
        one("job with newline", put("/metrics/job/a%0Ab", m), ambiguous("control character")),
        Case { name: "empty body PUT", steps: vec![(text(m), Taken), (text(""), Taken)] },
        one("NaN/Inf", text("m{x=\"1\"} NaN\nm{x=\"2\"} +Inf\nm{x=\"3\"} -Inf\n"), Taken),
        one("metric name U+2028 / utf8 text", text("{\"a\u{2028}b\"} 1\n"), invalid("begins with a metric name")),
    ]
}

/// More of their kind.
fn further_cases() -> Vec<Case> {
    let ambiguous = |words| Refused("target_ambiguous", words);
    let invalid = |words| Refused("payload_invalid", words);
    let put = |target: &str| Request::put(target, "m 1\n");
    let histogram = |extra: Vec<u8>| {
        let value = [whole(1, 1), float(2, 1.0), bytes(3, [whole(1, 1), float(2, 1.0)].concat()), extra].concat();
        wire(family("m", b"", HISTOGRAM, &[bytes(7, value)]))
    };
    vec![
        one("invalid UTF-8 job in base64", put("/metrics/job@base64/_w"), ambiguous("not UTF-8")),
        one("invalid UTF-8 label value", put("/metrics/job/a/x/%c0%af"), ambiguous("not UTF-8")),
        one("invalid base64 in the job", put("/metrics/job@base64/Z"), ambiguous("not base64")),
        one("grouping label quantile", put("/metrics/job/a/quantile/1"), ambiguous("\"quantile\" is reserved")),
        one("grouping label with two underscores", put("/metrics/job/a/__x/1"), ambiguous("\"__x\" is reserved")),
        one("grouping label in disguise", put("/metrics/job/a/U___5f__5f_x/1"), ambiguous("is reserved")),
        one("metric named last_push_successful", text("last_push_successful 1\n"), invalid("is reserved")),
        one("metric named process_", text("process_open_fds 1\n"), invalid("is reserved")),
        one("metric named push_failure_time_seconds", named(b"push_failure_time_seconds"), invalid("is reserved")),
        one("protobuf family without metrics", wire(family("m", b"", GAUGE, &[])), invalid("holds no metric")),
        one("protobuf length longer than the body", wire(bodies::varint(1 << 36)), invalid("longer than the body")),
        one("protobuf family twice", wire([named_family(), named_family()].concat()), invalid("a second family m")),
        one("protobuf label le of a histogram", histogram_label(), invalid("the label le belongs to its type")),
        one("native histogram", histogram(whole(5, 3)), invalid("native histograms")),
        one(
            "histogram with two equal buckets",
            histogram(bytes(3, [whole(1, 2), float(2, 1.0)].concat())),
            invalid("the bucket bound 1 stands twice"),
        ),
        one(
            "summary with odd quantiles",
            wire(family("m", b"", SUMMARY, &[bytes(4, bytes(3, [float(1, f64::NAN), float(2, f64::NAN)].concat()))])),
            invalid("a quantile is not a number"),
        ),
        one(
            "value of another type",
            wire(family("m", b"", GAUGE, &[metric(&[], UNTYPED, 1.0)])),
            invalid("not of the family's type"),
        ),
        one(
            "a histogram and its part in one body",
            text(format!("# TYPE foo_count gauge\nfoo_count 2\n{HISTOGRAM_TEXT}")),
            invalid("foo_count"),
        ),
        one("carriage return in a label value", text("m{x=\"a\rb\"} 1\n"), invalid("control character")),
        one("NUL in a label value", labelled(&[label("x", b"a\x00b")]), invalid("control character")),
        one("control characters in a help text", text("# HELP m a\u{0}\u{1}\u{1b}\u{7f}b\rc\nm 1\n"), Taken),
        one(
            "protobuf control characters in a help text",
            wire(family("m", b"a\x00\x01\x1b\x7fb\rc", GAUGE, &[metric(&[], GAUGE, 1.0)])),
            Taken,
        ),
        one("exemplar", text("m 1 # {a=\"b\"} 1\n"), invalid("nothing may stand behind the value")),
    ]
}

fn named_family() -> Vec<u8> {
    family("m", b"", GAUGE, &[metric(&[], GAUGE, 1.0)])
}

fn histogram_label() -> Request {
    let value = bytes(7, [whole(1, 1), float(2, 1.0)].concat());
    wire(delimited(&[bytes(1, "m"), whole(3, HISTOGRAM), bytes(4, [label("le", "1"), value].concat())].concat()))
}

#[test]
fn what_was_measured_to_break_scrapes_is_refused_or_harmless() {
    let Some(gateway) = gateways::installed() else { return };
    harmless(&gateway, measured_cases());
}

#[test]
fn what_was_measured_is_refused_or_harmless_on_the_newer_gateway() {
    let Some(gateway) = gateways::newer_new_routing() else { return };
    harmless(&gateway, measured_cases());
}

#[test]
fn more_of_its_kind_is_refused_or_harmless() {
    let Some(gateway) = gateways::installed() else { return };
    harmless(&gateway, further_cases());
}

#[test]
fn no_measured_case_is_missing() {
    let Some(data) = common::data("pushgateway/poison-cases.json") else { return };
    let measured: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&data).expect("the cases can be read");
    let here: BTreeSet<&str> = measured_cases().iter().map(|case| case.name).collect();
    assert_eq!(measured.keys().map(String::as_str).collect::<BTreeSet<_>>(), here);
}

fn harmless(gateway: &Gateway, cases: Vec<Case>) {
    let tap = Tap::new(gateway.address);
    let guard = Guard::start(EVERYTHING, &tap.url());
    // Scrapes go another way, so that the tap sees one request after the other.
    let reader = Guard::start(EVERYTHING, &gateway.url());
    let prometheus = Prometheus::scraping(reader.address());
    for case in cases {
        let name = case.name;
        let harmless = matches!(case.steps.last(), Some((_, Taken)));
        for (number, (request, fate)) in case.steps.into_iter().enumerate() {
            let about = format!("{name}, step {number}");
            match fate {
                Taken => drop(request.send(guard.address()).is(200, "", about)),
                Clash => {
                    let before = tap.contacts();
                    request.send(guard.address()).is(409, "group_conflict", &about);
                    assert_eq!(tap.contacts(), before, "{about}: it reached the gateway");
                }
                Refused(reason, words) => {
                    let before = tap.contacts();
                    let answer = request.send(guard.address()).is(400, reason, &about);
                    assert!(answer.text().contains(words), "{about}: {}", answer.text());
                    assert_eq!(tap.contacts(), before, "{about}: it reached the gateway");
                }
            }
        }
        // Somebody else is not disturbed.
        Request::put("/metrics/job/elsewhere", "elsewhere 1\n").send(guard.address()).is(200, "", name);
        assert_eq!(intact(gateway), Ok(()), "{name}");
        if let Some(prometheus) = prometheus.as_ref().filter(|_| harmless) {
            assert_eq!(prometheus.next_scrape(), up(), "{name}");
            prometheus.await_value("count(push_time_seconds)", known(gateway), name);
        }
        clear(gateway, &guard);
    }
    if let Some(prometheus) = prometheus {
        assert_eq!(prometheus.next_scrape(), up());
        assert_eq!(prometheus.complaints(), [""; 0], "of scrapes");
    }
}

/// What Prometheus says of a target that it could scrape.
fn up() -> (String, String) {
    ("up".to_owned(), String::new())
}

/// The page answers, and holds the push time of every group; a delete may still be on its way into one of the two.
fn intact(gateway: &Gateway) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match agrees(gateway) {
            Err(_) if Instant::now() < end => {}
            found => return found,
        }
    }
}

fn agrees(gateway: &Gateway) -> Result<(), String> {
    let page = Request::get("/metrics").send(gateway.address);
    if page.status != 200 {
        return Err(format!("{}: {}", page.status, page.text()));
    }
    let groups = gateway.groups().len();
    let times = page.text().lines().filter(|line| line.starts_with("push_time_seconds{")).count();
    if times == groups { Ok(()) } else { Err(format!("{times} push times of {groups} groups")) }
}

/// Through the guard, which would otherwise believe that the groups are still there.
fn clear(gateway: &Gateway, guard: &Guard) {
    for group in gateway.groups() {
        let labels = group.labels.iter().filter(|(name, _)| *name != "job").map(|(n, v)| (n.clone(), v.clone()));
        let key = GroupingKey::new(&group.labels["job"], labels).expect("what is stored is a key");
        Request::delete(key.upstream_path()).send(guard.address()).is(202, "", "a DELETE");
    }
    common::wait_for("an empty store", || gateway.groups().is_empty().then_some(()));
}

#[test]
fn random_sequences_leave_the_installed_gateway_scrapable() {
    sequences(gateways::installed());
}

#[test]
fn random_sequences_leave_the_newer_gateway_scrapable() {
    sequences(gateways::newer_new_routing());
}

/// Requests between two looks of Prometheus.
const LENGTH: usize = 500;

fn sequences(gateway: Option<Gateway>) {
    let Some(gateway) = gateway else { return };
    let whole = Volume::read(1000);
    let (volume, seed) = (whole.count(), whole.seed);
    let name = format!("gateway {}", gateways::version(&gateway));
    let guard = Guard::start(EVERYTHING, &gateway.url());
    let prometheus = Prometheus::scraping(guard.address());
    let mut rng = Rng::new(seed);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut taken: Vec<String> = Vec::new();
    for number in 0..volume {
        let request = random(&mut rng);
        let answer = request.send(guard.address());
        let outcome = format!("{} {}", answer.status, answer.reason());
        // What passes the guard, the gateway takes; what clashes with another group, the guard refuses.
        let known =
            matches!(answer.status, 200 | 202) || ((400..500).contains(&answer.status) && !answer.reason().is_empty());
        let shown = request.bytes().escape_ascii().to_string();
        assert!(known, "seed {seed}, request {number}: {shown}: {outcome} {}", answer.text());
        if matches!(answer.status, 200 | 202 | 409) {
            taken.push(shown);
        }
        *counts.entry(outcome).or_default() += 1;
        if number % 10 == 0 || answer.status == 409 {
            let found = intact(&gateway);
            let last = || taken[taken.len().saturating_sub(10)..].join("\n");
            assert_eq!(found, Ok(()), "seed {seed}, request {number}; the last that were taken:\n{}", last());
        }
        if number % LENGTH == LENGTH - 1 || number + 1 == volume {
            scraped(prometheus.as_ref(), &gateway, &format!("seed {seed}, request {number}"), &taken);
            taken.clear();
        }
    }
    if let Some(prometheus) = &prometheus {
        assert_eq!(prometheus.complaints(), [""; 0], "seed {seed}: of scrapes");
    }
    say(format!("{volume} random writes, seed {seed}, {name}: scraped all the while; answers {counts:?}"));
    let accepted = counts.get("200 ").copied().unwrap_or(0);
    assert!(accepted * 5 > volume && accepted * 5 < volume * 4, "the generator is out of balance: {counts:?}");
}

fn scraped(prometheus: Option<&Prometheus>, gateway: &Gateway, about: &str, taken: &[String]) {
    assert_eq!(intact(gateway), Ok(()), "{about}");
    let Some(prometheus) = prometheus else { return };
    assert_eq!(prometheus.next_scrape(), up(), "{about}; what was taken:\n{}", taken.join("\n"));
    prometheus.await_value("count(push_time_seconds)", known(gateway), about);
}

/// How many groups Prometheus can tell apart: to it an empty label is none.
fn known(gateway: &Gateway) -> Option<f64> {
    let groups = gateway
        .groups()
        .into_iter()
        .map(|group| group.labels.into_iter().filter(|(_, value)| !value.is_empty()).collect::<BTreeMap<_, _>>());
    let count = groups.collect::<BTreeSet<_>>().len();
    (count > 0).then(|| f64::from(u32::try_from(count).unwrap()))
}

fn random(rng: &mut Rng) -> Request {
    let jobs = ["a", "b", "c", "my%20job", "e%CC%81", "%C3%A9"];
    let labels = [
        "",
        "",
        "/instance/i",
        "/x/1",
        "/x/1/instance/i",
        "/x@base64/Lw",
        "/U/1",
        "/x/%F0%9F%A6%80",
        "/n/0",
        "/a/b/code/7",
    ];
    let odd = [
        "/instance/",
        "/instance@base64/=",
        "/le/1",
        "/quantile/1",
        "/__x/1",
        "/x/%ff",
        "/x/%0a",
        "/U__x/1",
        "/x@base64/_w",
    ];
    let rest = if rng.chance(12) { rng.pick(&odd) } else { rng.pick(&labels) };
    let target = format!("/metrics/job/{}{rest}", rng.pick(&jobs));
    let method = match rng.below(20) {
        0..=1 => return Request::delete(target),
        2..=9 => "POST",
        _ => "PUT",
    };
    let (content_type, body) = bodies::body(rng);
    let request = Request::new(method, target);
    let request = if rng.chance(20) { request.chunked(body) } else { request.body(body) };
    match content_type {
        Some(content_type) => request.header("Content-Type", content_type),
        None => request,
    }
}
