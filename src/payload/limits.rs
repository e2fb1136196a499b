//! What a body may look like.

/// Limits on the shape of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadShape {
    /// Series.
    pub series: usize,
    /// Metric families.
    pub families: usize,
    /// Labels of one series, those of the path among them.
    pub labels: usize,
    /// Bytes of a metric or label name.
    pub name_bytes: usize,
    /// Bytes of a label value, as spelled; in the path, as it is meant.
    pub value_bytes: usize,
    /// Bytes of a HELP text.
    pub help_bytes: usize,
    /// Bytes of a line of text.
    pub line_bytes: usize,
    /// Bytes of a protobuf message, which is a metric family.
    pub message_bytes: usize,
}

/// Protobuf messages inside each other: family, metric, histogram, bucket, exemplar, label. What lies deeper, or in
/// fields that the format does not know, is not looked into, by the gateway neither.
pub const NESTING: usize = 6;

impl Default for PayloadShape {
    fn default() -> Self {
        Self {
            series: 5000,
            families: 1000,
            labels: 32,
            name_bytes: 128,
            value_bytes: 1024,
            help_bytes: 1024,
            line_bytes: 65_536,
            message_bytes: 1024 * 1024,
        }
    }
}

/// What a body is checked against.
#[derive(Clone, Copy)]
pub struct Rules<'r> {
    /// How large its parts may be.
    pub shape: &'r PayloadShape,
    /// The labels of the path, `job` included: the gateway replaces labels of the same name by them.
    pub overwritten: &'r [(&'r str, &'r str)],
    /// Whether the policy lets a metric of that name be pushed.
    pub metric: &'r dyn Fn(&str) -> bool,
    /// What the policy says of labels in the body; none where it says nothing.
    pub labels: Option<&'r LabelRules<'r>>,
    /// Whether what the policy says of metrics and labels is only told, not enforced.
    pub report: bool,
}

/// What the policy says of labels in the body.
pub struct LabelRules<'r> {
    /// Labels that every series must have, those of the path apart; at most 64.
    pub required: &'r [&'r str],
    /// What it has against a label of that name and value, if anything.
    pub judge: &'r dyn Fn(&str, &str) -> Option<LabelRefusal>,
}

/// What the policy has against one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelRefusal {
    /// It may not have this value.
    Value,
    /// It may not be there.
    Denied,
}

impl Rules<'_> {
    /// What is wrong with a legal metric name whatever the policy says, if anything.
    pub(super) fn name_fault(&self, name: &[u8]) -> Option<String> {
        if name.len() > self.shape.name_bytes {
            return Some(format!("a metric name has more than {} bytes", self.shape.name_bytes));
        }
        if super::reserved::is_reserved(name) {
            return Some(format!("the metric name {} is reserved for the gateway", String::from_utf8_lossy(name)));
        }
        None
    }

    /// What the policy has against a metric name, if anything.
    pub(super) fn metric_refusal(&self, name: &[u8]) -> Option<String> {
        let shown = std::str::from_utf8(name).unwrap_or_default();
        (!(self.metric)(shown)).then(|| format!("the metric {shown} may not be pushed"))
    }

    /// What is wrong with the labels of the path, which the gateway gives to each series, if anything.
    pub(super) fn path_fault(&self) -> Option<String> {
        let PayloadShape { labels, name_bytes, value_bytes, .. } = self.shape;
        if self.overwritten.len() > *labels {
            return Some(format!("the path has more than {labels} labels"));
        }
        let long =
            self.overwritten.iter().find(|(name, value)| name.len() > *name_bytes || value.len() > *value_bytes)?;
        Some(match long {
            (name, _) if name.len() > *name_bytes => {
                format!("a label name of the path has more than {name_bytes} bytes")
            }
            (name, _) => format!("the value of the label {name} of the path has more than {value_bytes} bytes"),
        })
    }

    /// How many labels a series may have beside those of the path.
    pub(super) fn own_labels(&self) -> usize {
        self.shape.labels.saturating_sub(self.overwritten.len())
    }

    /// What is wrong with a series that has more.
    pub(super) fn too_many_labels(&self) -> String {
        format!("more than {} labels with the {} of the path", self.shape.labels, self.overwritten.len())
    }

    /// Whether the gateway replaces a label of that name by the path's.
    pub(super) fn overwrites(&self, name: &[u8]) -> bool {
        self.overwritten.iter().any(|(label, _)| label.as_bytes() == name)
    }
}

impl LabelRefusal {
    /// What to say of a label of that name.
    pub(super) fn told(self, name: &[u8]) -> String {
        let name = String::from_utf8_lossy(name);
        match self {
            Self::Value => format!("the value of the label {name} may not be pushed"),
            Self::Denied => format!("the label {name} may not be pushed"),
        }
    }
}
