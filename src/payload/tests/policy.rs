//! What a policy says of metrics and labels.

use super::*;

fn judge(name: &str, value: &str) -> Option<LabelRefusal> {
    match name {
        "repository" if value != "acme/app" => Some(LabelRefusal::Value),
        "note" if value != "a\nb\"" => Some(LabelRefusal::Value),
        "user" => Some(LabelRefusal::Denied),
        _ => None,
    }
}

/// The faults, and what would be denied.
fn found(format: Format, body: &[u8], report: bool) -> (Vec<String>, Vec<String>) {
    let shape = PayloadShape::default();
    let label_rules = LabelRules { required: &["repository"], judge: &judge };
    let rules = Rules { labels: Some(&label_rules), report, ..rules(&shape) };
    let texts = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>();
    match inspect(format, body, &rules) {
        Ok(summary) => (Vec::new(), texts(summary.would_deny)),
        Err(faults) => (texts(faults), Vec::new()),
    }
}

#[test]
fn rules_hold_in_both_formats_and_report_mode_only_tells() {
    let good: &[(&str, &str)] = &[("repository", "acme/app")];
    type Labels = [(&'static str, &'static str)];
    let rows: &[(&str, &Labels, &[&str])] = &[
        ("a", good, &[]),
        ("a", &[("repository", "acme/app"), ("note", "a\nb\""), ("free", "x")], &[]),
        ("a", &[], &["the label repository is needed"]),
        ("a", &[("repository", "")], &["the label repository is needed"]),
        ("a", &[("repository", "evil/app")], &["the value of the label repository may not be pushed"]),
        ("a", &[("repository", "acme/app"), ("note", "a\\nb\"")], &["the value of the label note may not be pushed"]),
        ("a", &[("repository", "acme/app"), ("user", "eve")], &["the label user may not be pushed"]),
        // The path's label replaces it, whatever it says.
        ("a", &[("repository", "acme/app"), ("x", "anything")], &[]),
        ("forbidden_x", good, &["the metric forbidden_x may not be pushed"]),
        ("forbidden_x", &[], &["the metric forbidden_x may not be pushed", "the label repository is needed"]),
    ];
    for (name, labels, expected) in rows {
        let spelled = labels.iter().map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
            format!("{name}=\"{value}\"")
        });
        let text = format!("{name}{{{}}} 1\n", spelled.collect::<Vec<_>>().join(","));
        let pairs = labels.iter().map(|(n, v)| field(1, &[field(1, n.as_bytes()), field(2, v.as_bytes())].concat()));
        let metric = [pairs.collect::<Vec<_>>().concat(), field(2, &gauge())].concat();
        let wire = message(&[field(1, name.as_bytes()), varint(3 << 3), varint(1), field(4, &metric)].concat());
        for (format, body) in [(Format::Text, text.into_bytes()), (Format::Protobuf, wire)] {
            let about = format!("{format:?} {name} {labels:?}");
            let same = |texts: &[String]| {
                texts.len() == expected.len() && texts.iter().zip(*expected).all(|(text, end)| text.ends_with(end))
            };
            let (faults, told) = found(format, &body, false);
            assert!(same(&faults) && told.is_empty(), "{about}: {faults:?}");
            let (faults, told) = found(format, &body, true);
            assert!(same(&told) && faults.is_empty(), "{about}: {told:?}");
        }
    }
}

/// Report mode is for what the policy chooses; a body that would do harm is refused all the same.
#[test]
fn report_mode_spares_no_fault_of_the_body() {
    for body in ["a 1", "a 1 1700000000000\n", "go_x 1\n", "a{x=\"1\"} 1\na{x=\"2\"} 1\n", "a{__name__=\"b\"} 1\n"] {
        let (faults, _) = found(Format::Text, body.as_bytes(), true);
        assert_eq!(faults.len(), 1, "{body:?}: {faults:?}");
    }
    let many = "a 1\n".to_owned() + &(0..50).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect::<String>();
    assert_eq!(found(Format::Text, many.as_bytes(), true).1.len(), 5, "a report is short");
}

#[test]
fn the_same_metric_has_the_same_hash_however_it_is_spelled() {
    let hash = |labels: &[(&str, &str)]| {
        let mut hash = SeriesHash::new(b"a");
        labels.iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
        hash.value()
    };
    // What the gateway stores: the path's labels, and an instance.
    let stored = hash(&[("x", "1"), ("l", "a\"b\n"), ("job", "j"), ("instance", ""), ("e", "")]);
    let text = summary(Format::Text, b"a{l=\"a\\\"b\\n\",x=\"9\",e=\"\"} 1\n").unwrap();
    let family = |summary: &Summary| {
        let [Family { name, kind, metrics, .. }] = &*summary.families else { panic!("{:?}", summary.families) };
        (name.clone(), *kind, metrics.clone())
    };
    assert_eq!(family(&text), ("a".into(), Kind::Untyped, vec![stored]));
    let label = field(1, &[field(1, b"l"), field(2, b"a\"b\n")].concat());
    let empty = field(1, &field(1, b"e"));
    let metric = field(4, &[label, empty, field(2, &gauge())].concat());
    let wire = message(&[field(1, b"a"), varint(3 << 3), varint(1), metric].concat());
    let wire = summary(Format::Protobuf, &wire).unwrap();
    assert_eq!(family(&wire), ("a".into(), Kind::Gauge, vec![stored]));
    // The lines of a histogram are one metric.
    let body = b"# TYPE a histogram\na_bucket{e=\"\",l=\"a\\\"b\\n\",le=\"1\"} 1\na_bucket{le=\"+Inf\",e=\"\",l=\"a\\\"b\\n\"} 1\na_sum{e=\"\",l=\"a\\\"b\\n\"} 1\na_count{e=\"\",l=\"a\\\"b\\n\"} 1\n";
    let histogram = summary(Format::Text, body).unwrap();
    assert_eq!(family(&histogram), ("a".into(), Kind::Histogram, vec![stored]));
    assert_eq!(histogram.series, 4);
}

/// The gateway keeps what its list does not show, and has it on its page as protobuf.
#[test]
fn what_is_not_counted_is_no_more_than_what_is() {
    let label = |name: &[u8], value: &[u8]| field(1, &[field(1, name), field(2, value)].concat());
    let counter = |beside: Vec<u8>| {
        let metric = field(4, &field(3, &[gauge(), beside].concat()));
        summary(Format::Protobuf, &message(&[field(1, b"c_total"), varint(3 << 3), varint(0), metric].concat()))
    };
    let exemplar = |length: usize| field(2, &[label(b"trace_id", &vec![b'0'; length]), vec![0x11; 9]].concat());
    counter(exemplar(32)).unwrap();
    let refused = "c_total: its exemplars and unknown fields have more bytes than its metrics";
    for beside in [exemplar(1000), field(99, &[b'x'; 1000]), field(99, b"x").repeat(300)] {
        let told = counter(beside).unwrap_err();
        assert!(told.ends_with(refused), "{told}");
    }
}

/// The gateway tells metrics apart by a hash alone, so two of a body that have the same are refused.
#[test]
fn what_the_gateway_would_take_for_one_metric_stands_once() {
    const ONE: &str = "pppppppppppaaaaaaaammmmmmmmmmmmmmmmmmmmmmmmqqqqqqqqmmmmmmmmmmmmmmmmmmmmmmmm";
    const OTHER: &str = "pppppppppppEtusYUB0mmmmmmmmmmmmmmmmmmmmmmmmLf(_6og<mmmmmmmmmmmmmmmmmmmmmmmm";
    let path = [("job", "j"), ("instance", "i")];
    let shape = PayloadShape::default();
    let rules = Rules { overwritten: &path, ..rules(&shape) };
    let found = |body: &str| inspect(Format::Text, body.as_bytes(), &rules).map_err(|faults| faults[0].to_string());
    let hashes = |body: &str| found(body).unwrap().families[0].metrics.clone();
    assert_eq!(hashes(&format!("m{{s=\"{ONE}\"}} 1\n")), [0x870d_6cfe_ca62_113b]);
    assert_eq!(hashes(&format!("m{{s=\"{OTHER}\"}} 1\n")), [0x870d_6cfe_ca62_113b]);
    let fault = found(&format!("m{{s=\"{ONE}\"}} 1\nm{{s=\"{OTHER}\"}} 2\n")).unwrap_err();
    assert!(fault.starts_with("line 2, column 1") && fault.contains("the same series stands twice"), "{fault}");
    assert!(found(&format!("m{{s=\"{ONE}\"}} 1\nm{{s=\"{OTHER}x\"}} 2\n")).is_ok());
    // Also where one of them has several lines, whichever stands first.
    let lines = |value: &str| format!("m_sum{{s=\"{value}\"}} 1\nm_count{{s=\"{value}\"}} 1\n");
    for (one, other) in [(ONE, OTHER), (OTHER, ONE)] {
        let sum = format!("# TYPE m histogram\nm_sum{{s=\"{one}\"}} 1\nm_count{{s=\"{other}\"}} 1\n");
        assert!(found(&sum).unwrap_err().starts_with("line 3, column 1"));
        let apart = format!("# TYPE m histogram\n{}{}", lines(one), lines(&format!("{other}x")));
        assert!(found(&apart).is_ok());
    }
    // The lines of a histogram are one metric, and of two they are not.
    let histogram = |value: &str| format!("h_sum{{s=\"{value}\"}} 1\nh_count{{s=\"{value}\"}} 1\n");
    assert!(found(&format!("# TYPE h histogram\n{}{}", histogram(ONE), histogram("x"))).is_ok());
}

/// To Prometheus a label without a value is none, and the gateway would give it two histograms for one.
#[test]
fn lines_of_one_histogram_differ_in_no_empty_label() {
    let lines = |labels: &str, others: &str| {
        let body =
            format!("# TYPE h histogram\nh_bucket{{{labels}le=\"+Inf\"}} 1\nh_sum{others} 1\nh_count{others} 1\n");
        checked(Format::Text, body.as_bytes())
    };
    assert_eq!(lines("e=\"\",", "{e=\"\"}"), Ok(3));
    assert_eq!(lines("", ""), Ok(3));
    for body in [lines("e=\"\",", ""), lines("", "{e=\"\"}"), lines("e=\"\",", "{f=\"\"}")] {
        let faults = body.unwrap_err();
        assert!(faults.contains("differ in a label that is empty"), "{faults:?}");
    }
    for body in ["m{e=\"\"} 1\nm 1\n", "m 1\nm{e=\"\"} 1\n", "m{e=\"\"} 1\nm{f=\"\"} 1\n"] {
        let faults = checked(Format::Text, body.as_bytes()).unwrap_err();
        assert!(faults.contains("line 2, column 1"), "{body}: {faults:?}");
    }
}
