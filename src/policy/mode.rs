//! Whether a rule is enforced, or only tells what it would have refused.

use std::time::SystemTime;

/// How a rule, or the whole policy, is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What it does not grant is refused.
    #[default]
    Enforce,
    /// What it would refuse passes and is recorded, until that time where there is one.
    Report {
        /// From then on it enforces.
        until: Option<SystemTime>,
    },
}

impl Mode {
    /// Whether it only reports at that time; where the time is not known, a rule with an end enforces.
    pub fn reports(self, now: Option<SystemTime>) -> bool {
        match self {
            Self::Enforce => false,
            Self::Report { until: None } => true,
            Self::Report { until: Some(until) } => now.is_some_and(|now| now < until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_report_ends_at_its_time() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let until = Mode::Report { until: Some(at(100)) };
        for (mode, now, reports) in [
            (Mode::Enforce, Some(at(0)), false),
            (Mode::Report { until: None }, Some(at(u64::from(u32::MAX))), true),
            (Mode::Report { until: None }, None, true),
            (until, Some(at(99)), true),
            (until, Some(at(100)), false),
            (until, Some(at(101)), false),
            (until, None, false),
        ] {
            assert_eq!(mode.reports(now), reports, "{mode:?} at {now:?}");
        }
    }
}
