//! Label names: none stands twice in a series, whatever the series before had.

use super::*;
use std::collections::HashSet;

fn line(number: usize, names: &[String]) -> String {
    let labels: Vec<String> = names.iter().map(|name| format!("{name}=\"v\"")).collect();
    format!("m{number}{{{}}} 1\n", labels.join(","))
}

fn wire(number: usize, names: &[String]) -> Vec<u8> {
    let labels = names.iter().flat_map(|name| field(1, &[field(1, name.as_bytes()), field(2, b"v")].concat()));
    let metric = [labels.collect::<Vec<u8>>(), field(2, &gauge())].concat();
    message(&[field(1, format!("m{number}").as_bytes()), varint(3 << 3), varint(1), field(4, &metric)].concat())
}

/// How many faults of that kind there are, of the few that a report has.
fn twice(format: Format, body: &[u8]) -> usize {
    let shape = PayloadShape { labels: 1000, ..PayloadShape::default() };
    let faults = inspect(format, body, &rules(&shape)).err().unwrap_or_default();
    assert!(faults.iter().all(|fault| fault.message.contains("stands twice")), "{faults:?}");
    faults.len()
}

/// Also where they are too many to look through for each: the second one is named, at its place.
#[test]
fn a_name_that_stands_twice_is_named() {
    for (many, first, second) in [(5, 0, 3), (40, 0, 35), (40, 31, 32), (40, 35, 39), (40, 7, 33)] {
        let mut names: Vec<String> = (0..many).map(|n| format!("n{n}")).collect();
        names[second] = names[first].clone();
        let shape = PayloadShape { labels: 1000, ..PayloadShape::default() };
        let fault = |format, body: &[u8]| shown(&inspect(format, body, &rules(&shape)).unwrap_err());
        let text = line(1, &names);
        let column = text.rfind(&format!("{}=", names[second])).unwrap() + 1;
        let found = fault(Format::Text, text.as_bytes());
        let told = format!("the label {} stands twice", names[second]);
        assert!(found.starts_with(&format!("line 1, column {column} ")) && found.ends_with(&told), "{found}");
        let found = fault(Format::Protobuf, &wire(1, &names));
        assert!(found.ends_with(&told), "{found}");
    }
}

/// Also where the line before led to it with the same bytes.
#[test]
fn the_place_of_a_fault_is_its_label() {
    let shape = PayloadShape::default();
    let body = "# TYPE h histogram\nh_bucket{a=\"1\", le=\"1\"} 1\nh_bucket{a=\"2\", le=\"x\"} 1\n";
    let found = shown(&inspect(Format::Text, body.as_bytes(), &rules(&shape)).unwrap_err());
    assert!(found.starts_with("line 3, column 17 ") && found.ends_with("label le is not a number"), "{found}");
    let judge = |name: &str, value: &str| match (name, value) {
        ("b", "no") => Some(LabelRefusal::Value),
        _ => None,
    };
    let labels = LabelRules { required: &[], judge: &judge };
    let body = "m{a=\"1\", b=\"2\"} 1\nm{a=\"2\", b=\"no\"} 1\n";
    let found = inspect(Format::Text, body.as_bytes(), &Rules { labels: Some(&labels), ..rules(&shape) }).unwrap_err();
    assert_eq!(found[0].at, Some((2, 10)), "{found:?}");
}

/// An escape beside an empty label takes another way to the hash; what comes after it takes the usual one again.
#[test]
fn the_hash_of_a_series_does_not_depend_on_an_odd_one_before() {
    let hash = |value: &str| {
        let mut hash = SeriesHash::new(b"m");
        [("a", value), ("b", "")].iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
        PATH.iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
        hash.value()
    };
    let body = "m{a=\"1\",b=\"\"} 1\nm{a=\"\\n\",b=\"\"} 1\nm{a=\"2\",b=\"\"} 1\n";
    let found = summary(Format::Text, body.as_bytes()).unwrap();
    assert_eq!(found.families[0].metrics, ["1", "\n", "2"].map(hash));
}

/// The gateway gives the labels of the path to each series.
#[test]
fn labels_of_the_path_are_held_to_the_limits() {
    let shape = PayloadShape { labels: 4, name_bytes: 8, value_bytes: 8, ..PayloadShape::default() };
    let names: Vec<String> = (0..5).map(|n| format!("n{n}")).collect();
    let few = |count: usize| -> Vec<(&str, &str)> { names.iter().take(count).map(|n| (n.as_str(), "v")).collect() };
    let (text, wire) = (line(1, &names[..2]), wire(1, &names[..2]));
    for (format, body) in [(Format::Text, text.as_bytes()), (Format::Protobuf, &wire)] {
        let check = |path: &[(&str, &str)], body| {
            inspect(format, body, &Rules { overwritten: path, ..rules(&shape) }).map_err(|faults| shown(&faults))
        };
        let refused = |path: &[(&str, &str)], words: &str| {
            let told = check(path, body).unwrap_err();
            assert!(told.ends_with(words), "{format:?} {path:?}: {told}");
        };
        check(&few(2), body).unwrap();
        refused(&few(3), "more than 4 labels with the 3 of the path");
        check(&few(4), b"").unwrap();
        refused(&few(5), "the path has more than 4 labels");
        check(&[("longname", "12345678")], body).unwrap();
        refused(&[("longnames", "1")], "a label name of the path has more than 8 bytes");
        refused(&[("n", "123456789")], "the value of the label n of the path has more than 8 bytes");
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    /// Series with names that the one before has too, in the same order, in another, more, fewer, or some of them twice.
    #[test]
    fn a_name_that_stands_twice_is_found_whatever_stood_before(
        series in proptest::collection::vec(proptest::collection::vec(0..6_usize, 0..6), 1..6),
        ahead in prop_oneof![4 => Just(0), 1 => 25..40_usize],
    ) {
        // Many names ahead of those that matter: a longer series looks for names in another way.
        let names = |series: &[usize]| -> Vec<String> {
            let ahead = (0..ahead).map(|n| format!("ahead_{n}"));
            ahead.chain(series.iter().map(|n| format!("n{n}"))).collect()
        };
        let series: Vec<Vec<String>> = series.iter().map(|series| names(series)).collect();
        let doubled = |names: &&Vec<String>| names.iter().collect::<HashSet<_>>().len() < names.len();
        let expected = series.iter().filter(doubled).count();
        let text: String = series.iter().enumerate().map(|(number, names)| line(number, names)).collect();
        prop_assert_eq!(twice(Format::Text, text.as_bytes()), expected.min(5), "{}", text);
        let messages: Vec<u8> = series.iter().enumerate().flat_map(|(number, names)| wire(number, names)).collect();
        prop_assert_eq!(twice(Format::Protobuf, &messages), expected.min(5), "{}", text);
    }

    /// Equal series are found in any order of their labels, beside series that are not.
    #[test]
    fn a_series_that_stands_twice_is_found_in_any_order_of_its_labels(
        labels in proptest::collection::btree_map("[a-c]{1,2}", "[a-zA-Z0-9 é]{0,12}", 1..5),
        shift in 0..5_usize,
        other in "[a-zA-Z0-9 é]{0,12}",
    ) {
        let mut labels: Vec<(String, String)> = labels.into_iter().collect();
        let line = |labels: &[(String, String)]| {
            let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            format!("m{{{}}} 1\n", labels.join(","))
        };
        let first = line(&labels);
        let count = labels.len();
        labels.rotate_left(shift % count);
        let second = line(&labels);
        prop_assert!(checked(Format::Text, format!("{first}{second}").as_bytes()).is_err(), "{first}{second}");
        labels[0].1 = format!("{other}, and more");
        let third = line(&labels);
        prop_assert_eq!(checked(Format::Text, format!("{first}{third}").as_bytes()), Ok(2), "{}{}", first, third);
    }

    /// Whatever stood before, a series has the hash that it has alone.
    #[test]
    fn a_series_has_the_hash_of_its_sorted_labels_whatever_stood_before(
        series in proptest::collection::vec(
            proptest::collection::btree_map("[a-c]|instance|x|job", "[a\\\\\"\n é]{0,3}", 0..5), 1..8,
        ),
        backwards in any::<u8>(),
        ahead in prop_oneof![4 => Just(0), 1 => 26..40_usize],
    ) {
        let ahead: Vec<(String, String)> = (0..ahead).map(|n| (format!("ahead_{n}"), n.to_string())).collect();
        let (mut text, mut wire, mut of_text, mut of_wire) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, labels) in series.iter().enumerate() {
            let mut labels: Vec<(String, String)> = labels.clone().into_iter().chain(ahead.clone()).collect();
            if backwards >> number & 1 == 1 {
                labels.reverse();
            }
            // Some in text are of one family; what each has alone comes first, last or between.
            labels.insert(number % (labels.len() + 1), ("u".to_owned(), number.to_string()));
            let spelled = labels.iter().map(|(name, value)| {
                format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
            });
            text.push_str(&format!("t{}{{{}}} 1\n", number / 3, spelled.collect::<Vec<_>>().join(",")));
            let pair = |(name, value): &(String, String)| {
                field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
            };
            let metric = [labels.iter().flat_map(pair).collect::<Vec<u8>>(), field(2, &gauge())].concat();
            let name = format!("w{number}");
            wire.extend(message(&[field(1, name.as_bytes()), varint(3 << 3), varint(1), field(4, &metric)].concat()));
            labels.retain(|(name, _)| PATH.iter().all(|(path, _)| path != name));
            for (name, expected) in [(format!("t{}", number / 3), &mut of_text), (name, &mut of_wire)] {
                let mut hash = SeriesHash::new(name.as_bytes());
                labels.iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
                PATH.iter().for_each(|(name, value)| hash.label(name.as_bytes(), value.as_bytes()));
                expected.push(hash.value());
            }
        }
        let shape = PayloadShape { labels: 100, ..PayloadShape::default() };
        for (format, body, expected) in [(Format::Text, text.as_bytes(), of_text), (Format::Protobuf, &wire, of_wire)] {
            let summary = inspect(format, body, &rules(&shape)).unwrap();
            let found: Vec<u64> = summary.families.iter().flat_map(|family| family.metrics.clone()).collect();
            prop_assert_eq!(&found, &expected, "{:?} {}", format, text);
        }
    }

    /// A line is read as it is alone, verdict, hash and places of its faults, whatever lines like it stood before: with
    /// other blanks, with names that begin alike, broken off in the middle.
    #[test]
    fn a_line_is_read_as_it_is_alone(
        lines in proptest::collection::vec(
            (
                "histogram|summary|gauge",
                prop_oneof!["", " ", "  "],
                proptest::collection::vec((0..16_u8, "a|ab|b|le|quantile|x|1|__a|instance"), 0..5),
                ",?",
            ),
            1..6,
        ),
    ) {
        let line = |number: usize, (kind, blank, labels, last): &(String, String, Vec<(u8, String)>, String)| {
            let labels: Vec<String> = labels.iter().zip(["a", "le", "b", "quantile", "c"]).map(|((odd, other), usual)| {
                match odd {
                    0 => format!("{blank}{other}=\"0.1\""),
                    1 => format!("{usual}{blank}=\"1\""),
                    2 => format!("{blank}{usual}=\"x\""),
                    3 => format!("{blank}{usual}=\"\""),
                    4 => format!("{blank}{usual}=\"\\n\"{blank}"),
                    5 => format!("{blank}{usual}=\"1"),
                    6 => format!("{blank}{usual}==\"1\""),
                    7 => format!("{blank}{usual}=\"1\",{blank}"),
                    _ => format!("{blank}{usual}=\"0.5\""),
                }
            }).collect();
            let suffix = if kind == "histogram" { "_bucket" } else { "" };
            format!("# TYPE m{number} {kind}\nm{number}{suffix}{{{}{last}}} 1\n", labels.join(","))
        };
        let bodies: Vec<String> = lines.iter().enumerate().map(|(number, parts)| line(number, parts)).collect();
        let shape = PayloadShape { labels: 4 + PATH.len(), ..PayloadShape::default() };
        let read = |body: &str| inspect(Format::Text, body.as_bytes(), &rules(&shape));
        let (mut families, mut faults) = (Vec::new(), Vec::new());
        for (number, body) in bodies.iter().enumerate() {
            match read(body) {
                Ok(summary) => families.extend(summary.families.iter().cloned()),
                Err(alone) => faults.extend(alone.into_iter().map(|fault| {
                    Fault { at: fault.at.map(|(line, column)| (line + 2 * number, column)), ..fault }
                })),
            }
        }
        let together = read(&bodies.concat()).map(|summary| summary.families.to_vec());
        let expected = if faults.is_empty() { Ok(families) } else { Err(faults) };
        prop_assert_eq!(together, expected, "{}", bodies.concat());
    }
}
