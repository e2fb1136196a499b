//! Bodies: what holds how many series, what is refused, and that no bytes do harm.

mod costs;
mod faults;
mod labels;
mod policy;

use super::*;
use proptest::prelude::*;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The path that bodies here are meant for.
const PATH: &[(&str, &str)] = &[("job", "j"), ("x", "1")];

/// Any metric but `forbidden…`, no rule for labels.
fn rules(shape: &PayloadShape) -> Rules<'_> {
    let metric = &|name: &str| !name.starts_with("forbidden");
    Rules { shape, overwritten: PATH, metric, labels: None, report: false }
}

fn shown(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn summary(format: Format, body: &[u8]) -> Result<Summary, String> {
    inspect(format, body, &rules(&PayloadShape::default())).map_err(|faults| shown(&faults))
}

fn checked(format: Format, body: &[u8]) -> Result<usize, String> {
    summary(format, body).map(|summary| summary.series)
}

#[test]
fn the_format_is_the_one_that_the_gateway_chooses() {
    const P: &str = "application/vnd.google.protobuf";
    let family = "proto=io.prometheus.client.MetricFamily";
    let (text, protobuf) = (Some(Format::Text), Some(Format::Protobuf));
    let rows = [
        ("".to_owned(), text),
        ("text/plain; version=0.0.4".to_owned(), text),
        ("text/plain; version=9".to_owned(), text),
        ("application/x-www-form-urlencoded".to_owned(), text),
        ("application/json".to_owned(), text),
        ("application/openmetrics-text; version=1.0.0".to_owned(), text),
        ("multipart/form-data; boundary=x".to_owned(), text),
        ("garbage".to_owned(), text),
        ("application/vnd.google.protobufx".to_owned(), text),
        ("text/plain; a=application/vnd.google.protobuf".to_owned(), text),
        (format!("{P}; {family}; encoding=delimited"), protobuf),
        (format!("{P};encoding=delimited;{family}"), protobuf),
        (format!("APPLICATION/vnd.Google.Protobuf; {family}; ENCODING=delimited"), protobuf),
        (format!("{P}; proto=\"io.prometheus.client.MetricFamily\"; encoding=\"delimited\""), protobuf),
        (format!("{P}; {family}; encoding=delimited; charset=utf-8"), protobuf),
        (format!(" {P} ; {family} ; encoding=delimited "), protobuf),
        // What some version reads as the one and some as the other, or where a binary body would be read as text.
        (P.to_owned(), None),
        (format!("{P}; {family}"), None),
        (format!("{P}; encoding=delimited"), None),
        (format!("{P}; {family}; encoding=text"), None),
        (format!("{P}; {family}; encoding=Delimited"), None),
        (format!("{P}; {family}; encoding=compact-text"), None),
        (format!("{P}; proto=other; encoding=delimited"), None),
        (format!("{P}; {family}; encoding=delimited; encoding=delimited"), None),
        (format!("{P}; {family}; {family}; encoding=delimited"), None),
        (format!("{P}; {family}; encoding"), None),
    ];
    for (value, expected) in rows {
        assert_eq!(Format::of(Some(value.as_bytes())), expected, "{value}");
    }
    assert_eq!(Format::of(None), text);
    for format in [Format::Text, Format::Protobuf] {
        assert_eq!(Format::of(Some(format.content_type().as_bytes())), Some(format));
    }
}

/// A `PUT` of a body without a series is a delete.
#[test]
fn series_in_text() {
    let rows: &[(&str, usize)] = &[
        ("", 0),
        ("\n", 0),
        ("\n\n \t\n", 0),
        ("# just a comment\n", 0),
        ("#\n# EOF\n", 0),
        ("# HELP up help\n# TYPE up gauge\n", 0),
        ("  # TYPE up gauge\n", 0),
        ("up 1\n", 1),
        ("  up 1\n", 1),
        ("\n\n# x\nup 1\n", 1),
        ("up{a=\"# no comment\"} 1\n", 1),
        ("up{a=\"1\"} 1\nup{a=\"2\"} 1\n", 2),
        ("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n", 3),
    ];
    for (body, series) in rows {
        assert_eq!(checked(Format::Text, body.as_bytes()), Ok(*series), "{body:?}");
    }
    for cut in ["up 1", "up", "# x", " ", "up 1\nup{", "up 1\r\n", "\u{feff}up 1\n", "up 1\n\u{0}", "up 1 1700000000\n"]
    {
        assert!(checked(Format::Text, cut.as_bytes()).is_err(), "{cut:?}");
    }
}

/// What 1.5.1 stores and 1.11.2 refuses.
#[test]
fn histograms_count_in_whole_numbers_from_zero() {
    for (line, legal) in [
        ("h_bucket{le=\"1\"} -1", false),
        ("h_bucket{le=\"1\"} -Inf", false),
        ("h_count -1", false),
        ("h_count -1e-320", false),
        ("h_count -0", true),
        ("h_bucket{le=\"-1\"} NaN", false),
        ("h_bucket{le=\"1\"} 1.5", false),
        ("h_bucket{le=\"1\"} 1.0", true),
        ("h_count 1e3", true),
        ("h_count +Inf", false),
        ("h_count 1e30", false),
        ("h_count 18446744073709549568", true),
        ("h_count 18446744073709551616", false),
        ("h_sum -1.5", true),
    ] {
        let body = format!("# TYPE h histogram\n{line}\n");
        assert_eq!(checked(Format::Text, body.as_bytes()).is_ok(), legal, "{line}");
    }
    let other = "# TYPE c counter\nc -1\nh_count -1.5\n";
    assert_eq!(checked(Format::Text, other.as_bytes()), Ok(2), "of other types anything counts");
    for (line, legal) in [("s_count -1", false), ("s_count 1.5", false), ("s_count 2", true), ("s_sum -1.5", true)] {
        let body = format!("# TYPE s summary\n{line}\n");
        assert_eq!(checked(Format::Text, body.as_bytes()).is_ok(), legal, "{line}");
    }
}

/// The gateway's parser takes such lines for two metrics, and its store for one, twice.
#[test]
fn the_lines_of_one_metric_have_the_same_labels() {
    for (labels, legal) in [
        (["job=\"a\"", "job=\"a\""], true),
        (["job=\"a\"", "job=\"b\""], false),
        (["job=\"a\"", ""], false),
        (["x=\"1\"", "x=\"2\""], false),
        (["instance=\"\"", ""], false),
        (["instance=\"\"", "instance=\"\""], true),
        (["l=\"1\"", "l=\"2\""], true),
    ] {
        let [one, other] = labels;
        for kind in ["summary", "histogram"] {
            let body = format!("# TYPE h {kind}\nh_sum{{{one}}} 1\nh_count{{{other}}} 1\n");
            assert_eq!(checked(Format::Text, body.as_bytes()).is_ok(), legal, "{body}");
        }
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number > 0 { low | 0x80 } else { low });
        if number == 0 {
            return bytes;
        }
    }
}

/// A field of a protobuf message that holds bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn message(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A gauge of value 1.
fn gauge() -> Vec<u8> {
    [vec![0x09], 1_f64.to_le_bytes().to_vec()].concat()
}

/// A family of that name with one gauge.
fn family(name: &[u8]) -> Vec<u8> {
    [field(1, name), varint(3 << 3), varint(1), field(4, &field(2, &gauge()))].concat()
}

#[test]
fn series_in_protobuf() {
    let two = [message(&family(b"a")), message(&family(b"b"))].concat();
    let unknown = [family(b"a"), field(99, b"x"), vec![0x2d, 0, 0, 0, 0], vec![0x31, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let rows = [
        ("nothing", Vec::new(), 0),
        ("one family", message(&family(b"a")), 1),
        ("two families", two, 2),
        ("unknown fields", message(&unknown), 1),
    ];
    for (what, body, series) in rows {
        assert_eq!(checked(Format::Protobuf, &body), Ok(series), "{what}: {body:?}");
    }
}

#[test]
fn refused_protobuf() {
    let good = message(&family(b"a"));
    let with = |field: Vec<u8>| message(&[family(b"a"), field].concat());
    let rows = [
        ("an empty message", vec![0]),
        ("a message without a metric", message(&field(1, b"a"))),
        ("a metric without a value", message(&[field(1, b"a"), field(4, b"")].concat())),
        ("a group", with(vec![0x0b, 0x0c])),
        ("the end of a group", with(vec![0x0c])),
        ("wire type 6", with(vec![0x0e])),
        ("wire type 7", with(vec![0x0f])),
        ("field 0", with(vec![0x02, 0x00])),
        ("the first field number that protobuf does not have", with(field(1 << 29, b""))),
        ("a field number of 32 bits", with(field((1 << 32) - 1, b""))),
        ("a field number beyond 32 bits", with(field(1 << 32, b""))),
        ("a varint of eleven bytes", with([vec![0x28], vec![0x80; 10], vec![1]].concat())),
        ("a varint beyond 64 bits", with([vec![0x28], vec![0xff; 9], vec![2]].concat())),
        ("a name with a dot", message(&family(b"a.b"))),
        ("a name with a line feed", message(&family(b"a\nb 1"))),
        ("no name", message(&family(b""))),
        ("a name that is not UTF-8", message(&family(b"\xff"))),
        ("a name of the gateway", message(&family(b"push_time_seconds"))),
        ("a name that is not allowed", message(&family(b"forbidden_x"))),
        ("the same family twice", [good.clone(), good.clone()].concat()),
        ("something behind", [good.clone(), vec![0x80]].concat()),
        ("text", b"up 1\n".to_vec()),
    ];
    for (what, body) in rows {
        assert!(checked(Format::Protobuf, &body).is_err(), "{what} is taken");
    }
    assert_eq!(checked(Format::Protobuf, &with(field((1 << 29) - 1, b""))), Ok(1), "the last field number");
}

/// A family of that type with one metric, whose value holds one part for each of the doubles.
fn parts(kind: u64, value_field: u64, double_field: u64, doubles: &[f64]) -> Vec<u8> {
    let part = |double: &f64| field(3, &[varint(double_field << 3 | 1), double.to_le_bytes().to_vec()].concat());
    let value: Vec<u8> = doubles.iter().flat_map(part).collect();
    message(&[field(1, b"h"), varint(3 << 3), varint(kind), field(4, &field(value_field, &value))].concat())
}

/// Each bound and each quantile is a series of its own; two of a kind would be one series twice.
#[test]
fn bounds_and_quantiles_of_protobuf() {
    let (histogram, summary) = (|bounds: &[f64]| parts(4, 7, 2, bounds), |quantiles: &[f64]| parts(2, 4, 1, quantiles));
    let inf = f64::INFINITY;
    for (what, body, series) in [
        ("bounds", histogram(&[0.1, 1.0, inf]), Ok(6)),
        ("no bounds", histogram(&[]), Ok(3)),
        ("quantiles", summary(&[0.5, 0.99]), Ok(4)),
        ("a bound twice", histogram(&[1.0, 2.0, 1.0]), Err("the bucket bound 1 stands twice")),
        ("zero in two spellings", histogram(&[0.0, -0.0]), Err("the bucket bound 0 stands twice")),
        ("a quantile twice", summary(&[0.5, 0.5]), Err("the quantile 0.5 stands twice")),
        ("a bound that is no number", histogram(&[f64::NAN]), Err("a bucket bound is not a number")),
    ] {
        match (checked(Format::Protobuf, &body), series) {
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{what}: {found}"),
            (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{what}"),
        }
    }
}

/// A length is believed only as far as there are bytes: the gateway would allocate what it claims.
#[test]
fn lengths_that_lie() {
    let good = message(&family(b"a"));
    for power in 0..64 {
        for length in [1_u64 << power, (1 << power) - 1, u64::MAX] {
            let lying = [varint(length), family(b"b")].concat();
            let found = checked(Format::Protobuf, &lying);
            assert!(length == family(b"b").len() as u64 || found.is_err(), "{length}: {found:?}");
            let inner = message(&[family(b"c"), varint(9 << 3 | 2), varint(length.max(1))].concat());
            assert!(checked(Format::Protobuf, &inner).is_err(), "inner {length}");
            assert!(
                checked(Format::Protobuf, &[good.clone(), varint(length.max(1))].concat()).is_err(),
                "behind: {length}"
            );
        }
    }
}

/// Cut anywhere, a body is refused or holds what stands before the cut; it never turns into something else.
#[test]
fn cut_bodies() {
    let (first, second) = (message(&family(b"first")), message(&family(b"second")));
    let whole = [first.clone(), second].concat();
    for cut in 0..whole.len() {
        let found = checked(Format::Protobuf, &whole[..cut]);
        let expected = [(0, 0), (first.len(), 1)].into_iter().find(|(at, _)| *at == cut);
        match expected {
            Some((_, series)) => assert_eq!(found, Ok(series), "cut at {cut}"),
            None => assert!(found.is_err(), "cut at {cut}"),
        }
    }
    let text = "# TYPE a gauge\na 1\nb{x=\"y\"} 2\n";
    for cut in 0..text.len() {
        let found = checked(Format::Text, &text.as_bytes()[..cut]);
        let lines = text[..cut].matches('\n').count();
        assert_eq!(found.is_ok(), cut == 0 || text[..cut].ends_with('\n'), "cut at {cut}");
        assert!(found.is_err() || found == Ok(lines.saturating_sub(1)), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn any_bytes_are_checked(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Text, Format::Protobuf] {
            let _ = checked(format, &body);
            let _ = checked(format, &message(&body));
            let _ = checked(format, &message(&[family(b"a"), body.clone()].concat()));
        }
        let _ = Format::of(Some(&body));
    }

    /// Near-valid text: what is accepted ends in a line feed and says the same behind a comment.
    #[test]
    fn near_valid_text_is_checked(lines in proptest::collection::vec(
        "(# (TYPE|HELP) )?(up|go_x|h_sum|h)(\\{([a-z]+=\"[a-z\\\\\"]{0,3}\"?,?){0,2}\\}?)? ?[0-9a-zN+.-]{0,4}", 0..5
    )) {
        let body = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let found = checked(Format::Text, body.as_bytes());
        let behind = checked(Format::Text, format!("# a comment\n\n{body}#\n").as_bytes());
        prop_assert_eq!(found.clone().ok(), behind.ok(), "{}", body);
        let series = found.unwrap_or(0);
        prop_assert!(series <= lines.len());
    }

    /// A report is short, on one line, and moves nobody's cursor.
    #[test]
    fn reports_are_harmless(body in "\\PC{0,200}|[\u{0}-\u{1f}\u{202e}a1 {}\"]{0,200}") {
        for format in [Format::Text, Format::Protobuf] {
            if let Err(report) = checked(format, body.as_bytes()) {
                prop_assert!(report.len() < 4000 && !report.chars().any(|c| c.is_control() || c == '\u{202e}'), "{report:?}");
            }
        }
    }
}
