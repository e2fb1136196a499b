//! What a person reads who has to mend a body.

use super::*;

fn report(format: Format, body: &[u8]) -> String {
    let faults = inspect(format, body, &rules(&PayloadShape::default())).expect_err("it is refused");
    faults.iter().map(|fault| format!("  {fault}\n")).collect()
}

#[test]
fn reports_of_text() {
    let long = format!("m{{{}x=y}} 1\n", (0..20).map(|n| format!("label_{n}=\"value {n}\",")).collect::<String>());
    let deep = format!("m{{a=\"{}\"}} 1\n", "é".repeat(600));
    let (long_type, long_number) = ("t".repeat(5000), "n".repeat(5000));
    let (long_type, long_number) = (format!("# TYPE a {long_type}\na 1\n"), format!("a {long_number}\n"));
    let bodies: &[(&str, &[u8])] = &[
        ("curl -d took the line feed", b"# TYPE a gauge\na 1"),
        ("a file from Windows", b"a 1\r\nb 2\r\nc 3\r\n"),
        ("a byte order mark", b"\xef\xbb\xbfa 1\n"),
        ("a file from PowerShell", b"\xff\xfea\0 \0b\0\n\0"),
        ("gzip without saying so", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        ("JSON", b"{\"a\": 1}\n"),
        ("a name in quotes", b"{\"a.b\"} 1\n"),
        ("no quotes", b"a{b=c} 1\n"),
        ("single quotes", b"a{b='c'} 1\n"),
        ("a colon for the equals sign", b"a{b:\"c\"} 1\n"),
        ("an open value", b"a{b=\"c} 1\n"),
        ("a path of Windows", b"a{path=\"C:\\Users\"} 1\n"),
        ("no value", b"a{b=\"c\"}\n"),
        ("an empty variable", b"a \n"),
        ("a comma in a number", b"a 1,5\n"),
        ("a unit", b"a 15ms\n"),
        ("a timestamp", b"a 1 1700000000000\n"),
        ("an exemplar", b"a 1 # {x=\"y\"} 1\n"),
        ("TYPE twice", b"# TYPE a gauge\n# TYPE a gauge\na 1\n"),
        ("TYPE behind", b"a 1\n# TYPE a gauge\n"),
        ("a type of OpenMetrics", b"# TYPE a info\na 1\n"),
        ("a type that is long", long_type.as_bytes()),
        ("a number that is long", long_number.as_bytes()),
        ("HELP twice", b"# HELP a x\n# HELP a y\na 1\n"),
        ("a series twice", b"a{x=\"1\"} 1\na{x=\"2\"} 1\n"),
        ("a label twice", b"a{y=\"1\",y=\"2\"} 1\n"),
        ("a name of the gateway", b"go_goroutines 1\n"),
        ("a name with a dash", b"my-metric 1\n"),
        ("a foreign name", b"# TYPE forbidden_x counter\nforbidden_x 1\n"),
        ("a bucket without le", b"# TYPE h histogram\nh_bucket 1\n"),
        (
            "a part beside its whole",
            b"# TYPE h histogram\nh_sum 1\nh_count 1\n# TYPE h_max gauge\nh_max 1\n# TYPE s summary\ns_sum 1\n",
        ),
        ("a part that came first", b"h_sum 1\n# TYPE h histogram\nh_count 1\n"),
        ("bytes of Latin-1", b"a 1\nb{city=\"K\xf6ln\"} 1\n"),
        ("a colour", b"a{b=\"\x1b[31mred\"} 1\n"),
        ("a fault far to the right", long.as_bytes()),
        ("a long value", deep.as_bytes()),
        ("many faults", b"a b\nb{ 1\nc{x=\"1\"\nd 1 2\ne{=} 1\nf 0x1\ng 1_0\n"),
    ];
    let mut texts = String::new();
    for (what, body) in bodies {
        match inspect(Format::Text, body, &rules(&PayloadShape::default())) {
            Ok(summary) => texts.push_str(&format!("{what}\n  taken: {} series\n", summary.series)),
            Err(_) => texts.push_str(&format!("{what}\n{}", report(Format::Text, body))),
        }
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn reports_of_protobuf() {
    let gauge_of = |labels: Vec<u8>| field(4, &[labels, field(2, &gauge())].concat());
    let labelled = |labels: Vec<u8>| message(&[field(1, b"a"), varint(3 << 3), varint(1), gauge_of(labels)].concat());
    let label = |name: &[u8], value: &[u8]| field(1, &[field(1, name), field(2, value)].concat());
    let part = |name: &[u8]| message(&family(name));
    let whole = parts(4, 7, 2, &[1.0]);
    let bodies = [
        ("text", b"up 1\n".to_vec()),
        ("cut", message(&family(b"a"))[..8].to_vec()),
        ("a length that lies", [varint(1 << 40), family(b"a")].concat()),
        ("a name with a dot", message(&family(b"a.b"))),
        ("a name of the gateway", message(&family(b"push_time_seconds"))),
        ("a foreign name", message(&family(b"forbidden_x"))),
        ("a family twice", [message(&family(b"a")), message(&family(b"a"))].concat()),
        ("no metric", message(&field(1, b"a"))),
        ("a label twice", labelled([label(b"l", b"1"), label(b"l", b"2")].concat())),
        ("a label name", labelled(label(b"a-b", b"1"))),
        ("a label value", labelled(label(b"l", b"\xff"))),
        ("a part beside its whole", [part(b"h_sum"), whole].concat()),
        ("a series twice", {
            let metric = gauge_of(Vec::new());
            message(&[field(1, b"a"), varint(3 << 3), varint(1), metric.clone(), metric].concat())
        }),
    ];
    let texts: String =
        bodies.iter().map(|(what, body)| format!("{what}\n{}", report(Format::Protobuf, body))).collect();
    insta::assert_snapshot!(texts);
}

#[test]
fn each_limit_is_told() {
    let small = PayloadShape {
        series: 2,
        families: 2,
        labels: 2 + PATH.len(),
        name_bytes: 8,
        value_bytes: 4,
        help_bytes: 4,
        line_bytes: 60,
        message_bytes: 40,
    };
    let found = |format, body: &[u8]| inspect(format, body, &rules(&small)).map_err(|faults| shown(&faults));
    let text = [
        ("a 1\na{b=\"1\"} 1\n", ""),
        ("a 1\na{b=\"1\"} 1\na{b=\"2\"} 1\n", "more than 2 series"),
        ("# TYPE a gauge\n# TYPE b gauge\n# TYPE c gauge\n", "more than 2 metric families"),
        ("a{b=\"\",c=\"\"} 1\n", ""),
        ("a{b=\"\",c=\"\",d=\"\"} 1\n", "more than 4 labels with the 2 of the path"),
        ("abcdefgh 1\n", ""),
        ("abcdefghi 1\n", "a metric name has more than 8 bytes"),
        ("a{abcdefgh=\"1234\"} 1\n", ""),
        ("a{abcdefghi=\"1\"} 1\n", "a label name has more than 8 bytes"),
        ("a{b=\"12345\"} 1\n", "a label value has more than 4 bytes"),
        ("# HELP a 1234\n", ""),
        ("# HELP a 12345\n", "HELP has more than 4 bytes"),
    ];
    for (body, words) in text {
        match found(Format::Text, body.as_bytes()) {
            Ok(_) => assert_eq!(words, "", "{body}"),
            Err(fault) => assert!(!words.is_empty() && fault.contains(words), "{body}: {fault}"),
        }
    }
    for (length, legal) in [(60, true), (61, false)] {
        let body = format!("{}\n", "#".repeat(length));
        let faults = found(Format::Text, body.as_bytes()).err();
        assert_eq!(faults.is_some_and(|f| f.contains("a line has more than 60 bytes")), !legal, "{length}");
    }
    let long = message(&[family(b"a"), field(99, &[b'x'; 30])].concat());
    assert!(found(Format::Protobuf, &long).unwrap_err().contains("it has more than 40 bytes"));
    assert!(found(Format::Protobuf, &message(&family(b"a"))).is_ok());
}

/// The gateway takes these and loses a value, or stores another.
#[test]
fn what_would_not_be_stored_as_it_stands() {
    let found = |body: &str| {
        let found = inspect(Format::Text, body.as_bytes(), &rules(&PayloadShape::default()));
        found.map(|summary| summary.series).map_err(|faults| faults[0].message.clone())
    };
    for (body, message) in [
        ("# TYPE s summary\ns{quantile=\"NaN\"} 5\n", "the value of the label quantile is not a number"),
        ("# TYPE h histogram\nh_bucket{le=\"NaN\"} 5\n", "the value of the label le is not a number"),
        ("# TYPE s summary\ns_count{quantile=\"0.5\"} 5\n", "a sum or a count has no quantile"),
        ("# TYPE h histogram\nh_sum{le=\"1\"} 5\n", "a sum or a count has no le"),
        ("# TYPE s summary\ns_count -5\n", "a summary counts nothing below zero"),
    ] {
        assert_eq!(found(body), Err(message.to_owned()), "{body:?}");
    }
    for body in [
        "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum -5\ns_count 6\n",
        "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 5\nh_sum -1\nh_count 5\n",
        "# HELP a x\ty\n# TYPE a gauge\na{le=\"NaN\",quantile=\"x\"} -1\n",
    ] {
        assert!(found(body).is_ok(), "{body:?}: {:?}", found(body));
    }
}

/// What some gateway versions read, and refuse where it is no message.
#[test]
fn times_in_protobuf_are_whole() {
    let time = |bytes: &[u8]| {
        let counter = field(3, &[gauge(), field(3, bytes)].concat());
        let family = message(&[field(1, b"a"), varint(3 << 3), varint(0), field(4, &counter)].concat());
        inspect(Format::Protobuf, &family, &rules(&PayloadShape::default())).is_ok()
    };
    assert!(time(&[varint(1 << 3), varint(5)].concat()) && time(b""));
    assert!(!time(b"\xff\xff"));
}
