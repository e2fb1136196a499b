//! How much of the gateway's page a push takes. Everybody's scrape is that one page, and it has a limit.
//!
//! Counted generously: as text the page is never longer. As protobuf it can have what is not counted, exemplars and fields
//! that the format does not know, but no more than twice as much (see [`hides_too_much`]). What is pushed and what the
//! gateway's list says of it later count the same.

/// A line beside its name and labels: the longest number that Go prints, an empty `instance`, braces, blank, line feed.
const LINE: usize = 24 + 12 + 4;
/// A label beside its name and value.
const LABEL: usize = 8;
/// A family beside its name, which stands in `# HELP` and in `# TYPE`, and the text of the one.
const FAMILY: usize = 40;
/// What a line of a histogram or summary has beside its family's name and its labels: `_bucket`, `quantile="…"`.
const PART: usize = 7 + 12 + 24;
/// Lines of a histogram or summary beside those of its buckets or quantiles: `_sum`, `_count`, and a bucket `+Inf` that
/// was not pushed.
const BESIDE: usize = 3;

/// Bytes of a label.
pub fn label(name: &[u8], value: &[u8]) -> usize {
    // To each line that has no other the gateway adds an empty instance.
    if value.is_empty() && name == b"instance" { 0 } else { spelled_label(name.len(), value.len() + escapes(value)) }
}

/// Bytes of a label whose name and value, as they are spelled, have so many.
pub(super) const fn spelled_label(name: usize, value: usize) -> usize {
    name + value + LABEL
}

/// How many characters of a label value need an escape.
pub(super) fn escapes(value: &[u8]) -> usize {
    value.iter().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n')).count()
}

/// Bytes of a HELP text as it is spelled.
pub fn help(text: &[u8]) -> usize {
    text.len() + text.iter().filter(|byte| matches!(byte, b'\\' | b'\n')).count()
}

/// Bytes of a metric that is one line, with a name and labels of so many.
pub const fn metric(named: usize) -> usize {
    named + LINE
}

/// Bytes of so many lines of a histogram or summary.
pub(super) const fn parts(named: usize, count: usize) -> usize {
    count.saturating_mul(metric(named) + PART)
}

/// Bytes of a histogram or summary with that many buckets or quantiles.
pub const fn metric_of_parts(named: usize, count: usize) -> usize {
    parts(named, count.saturating_add(BESIDE))
}

/// Bytes of what stands before the lines of a family, the text of its HELP apart.
pub const fn family(name: &[u8]) -> usize {
    2 * name.len() + FAMILY
}

/// Whether a family that has `wire` bytes as protobuf hides too many in what is not counted: the gateway's list does not
/// show them, but its page has them.
pub(super) const fn hides_too_much(wire: usize, counted: usize) -> bool {
    wire > counted.saturating_mul(2)
}
