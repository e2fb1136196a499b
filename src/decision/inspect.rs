//! The body against what its principal may push.

use super::{Admission, Denial, Inspected, Reason};
use crate::payload::{self, Coding, DecodeFault, Decoder, Fault, Format, LabelRules, Rules, Summary};
use crate::policy::{LabelRule, Limit, PayloadLimits};
use crate::request::{Encoding, GroupingKey, Head, Target};

impl Admission {
    /// What decodes the body; none where it is not coded.
    pub fn decoder<'b>(&self, head: &Head, body: &'b [u8]) -> Option<Decoder<'b>> {
        let coding = match head.encoding {
            Encoding::Gzip => Coding::Gzip,
            Encoding::Snappy => Coding::Snappy,
            Encoding::Identity | Encoding::Other(_) => return None,
        };
        Some(Decoder::new(coding, body, self.limits.max_decoded_bytes))
    }

    /// The refusal of a body that cannot be decoded.
    pub fn undecodable(&self, fault: &DecodeFault) -> Denial {
        match fault {
            DecodeFault::TooLarge(_) | DecodeFault::Ratio => {
                Denial::new(Reason::PayloadTooLarge).limit(Limit::BodyBytes).hint(fault.to_string())
            }
            DecodeFault::Malformed(what) => invalid((*what).to_owned()),
        }
    }

    /// Checks a whole body by the limits and rules of the principal. What breaks a rule passes while the policy reports.
    ///
    /// # Errors
    /// The refusal, with the first few faults.
    pub fn inspect(&self, head: &Head, body: &[u8]) -> Result<Inspected, Denial> {
        let Some(format) = Format::of(head.content_type.as_deref()) else {
            let wanted = Format::Protobuf.content_type();
            return Err(invalid(format!("a protobuf body needs the Content-Type {wanted:?}")));
        };
        let key = match &head.target {
            Ok(Target::Group(key)) => Some(key),
            _ => None,
        };
        let summary = check(&self.limits, self.reports, format, key, body).map_err(|faults| listed(&faults))?;
        let would_deny = (!summary.would_deny.is_empty()).then(|| listed(&summary.would_deny));
        Ok(Inspected { summary, would_deny })
    }
}

/// Checks a whole body that is meant for a group, or for any. Where the policy `reports`, what breaks a rule of it is
/// only told.
///
/// # Errors
/// The first few faults.
pub fn check(
    limits: &PayloadLimits,
    reports: bool,
    format: Format,
    key: Option<&GroupingKey>,
    body: &[u8],
) -> Result<Summary, Vec<Fault>> {
    let labels = key.into_iter().flat_map(|key| key.labels().iter().map(|(n, v)| (n.as_str(), v.as_str())));
    let overwritten: Vec<(&str, &str)> = labels.chain([("job", key.map_or("", GroupingKey::job))]).collect();
    let rules = &limits.rules;
    let given = |name: &str| overwritten.iter().any(|(label, _)| *label == name);
    let required = rules.labels.iter().filter(|rule| !rule.optional && !given(&rule.name));
    let required: Vec<&str> = required.map(|rule| rule.name.as_str()).collect();
    let judge = |name: &str, value: &str| rules.judge(name, value);
    let label_rules = LabelRules { required: &required, judge: &judge };
    let metric = |name: &str| rules.allows(name);
    let checked = payload::inspect(
        format,
        body,
        &Rules {
            shape: &limits.shape,
            overwritten: &overwritten,
            metric: &metric,
            labels: rules.says_labels().then_some(&label_rules),
            report: reports,
        },
    );
    let unfit = |rule: &LabelRule| {
        let (_, value) = overwritten.iter().find(|(label, value)| *label == rule.name && !value.is_empty())?;
        let message = format!("the value of the label {} of the path may not be pushed", rule.name);
        (!rule.value.matches(value)).then(|| Fault { at: None, message, text: String::new() })
    };
    // The path's labels replace those of the body, so they are held to the same rules.
    match (checked, rules.labels.iter().find_map(unfit)) {
        (Ok(mut summary), Some(fault)) if reports => {
            summary.would_deny.push(fault);
            Ok(summary)
        }
        (Ok(_), Some(fault)) => Err(vec![fault]),
        (checked, _) => checked,
    }
}

fn listed(faults: &[Fault]) -> Denial {
    invalid(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn invalid(faults: String) -> Denial {
    Denial::new(Reason::PayloadInvalid).detail(faults.clone()).hint(faults)
}
