//! A check allocates by the families of a body, not by its lines.

use allocation_counter::measure;
use pushguard::payload::{Format, PayloadShape, Rules, inspect};

fn body(series: usize) -> String {
    let line = |n: usize| format!("tests_total{{suite=\"suite-{n}\",status=\"passed\"}} {n}\n");
    format!("# HELP tests_total Tests\n# TYPE tests_total counter\n{}", (0..series).map(line).collect::<String>())
}

fn allocations(body: &str) -> u64 {
    let shape = PayloadShape::default();
    let rules = Rules { shape: &shape, overwritten: &[("job", "ci")], metric: &|_| true, labels: None, report: false };
    let check = || inspect(Format::Text, body.as_bytes(), &rules).expect("a good body");
    // The first look makes what lives as long as the process.
    check();
    measure(|| drop(check())).count_total
}

#[test]
fn a_line_costs_no_allocation() {
    let (few, many) = (allocations(&body(20)), allocations(&body(4000)));
    // Lists grow by doubling: a few steps for 200 times as many lines.
    assert!(many <= few + 40, "{few} allocations for 20 series, {many} for 4000");
}
