//! The check of a body beside the crates that parse this format, in one run, and its time over the number of labels.
//!
//! The others only parse: they look for no duplicates, no types that do not fit, no names that are refused.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pushguard::payload::{Format, PayloadShape, Rules, inspect};
use std::hint::black_box;
use std::time::Instant;

/// What a CI run pushes: a few families with HELP and TYPE, counters and gauges with two or three labels, one histogram.
fn push(series: usize) -> String {
    let mut body = String::from(
        "# HELP github_actions_workflow_run_duration_seconds How long the run took\n\
         # TYPE github_actions_workflow_run_duration_seconds gauge\n\
         github_actions_workflow_run_duration_seconds{workflow=\"CI\",branch=\"main\"} 180.25\n\
         # HELP exunit_test_duration_seconds How long a test took\n\
         # TYPE exunit_test_duration_seconds histogram\n",
    );
    for le in ["0.1", "0.5", "1", "5", "+Inf"] {
        body.push_str(&format!("exunit_test_duration_seconds_bucket{{suite=\"unit\",le=\"{le}\"}} 42\n"));
    }
    body.push_str("exunit_test_duration_seconds_sum{suite=\"unit\"} 17.5\n");
    body.push_str("exunit_test_duration_seconds_count{suite=\"unit\"} 42\n");
    body.push_str("# HELP exunit_tests_total Tests by module and outcome\n# TYPE exunit_tests_total counter\n");
    for number in 8..series {
        let outcome = ["passed", "failed", "skipped"][number % 3];
        body.push_str(&format!(
            "exunit_tests_total{{module=\"Shop.Orders.Module{number}Test\",outcome=\"{outcome}\",partition=\"{}\"}} {number}\n",
            number % 4
        ));
    }
    body
}

fn check(body: &[u8], shape: &PayloadShape) -> usize {
    let rules = Rules {
        shape,
        overwritten: &[("job", "ci"), ("workflow", "CI")],
        metric: &|name| name.starts_with("exunit_") || name.starts_with("github_actions_"),
        labels: None,
        report: false,
    };
    inspect(Format::Text, body, &rules).expect("a good body").series
}

fn prometheus_parse(body: &str) -> prometheus_parse::Scrape {
    prometheus_parse::Scrape::parse(body.lines().map(|line| Ok(line.to_owned()))).expect("a good body")
}

/// How many times as long theirs takes as ours: the median of many pairs, so that a machine whose speed changes meanwhile
/// changes both.
fn times(series: usize, ours: impl Fn(), theirs: impl Fn()) -> f64 {
    const PAIRS: usize = 101;
    let seconds = |work: &dyn Fn()| {
        let begun = Instant::now();
        // So often that the other one's traces in the caches do not count.
        (0..(10_000 / series).max(1)).for_each(|_| work());
        begun.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..PAIRS).map(|_| (seconds(&ours), seconds(&theirs))).map(|(o, t)| t / o).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[PAIRS / 2]
}

fn typical(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("typical push");
    let shape = PayloadShape::default();
    for series in [20, 100, 200, 500] {
        let body = push(series);
        assert_eq!(check(body.as_bytes(), &shape), series);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("pushguard, checked whole", series), &body, |bencher, body| {
            bencher.iter(|| check(black_box(body.as_bytes()), &shape));
        });
        group.bench_with_input(BenchmarkId::new("prometheus-parse", series), &body, |bencher, body| {
            bencher.iter(|| prometheus_parse(black_box(body)));
        });
        group.bench_with_input(BenchmarkId::new("openmetrics-parser", series), &body, |bencher, body| {
            bencher.iter(|| openmetrics_parser::prometheus::parse_prometheus(black_box(body)).unwrap());
        });
        let ours = || {
            black_box(check(black_box(body.as_bytes()), &shape));
        };
        let one = times(series, ours, || {
            black_box(prometheus_parse(black_box(&body)));
        });
        let other = times(series, ours, || {
            black_box(openmetrics_parser::prometheus::parse_prometheus(black_box(&body)).unwrap());
        });
        println!("{series} series: {one:.1} times as fast as prometheus-parse, {other:.1} as openmetrics-parser");
    }
    group.finish();
}

/// One series with that many labels: twice as many cost twice as much.
fn labels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("labels of one series");
    const MOST: usize = usize::MAX >> 1;
    let shape = PayloadShape { labels: MOST, line_bytes: MOST, ..PayloadShape::default() };
    for thousands in [1, 4, 16, 64] {
        let labels: String = (0..thousands * 1000).map(|n| format!("label_{n}=\"{n}\",")).collect();
        let body = format!("exunit_x{{{labels}}} 1\n");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(thousands * 1000), &body, |bencher, body| {
            bencher.iter(|| check(black_box(body.as_bytes()), &shape));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2));
    targets = typical, labels
}
criterion_main!(benches);
