//! What a body may look like.

/// Limits on the shape of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadShape {
    /// Series.
    pub series: usize,
    /// Metric families.
    pub families: usize,
    /// Labels of one series.
    pub labels: usize,
    /// Bytes of a metric or label name.
    pub name_bytes: usize,
    /// Bytes of a label value, as spelled.
    pub value_bytes: usize,
    /// Bytes of a HELP text.
    pub help_bytes: usize,
}

impl Default for PayloadShape {
    fn default() -> Self {
        Self { series: 5000, families: 1000, labels: 32, name_bytes: 128, value_bytes: 1024, help_bytes: 1024 }
    }
}

/// What a body is checked against.
#[derive(Clone, Copy)]
pub struct Rules<'r> {
    /// How large its parts may be.
    pub shape: &'r PayloadShape,
    /// The labels of the path, `job` included: the gateway replaces labels of the same name by them.
    pub overwritten: &'r [&'r str],
    /// Whether a metric of that name may be pushed.
    pub allowed: &'r dyn Fn(&str) -> bool,
}

impl Rules<'_> {
    /// What is wrong with a legal metric name, if anything.
    pub(super) fn name_fault(&self, name: &[u8]) -> Option<String> {
        if name.len() > self.shape.name_bytes {
            return Some(format!("a metric name has more than {} bytes", self.shape.name_bytes));
        }
        let shown = String::from_utf8_lossy(name);
        if super::reserved::is_reserved(name) {
            return Some(format!("the metric name {shown} is reserved for the gateway"));
        }
        if !(self.allowed)(&shown) {
            return Some(format!("the metric {shown} may not be pushed"));
        }
        None
    }
}
