//! The answer for a person.

use super::{Asked, admitted, permit};
use crate::decision::{Check, Outcome, Stage};
use crate::dry_run::{End, Told};
use crate::policy::World;

/// What each outcome looks like; in colour where a terminal shows it.
struct Paint {
    on: bool,
}

impl Paint {
    fn in_colour(&self, colour: u8, text: &str) -> String {
        if self.on { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn good(&self, text: &str) -> String {
        self.in_colour(32, text)
    }

    fn bad(&self, text: &str) -> String {
        self.in_colour(31, text)
    }

    fn open(&self, text: &str) -> String {
        self.in_colour(33, text)
    }
}

/// The whole text.
pub fn text(world: &World, asked: &Asked, told: &Told, colour: bool) -> String {
    let paint = Paint { on: colour };
    let mut out = format!("{}\n{}\n", asked.request, asked.context);
    for warning in &asked.warnings {
        out.push_str(&format!("{} {warning}\n", paint.open("!")));
    }
    if !told.checks.is_empty() {
        out.push('\n');
    }
    for check in &told.checks {
        out.push_str(&line(check, &paint));
    }
    let later = Stage::ALL.iter().filter(|stage| told.checks.iter().all(|check| check.stage < **stage));
    let later: Vec<&str> = later.map(|stage| stage.name()).collect();
    if permit(told).is_none() && !told.checks.is_empty() && !later.is_empty() {
        out.push_str(&format!("  - not reached: {}\n", later.join(", ")));
    }
    out.push('\n');
    out.push_str(&verdict(asked, told, &paint));
    for who in admitted(world, told) {
        out.push_str(&format!("  {who}\n"));
    }
    out.push_str(&consequence(told));
    out
}

fn line(check: &Check, paint: &Paint) -> String {
    let mark = match check.outcome {
        Outcome::Passed => paint.good("✓"),
        Outcome::Refused(_) => paint.bad("✗"),
        Outcome::WouldRefuse(_) => paint.open("~"),
        Outcome::Asks => paint.open("?"),
    };
    let rule = check.rule.as_deref().filter(|rule| !check.note.contains(*rule));
    let rule = rule.map(|rule| format!(" [{rule}]")).unwrap_or_default();
    let reported = match check.outcome {
        Outcome::WouldRefuse(reason) => format!("{} (report mode: passes): ", reason.code()),
        _ => String::new(),
    };
    format!("  {mark} {:<11} {reported}{}{rule}\n", check.stage.name(), check.note)
}

fn verdict(asked: &Asked, told: &Told, paint: &Paint) -> String {
    let mut out = match (&told.end, told.denial()) {
        (End::Undecided(why), _) => {
            let remedy = if asked.remedy.is_empty() { String::new() } else { format!("; {}", asked.remedy) };
            format!("{}: {why}{remedy}\n", paint.open("undecided"))
        }
        (_, Some(denial)) => format!("{}: {}\n", paint.bad("denied"), denial.reason.code()),
        (_, None) => format!("{}\n", paint.good("allowed")),
    };
    if let End::Decided(decision) = &told.end
        && let Some(would) = &decision.would_deny
    {
        let rule = would.rule.as_deref().map(|rule| format!(" by {rule}")).unwrap_or_default();
        out.push_str(&format!("  enforced, it would be denied: {}{rule}\n", would.denial.reason.code()));
    }
    let rests = matches!(&told.end, End::Decided(_)) && !told.assumed.is_empty();
    for assumed in told.assumed.iter().filter(|_| rests) {
        out.push_str(&format!("  provided that {assumed}\n"));
    }
    out
}

/// What the client or the gateway would get.
fn consequence(told: &Told) -> String {
    if let Some(denial) = told.denial() {
        let retry = denial
            .retry
            .as_ref()
            .map(|retry| format!("    Retry-After: {}\n", crate::decision::whole_seconds(retry.wait)));
        return format!(
            "\nThe client gets:\n    HTTP {}\n    Pushguard-Reason: {}\n{}\n    {}",
            denial.reason.status(),
            denial.reason.code(),
            retry.unwrap_or_default(),
            denial.answer(),
        );
    }
    match permit(told) {
        Some(permit) => {
            let (method, path) = permit.upstream();
            format!("\nThe gateway gets:\n    {method} {path}\n")
        }
        None => String::new(),
    }
}
