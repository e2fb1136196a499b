//! The outcome of tests, for the machines that collect them.

use super::{Failure, Ran};
use crate::shown::markup;
use std::path::Path;

/// JUnit's XML for the tests of several files.
pub fn junit(files: &[(&Path, &[Ran])]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (file, ran) in files {
        let name = escaped(&file.display().to_string());
        let failed = ran.iter().filter(|test| test.failure.is_some()).count();
        out.push_str(&format!("  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\">\n", ran.len()));
        for test in *ran {
            let case = format!("<testcase classname=\"{name}\" name=\"{}\"", escaped(&test.name));
            match &test.failure {
                None => out.push_str(&format!("    {case}/>\n")),
                Some(failure) => out.push_str(&format!(
                    "    {case}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                    escaped(&failure.request),
                    escaped(&differences(failure)),
                )),
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn differences(failure: &Failure) -> String {
    let shown = failure.differences.iter().map(|d| format!("{}: expected {}, found {}", d.what, d.expected, d.found));
    shown.collect::<Vec<_>>().join("\n")
}

/// Text for XML 1.0, which has no way to write most control characters; its readers keep ends of lines only as numbers.
fn escaped(text: &str) -> String {
    text.split('\n').map(markup).collect::<Vec<_>>().join("&#10;")
}
