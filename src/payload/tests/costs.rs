//! What a check costs: work in proportion to the bytes, counted and not timed.

use super::*;
use crate::payload::series::counted;

/// No limit that ends a check early.
fn endless() -> PayloadShape {
    const MOST: usize = usize::MAX >> 1;
    PayloadShape {
        series: MOST,
        families: MOST,
        labels: MOST,
        name_bytes: MOST,
        value_bytes: MOST,
        help_bytes: MOST,
        line_bytes: MOST,
        message_bytes: MOST,
    }
}

/// The slope of the work over the size, both as logarithms: 1 where it is linear, 2 where it is quadratic.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (x, y) = (logs.iter().map(|p| p.0).sum::<f64>() / count, logs.iter().map(|p| p.1).sum::<f64>() / count);
    let covariance: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    covariance / logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

fn text_of_labels(count: usize) -> Vec<u8> {
    let labels: String = (0..count).map(|n| format!("label_{n}=\"{n}\",")).collect();
    format!("m{{{labels}}} 1\n").into_bytes()
}

fn wire_of_labels(count: usize) -> Vec<u8> {
    let label =
        |n: usize| field(1, &[field(1, format!("label_{n}").as_bytes()), field(2, n.to_string().as_bytes())].concat());
    let metric = [(0..count).flat_map(label).collect::<Vec<u8>>(), field(2, &gauge())].concat();
    message(&[field(1, b"m"), varint(3 << 3), varint(1), field(4, &metric)].concat())
}

#[test]
fn work_is_linear_from_a_thousand_labels_to_64_thousand() {
    let shape = endless();
    type Body = fn(usize) -> Vec<u8>;
    for (format, body) in [(Format::Text, text_of_labels as Body), (Format::Protobuf, wire_of_labels)] {
        let point = |thousands: usize| {
            let count = thousands * 1000;
            let body = body(count);
            counted::take();
            assert_eq!(inspect(format, &body, &rules(&shape)).map(|s| s.series), Ok(1));
            let work = counted::take();
            assert!(work >= count, "nothing is counted");
            (count as f64, work as f64)
        };
        let points: Vec<(f64, f64)> = [1, 2, 4, 8, 16, 32, 64].map(point).to_vec();
        let exponent = exponent(&points);
        assert!(exponent <= 1.1, "{format:?}: {exponent:.3} {points:?}");
    }
}

/// Of names that share much one after the other parts from the rest.
#[test]
fn names_that_share_much_are_sorted_in_a_time_that_fits_their_bytes() {
    let shape = endless();
    for (count, length) in [(40, 8192), (400, 800), (1000, 300), (600, 3000)] {
        for backwards in [false, true] {
            let name = |n: usize| {
                let shared = if backwards { n } else { count - n } * length / count;
                format!("{}b{n:04}{}", "a".repeat(shared), "c".repeat(length - shared))
            };
            let labels: String = (0..count).map(|n| format!("{}=\"v\",", name(n))).collect();
            let body = format!("m{{{labels}}} 1\n").into_bytes();
            counted::take();
            assert_eq!(inspect(Format::Text, &body, &rules(&shape)).map(|s| s.series), Ok(1));
            let work = counted::take();
            assert!(work < 8 * body.len(), "{count} names of {length} bytes: {work} for {} bytes", body.len());
        }
    }
}

/// Within its limits, a check ends where the first limit is crossed, whatever follows.
#[test]
fn sixteen_thousand_labels_are_refused_at_the_thirty_third() {
    for (format, body) in [(Format::Text, text_of_labels(16_000)), (Format::Protobuf, wire_of_labels(16_000))] {
        counted::take();
        let shape = PayloadShape { line_bytes: body.len(), ..PayloadShape::default() };
        let faults = inspect(format, &body, &rules(&shape)).unwrap_err();
        assert!(shown(&faults).contains("more than 32 labels"), "{faults:?}");
        assert!(counted::take() < 40_000, "{format:?}");
    }
}
