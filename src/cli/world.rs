//! What dry runs judge by: a policy file, the address sets that are at hand, the time.

use super::random;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Secrets, load};
use crate::policy::{NamedSets, Policy, World};
use crate::prefix_set::PrefixSet;
use crate::ranges::held::unix;
use crate::ranges::store::Store;
use ipnet::IpNet;
use ring::rand::SystemRandom;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Where fetched address sets come from in a dry run.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SetFlags {
    /// The state folder of a guard that runs, for the address sets that it fetched
    #[arg(long = "state.dir", env = "PUSHGUARD_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// An address set by hand, such as actions=192.0.2.0/24,198.51.100.7; repeat it for several
    #[arg(long = "set", value_name = "NAME=CIDR,…", value_parser = named_set)]
    sets: Vec<(String, Vec<IpNet>)>,
}

fn named_set(text: &str) -> Result<(String, Vec<IpNet>), String> {
    let (name, list) = text.split_once('=').ok_or("expected NAME=CIDR,CIDR")?;
    Ok((name.to_owned(), list.split(',').map(prefix).collect::<Result<_, _>>()?))
}

/// An address or a prefix.
pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address).ok_or_else(|| format!("{text:?} is not an address or prefix"))
}

/// The policy alone; its secrets need not be there.
pub(super) fn policy(file: &Path) -> Result<Policy, String> {
    let system = SystemRandom::new();
    load(file, Secrets::Optional, &mut random::decoys(&system)).map(|loaded| loaded.policy).map_err(|p| p.to_string())
}

/// The listener that is meant: the given one, the policy's only one, or `default` where it names none.
///
/// # Errors
/// Which there are.
pub(super) fn listener(policy: &Policy, given: Option<&str>) -> Result<String, String> {
    let names: Vec<&str> = policy.named_listeners.keys().map(String::as_str).collect();
    match (given, names.as_slice()) {
        (Some(name), names) if names.is_empty() || names.contains(&name) => Ok(name.to_owned()),
        (Some(name), names) => Err(format!("--listener {name}: the policy names {}", names.join(" and "))),
        (None, []) => Ok("default".to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(format!("over which listener? --listener {}", names.join(" or --listener "))),
    }
}

impl SetFlags {
    /// The world of a policy at that time.
    pub(super) fn world(&self, file: &Path, now: SystemTime) -> Result<World, String> {
        let policy = policy(file)?;
        let sets = self.at(&policy, now)?;
        Ok(World { policy: Arc::new(policy), sets: Arc::new(sets), ..World::default() })
    }

    /// The sets that are at hand now.
    pub(super) fn known(&self, policy: &Policy) -> Result<NamedSets, String> {
        self.at(policy, SystemClock::new().wall())
    }

    fn at(&self, policy: &Policy, now: SystemTime) -> Result<NamedSets, String> {
        let store = Store::new(self.state_dir.as_deref());
        let mut sets = NamedSets::default();
        for name in policy.set_names() {
            if let Some(good) = store.good(name).map_err(|e| e.to_string())? {
                sets.insert(name.to_owned(), Arc::new(good.held.set(unix(now))));
            }
        }
        sets.extend(self.sets.iter().map(|(key, nets)| set(key.clone(), nets.clone())));
        Ok(sets)
    }
}

fn set(key: String, nets: Vec<IpNet>) -> (String, Arc<PrefixSet>) {
    (key, Arc::new(PrefixSet::from_prefixes(nets)))
}

/// RFC 3339.
pub(super) fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339_weak(text).map_err(|_| format!("{text:?} is not a time such as 2030-01-31T12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_one_of_the_policys() {
        let of = |listeners: &str| {
            let text = format!("version: 1\nlisteners: {listeners}\nprincipals: {{}}\n");
            crate::config::read(&text, Path::new(""), Secrets::Optional, &mut || [7; 48]).unwrap().0
        };
        let (none, one, two) = (of("{}"), of("{ a: {} }"), of("{ a: {}, b: {} }"));
        assert_eq!([listener(&none, None), listener(&none, Some("x"))], [Ok("default".into()), Ok("x".into())]);
        assert_eq!([listener(&one, None), listener(&two, Some("b"))], [Ok("a".into()), Ok("b".into())]);
        assert_eq!(listener(&two, Some("c")).unwrap_err(), "--listener c: the policy names a and b");
        assert_eq!(listener(&two, None).unwrap_err(), "over which listener? --listener a or --listener b");
    }
}
