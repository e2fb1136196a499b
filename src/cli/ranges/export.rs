//! `pushguard ranges export`

use super::kept::{Kept, Which, now};
use crate::cli::{Outcome, complain, say};
use crate::ranges::held::unix;
use ipnet::IpNet;
use std::collections::BTreeMap;

/// Print the addresses for other programs.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// For whom
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "cidr")]
    format: Format,
    #[command(flatten)]
    which: Which,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One prefix a line
    Cidr,
    /// An object with an array of prefixes for each list
    Json,
    /// Lines for nginx: allow each, deny all others
    Nginx,
    /// A pattern file for HAProxy: acl NAME src -f FILE
    Haproxy,
}

impl Export {
    pub(super) fn run(&self) -> Outcome {
        let kept = match self.which.read() {
            Ok(kept) => kept,
            Err(outcome) => return outcome,
        };
        let now = unix(now());
        let nets = |kept: &Kept| -> Vec<IpNet> {
            let held = kept.held.iter().flat_map(|held| held.served(now));
            held.map(|(prefix, _)| prefix.net()).collect()
        };
        let (kept, empty): (Vec<Kept>, Vec<Kept>) = kept.into_iter().partition(|kept| !nets(kept).is_empty());
        for kept in empty {
            complain(format_args!("{}: nothing is held of it", kept.name));
        }
        let all: Vec<IpNet> = IpNet::aggregate(&kept.iter().flat_map(nets).collect());
        if all.is_empty() {
            complain("there is no address to export");
            return Outcome::Undecided;
        }
        let lines = |line: fn(&IpNet) -> String| all.iter().map(line).collect::<Vec<_>>().join("\n");
        let text = match self.format {
            Format::Cidr | Format::Haproxy => lines(IpNet::to_string),
            Format::Nginx => format!("{}\ndeny all;", lines(|net| format!("allow {net};"))),
            Format::Json => {
                let sets: BTreeMap<&str, Vec<IpNet>> =
                    kept.iter().map(|kept| (kept.name.as_str(), IpNet::aggregate(&nets(kept)))).collect();
                let texts = |nets: &Vec<IpNet>| nets.iter().map(IpNet::to_string).collect::<Vec<_>>();
                let sets: BTreeMap<&str, Vec<String>> = sets.iter().map(|(name, nets)| (*name, texts(nets))).collect();
                serde_json::to_string_pretty(&sets).unwrap_or_default()
            }
        };
        if say(text) { Outcome::Ok } else { Outcome::Undecided }
    }
}
