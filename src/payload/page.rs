//! How much of the gateway's page a push takes. Everybody's scrape is that one page, and it has a limit.
//!
//! All is counted generously, for the page as text and as protobuf: it is never longer.

use super::kind::Kind;

/// A line beside its name and labels: the longest number that Go prints, an empty `instance`, braces, blank, line feed.
const LINE: usize = 24 + 12 + 4;
/// A label beside its name and value.
const LABEL: usize = 8;
/// A family beside its name, which stands in `# HELP` and in `# TYPE`, and the text of the one.
const FAMILY: usize = 40;
/// What a line of a histogram or summary has beside its family's name and its labels: `_bucket`, `quantile="…"`.
const PART: usize = 7 + 12 + 24;
/// Lines that a metric of these types has without being told: `_sum`, `_count`, the bucket `+Inf`.
const UNSAID: usize = 3;

/// Bytes of a label, whose value may need escapes.
pub fn label(name: &[u8], value: &[u8]) -> usize {
    let escapes = value.iter().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n')).count();
    name.len() + value.len() + escapes + LABEL
}

/// Bytes of a line that was pushed as text, with that many labels, and those of the path beside them.
pub(super) fn pushed_line(bytes: usize, labels: usize, path: usize) -> usize {
    bytes + labels * LABEL + path + LINE
}

/// Bytes that a metric of which a line of so many was pushed has beside the lines that are.
pub(super) fn unsaid(kind: Kind, line: usize) -> usize {
    if kind.suffixes().is_empty() { 0 } else { UNSAID * (line + PART) }
}

/// Bytes of a metric that is one line, with a name and labels of so many.
pub fn metric(named: usize) -> usize {
    named + LINE
}

/// Bytes of a histogram or summary with that many buckets or quantiles.
pub fn metric_of_parts(named: usize, parts: usize) -> usize {
    parts.saturating_add(UNSAID).saturating_mul(metric(named) + PART)
}

/// Bytes of what stands before the lines of a family.
pub fn family(name: &[u8], help: usize) -> usize {
    2 * name.len() + help + FAMILY
}
