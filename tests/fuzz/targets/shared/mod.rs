//! What the targets of both formats ask of the check.

use pushguard::payload::{Fault, Format, PayloadShape, Rules, inspect};

/// How many series it takes; what it refuses, it says in a line that harms no terminal.
pub fn series(format: Format, body: &[u8]) -> Result<usize, Vec<Fault>> {
    let shape = PayloadShape::default();
    let rules = Rules { shape: &shape, overwritten: &[("job", "j"), ("instance", "i")], metric: &|_| true, labels: None, report: false };
    let found = inspect(format, body, &rules).map(|summary| summary.series);
    match &found {
        Ok(series) => assert!(*series <= shape.series),
        Err(faults) => {
            assert!((1..=6).contains(&faults.len()));
            for fault in faults {
                let shown = fault.to_string();
                assert!(shown.len() < 2000 && !shown.contains(['\n', '\r', '\u{1b}', '\0']), "{shown:?}");
            }
        }
    }
    found
}
