//! The body against what its principal may push.

use super::{Admission, Denial, Inspected, Reason};
use crate::payload::{self, Coding, DecodeFault, Decoder, Format, Rules, Summary};
use crate::request::{Encoding, Head, Target};

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
                Denial::new(Reason::PayloadTooLarge).hint(fault.to_string())
            }
            DecodeFault::Malformed(what) => invalid((*what).to_owned()),
        }
    }

    /// Checks a whole body by the limits of the principal. Names that may not be pushed pass while the policy reports.
    ///
    /// # Errors
    /// The refusal, with the first few faults.
    pub fn inspect(&self, head: &Head, body: &[u8]) -> Result<Inspected, Denial> {
        match self.check(head, body, |name| self.limits.allows(name)) {
            Ok(summary) => Ok(Inspected { summary, would_deny: None }),
            Err(denial) if self.reports => {
                let summary = self.check(head, body, |_| true)?;
                Ok(Inspected { summary, would_deny: Some(denial) })
            }
            Err(denial) => Err(denial),
        }
    }

    fn check(&self, head: &Head, body: &[u8], allowed: impl Fn(&str) -> bool) -> Result<Summary, Denial> {
        let Some(format) = Format::of(head.content_type.as_deref()) else {
            let wanted = Format::Protobuf.content_type();
            return Err(invalid(format!("a protobuf body needs the Content-Type {wanted:?}")));
        };
        let labels = match &head.target {
            Ok(Target::Group(key)) => key.labels().keys().map(String::as_str).chain(["job"]).collect(),
            _ => vec!["job"],
        };
        let rules = Rules { shape: &self.limits.shape, overwritten: &labels, allowed: &allowed };
        payload::inspect(format, body, &rules).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            invalid(faults.join("; "))
        })
    }
}

fn invalid(faults: String) -> Denial {
    Denial::new(Reason::PayloadInvalid).detail(faults.clone()).hint(faults)
}
