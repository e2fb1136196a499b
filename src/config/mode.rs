//! `mode` and `report_until`, on the policy and on its rules.

use super::reader::{Map, Node, Reader};
use crate::policy::Mode;
use std::time::SystemTime;

/// How a rule is meant.
pub(super) fn mode(reader: &mut Reader, map: &mut Map<'_>) -> Mode {
    let (mode, until) = (map.take("mode"), map.take("report_until"));
    let mode = mode.and_then(|node| {
        let text = reader.text(&node)?;
        let known = [("enforce", false), ("report", true)];
        reader.one_of(&node.path, "mode", &text, &known).map(|reports| (reports, node.path))
    });
    match (mode, until) {
        (Some((true, _)), Some(until)) => Mode::Report { until: time(reader, &until) },
        (Some((true, path)), None) => {
            reader.warn(&path, "without an end; report_until: 2030-01-31 would name the day it enforces again");
            Mode::Report { until: None }
        }
        (_, Some(until)) => {
            reader.problem(&until.path, "report_until is for mode: report; write that too, or remove it");
            Mode::Enforce
        }
        (_, None) => Mode::Enforce,
    }
}

/// A day (its first moment, UTC) or a moment.
fn time(reader: &mut Reader, node: &Node<'_>) -> Option<SystemTime> {
    let text = reader.text(node)?;
    let read = match text.len() {
        10 => humantime::parse_rfc3339(&format!("{text}T00:00:00Z")),
        _ => humantime::parse_rfc3339(&text),
    };
    if read.is_err() {
        reader.problem(
            &node.path,
            format!("{text:?} is not a day such as 2030-01-31, or a time such as 2030-01-31T12:00:00Z"),
        );
    }
    read.ok()
}
