//! Ends of report mode that have passed: a mistyped year would enforce what was only to be tried.

use super::Advice;
use crate::policy::{Mode, Policy};
use std::time::SystemTime;

pub(super) fn advise(advice: &mut Advice<'_>, policy: &Policy, now: SystemTime) {
    for (name, mode) in policy.reporting() {
        if mode.reports(Some(now)) || !matches!(mode, Mode::Report { until: Some(_) }) {
            continue;
        }
        let of_principal = format!("principals.{name}");
        let path = match name.as_str() {
            "policy" => "report_until".to_owned(),
            _ if advice.lines.has(&of_principal) => format!("{of_principal}.report_until"),
            _ => format!("{name}.report_until"),
        };
        advice.say(&path, "it has passed, so this is enforced; name a later end, or remove mode and report_until");
    }
}
