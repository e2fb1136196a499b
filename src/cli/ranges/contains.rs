//! `pushguard ranges contains`

use super::kept::{Kept, Which, now, time};
use crate::cli::{Outcome, say};
use crate::ranges::held::{UnixTime, unix};
use std::net::IpAddr;

/// Say which lists hold which addresses.
#[derive(Debug, clap::Args)]
pub(super) struct Contains {
    /// The addresses
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<IpAddr>,
    #[command(flatten)]
    which: Which,
}

impl Contains {
    pub(super) fn run(&self) -> Outcome {
        let kept = match self.which.read() {
            Ok(kept) => kept,
            Err(outcome) => return outcome,
        };
        let now = unix(now());
        let (mut outcome, mut said) = (Outcome::Ok, true);
        for address in &self.addresses {
            let found: Vec<String> = kept.iter().filter_map(|kept| find(kept, *address, now)).collect();
            said &= found.iter().all(|place| say(format_args!("{address}  {place}")));
            if found.is_empty() {
                said &= say(format_args!("{address}  in no list"));
                outcome = Outcome::Invalid;
            }
        }
        if said { outcome } else { Outcome::Undecided }
    }
}

/// The longest prefix of a list that holds the address, and since when it does.
fn find(kept: &Kept, address: IpAddr, now: UnixTime) -> Option<String> {
    let held = kept.held.as_ref()?;
    let address = address.to_canonical();
    let holding = held.served(now).filter(|(prefix, _)| prefix.net().contains(&address));
    let (prefix, since) = holding.max_by_key(|(prefix, _)| prefix.net().prefix_len())?;
    let leaves =
        held.leaving.get(&prefix).map(|leaving| format!(", left the list, served until {}", time(leaving.ends())));
    Some(format!("{}  {prefix}  since {}{}", kept.name, time(since), leaves.unwrap_or_default()))
}
