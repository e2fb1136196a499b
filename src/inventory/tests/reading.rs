//! What is taken over of what the gateway's API says.

use super::*;
use crate::groups::{self, Detail};
use crate::payload::SeriesHash;

fn told(text: &str, bounds: &Bounds) -> (Vec<Learned>, usize) {
    let mut learning = Learning::new(bounds);
    groups::read(text.as_bytes(), 1 << 20, Detail::Hashes, &mut |group| learning.add(group)).unwrap();
    learning.finish()
}

const ANSWER: &str = r#"{"status":"success","data":[
 {"labels":{"job":"a","x":"\u003c/é"},"last_push_successful":true,
  "m":{"time_stamp":"2026-11-23T04:37:08.039121911Z","type":"UNTYPED","help":"h",
       "metrics":[{"labels":{"instance":"","job":"a","x":"\u003c/é","l":"1"},"value":"1"}]},
  "h":{"time_stamp":"t","type":"HISTOGRAM","metrics":[{"labels":{"instance":"","job":"a"},"buckets":{"1":"2"},"count":"1","sum":"2"}]},
  "push_failure_time_seconds":{"time_stamp":"…","type":"GAUGE","metrics":[{"labels":{},"value":"0"}]},
  "push_time_seconds":{"time_stamp":"…","type":"GAUGE","metrics":[{"labels":{},"value":"1.7e+09"}]}},
 {"labels":{"job":"b"},"last_push_successful":false},
 {"labels":{"time_stamp":"t","type":"GAUGE","metrics":[{"labels":{"job":"c","instance":""}}]},"last_push_successful":true,
  "push_time_seconds":{"type":"GAUGE","metrics":[{"labels":{"job":"c","instance":""},"value":"1.7e+09"}]}},
 {"labels":{"job":"\ufffd","x":"\u0000"}},
 {"labels":{"job":"d","instance":""}}
]}"#;

#[test]
fn groups_are_read_with_types_and_metrics() {
    let (groups, odd) = told(ANSWER, &BOUNDS);
    assert_eq!(odd, 2, "a control character, an empty instance");
    let [a, b, c] = groups.as_slice() else { panic!("{groups:?}") };
    assert_eq!(a.key, GroupingKey::new("a", [("x".to_owned(), "</é".to_owned())]).unwrap());
    let families: Vec<(&str, Kind)> = a.families.iter().map(|f| (&*f.name, f.kind)).collect();
    assert_eq!(families, [("m", Kind::Untyped), ("h", Kind::Histogram)]);
    let mut hash = SeriesHash::new(b"m");
    [("job", "a"), ("x", "</é"), ("l", "1")].iter().for_each(|(n, v)| hash.label(n.as_bytes(), v.as_bytes()));
    assert_eq!(a.families[0].metrics, [hash.value()]);
    assert_eq!((b.key.job(), b.families.len()), ("b", 0));
    // A metric hides its key.
    assert_eq!((c.key.upstream_path().as_str(), &*c.families[0].name), ("/metrics/job/c", "labels"));
}

#[test]
fn no_more_is_kept_than_the_bounds_say() {
    let family = |n: usize| {
        format!("\"m{n}\":{{\"type\":\"GAUGE\",\"metrics\":[{{\"labels\":{{\"n\":\"{n}\"}},\"value\":\"1\"}}]}}")
    };
    let group = |n: usize| format!("{{\"labels\":{{\"job\":\"j{n}\"}},{}}}", family(n));
    let text = format!("{{\"status\":\"success\",\"data\":[{}]}}", (0..500).map(group).collect::<Vec<_>>().join(","));
    let bounds = Bounds { names: 10, families: 20, metrics: 5, ..BOUNDS };
    let (groups, odd) = told(&text, &bounds);
    assert_eq!((groups.len(), odd), (500, 0));
    let families: Vec<&LearnedFamily> = groups.iter().flat_map(|group| &group.families).collect();
    assert_eq!(families.len(), 10);
    assert_eq!(families.iter().map(|family| family.metrics.len()).sum::<usize>(), 5);
    let (groups, odd) = told(&text, &Bounds { key_bytes: 100, ..BOUNDS });
    assert!(groups.len() < 20 && groups.len() + odd == 500);
}
