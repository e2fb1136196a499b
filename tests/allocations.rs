//! A check allocates by the families of a body, not by its lines.

use allocation_counter::measure;
use pushguard::payload::{Format, LabelRefusal, LabelRules, PayloadShape, Rules, inspect};

fn body(series: usize) -> String {
    let line = |n: usize| format!("tests_total{{suite=\"suite-{n}\",status=\"passed\"}} {n}\n");
    format!("# HELP tests_total Tests\n# TYPE tests_total counter\n{}", (0..series).map(line).collect::<String>())
}

/// Each with as many labels as a series may have, in another order than the one before.
fn wide(series: usize) -> String {
    let label = |n: usize| format!("label_{n}=\"v\"");
    let line = |number: usize| {
        let mut labels: Vec<String> = (0..30).map(label).collect();
        labels.rotate_left(number % 7);
        format!("m{{n=\"{number}\",{}}} 1\n", labels.join(","))
    };
    (0..series).map(line).collect()
}

fn allocations(body: &str) -> u64 {
    let shape = PayloadShape::default();
    let judge = |name: &str, _: &str| if name == "suite" { Some(LabelRefusal::Denied) } else { None };
    let labels = LabelRules { required: &["absent"], judge: &judge };
    // What breaks a rule is only told, and no more than a few times.
    let (labels, report) = (Some(&labels), true);
    let rules = Rules { shape: &shape, overwritten: &[("job", "ci")], metric: &|_| true, labels, report };
    let check = || inspect(Format::Text, body.as_bytes(), &rules).expect("a good body");
    // The first look makes what lives as long as the process.
    check();
    measure(|| drop(check())).count_total
}

#[test]
fn a_line_costs_no_allocation() {
    for body in [body, wide] {
        let (few, many) = (allocations(&body(20)), allocations(&body(4000)));
        // Lists grow by doubling: a few steps for 200 times as many lines.
        assert!(many <= few + 40, "{few} allocations for 20 series, {many} for 4000");
    }
}
