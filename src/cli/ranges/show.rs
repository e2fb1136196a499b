//! `pushguard ranges show`

use super::kept::{Kept, Which, now, time};
use crate::cli::{Outcome, say};
use crate::ranges::held::{UnixTime, unix};
use crate::ranges::prefix::Prefix;
use std::time::Duration;

/// Print what is held of each list, and what was refused.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    which: Which,
}

impl Show {
    pub(super) fn run(&self) -> Outcome {
        let kept = match self.which.read() {
            Ok(kept) => kept,
            Err(outcome) => return outcome,
        };
        let now = unix(now());
        let said = kept.iter().all(|kept| say(describe(kept, now).join("\n")));
        if said { Outcome::Ok } else { Outcome::Undecided }
    }
}

fn describe(kept: &Kept, now: UnixTime) -> Vec<String> {
    let mut lines = vec![kept.name.clone(), format!("  from       {}", kept.origin)];
    match &kept.held {
        None => lines.push("  held       nothing".to_owned()),
        Some(held) => {
            let (addresses, networks) = held.set(now).coverage();
            lines.push(format!("  prefixes   {}", prefixes(held.listed.keys())));
            lines.push(format!("  addresses  {addresses} IPv4, {networks} IPv6 /64 networks"));
            lines.push(format!("  confirmed  {}, {} ago", time(held.verified), ago(held.age(now))));
            lines.push(format!("  changed    {}", time(held.changed)));
            let leaving: Vec<UnixTime> = held.leaving.values().map(|l| l.ends()).filter(|end| now < *end).collect();
            if let Some(last) = leaving.iter().max() {
                lines.push(format!("  leaving    {}, the last served until {}", leaving.len(), time(*last)));
            }
        }
    }
    if let Some(refused) = &kept.refused {
        lines.push(format!("  refused    a list of {} at {}", prefixes(refused.prefixes.iter()), time(refused.at)));
        lines.push(format!("             {}", refused.why));
        if refused.approvable {
            lines.push(format!("             pushguard ranges approve {} lets it in", kept.name));
        }
    }
    lines
}

pub(super) fn prefixes<'p>(prefixes: impl Iterator<Item = &'p Prefix>) -> String {
    let (v4, v6): (Vec<&Prefix>, Vec<&Prefix>) = prefixes.partition(|prefix| prefix.net().addr().is_ipv4());
    format!("{} ({} IPv4, {} IPv6)", v4.len() + v6.len(), v4.len(), v6.len())
}

/// An age in words, to the two largest units.
fn ago(age: Duration) -> String {
    let words = humantime::format_duration(age).to_string();
    words.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
